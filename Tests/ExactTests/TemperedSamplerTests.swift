import Foundation
import ModelSpace
import Testing

@testable import Exact

@Suite struct TemperedSamplerTests {
    /// Evidence against the closed form, from the prior and from another reference, judged by its own stated error;
    /// posterior means too.
    @Test(arguments: [(0.0, 1.0), (0.4, 1.7)])
    func matchesTheClosedForm(_ reference: (centre: Double, width: Double)) {
        var scores: [Double] = [], drift: [Double] = []
        for trial in 0..<48 {
            var random = RandomSource(seed: 3, stream: UInt64(trial))
            let problem = LinearProblem(
                terms: 1 + trial % 3, points: 8 + trial % 5, sigma: [0.5, 0.1, 0.03][trial / 3 % 3], using: &random)
            let exact = problem.exact()
            var runs: [TemperedEstimate] = [], means = [Double](repeating: 0, count: problem.terms)
            for run in 0..<4 {
                let population = LinearGaussianPopulation(
                    problem, count: 200, centre: reference.centre, width: reference.width)
                var random = RandomSource(seed: 4, stream: UInt64(trial), substream: UInt64(run))
                runs.append(TemperedSampler(retention: 0.8).run(population, using: &random))
                for i in population.w.indices { means[i % problem.terms] += population.w[i] / 800 }
            }
            let found = EvidenceAverage.combine(runs)
            #expect(found.standardError < 0.4)
            scores.append((found.logEvidence - exact.logEvidence) / found.standardError)
            for c in 0..<problem.terms { drift.append((means[c] - exact.mean[c]) / exact.deviation[c]) }
        }
        let rms = (scores.reduce(0) { $0 + $1 * $1 } / Double(scores.count)).squareRoot()
        #expect(rms > 0.5 && rms < 1.6, "z-scores have rms \(rms)")
        #expect(scores.allSatisfy { abs($0) < 4 }, "\(scores)")
        // 800 draws, a few of them alike: the mean is good to about 0.06 standard deviations.
        let spread = (drift.reduce(0) { $0 + $1 * $1 } / Double(drift.count)).squareRoot()
        #expect(spread < 0.1 && drift.allSatisfy { abs($0) < 0.35 }, "posterior means are off by \(spread) sd")
    }

    @Test func systematicResamplingKeepsExpectedCounts() {
        let weights = [0.1, 0.0, 0.45, 0.25, 0.2]
        var chosen = [Int](repeating: 0, count: 20), random = RandomSource(seed: 1)
        for _ in 0..<50 {
            TemperedSampler.systematic(weights, into: &chosen, using: &random)
            for (i, w) in weights.enumerated() {
                let times = Double(chosen.filter { $0 == i }.count)
                #expect(abs(times - 20 * w) <= 1 + 1e-9)
                if w == 0 { #expect(times == 0) }
            }
        }
    }

    /// Scatter that contradicts the runs' own estimates wins; agreement by luck does not erase them.
    @Test func averageStatesItsError() {
        func run(_ e: Double, _ v: Double) -> TemperedEstimate {
            TemperedEstimate(logEvidence: e, relativeVariance: v, temperatures: 1)
        }
        let agreeing = EvidenceAverage.combine([run(10, 0.04), run(10, 0.04)])
        #expect(abs(agreeing.logEvidence - 10) < 1e-12)
        #expect(agreeing.standardError > 0.1 && agreeing.standardError < 0.15)
        let apart = EvidenceAverage.combine([run(10, 0.001), run(12, 0.001)])
        #expect(apart.standardError > 0.3)
        #expect(EvidenceAverage.combine([run(-.infinity, .infinity), run(3, 0.01)]).logEvidence < 3)
        #expect(EvidenceAverage.combine([run(-.infinity, .infinity)]).logEvidence == -.infinity)
    }
}
