import Foundation
import ModelSpace
import Testing

@testable import Regression

/// The reference sampler and the search against full enumeration.
@Suite struct RegressionSamplerTests {
    /// 2^10 × 2 structures, every evidence by quadrature: the truth.
    private static func enumerate(_ family: RegressionFamily, _ series: Series, lambda: Double) -> [Structure: Double] {
        let density = CollapsedDensity(family, series), all = family.rule.all()!
        let logs = all.map { z -> Double in
            density.load(z, inner: family.active(z).map { _ in [] })
            return integrateScore(density.logDensity) - lambda * Double(family.rule.parameterCount(z))
        }
        let peak = logs.max()!, total = logs.reduce(0) { $0 + exp($1 - peak) }
        return Dictionary(uniqueKeysWithValues: zip(all, logs.map { exp($0 - peak) / total }))
    }

    @Test func closedFormFamilyIsSampledAndFound() {
        let family = RegressionFamily(terms: plainTerms, noises: [.white, .growing])
        #expect(family.terms.count == 10 && family.terms.allSatisfy(\.inner.isEmpty))
        for seed in 0..<2 {
            let (series, _) = simulated(family, count: 40, lambda: 0.5, seed: UInt64(40 + seed)), lambda = 1.0
            let exact = Self.enumerate(family, series, lambda: lambda)
            let sampled = CollapsedSampler(family, series, lambda: lambda, seed: 1).run(sweeps: 12_000, discard: 500)
            for (b, p) in sampled.bits(family.description.bitCount).enumerated() {
                let truth = exact.reduce(0) { $0 + ($1.key[b] ? $1.value : 0) }
                #expect(abs(p - truth) < 0.03, "bit \(b): \(p) against \(truth)")
            }
            for (z, p) in exact where p > 0.01 {
                #expect(abs(sampled.probability(z) - p) < 0.03, "\(z.bits): \(sampled.probability(z)) against \(p)")
            }
            // What a list of the best five holds, and what the others are like, at the chain's λ and beside it.
            let five = exact.sorted { $0.value > $1.value }.prefix(5).map(\.key)
            let coverage = ListCoverage(sampled, of: five, lambda: lambda, family.rule)
            #expect(coverage.count == 12_000)
            for other in [0.7, 1, 1.5] {
                let truth = other == lambda ? exact : Self.enumerate(family, series, lambda: other)
                let share = five.reduce(0) { $0 + truth[$1]! }
                #expect(share < 0.95 && abs(coverage.share(lambda: other) - share) < 0.03, "λ = \(other): \(share)")
                for (b, p) in coverage.bits(family.description.bitCount, lambda: other).enumerated() {
                    let mass = truth.reduce(0) { $1.key[b] && !five.contains($1.key) ? $0 + $1.value : $0 }
                    #expect(abs(p - mass / (1 - share)) < 0.05, "λ = \(other), bit \(b)")
                }
            }
            var options = SearchOptions()
            options.expansions = 400
            options.cutoff = 9
            options.sampled = 400
            let search = FormulaSearch(family, series, lambda: lambda, options: options)
            search.run()
            // The list holds nearly all, in the right proportions.
            #expect(search.found.keys.reduce(0) { $0 + (exact[$1] ?? 0) } > 0.97)
            let best = exact.max { $0.value < $1.value }!
            for (z, p) in exact where p > 0.01 {
                let difference =
                    (search.found[z].map(search.score) ?? -.infinity) - search.score(search.found[best.key]!)
                #expect(abs(difference - log(p / best.value)) < 0.1, "\(z.bits)")
            }
        }
    }

    /// Inner parameters and heavy tails: visits against evidences by importance sampling of all 16 structures.
    @Test func innerParametersAndHeavyTailsAreSampled() {
        let terms = ["linear", "sine", "decay"].map { name in TermLibrary.all.first { $0.name == name }! }
        let family = RegressionFamily(terms: terms, noises: [.white, .heavy]), lambda = 0.5
        var random = RandomSource(seed: 77)
        let x = (0..<25).map { _ in random.uniform(0, 10) }.sorted()
        let y = x.map { 0.35 * sin(1.3 * $0) + 0.35 * random.normal() }, series = Series(x: x, y: y)
        var options = SearchOptions()
        options.draws = 4000
        let search = FormulaSearch(family, series, lambda: lambda, options: options), all = family.rule.all()!
        let logs = all.map { search.evidence(of: $0) - lambda * Double(family.rule.parameterCount($0)) }
        let peak = logs.max()!, total = logs.reduce(0) { $0 + exp($1 - peak) }
        let sampled = CollapsedSampler(family, series, lambda: lambda, seed: 2).run(sweeps: 15_000, discard: 500)
        for (z, l) in zip(all, logs) {
            let p = exp(l - peak) / total
            #expect(abs(sampled.probability(z) - p) < 0.04, "\(z.bits): \(sampled.probability(z)) against \(p)")
        }
    }
}
