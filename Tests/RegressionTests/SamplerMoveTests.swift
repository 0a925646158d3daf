import Foundation
import ModelSpace
import Testing

@testable import Regression

/// The sampler's moves between noises, and between terms of a kind.
@Suite struct SamplerMoveTests {
    @Test func goldenSectionEndsWithinItsBound() {
        for middle in [-3.7, -0.4, 0, 2.2] {
            let found = highest(from: -4, to: 4, steps: 12) { 3 - abs($0 - middle) }
            #expect(abs(found.x - middle) <= 8 * pow(0.6181, 13) && found.value == 3 - abs(found.x - middle))
        }
    }

    /// Errors alike over short and over long distances, whose σ are far apart, and equal ones: every evidence by
    /// quadrature, chains from either noise.
    @Test func noisesThatNeedAnotherLevelAreVisited() {
        let terms = TermLibrary.prefix(2),
            family = RegressionFamily(terms: terms, noises: [.white, .smooth, .wandering])
        var random = RandomSource(seed: 22)
        let x = (0..<400).map { _ in random.uniform(0, 10) }.sorted(), truth = family.with(Structure(0), noise: 2)
        var theta = [Double](repeating: 0, count: family.parameterNames.count)
        (theta[0], theta[family.places[2]]) = (0.5, 0.3)
        let series = Series(x: x, y: family.draw(theta, truth, at: x, using: &random))
        let density = CollapsedDensity(family, series), all = family.rule.all()!
        let logs = all.map { z -> Double in
            density.load(z, inner: family.active(z).map { _ in [] })
            return integrateScore(density.logDensity) - Double(family.rule.parameterCount(z))
        }
        let peak = logs.max()!, total = logs.reduce(0) { $0 + exp($1 - peak) }
        let both = [1, 2].map { noise in
            zip(all, logs).reduce(0) { family.noiseIndex($1.0) == noise ? $0 + exp($1.1 - peak) / total : $0 }
        }
        #expect(both.allSatisfy { $0 > 0.1 }, "\(both)")
        for noise in [1, 2] {
            let sampler = CollapsedSampler(family, series, lambda: 1, seed: 5)
            sampler.start(family.with(Structure(0), noise: noise), at: [noise == 1 ? -0.3 : 0.5])
            let sampled = sampler.run(sweeps: 6000, discard: 0)
            for (z, l) in zip(all, logs) {
                let p = exp(l - peak) / total
                #expect(abs(sampled.probability(z) - p) < 0.03, "\(z.bits): \(sampled.probability(z)) against \(p)")
            }
        }
    }

    /// Terms that share parameters of other ranges, charts and numbers of kin: visits against evidences by importance
    /// sampling of all 32 structures. A run is exact after cooling as it is without.
    @Test func termsOfAKindAreExchangedInProportion() {
        let terms = ["linear", "sine", "slow-sine", "damped-sine", "decay"].map { name in
            TermLibrary.all.first { $0.name == name }!
        }
        let family = RegressionFamily(terms: terms, noises: [.white]), lambda = 0.3
        #expect(CollapsedSampler.kin(terms) == [[], [2, 3], [1, 3], [1, 2, 4], [3]])
        var random = RandomSource(seed: 78)
        let x = (0..<25).map { _ in random.uniform(0, 10) }.sorted()
        let y = x.map { 0.5 * sin(0.6 * $0) * exp(-0.1 * $0) + 0.3 * random.normal() }, series = Series(x: x, y: y)
        var options = SearchOptions()
        options.draws = 8000
        let search = FormulaSearch(family, series, lambda: lambda, options: options), all = family.rule.all()!
        let logs = all.map { search.evidence(of: $0) - lambda * Double(family.rule.parameterCount($0)) }
        let peak = logs.max()!, total = logs.reduce(0) { $0 + exp($1 - peak) }
        let sampler = CollapsedSampler(family, series, lambda: lambda, seed: 2)
        sampler.cool(sweeps: 100)
        let sampled = sampler.run(sweeps: 12_000, discard: 0)
        for (z, l) in zip(all, logs) {
            let p = exp(l - peak) / total
            #expect(abs(sampled.probability(z) - p) < 0.01, "\(z.bits): \(sampled.probability(z)) against \(p)")
        }
    }

    /// Places given to terms, and nothing else: of two terms among six, with none to two inner parameters between them,
    /// visits against quadrature at the level that stays.
    @Test func placesAreGivenInProportion() {
        let terms = ["linear", "square", "decay", "sine", "gamma", "fourth-power"].map { name in
            TermLibrary.all.first { $0.name == name }!
        }
        let family = RegressionFamily(terms: terms, noises: [.white]), lambda = 0.4
        var random = RandomSource(seed: 79)
        let x = (0..<20).map { _ in random.uniform(0, 10) }.sorted()
        let y = x.map { 0.5 * $0 / 10 + 0.3 * sin(0.9 * $0) + 0.4 * random.normal() }, series = Series(x: x, y: y)
        let density = CollapsedDensity(family, series), level = 0.4, step = 0.05
        let grid = stride(from: -5.0, through: 5, by: step)
        func integral(_ z: Structure, _ known: [[Double]]) -> Double {
            let active = family.active(z)
            guard known.count < active.count else {
                density.load(z, inner: known)
                return exp(density.logDensity(level) + 20)
            }
            if terms[active[known.count]].inner.isEmpty { return integral(z, known + [[]]) }
            return grid.reduce(0) { $0 + integral(z, known + [[$1]]) * exp(-0.5 * $1 * $1) * step }
                / (2 * Double.pi).squareRoot()
        }
        var exact: [Structure: Double] = [:]
        for i in 0..<6 {
            for j in 0..<i {
                let z = Structure(j, i)
                exact[z] = integral(z, []) * exp(-lambda * Double(family.rule.parameterCount(z)))
            }
        }
        let total = exact.values.reduce(0, +), count = 40_000
        let sampler = CollapsedSampler(family, series, lambda: lambda, seed: 4)
        sampler.start(Structure(0, 1), at: [level])
        var visits: [Structure: Int] = [:]
        for _ in 0..<count {
            sampler.chooseTerm()
            visits[sampler.structure, default: 0] += 1
        }
        #expect(sampler.level == level && exact.values.filter { $0 > 0.02 * total }.count > 5)
        for (z, p) in exact {
            let visited = Double(visits[z] ?? 0) / Double(count)
            #expect(abs(visited - p / total) < 0.015, "\(z.bits): \(visited) against \(p / total)")
        }
    }

    /// The same words for the same things: a width is no frequency.
    @Test func meaningsAreTold() {
        func meanings(_ name: String) -> [String] { TermLibrary.all.first { $0.name == name }!.meanings }
        #expect(
            meanings("sine") == ["w"] && meanings("bump") == ["c", "width"]
                && meanings("packet") == ["c", "width", "f"])
        let kin = CollapsedSampler.kin(TermLibrary.all), names = TermLibrary.all.map(\.name)
        let ofSine = kin[names.firstIndex(of: "sine")!].map { names[$0] }
        #expect(ofSine.contains("second-sine") && ofSine.contains("damped-sine") && !ofSine.contains("bump"))
        #expect(kin.enumerated().allSatisfy { i, others in others.allSatisfy { kin[$0].contains(i) } })
    }
}
