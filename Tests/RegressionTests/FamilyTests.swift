import Foundation
import ModelSpace
import Testing

@testable import Regression

@Suite struct RegressionFamilyTests {
    /// Nested prefixes of one list; structures are counted, never listed.
    @Test func sizes() {
        #expect(TermLibrary.all.count == 100)
        #expect(Set(TermLibrary.all.map(\.name)).count == 100)
        for size in TermLibrary.sizes {
            let family = RegressionFamily(terms: size)
            #expect(family.description.bitCount == size + (size <= 15 ? 4 : 7))
            let count = pow(2, Double(size)) * (size <= 15 ? 5 : 8)
            #expect(abs(family.rule.count / count - 1) < 1e-12)
            #expect(family.description.bitCount <= Structure.mostBits)
        }
    }

    /// Every term is finite and of about unit size wherever its parameters may lie, and its text names them all.
    @Test func termsAreOfUnitSize() {
        var random = RandomSource(seed: 3)
        let x = (0...200).map { Double($0) * 0.05 }
        for term in TermLibrary.all {
            var largest = 0.0
            for _ in 0..<40 {
                let p = term.inner.map { $0.value(random.normal()) }
                for v in x.map({ term.value($0, p) }) {
                    #expect(v.isFinite, "\(term.name)")
                    largest = max(largest, abs(v))
                }
            }
            #expect(largest > 0.3 && largest < 2.5, "\(term.name): \(largest)")
            for p in term.inner { #expect(term.formula.contains("{\(p.name)}"), "\(term.name): \(p.name)") }
        }
    }

    @Test func scoresAreInverse() {
        for i in 0...160 {
            let z = -8 + 0.1 * Double(i)
            // Above 5 the upper tail is lost in 1 − p, whatever the inverse does.
            guard z < 5 else { continue }
            #expect(abs(NormalScore.score(NormalScore.probability(z)) - z) < 1e-9)
        }
        let p = BoundedParameter.logUniform("w", 0.5, 5)
        #expect(abs(p.value(p.score(1.7)) - 1.7) < 1e-9)
    }

    /// θ → coordinates → θ, and nothing outside the mask.
    @Test func coordinatesReturn() {
        let family = RegressionFamily(terms: 30), design = [1.0, 2, 3]
        var random = RandomSource(seed: 5)
        let p = family.parameterNames.count, size = family.tokenCount * family.coordinateCount
        for _ in 0..<50 {
            let z = family.drawStructure(lambda: 0.5, using: &random), mask = family.coordinateMask(z)
            var theta = [Double](repeating: 0, count: p), back = theta
            var coordinates = [Float](repeating: 0, count: size)
            family.drawParameters(z, design, using: &random, into: &theta)
            family.encode(theta, z, design, (), into: &coordinates)
            for (c, m) in zip(coordinates, mask) where m == 0 { #expect(c == 0) }
            family.decode(coordinates, z, design, (), into: &back)
            for (a, b) in zip(theta, back) { #expect(abs(a - b) <= 2e-5 * max(1, abs(a))) }
        }
    }

    /// Simulations have the likelihood's law: under the true parameters the whitened errors are standard, and the
    /// density's expectation is what drawing many times gives.
    @Test(arguments: NoiseModel.allCases) func noiseHasItsDensity(_ noise: NoiseModel) {
        let family = RegressionFamily(terms: TermLibrary.prefix(2), noises: [noise])
        var random = RandomSource(seed: 7)
        let x = (0..<60).map { Double($0) / 6 }
        var theta = [Double](repeating: 0, count: family.parameterNames.count)
        theta[family.places[2]] = 0.3
        let wide = theta.enumerated().map { $0.offset == family.places[2] ? 0.33 : $0.element }
        // E[p(y|σ')/p(y|σ)] = 1 under p(y|σ), whatever σ'.
        let ratios = (0..<4000).map { _ -> Double in
            let series = Series(x: x, y: family.draw(theta, Structure(), at: x, using: &random))
            return exp(
                family.logLikelihood(series, wide, Structure()) - family.logLikelihood(series, theta, Structure()))
        }
        let mean = ratios.reduce(0, +) / 4000
        let error = (ratios.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }).squareRoot() / 4000
        #expect(abs(mean - 1) < 4.5 * error && error < 0.1, "\(noise): \(mean) ± \(error)")
    }
}
