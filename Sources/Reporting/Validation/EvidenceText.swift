import Foundation
import Studies

extension ValidationText {
    static func text(_ e: EvidenceCheck) -> [String] {
        let head =
            "\(e.rows.count) structures of \(e.voxels) voxels, drawn with their probabilities: ln p(y|z) of "
            + "\(e.engine) less that of smc, nats"
        return [head] + rows(e).map { "  " + $0[0].padding(toLength: 66, withPad: " ", startingAt: 0) + $0[1] }
    }

    /// What is found, and the number.
    static func rows(_ e: EvidenceCheck) -> [[String]] {
        func nats(_ x: Double?) -> String { x.map { String(format: "%.3f", $0) } ?? "–" }
        var rows: [[String]] = []
        if let mean = e.mean { rows.append(["mean over voxels", String(format: "%+.3f", mean)]) }
        rows += [
            ["standard deviation about a voxel's mean", nats(e.scatter)],
            ["  of which smc's own stated error", nats(e.smcPart)],
        ]
        if let stated = e.statedPart { rows.append(["  of which \(e.engine) states", nats(stated)]) }
        for b in e.biases {
            let name = "mean of structures with \(b.fibres) fibre\(b.fibres == 1 ? "" : "s") about it"
            rows.append([name, String(format: "%+.3f ± %.3f  (%d)", b.mean, b.error, b.structures)])
        }
        let lambda = number(e.lambda)
        return rows + [
            ["total variation of structures by such errors, λ = \(lambda)", String(format: "%.4f", e.structures)],
            ["total variation of the number of fibres by them", String(format: "%.4f", e.fibres)],
        ]
    }
}
