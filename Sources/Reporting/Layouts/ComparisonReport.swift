import Foundation
import Inference

/// What `FitComparison` comes to, as a tab-separated table or JSON.
public struct ComparisonReport: Sendable {
    /// Of some voxels: how many, their ln K's sum, mean, standard deviation and quantiles, and the shares in which A or
    /// B is better by 3 nats.
    public struct Row: Sendable, Equatable {
        public var name: String, voxels: Int
        public var sum = 0.0, mean = 0.0, sd = 0.0, q05 = 0.0, q50 = 0.0, q95 = 0.0, forA = 0.0, forB = 0.0
    }
    /// Nats that count as strong evidence (Kass and Raftery, 1995).
    public static let strong = 3.0
    public static let head = "voxels_with\tvoxels\tsum\tmean\tsd\tq05\tq50\tq95\tstrongly_A\tstrongly_B\n"

    public let rows: [Row]
    private let comparison: FitComparison, fits: [String], families: [String], leastLambdas: [String: Double]

    /// - Parameter leastLambdas: λ from which on each of the families is to be read; 0 where it is not stated.
    public init(
        _ comparison: FitComparison, fits: [String], families: [String], leastLambdas: [String: Double] = [:]
    ) {
        (self.comparison, self.fits, self.families, self.leastLambdas) = (comparison, fits, families, leastLambdas)
        let compared = comparison.voxels.indices.filter { comparison.isCompared[$0] }
        rows =
            [Self.row("all", compared.map { comparison.logBayesFactor[$0] })]
            + (0...DrawColumn.fibreCount).map { n in
                Self.row(
                    "fibres\(n)",
                    compared.filter { comparison.fibreCount[$0] == n }.map { comparison.logBayesFactor[$0] })
            }
    }

    private static func row(_ name: String, _ values: [Double]) -> Row {
        var row = Row(name: name, voxels: values.count)
        guard !values.isEmpty else { return row }
        let n = Double(values.count), sorted = values.sorted()
        func quantile(_ p: Double) -> Double {
            let x = p * (n - 1), low = Int(x), high = min(low + 1, values.count - 1)
            return sorted[low] + (x - Double(low)) * (sorted[high] - sorted[low])
        }
        row.sum = values.reduce(0, +)
        row.mean = row.sum / n
        row.sd = (values.reduce(0) { $0 + ($1 - row.mean) * ($1 - row.mean) } / max(1, n - 1)).squareRoot()
        (row.q05, row.q50, row.q95) = (quantile(0.05), quantile(0.5), quantile(0.95))
        row.forA = Double(values.count { $0 >= strong }) / n
        row.forB = Double(values.count { $0 <= -strong }) / n
        return row
    }

    /// What ought to be known of the voxels left out, and of what a fit cannot have looked at.
    public var warnings: [String] {
        let left = comparison.omissions, all = comparison.voxels.count
        return [
            (left.unfitted, "are not fitted by both"),
            (left.measurements, "were fitted to different measurements (volumes left out of one)"),
            (left.evidence, "have no evidence in one of the fits"),
        ].filter { $0.0 > 0 }.map { "\($0.0) of \(all) voxels \($0.1): they are left out of the comparison." }
            + leastLambdas.filter { comparison.lambda < $0.value }.sorted { $0.key < $1.key }.map {
                """
                At lambda \(comparison.lambda) most of the prior of \($0.key) is on structures of many components, of \
                which a fit looks at few: its evidence is too low. Compare at --lambda \($0.value) or more.
                """
            }
    }

    public var text: String {
        func number(_ x: Double) -> String { String(format: "%.6g", x) }
        return "# ln p(y|A) - ln p(y|B), nats, at lambda \(number(comparison.lambda)); A: \(fits[0]) (\(families[0])), "
            + "B: \(fits[1]) (\(families[1]))\n" + Self.head
            + rows.map { row in
                ([row.name, "\(row.voxels)"]
                    + (row.voxels > 0
                        ? [row.sum, row.mean, row.sd, row.q05, row.q50, row.q95, row.forA, row.forB].map(number)
                        : Array(repeating: "n/a", count: 8)))
                    .joined(separator: "\t") + "\n"
            }.joined()
    }

    public var json: JSONValue {
        let left = comparison.omissions
        return [
            "kind": "compare", "fits": .array(fits.map { .string($0) }),
            "families": .array(families.map { .string($0) }),
            "lambda": .number(comparison.lambda), "unit": "nats", "voxels": .integer(comparison.voxels.count),
            "leftOut": [
                "unfitted": .integer(left.unfitted), "otherMeasurements": .integer(left.measurements),
                "withoutEvidence": .integer(left.evidence),
            ],
            "logBayesFactor": .array(
                rows.filter { $0.voxels > 0 }.map { row in
                    [
                        "voxelsWith": .string(row.name), "voxels": .integer(row.voxels), "sum": .number(row.sum),
                        "mean": .number(row.mean), "sd": .number(row.sd), "q05": .number(row.q05),
                        "q50": .number(row.q50), "q95": .number(row.q95), "stronglyA": .number(row.forA),
                        "stronglyB": .number(row.forB),
                    ]
                }),
        ]
    }
}
