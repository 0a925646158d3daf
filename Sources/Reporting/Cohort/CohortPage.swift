import Foundation

/// A participant's page, and that of all: the same table, with outliers marked, and what each fit warned of.
public enum CohortPage {
    /// - Parameters:
    ///   - all: every scan of the study that is known, which outliers are outliers among.
    ///   - shown: the participant whose scans the page shows; nil for all.
    public static func html(_ all: CohortTable, title: String, shown participant: String? = nil, version: String)
        -> String
    {
        let scores = all.scores, outliers = all.outliers
        let rows = all.rows.indices.filter { participant == nil || all.rows[$0].participant == participant }
        let head = CohortTable.columns.map { "<th title=\"\(escape($0.text))\">\(escape($0.name))</th>" }.joined()
        let body = rows.map { r in
            let row = all.rows[r], name = escape(row.name)
            let link = row.report.map { "<a href=\"\(escape($0))\">\(name)</a>" } ?? name
            let cells = row.values.indices.map { c in
                let text = escape(CohortTable.text(row.values[c]))
                guard outliers[r].contains(c), let score = scores[r][c] else { return "<td>\(text)</td>" }
                return "<td class=\"bad\" title=\"\(String(format: "%+.1f", score)) robust sd\">\(text) !</td>"
            }
            return "<tr><th>\(link)</th>\(cells.joined())<td>\(row.warnings.count)</td></tr>"
        }
        let marked = rows.count { !outliers[$0].isEmpty }
        let count = all.rows.count
        let explanation =
            count < CohortTable.leastScans
            ? "Of fewer than \(CohortTable.leastScans) scans (here \(count)) none can be called an outlier."
            : """
            \(marked) of \(rows.count) scans have a value (marked !) more than \(CohortTable.limit) robust standard \
            deviations from the median of the \(count) scans; robust: 1.4826 times the median absolute deviation.
            """
        let details = rows.map { r in
            let row = all.rows[r]
            let picture = row.picture.map { "<img src=\"\(escape($0))\" alt=\"Main fibre orientations\">" } ?? ""
            let warnings =
                row.warnings.isEmpty
                ? "<p>No warnings.</p>"
                : "<ul>" + row.warnings.map { "<li>\(escape($0))</li>" }.joined() + "</ul>"
            return "<section><h2>\(escape(row.name))</h2>\(picture)\(warnings)</section>"
        }
        let meanings = CohortTable.columns.map { "<dt>\($0.name)</dt><dd>\(escape($0.text))</dd>" }.joined()
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>\(escape(title))</title>
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <style>\(style)</style></head><body><main>
            <h1>\(escape(title))</h1>
            <p>\(escape(explanation))</p>
            <div class="scroll"><table><thead><tr><th>scan</th>\(head)<th>warnings</th></tr></thead>
            <tbody>
            \(body.joined(separator: "\n"))
            </tbody></table></div>
            <dl>\(meanings)</dl>
            \(details.joined(separator: "\n"))
            <footer>prism-dmri \(escape(version))</footer>
            </main></body></html>

            """
    }

    private static func escape(_ text: String) -> String { ScalarHTML().escapeText(text) }

    private static let style = """
        :root { color-scheme: light dark; --paper: #f6f6f3; --ink: #1c2026; --soft: #565d68; --line: #dfdfd9; \
        --bad: #b3401a; }
        @media (prefers-color-scheme: dark) { :root { --paper: #14161a; --ink: #e9eaec; --soft: #a7adb8; \
        --line: #31353d; --bad: #ff9068; } }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
        main { max-width: 1060px; margin: 0 auto; padding: 2rem 1rem; }
        .scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
        th, td { text-align: right; padding: .25rem .7rem; border-bottom: 1px solid var(--line); }
        th:first-child { text-align: left; } .bad { color: var(--bad); font-weight: 600; }
        img { max-width: 100%; } dl, footer { color: var(--soft); font-size: .85rem; } dt { font-weight: 600; }
        """
}
