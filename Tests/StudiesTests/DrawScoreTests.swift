import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Studies

/// Scores of draws where they are known in closed form.
@Suite struct DrawScoreTests {
    private static func mean(_ voxels: Int, _ score: (inout RandomSource) -> Double) -> (mean: Double, error: Double) {
        var random = RandomSource(seed: 4)
        let spread = Spread((0..<voxels).map { _ in score(&random) })
        return (spread.mean, spread.standardError)
    }

    /// Of the prior, over truths drawn from it: 1/√π of a normal number and π/8 of an axis, however few the draws.
    @Test(arguments: [2, 3, 63]) func ofThePrior(_ draws: Int) {
        let number = Self.mean(200_000 / draws) { random in
            DrawScores.number((0..<draws).map { _ in random.normal() }, truth: random.normal())
        }
        #expect(abs(number.mean - 1 / Double.pi.squareRoot()) < 4 * number.error && number.error < 0.01)
        let axis = Self.mean(200_000 / draws) { random in
            DrawScores.axis(
                (0..<draws).map { _ in DirectionSets.uniform(using: &random) },
                truth: DirectionSets.uniform(using: &random))
        }
        #expect(abs(axis.mean - Double.pi / 8) < 4 * axis.error && axis.error < 0.005)
    }

    /// Of N(0, 1) for a truth t: t(2Φ(t) − 1) + 2φ(t) − 1/√π.
    @Test(arguments: [-2.0, 0, 0.7, 3]) func ofANormalNumber(_ t: Double) {
        let exact =
            t * erf(t / 2.0.squareRoot()) + (2 / Double.pi).squareRoot() * exp(-t * t / 2) - 1 / Double.pi.squareRoot()
        let found = Self.mean(4000) { random in
            DrawScores.number((0..<31).map { _ in random.normal() }, truth: t)
        }
        #expect(abs(found.mean - exact) < 4 * found.error && found.error < 0.02)
    }

    /// What is sure scores its distance; a turned sign is the same axis.
    @Test func ofWhatIsSure() {
        #expect(DrawScores.number([2, 2, 2], truth: -1) == 3)
        #expect(DrawScores.number([1, 3], truth: 2) == 0)
        let a = SIMD3(1.0, 0, 0), b = SIMD3(cos(0.3), sin(0.3), 0)
        #expect(abs(DrawScores.axis([a, a, a], truth: b) - sin(0.3)) < 1e-12)
        #expect(DrawScores.axis([b, -b, b], truth: -b) < 1e-7)
        // The dyads' distance over √2.
        var square = 0.0
        for i in 0..<3 { for j in 0..<3 { square += pow(a[i] * a[j] - b[i] * b[j], 2) } }
        #expect(abs(DrawScores.axis([a, a], truth: b) - (square / 2).squareRoot()) < 1e-12)
    }

    /// The posterior scores least: wider, narrower and shifted draws more.
    @Test func thePosteriorIsBest() {
        func score(_ scale: Double, _ shift: Double) -> Double {
            Self.mean(20_000) { random in
                DrawScores.number((0..<15).map { _ in shift + scale * random.normal() }, truth: random.normal())
            }.mean
        }
        let own = score(1, 0)
        for (scale, shift) in [(0.5, 0.0), (2, 0), (1, 0.5)] { #expect(score(scale, shift) > own + 0.03) }
    }
}
