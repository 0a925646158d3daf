import Foundation
import Inference
import ModelSpace
import Testing

/// What the penalty λ does to a fit that is read again, and which draws are kept so that it can be.
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

    private let space = StructureSpace(
        componentCount: 2, structures: [Structure(), Structure(0), Structure(1), Structure(0, 1)],
        parameterCounts: [0, 3, 3, 6])

    private func counts(_ probability: [Double], lambda: Double = 0, total: Int) -> [Int] {
        let log0 = probability.map { log($0) }
        return DrawAllocation.counts(log0, parameterCounts: space.parameterCounts, lambda: lambda, total: total)
    }

    @Test func totals() {
        #expect([0, 1, 50, 100, 101, 1000].map { DrawAllocation.total(samples: $0) } == [0, 2, 64, 128, 130, 1280])
        for s in 0..<500 { #expect(Double(DrawAllocation.total(samples: s)) >= 1.28 * Double(s) - 1e-9) }
    }

    /// The same k for all: probabilities do not depend on λ, and shares are the probabilities.
    @Test func sharesAreProbabilitiesWhereLambdaSaysNothing() {
        let flat = StructureSpace(componentCount: 2, structures: space.structures, parameterCounts: [2, 2, 2, 2])
        func counts(_ p: [Double], _ total: Int) -> [Int] {
            let log0 = p.map { log($0) }
            return DrawAllocation.counts(log0, parameterCounts: flat.parameterCounts, lambda: 0.5, total: total)
        }
        #expect(counts([0.5, 0.25, 0.125, 0.125], 64) == [32, 16, 8, 8])
        #expect(counts([0.25, 0.25, 0.25, 0.25], 6) == [2, 2, 1, 1])  // ties go to the first
        #expect(counts([0.25, 0.25, 0.25, 0.25], 2).reduce(0, +) == 2)
        #expect(counts([0.97, 0.02, 0.005, 0.005], 10) == [9, 1, 0, 0])  // above 1 %: one draw; below: none
        #expect(counts([0.45, 0.45, 0.08, 0.02], 1).reduce(0, +) == 1)
    }

    @Test func noRoomNoDraws() {
        for total in 0...5 {
            let found = counts([0.4, 0.3, 0.2, 0.1], total: total)
            #expect(found.reduce(0, +) == total && found.allSatisfy { $0 >= 0 })
        }
    }

    @Test func theImpossibleGetsNone() {
        #expect(counts([1, 0, 0, 0], total: 64) == [64, 0, 0, 0])
        #expect(counts([0, 0, 0, 1], total: 64) == [0, 0, 0, 64])
        let two = counts([0, 0.5, 0, 0.5], lambda: 0.5, total: 64)
        #expect(two[0] == 0 && two[2] == 0 && two[1] + two[3] == 64 && two[1] >= 8 && two[3] >= 8)
    }

    /// Most draws at the λ asked for; a share for those that lead at another.
    @Test func roomForOtherLambdas() {
        let p = [1e-3, 1e-2, 1e-2, 0.979], atZero = counts(p, lambda: 0, total: 128),
            atThree = counts(p, lambda: 3, total: 128)
        #expect(atZero.max() == atZero[3] && atThree.max() == atThree[0])
        // At λ = 3, p ∝ (1e-3, 1e-2 e⁻⁹, …): the ball has all; it keeps at least ½ / (1 + ½ · 4) of the draws at λ = 0,
        // less rounding.
        #expect(atZero[0] >= 128 / 6 - 1 && atThree[3] >= 128 / 6 - 1)
        for (z, l) in space.reweight(p.map { log($0) }, from: 0, to: 1.5).enumerated() where exp(l) > 0.01 {
            #expect(atZero[z] >= 1 && atThree[z] >= 1)
        }
    }
}
