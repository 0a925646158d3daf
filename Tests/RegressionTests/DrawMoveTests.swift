import Foundation
import ModelSpace
import Testing

@testable import Regression

/// Steps of the numbers of a structure's draws.
@Suite struct DrawMoveTests {
    /// From one point, walked for long, draws have the means and standard deviations of importance sampling; few sweeps
    /// from draws that are already right leave them right.
    @Test func leadToThePosteriorAndLeaveItAsItIs() {
        let terms = ["linear", "sine", "bump"].map { name in TermLibrary.all.first { $0.name == name }! }
        let family = RegressionFamily(terms: terms, noises: [.white, .heavy])
        var random = RandomSource(seed: 91)
        let x = (0..<60).map { _ in random.uniform(0, 10) }.sorted()
        let y = x.map { 0.3 * sin(1.4 * $0) + 0.1 * $0 - 0.5 + 0.3 * random.normal() }
        for noise in 0..<2 {
            let z = family.with(Structure(0, 1), noise: noise)
            var options = SearchOptions()
            (options.draws, options.keep, options.moves) = (20_000, 4000, 0)
            let search = FormulaSearch(family, Series(x: x, y: y), lambda: 1, options: options)
            _ = search.evidence(of: z)
            let found = search.found[z]!, draws = found.evidence!.draws
            #expect(found.evidence!.effective > 4000)
            let mode = found.modes.max { $0.logMass < $1.logMass }!
            func numbers(_ draws: [RegressionDraw]) -> [[Double]] { draws.map { $0.point + $0.amplitudes } }
            let sampler = CollapsedSampler(family, search.series, lambda: 1, seed: 3)
            let far = RegressionDraw(point: mode.point.map { $0 + 0.2 }, amplitudes: [0, 0])
            let walked = sampler.moved(
                Array(repeating: far, count: 1500), of: z, along: mode.spread, sweeps: 30)
            let kept = sampler.moved(draws, of: z, along: mode.spread, sweeps: 2)
            let right = Self.moments(numbers(draws))
            for (name, other) in [("walked", walked), ("kept", kept)] {
                for (a, b) in zip(Self.moments(numbers(other)), right) {
                    #expect(abs(a.mean - b.mean) < 0.12 * b.sd, "\(name), noise \(noise): \(a), \(b)")
                    #expect(abs(a.sd / b.sd - 1) < 0.1, "\(name), noise \(noise): \(a), \(b)")
                }
            }
        }
    }

    private static func moments(_ rows: [[Double]]) -> [(mean: Double, sd: Double)] {
        let n = Double(rows.count)
        return rows[0].indices.map { i in
            let mean = rows.reduce(0) { $0 + $1[i] } / n
            return (mean, (rows.reduce(0) { $0 + ($1[i] - mean) * ($1[i] - mean) } / n).squareRoot())
        }
    }

    /// Given the true formula of up to 20 terms ranks of its numbers are uniform, and would not be by resampling alone.
    @Test func ranksOfManyNumbersAreUniform() throws {
        var study = SimulatedSeriesStudy(RegressionFamily(terms: 100))
        (study.seriesCount, study.subspace, study.seed) = (300, 1, 11)
        (study.options.expansions, study.options.sweeps) = (0, 0)
        func ranks() throws -> [String: RankScores] { try #require(study.run().search?.numbers?.ranks) }
        for (kind, r) in try ranks() { #expect(r.distance < 1.2 * r.chance, "\(kind): \(r)") }
        study.options.moves = 0
        let inner = try #require(ranks()["inner"])
        #expect(inner.distance > 2 * inner.chance, "\(inner)")
    }
}
