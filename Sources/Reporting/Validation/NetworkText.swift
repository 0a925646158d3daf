import Foundation
import Studies

/// The tables of `validate networks`.
public enum NetworkText {
    public static func text(_ r: NetworkReport) -> String {
        var lines = [
            """
            \(r.voxels) voxels of \(r.family) drawn from the prior at each λ; acquisitions: \(r.acquisitions); \
            seed \(r.seed)
            """
        ]
        for network in r.networks {
            let own = network.lambda.map { ", λ = \(ValidationText.number($0)) for good" } ?? ""
            lines.append(
                """
                \(network.path): \(network.method)\(own), \(network.weights) weights, \(network.simulations) simulations
                """)
        }
        let paths = r.networks.map(\.path), short = paths.map { URL(fileURLWithPath: $0).lastPathComponent }
        let names = Set(short).count == short.count ? short : paths, width = (names.map(\.count).max() ?? 0) + 16
        var lambdas = r.parameters.map(\.lambda)
        lambdas = lambdas.indices.filter { lambdas.firstIndex(of: lambdas[$0]) == $0 }.map { lambdas[$0] }
        for lambda in lambdas {
            lines += ["", "λ = \(ValidationText.number(lambda))"]
            lines.append(row("structures", structureHead, width))
            for own in r.structures where own.lambda == lambda {
                let name = names[own.network] + (own.isReweighted ? ", reweighted" : "")
                lines.append(row(name, cells(own), width))
            }
            lines.append(row("parameters", parameterHead, width))
            for own in r.parameters where own.lambda == lambda {
                lines.append(row(names[own.network], cells(own), width))
                if !own.failures.isEmpty { lines.append("  failing: " + own.failures.joined(separator: ", ")) }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static let columns = 16
    private static let structureHead = [
        "top-1, top-5", "log score", "above the first", "calibration", "top-1 of fibres", "log score", "calibration",
        "lost",
    ]
    private static let parameterHead = [
        "numbers", "axes", "log density", "its voxels", "tests failing", "largest distance", "ms a voxel",
    ]

    private static func row(_ name: String, _ cells: [String], _ width: Int) -> String {
        let padded = cells.dropLast().map { $0.padded(columns) }
        return name.padded(width) + padded.joined() + cells[cells.count - 1]
    }

    private static func cells(_ own: NetworkReport.Structures) -> [String] {
        func score(_ s: ProbabilityScores) -> String { String(format: "%.3f ± %.3f", s.logScore, s.logScoreError) }
        func calibration(_ s: ProbabilityScores) -> String {
            String(format: "%.4f (%.4f)", s.calibrationError, s.calibrationErrorIfPerfect)
        }
        let (s, f, above) = (own.structures, own.fibres, own.aboveFirst)
        return [
            String(format: "%.3f, %.3f", s.top1, s.top5), score(s),
            above.standardError == 0 ? "–" : String(format: "%.3f ± %.3f", above.mean, above.standardError),
            calibration(s), String(format: "%.3f", f.top1), score(f), calibration(f), String(format: "%.4f", own.lost),
        ]
    }

    private static func cells(_ own: NetworkReport.Parameters) -> [String] {
        func spread(_ s: Spread, _ format: String) -> String {
            s.count == 0 ? "–" : String(format: format, s.mean, s.standardError)
        }
        return [
            spread(own.numbers, "%.4f ± %.4f"), spread(own.axes, "%.4f ± %.4f"),
            spread(own.logDensity, "%.2f ± %.2f"), "\(own.logDensity.count)",
            "\(own.failures.count) of \(own.ranks.count)", String(format: "%.3f", own.largestDistance),
            String(format: "%.2f", own.milliseconds),
        ]
    }
}
