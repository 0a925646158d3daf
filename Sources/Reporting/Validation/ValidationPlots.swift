import Foundation
import Studies

/// Plots of validation pages, as inline SVG whose colours come from the page's style.
enum ValidationPlots {
    /// A picture in the making: a plotting area with margins, x and y mapped linearly.
    struct Canvas {
        let width: Double, height: Double, left: Double, right = 10.0, top = 8.0, bottom: Double
        let x: ClosedRange<Double>, y: ClosedRange<Double>
        var body = ""

        init(
            width: Double, height: Double, left: Double = 48, bottom: Double = 34, x: ClosedRange<Double>,
            y: ClosedRange<Double>
        ) {
            (self.width, self.height, self.left, self.bottom, self.x, self.y) = (width, height, left, bottom, x, y)
        }

        func px(_ value: Double) -> Double {
            left + (value - x.lowerBound) / (x.upperBound - x.lowerBound) * (width - left - right)
        }
        func py(_ value: Double) -> Double {
            height - bottom - (value - y.lowerBound) / (y.upperBound - y.lowerBound) * (height - top - bottom)
        }

        mutating func rect(_ style: String, _ x0: Double, _ x1: Double, _ y0: Double, _ y1: Double) {
            let top = py(max(y0, y1)), height = abs(py(y0) - py(y1))
            body +=
                """
                <rect class="\(style)" x="\(f(px(x0)))" y="\(f(top))" width="\(f(max(0.5, px(x1) - px(x0))))" \
                height="\(f(height))"/>
                """
        }

        mutating func line(_ style: String, _ x0: Double, _ y0: Double, _ x1: Double, _ y1: Double) {
            body +=
                """
                <line class="\(style)" x1="\(f(px(x0)))" y1="\(f(py(y0)))" x2="\(f(px(x1)))" \
                y2="\(f(py(y1)))"/>
                """
        }

        mutating func path(_ style: String, _ points: [(x: Double, y: Double)]) {
            body +=
                """
                <polyline class="\(style)" \
                points="\(points.map { f(px($0.x)) + "," + f(py($0.y)) }.joined(separator: " "))"/>
                """
        }

        mutating func dot(_ style: String, _ x: Double, _ y: Double, radius: Double, title: String = "") {
            let inner = title.isEmpty ? "/>" : "><title>\(ValidationPage.escape(title))</title></circle>"
            body += "<circle class=\"\(style)\" cx=\"\(f(px(x)))\" cy=\"\(f(py(y)))\" r=\"\(f(radius))\"\(inner)"
        }

        mutating func text(_ text: String, _ x: Double, _ y: Double, style: String = "", anchor: String = "middle") {
            body +=
                """
                <text class="\(style)" x="\(f(x))" y="\(f(y))" \
                text-anchor="\(anchor)">\(ValidationPage.escape(text))</text>
                """
        }

        /// Ticks, grid lines and titles.
        mutating func axes(
            xTicks: [(Double, String)], yTicks: [(Double, String)], xTitle: String = "", yTitle: String = ""
        ) {
            for (value, label) in yTicks {
                line("grid", x.lowerBound, value, x.upperBound, value)
                text(label, left - 5, py(value) + 3.5, anchor: "end")
            }
            line("axis", x.lowerBound, y.lowerBound, x.upperBound, y.lowerBound)
            for (value, label) in xTicks { text(label, px(value), height - bottom + 14) }
            if !xTitle.isEmpty { text(xTitle, (px(x.lowerBound) + px(x.upperBound)) / 2, height - 4, style: "title") }
            if !yTitle.isEmpty {
                let middle = (py(y.lowerBound) + py(y.upperBound)) / 2
                body +=
                    """
                    <text class="title" text-anchor="middle" transform="translate(10 \(f(middle))) \
                    rotate(-90)">\(ValidationPage.escape(yTitle))</text>
                    """
            }
        }

        func svg(_ description: String) -> String {
            """
            <svg viewBox="0 0 \(f(width)) \(f(height))" role="img" \
            aria-label="\(ValidationPage.escape(description))">\(body)</svg>
            """
        }

        private func f(_ x: Double) -> String { x.isFinite ? String(format: "%.1f", x) : "0" }
    }

    private static let unitTicks: [(Double, String)] = [
        (0, "0"), (0.25, "0.25"), (0.5, "0.5"), (0.75, "0.75"), (1, "1"),
    ]

    /// Rank histogram with the band in which a bin of uniform ranks lies with 99 %.
    static func ranks(_ test: RankTest) -> String {
        let bins = test.binned, share = 1 / Double(bins.count), n = Double(max(test.voxels, 1))
        let half = 2.576 * (share * (1 - share) / n).squareRoot() / share
        // Relative to uniform; the axis reaches what is there.
        let heights = bins.map { Double($0) / (n * share) }
        let most = max(1.3, 1 + 1.3 * half, (heights.max() ?? 1) * 1.05)
        var c = Canvas(width: 170, height: 96, left: 4, bottom: 6, x: 0...Double(bins.count), y: 0...most)
        c.rect("band", 0, Double(bins.count), max(0, 1 - half), min(most, 1 + half))
        for (i, h) in heights.enumerated() { c.rect("bar", Double(i) + 0.06, Double(i) + 0.94, 0, h) }
        for edge in [1 - half, 1 + half] where edge > 0 { c.line("edge", 0, edge, Double(bins.count), edge) }
        c.line("target", 0, 1, Double(bins.count), 1)
        return c.svg("Rank histogram of \(test.label)")
    }

