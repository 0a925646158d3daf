import Foundation
import ModelSpace
import Testing

@testable import Baselines

@Suite struct GaussianMixtureTests {
    private static func mixture(_ d: Int, _ components: Int) -> (GaussianMixture, [Double]) {
        var random = RandomSource(seed: 6)
        let raw = (0..<GaussianMixture.numberCount(dimensions: d, components: components)).map { _ in
            0.7 * random.normal()
        }
        return (GaussianMixture(raw, dimensions: d, components: components), raw)
    }

    /// Leaving a dimension out is integrating over it: by the trapezoidal rule, exact to rounding for densities that
    /// fall off like these.
    @Test func absentDimensionsAreIntegratedOut() {
        let (mixture, _) = Self.mixture(3, 2), h = 0.02
        for (kept, left) in [([0, 1], 2), ([1, 2], 0), ([0, 2], 1)] {
            let x = [0.3, -0.8]
            var total = 0.0
            for i in -1500...1500 {
                var all = [Int: Double](uniqueKeysWithValues: zip(kept, x))
                all[left] = h * Double(i)
                total += h * exp(mixture.logDensity([all[0]!, all[1]!, all[2]!], active: [0, 1, 2]))
            }
            #expect(abs(log(total) - mixture.logDensity(x, active: kept)) < 1e-9)
        }
        var total = 0.0
        for i in -1500...1500 { total += h * exp(mixture.logDensity([h * Double(i)], active: [1])) }
        #expect(abs(total - 1) < 1e-9)
        #expect(mixture.logDensity([], active: []) == 0)
    }

    @Test func gradientMatchesFiniteDifferences() {
        let (mixture, raw) = Self.mixture(4, 2)
        for active in [[0, 1, 2, 3], [1, 3], [2]] {
            let x = active.map { 0.4 * Double($0) - 0.5 }
            var gradient = [Double](repeating: 0, count: raw.count), touched = 0
            #expect(
                abs(
                    mixture.addGradient(of: x, active: active, scale: 0.5, to: &gradient)
                        - mixture.logDensity(x, active: active)) < 1e-13)
            for i in raw.indices {
                func at(_ step: Double) -> Double {
                    var other = raw
                    other[i] += step
                    return GaussianMixture(other, dimensions: 4, components: 2).logDensity(x, active: active)
                }
                let h = 1e-5, difference = 0.5 * (at(h) - at(-h)) / (2 * h)
                #expect(abs(gradient[i] - difference) < 1e-8 + 1e-6 * abs(difference), "\(active) \(i)")
                if abs(difference) > 1e-9 { touched += 1 }
            }
            // Logits, and of each component means and rows.
            #expect(touched >= 2 + 2 * active.reduce(0) { $0 + 2 + $1 })
        }
    }

    /// E[q'(x)/q(x)] = 1 over draws of q, whatever density q' is.
    @Test func drawsHaveTheirDensity() {
        let (mixture, raw) = Self.mixture(3, 2), active = [0, 2]
        var random = RandomSource(seed: 11), narrower = raw
        // Another density with lighter tails, so that ratios are bounded.
        for c in 0..<2 { for i in 0..<3 { narrower[2 + c * 9 + 3 + i] -= 0.3 } }
        let other = GaussianMixture(narrower, dimensions: 3, components: 2)
        let ratios = (0..<20_000).map { _ -> Double in
            let x = mixture.draw(active, using: &random)
            return exp(other.logDensity(x, active: active) - mixture.logDensity(x, active: active))
        }
        let mean = ratios.reduce(0, +) / 20_000
        let error = ratios.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }.squareRoot() / 20_000
        #expect(abs(mean - 1) < 4.5 * error && error < 0.03, "\(mean) ± \(error)")
    }
}
