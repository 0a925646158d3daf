import Foundation
import Inference

/// How often the values of a quantity occur among the fitted voxels.
struct ReportHistogram {
    var title: String, unit: String
    var low: Double, high: Double
    /// Voxels a bin, and beyond the last.
    var counts: [Int], beyond = 0
    var median: Double

    /// - Parameter limits: nil for 0 to the 99 % quantile.
    init(_ title: String, unit: String, _ values: [Double], limits: ClosedRange<Double>? = nil, bins: Int = 48) {
        self.title = title
        self.unit = unit
        low = limits?.lowerBound ?? 0
        let sorted = Self.sorted(values)
        high = limits?.upperBound ?? Self.roundUp(Self.quantile(sorted: sorted, 0.99))
        median = Self.quantile(sorted: sorted, 0.5)
        counts = Array(repeating: 0, count: bins)
        for value in values where value.isFinite {
            let bin = Int(((value - low) / (high - low) * Double(bins)).clamped(-1, Double(bins)))
            if value > high { beyond += 1 } else { counts[max(0, min(bins - 1, bin))] += 1 }
        }
    }

    var json: JSONValue {
        .object([
            ("title", .string(title)), ("unit", .string(unit)), ("low", .number(low)), ("high", .number(high)),
            ("median", .number(ReportData.rounded(median))),
            ("beyond", .integer(beyond)), ("counts", .array(counts.map { .integer($0) })),
        ])
    }

    /// The p-quantile (nearest rank) of the finite values; 0 when there are none.
    static func quantile(_ values: [Double], _ p: Double) -> Double { quantile(sorted: sorted(values), p) }

    private static func sorted(_ values: [Double]) -> [Double] { values.filter(\.isFinite).sorted() }

    private static func quantile(sorted: [Double], _ p: Double) -> Double {
        sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(p * Double(sorted.count)))]
    }

    /// The next of 1, 1.5, 2, 3, 4, 5, 6, 8, 10 times a power of ten: a legible end of an axis; 1 when nothing is above
    /// 0.
    static func roundUp(_ x: Double) -> Double {
        guard x.isFinite, x > 0 else { return 1 }
        let power = pow(10, floor(log10(x)))
        let step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].first { $0 * power >= x * (1 - 1e-9) } ?? 10
        return power < 1 ? step / (1 / power).rounded() : step * power
    }
}

extension Double {
    fileprivate func clamped(_ low: Double, _ high: Double) -> Double { Swift.max(low, Swift.min(high, self)) }
}

extension ReportData {
    /// A column's values in the fitted voxels.
    func fittedValues(_ column: SummaryColumn, times factor: Double = 1) -> [Double] {
        let values = summary.column(column)
        return fitted.map { Double(values[values.startIndex + $0]) * factor }
    }

    func histograms() -> [JSONValue] {
        // Voxels without fibre would be one tall bar at 0.
        let expected = fittedValues(.expectedFibreCount), fractions = fittedValues(.statistic(.fractionSum, .mean))
        let withFibre = fractions.indices.filter { expected[$0] >= 0.5 }.map { fractions[$0] }
        let mean = fittedValues(.statistic(.diffusivity, .mean)), sd = fittedValues(.statistic(.diffusivity, .sd))
        let relative = zip(mean, sd).filter { $0.0 > 0 }.map { 100 * $0.1 / $0.0 }
        let counts = (0...DrawColumn.fibreCount).map { fittedValues(.fibreCount($0)) }
        let called = fitted.indices.map { i in counts.map { $0[i] }.max()! }
        let metadata = summary.metadata
        let own =
            metadata.hasFibreColumns
            ? [
                ReportHistogram(
                    "Diffusivity", unit: "µm²/ms", fittedValues(.statistic(.diffusivity, .mean), times: 1e3),
                    limits: 0...4),
                ReportHistogram("Uncertainty of diffusivity", unit: "% (sd / mean)", relative),
            ]
            : metadata.quantities.indices.map { i in
                // Voxels that lack it would be one tall bar at 0.
                let shown = ReportQuantity(metadata.quantities[i])
                let values = fittedValues(.quantity(i, .mean), times: shown.factor).filter { $0 != 0 }
                return ReportHistogram(shown.title, unit: shown.unit, values, limits: shown.limits)
            }
        return
            (own + [
                ReportHistogram("Sum of fibre fractions", unit: "where fibres are expected", withFibre, limits: 0...1),
                ReportHistogram("Signal-to-noise ratio", unit: "S₀/σ", fittedValues(.statistic(.snr, .mean))),
                ReportHistogram("Misfit", unit: "σ", fitted.map { Double(summary.misfit[$0]) }, limits: 0...2),
                ReportHistogram("Certainty of the number of fibres", unit: "P(most probable)", called, limits: 0...1),
            ]).map(\.json)
    }
}