    /// Observed against predicted probability, with two binomial standard errors.
    static func reliability(_ bins: [ReliabilityBin]) -> String {
        // Probabilities over many alternatives may all be small.
        let reach: Double = bins.map { max($0.predicted, $0.observed + 2 * $0.standardError) }.max() ?? 1
        let top: Double = reach < 0.25 ? 0.25 : reach < 0.5 ? 0.5 : 1
        let ticks: [(Double, String)] = [0, 0.25, 0.5, 0.75, 1].map { (share: Double) in
            (share * top, String(format: "%.4g", share * top))
        }
        var c = Canvas(width: 300, height: 270, x: 0...top, y: 0...top)
        c.axes(xTicks: ticks, yTicks: ticks, xTitle: "probability given", yTitle: "share that came true")
        c.line("target", 0, 0, top, top)
        for bin in bins {
            c.line(
                "error", bin.predicted, max(0, bin.observed - 2 * bin.standardError), bin.predicted,
                min(top, bin.observed + 2 * bin.standardError))
        }
        c.path("curve", bins.map { ($0.predicted, $0.observed) })
        for bin in bins {
            c.dot(
                "point", bin.predicted, bin.observed, radius: 3.2,
                title: String(format: "given %.3f, came true %.3f, %d cases", bin.predicted, bin.observed, bin.count))
        }
        return c.svg("Reliability curve")
    }

    /// Observed minus nominal coverage of each quantity at each level, percentage points, with two standard errors.
    static func coverage(_ tests: [RankTest]) -> String {
        let reach =
            tests.flatMap(\.coverage).map { 100 * (abs($0.observed - $0.level) + 2 * $0.standardError) }.max() ?? 1
        let step = [1.0, 2, 5, 10, 20, 50].first { reach <= 2 * $0 } ?? 50, top = 2 * step
        let rowHeight = 34.0, rows = Double(tests.count)
        var c = Canvas(width: 340, height: rows * rowHeight + 46, left: 132, x: -top...top, y: 0...rows)
        for value in [-top, -step, 0, step, top] as [Double] {
            c.line(value == 0 ? "target" : "grid", value, 0, value, rows)
            c.text(value == 0 ? "0" : String(format: "%+g", value), c.px(value), c.height - c.bottom + 14)
        }
        c.text("observed − nominal coverage, points", (c.px(-top) + c.px(top)) / 2, c.height - 4, style: "title")
        for (row, test) in tests.enumerated() {
            let base = rows - Double(row)
            c.text(test.label, 126, c.py(base - 0.5) + 3.5, style: "label", anchor: "end")
            for (k, level) in test.coverage.enumerated() {
                let y = base - 0.2 * Double(k + 1), off = 100 * (level.observed - level.level),
                    error = 200 * level.standardError
                c.line("error", max(-top, off - error), y, min(top, off + error), y)
                c.dot(
                    "level\(k)", max(-top, min(top, off)), y, radius: 2.8,
                    title: String(
                        format: "%@: %.1f %% inside the %.0f %% interval", test.label as NSString, 100 * level.observed,
                        100 * level.level))
            }
        }
        return c.svg("Coverage of credible intervals")
    }

    /// Histogram of total variations.
    static func histogram(_ values: [Double], title: String, mean: Double) -> String {
        let largest = max(values.max() ?? 0, 0.02),
            width = [0.002, 0.005, 0.01, 0.02, 0.05].first { largest / $0 <= 30 } ?? 0.05
        let bins = max(4, Int((largest / width).rounded(.up)))
        var counts = [Int](repeating: 0, count: bins)
        for value in values { counts[min(bins - 1, max(0, Int(value / width)))] += 1 }
        let end = Double(bins) * width, most = Double(counts.max() ?? 1)
        var c = Canvas(width: 300, height: 270, x: 0...end, y: 0...max(1, most * 1.12))
        let ticks = (0...4).map { (Double($0) * end / 4, String(format: "%.3g", Double($0) * end / 4)) }
        c.axes(xTicks: ticks, yTicks: [(0, "0"), (most, "\(Int(most))")], xTitle: title, yTitle: "voxels")
        for (i, n) in counts.enumerated() where n > 0 {
            c.rect("bar", (Double(i) + 0.06) * width, (Double(i) + 0.94) * width, 0, Double(n))
        }
        c.line("target", mean, 0, mean, most * 1.12)
        c.text(String(format: "mean %.3f", mean), min(c.px(mean) + 4, c.width - 62), c.top + 10, anchor: "start")
        return c.svg(title)
    }

    /// Probabilities of one engine against another's, each structure of each voxel a point (those negligible in both
    /// left out).
    static func scatter(_ agreement: EngineAgreement) -> String {
        var c = Canvas(width: 300, height: 270, x: 0...1, y: 0...1)
        c.axes(xTicks: unitTicks, yTicks: unitTicks, xTitle: agreement.reference, yTitle: agreement.engine)
        c.line("target", 0, 0, 1, 1)
        let points = agreement.perVoxel.flatMap { v in
            zip(v.referenceProbabilities, v.probabilities).filter { max($0, $1) > 0.01 }
        }
        // Enough to see; more would only weigh down the page.
        let stride = max(1, (points.count + 3999) / 4000)
        for i in Swift.stride(from: 0, to: points.count, by: stride) {
            c.dot("cloud", points[i].0, points[i].1, radius: 1.8)
        }
        return c.svg("Structure probabilities of \(agreement.engine) against \(agreement.reference)")
    }
}
