import Foundation
import Inference
import Testing

/// What the penalty λ does to a fit that is read again.
struct PenaltyTests {
    /// d/dλ of the expected number of parameters is minus its variance: it never rises.
    @Test func expectedParametersNeverRiseWithLambda() throws {
        let scratch = try Scratch()
        _ = try writeArchive(scratch.path, sizes: [40, 25], s: 64, drawLambda: 1, referenceLambda: 0.5)
        let archive = try PosteriorArchive(directory: scratch.path), fitted = (0..<65).filter { $0 != 39 && $0 != 64 }
        var before: [(mean: Double, variance: Double)]?
        for lambda in stride(from: 0.0, through: 3, by: 0.25) {
            let summary = PosteriorSummary(archive, lambda: lambda, threads: 2)
            let columns = (0..<16).map { Array(summary.column(.structure($0))) }
            let now = fitted.map { v -> (mean: Double, variance: Double) in
                func mean(_ x: (Double) -> Double) -> Double {
                    var total = 0.0
                    for z in 0..<16 { total += Double(columns[z][v]) * x(Double(table.rows[z].parameterCount)) }
                    return total
                }
                let m = mean { $0 }
                #expect(abs(mean { _ in 1 } - 1) < 1e-6)
                return (m, mean { ($0 - m) * ($0 - m) })
            }
            if let before {
                for (v, (old, new)) in zip(before, now).enumerated() {
                    // Columns are floats: 16 of them, times at most 10 parameters.
                    #expect(new.mean <= old.mean + 1e-5, "voxel \(fitted[v]), λ \(lambda): \(old.mean) to \(new.mean)")
                    // And it does fall, by the variance on the way.
                    #expect(
                        new.mean < old.mean - 0.25 * 0.2 * min(old.variance, new.variance) + 1e-5,
                        "voxel \(fitted[v]), λ \(lambda)")
                }
            }
            before = now
        }
    }
}
