import Foundation
import ModelSpace
import Testing

@testable import Regression

/// Terms without inner parameters: everything but σ in closed form.
let plainTerms = TermLibrary.prefix(5) + Array(TermLibrary.all[50..<55])

/// log ∫ exp f(z) N(z; 0, 1) dz by the trapezoid rule, which is exact to rounding for what is smooth and decays.
func integrateScore(_ f: (Double) -> Double) -> Double {
    let step = 0.03,
        logs = (-200...200).map { i -> Double in
            let z = Double(i) * step
            return f(z) - 0.5 * z * z - 0.5 * log(2 * .pi) + log(step)
        }
    let peak = logs.max()!
    return peak + log(logs.reduce(0) { $0 + exp($1 - peak) })
}

func simulated(_ family: RegressionFamily, count: Int, lambda: Double, seed: UInt64) -> (
    series: Series, truth: Structure
) {
    var random = RandomSource(seed: seed)
    let x = (0..<count).map { _ in random.uniform(0, 10) }.sorted(),
        z = family.drawStructure(lambda: lambda, using: &random)
    var theta = [Double](repeating: 0, count: family.parameterNames.count)
    family.drawParameters(z, x, using: &random, into: &theta)
    return (Series(x: x, y: family.draw(theta, z, at: x, using: &random)), z)
}

@Suite struct RegressionEvidenceTests {
    /// The fast path, columns added, changed and removed, against the dense covariance.
    @Test func fastDensityIsTheDefinition() {
        let noises = NoiseModel.allCases.filter { $0 != .heavy },
            family = RegressionFamily(terms: TermLibrary.prefix(30), noises: noises)
        var random = RandomSource(seed: 11)
        for trial in 0..<40 {
            let (series, _) = simulated(family, count: 25, lambda: 0.3, seed: UInt64(100 + trial))
            let z = family.drawStructure(lambda: 0.3, using: &random), active = family.active(z)
            let inner = active.map { family.terms[$0].inner.map { _ in random.normal() } },
                level = 0.7 * random.normal()
            let density = CollapsedDensity(family, series)
            density.load(z, inner: inner)
            let plain = PlainDensity.logDensity(family, series, z, inner: inner, level: level)
            #expect(abs(density.logDensity(level) - plain) < 1e-8 * max(1, abs(plain)))
            // A detour: another term comes and goes, one changes and changes back, as does the noise.
            guard let absent = family.terms.indices.first(where: { !z[$0] }), !active.isEmpty else { continue }
            let scores = family.terms[absent].inner.map { _ in random.normal() }
            let additions = density.additions([Candidate(term: absent, scores: scores)], level)
            #expect(additions.without == density.logDensity(level))
            density.append(absent, scores)
            let with = density.logDensity(level)
            #expect(abs(additions.with[0] - with) < 1e-8 * max(1, abs(with)), "\(additions.with[0]) against \(with)")
            density.setNoise((density.noise + 1) % noises.count, precisions: nil)
            density.setNoise(family.noiseIndex(z), precisions: nil)
            density.setInner(0, inner[0].map { $0 + 0.5 })
            density.removeColumn(density.size - 1)
            density.setInner(0, inner[0])
            #expect(abs(density.logDensity(level) - plain) < 1e-8 * max(1, abs(plain)))
            #expect(density.structure == z)
        }
    }

    /// Importance sampling against quadrature over σ and one inner parameter.
    @Test(arguments: ["sine", "step", "decay", "hinge"]) func evidenceIsTheIntegral(_ name: String) {
        let term = TermLibrary.all.first { $0.name == name }!
        let family = RegressionFamily(terms: [TermLibrary.all[0], term], noises: [.white, .smooth])
        for seed in 0..<3 {
            var random = RandomSource(seed: UInt64(seed))
            let x = (0..<40).map { _ in random.uniform(0, 10) }.sorted(), p = term.inner.map { $0.value(0.4) }
            let y = x.map { 0.7 * term.value($0, p) + 0.15 * random.normal() }, series = Series(x: x, y: y)
            let z = Structure(0, 1), density = CollapsedDensity(family, series)
            density.load(z, inner: [[], [0]])
            // A frequency is told to 0.006 of its score.
            let step = 0.002
            let logs = stride(from: -5.0, through: 5, by: step).map { v -> Double in
                density.setInner(1, [v])
                return integrateScore(density.logDensity) - 0.5 * v * v - 0.5 * log(2 * .pi) + log(step)
            }
            let peak = logs.max()!, exact = peak + log(logs.reduce(0) { $0 + exp($1 - peak) })
            let search = FormulaSearch(family, series, lambda: 1)
            search.run()
            let found = search.evidence(of: z), error = search.found[z]!.evidence!.error
            #expect(abs(found - exact) < max(0.02, 4 * error), "\(name): \(found) against \(exact) ± \(error)")
            #expect(error < 0.15)
        }
    }

    /// Heavy tails: amplitude, σ on a grid with the likelihood's own definition.
    @Test func heavyEvidenceIsTheIntegral() {
        let family = RegressionFamily(terms: [TermLibrary.all[1]], noises: [.white, .heavy])
        let z = family.with(Structure(0), noise: 1)
        for seed in 0..<3 {
            var random = RandomSource(seed: UInt64(20 + seed))
            let x = (0..<30).map { _ in random.uniform(0, 10) }.sorted()
            var theta = [0.8, 0.2]
            let series = Series(x: x, y: family.draw(theta, z, at: x, using: &random))
            let step = 0.01
            let logs = stride(from: -4.0, through: 4, by: step).map { a -> Double in
                theta[0] = a
                return integrateScore { v in
                    theta[1] = NoiseModel.level.value(v)
                    return family.logLikelihood(series, theta, z)
                } - 0.5 * a * a - 0.5 * log(2 * .pi) + log(step)
            }
            let peak = logs.max()!, exact = peak + log(logs.reduce(0) { $0 + exp($1 - peak) })
            let search = FormulaSearch(family, series, lambda: 1), found = search.evidence(of: z)
            let error = search.found[z]!.evidence!.error
            #expect(abs(found - exact) < max(0.02, 4 * error), "\(found) against \(exact) ± \(error)")
        }
    }

    /// The same series and seed give the same list.
    @Test func searchRepeats() {
        let family = RegressionFamily(terms: 15), (series, _) = simulated(family, count: 30, lambda: 2, seed: 9)
        var options = SearchOptions()
        options.expansions = 3
        func run() -> [String] {
            let search = FormulaSearch(family, series, lambda: 1, options: options)
            search.run()
            return search.ranked.map { "\($0.structure.bits) \($0.logEvidence)" }
        }
        let first = run()
        #expect(first == run() && first.count > 10)
    }
}
