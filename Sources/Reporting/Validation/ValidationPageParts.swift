import Foundation

/// The bricks of a validation page.
extension ValidationPage {
    static func document(_ title: String, _ body: String) -> String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark"><title>\(escape(title)) · \
        prism-dmri</title><style>\(style)</style></head>
        <body><main>\(body)</main></body></html>

        """
    }

    /// - Parameter lead: HTML.
    static func header(_ title: String, _ lead: String, _ tiles: [String]) -> String {
        "<header><h1>\(escape(title))</h1><p>\(lead)</p></header><div class=\"tiles\">\(tiles.joined())</div>"
    }

    static func tile(_ value: String, _ label: String, isBad: Bool = false) -> String {
        "<div class=\"card tile\(isBad ? " bad" : "")\"><b>\(escape(value))</b><span>\(escape(label))</span></div>"
    }

    static func section(_ title: String, _ lead: String) -> String { "<h2>\(escape(title))</h2><p>\(escape(lead))</p>" }

    /// - Parameter content: HTML.
    static func card(_ title: String, _ content: String) -> String {
        "<div class=\"card\">\(title.isEmpty ? "" : "<h3>\(escape(title))</h3>")\(content)</div>"
    }

    static func pair(_ cards: [String]) -> String { "<div class=\"pair\">\(cards.joined())</div>" }

    static func table(_ head: [String], _ rows: [[String]]) -> String {
        let titles = head.allSatisfy(\.isEmpty) ? "" : "<tr>" + head.map { "<th>\(escape($0))</th>" }.joined() + "</tr>"
        return "<div class=\"scroll\"><table>\(titles)"
            + rows.map { "<tr>" + $0.map { "<td>\(escape($0))</td>" }.joined() + "</tr>" }.joined()
            + "</table></div>"
    }

    static func footer(
        _ engine: String, _ network: String, _ sha256: String, _ notes: [String: String], _ seed: UInt64,
        _ commandLine: [String]
    ) -> String {
        var facts = ["engine \(engine)"]
        if !network.isEmpty { facts.append("network \(network)") }
        if !sha256.isEmpty { facts.append("SHA-256 \(sha256)") }
        facts += notes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" } + ["seed \(seed)"]
        let command = escape(commandLine.joined(separator: " "))
        return "<footer><p>\(escape(facts.joined(separator: " · ")))</p><p><code>\(command)</code></p></footer>"
    }

    static func percent(_ share: Double, _ digits: Int = 1) -> String { String(format: "%.\(digits)f %%", 100 * share) }

    static func p(_ value: Double) -> String {
        value < 0.001 ? String(format: "%.0e", value) : String(format: "%.3f", value)
    }

    static func escape(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;")
            .replacingOccurrences(of: "\"", with: "&quot;")
    }
}
