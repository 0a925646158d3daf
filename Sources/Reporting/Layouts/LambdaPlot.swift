import Foundation
import Inference

/// A picture of `LambdaStudy`: against λ, fibres found again, agreement of their number, and how well unseen volumes
/// are foretold, with one standard error of the difference from the best.
public enum LambdaPlot {
    private static let style = """
        text{font:11px sans-serif;fill:#333}.title{font-size:11.5px}.grid{stroke:#ddd}.axis{stroke:#888}\
        polyline{fill:none;stroke-width:1.8}.a{stroke:#1668b4}.b{stroke:#d1740f}.c{stroke:#2b8a4b}.band{fill:#1668b4;\
        fill-opacity:.14}.mark{stroke:#b3261e;stroke-dasharray:4 3}.da{fill:#1668b4}.db{fill:#d1740f}.dc{fill:#2b8a4b}
        """

    /// - Parameter title: what was compared.
    public static func svg(_ study: LambdaStudy, title: String) -> String {
        let panels = [netPanel(study), sharePanel(study)] + (study.likeliest == nil ? [] : [densityPanel(study)])
        let width = 316, height = 230
        let body = panels.enumerated().map { k, panel in
            "<svg x=\"\(k * width + 8)\" y=\"22\" width=\"300\" height=\"\(height)\""
                + panel.dropFirst("<svg".count)
        }.joined()
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width * panels.count + 4) \(height + 26)">\
            <!-- prism-dmri lambda --><style>\(style)</style>\
            <rect width="100%" height="100%" fill="#fff"/>\
            <text x="10" y="15">\(ValidationPage.escape(title)); dashed: λ = \
            \(String(format: "%g", study.lambda)), recommended</text>\(body)</svg>\n
            """
    }

    private static func canvas(_ study: LambdaStudy, _ y: ClosedRange<Double>) -> ValidationPlots.Canvas {
        let least = study.rows.first!.lambda, most = study.rows.last!.lambda
        return ValidationPlots.Canvas(width: 300, height: 230, x: least...max(most, least + 1), y: y)
    }

    private static func finish(
        _ canvas: ValidationPlots.Canvas, _ study: LambdaStudy, ticks: [Double], format: String, title: String
    ) -> String {
        var c = canvas
        c.axes(
            xTicks: [0, 1, 2, 3].filter { $0 >= study.rows.first!.lambda }.map { ($0, String(format: "%g", $0)) },
            yTicks: ticks.map { ($0, String(format: format, $0)) }, xTitle: "λ", yTitle: title)
        c.line("mark", study.lambda, c.y.lowerBound, study.lambda, c.y.upperBound)
        return c.svg(title)
    }

    /// About four round numbers of a range, and the range that they span.
    private static func ticks(_ low: Double, _ high: Double) -> [Double] {
        let span = max(high - low, 1e-9), raw = span / 4, power = pow(10, log10(raw).rounded(.down))
        let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= raw } ?? raw
        return stride(from: (low / step).rounded(.down) * step, through: high + 0.999 * step, by: step).map { $0 }
    }

    private static func netPanel(_ study: LambdaStudy) -> String {
        let rows = study.rows, best = rows[study.mostNet].net
        let errors = rows.map { $0.netLoss.error.isFinite ? $0.netLoss.error : 0 }
        let marks = ticks(
            zip(rows, errors).map { $0.net - $1 }.min()!, zip(rows, errors).map { max(best, $0.net + $1) }.max()!)
        var c = canvas(study, marks.first!...marks.last!)
        for (k, row) in rows.enumerated() where errors[k] > 0 {
            c.rect("band", row.lambda - 0.05, row.lambda + 0.05, row.net - errors[k], row.net + errors[k])
        }
        c.path("a", rows.map { ($0.lambda, $0.net) })
        for row in rows { c.dot("da", row.lambda, row.net, radius: 2.2) }
        return finish(c, study, ticks: marks, format: "%.2g", title: "net fibres found again a voxel")
    }

    private static func sharePanel(_ study: LambdaStudy) -> String {
        var c = canvas(study, 0...1)
        let lines: [(String, String, (LambdaStudy.Row) -> Double?)] = [
            ("a", "first fibre", { $0.called[0] > 0 ? $0.again[0] : nil }),
            ("b", "second", { $0.called[1] >= 0.005 ? $0.again[1] : nil }), ("c", "κ of their number", { $0.kappa }),
        ]
        for (k, (style, name, value)) in lines.enumerated() {
            let points = study.rows.compactMap { row in value(row).map { (x: row.lambda, y: max(0, $0)) } }
            c.path(style, points)
            for point in points { c.dot("d" + style, point.x, point.y, radius: 2.2) }
            let y = c.py(0.03) - 13 * Double(2 - k)
            c.body += "<circle class=\"d\(style)\" cx=\"\(c.px(1.75))\" cy=\"\(y - 3.5)\" r=\"3\"/>"
            c.text(name, c.px(1.85), y, anchor: "start")
        }
        return finish(
            c, study, ticks: [0, 0.25, 0.5, 0.75, 1], format: "%.2f", title: "share found again; agreement")
    }

    private static func densityPanel(_ study: LambdaStudy) -> String {
        let losses = study.rows.map { -1000 * ($0.densityLoss?.value ?? 0) }
        let errors = study.rows.map { row in
            let error = row.densityLoss?.error ?? 0
            return error.isFinite ? 1000 * error : 0
        }
        let marks = ticks(min(-1, zip(losses, errors).map { $0 - $1 }.min()!), 0)
        var c = canvas(study, marks.first!...max(marks.last!, marks.first! + 1))
        for (k, row) in study.rows.enumerated() where errors[k] > 0 {
            c.rect("band", row.lambda - 0.05, row.lambda + 0.05, losses[k] - errors[k], losses[k] + errors[k])
        }
        c.path("a", zip(study.rows, losses).map { ($0.lambda, $1) })
        for (row, loss) in zip(study.rows, losses) { c.dot("da", row.lambda, loss, radius: 2.2) }
        return finish(
            c, study, ticks: marks, format: "%g", title: "unseen volumes, 10⁻³ nats")
    }
}
