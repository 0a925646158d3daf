import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

@Suite struct FittedDensityTests {
    static let space = BallSticks().structureSpace.structures

    /// ∫ prior = 1 by importance sampling from a density fitted to prior draws: normaliser, charts, signs and labels
    /// all enter.
    @Test(arguments: [0, 2, 4, 6, 8, 12, 14])
    func integratesToOne(_ index: Int) {
        let population = BallSticksPopulation(acquisition: EnsembleMovesTests.acquisition, capacity: 3000)
        for i in 0..<population.m { population.y[i] = 1 }
        var random = RandomSource(seed: 2, stream: UInt64(index))
        let density = FittedDensity()
        population.prepare(Self.space[index], count: 3000, fitted: [])
        #expect(population.begin(using: &random) == 0)
        population.fit(density, inflation: 1.2)
        var x = [Double](repeating: 0, count: 16), sum = 0.0, squares = 0.0
        let n = 40_000
        for _ in 0..<n {
            // Without a fitted reference, q₀ is the prior with its stand-in for log s0.
            guard density.draw(into: &x, using: &random), population.supports(x) else { continue }
            let w = exp(population.referenceDensity(x) - density.logDensity(x))
            sum += w
            squares += w * w
        }
        let mean = sum / Double(n), error = ((squares / Double(n) - mean * mean) / Double(n)).squareRoot()
        #expect(error < 0.06, "too few effective draws to tell: \(error)")
        #expect(abs(mean - 1) < 4 * error + 0.01, "\(mean) ± \(error)")
    }

    /// The density knows directions only up to sign, and a draw is told apart from its mirror by nothing.
    @Test func ignoresTheSignOfDirections() {
        let population = BallSticksPopulation(acquisition: EnsembleMovesTests.acquisition, capacity: 200),
            density = FittedDensity()
        for i in 0..<population.m { population.y[i] = 1 }
        var random = RandomSource(seed: 6)
        population.prepare(Self.space[14], count: 200, fitted: [])
        _ = population.begin(using: &random)
        population.fit(density, inflation: 1)
        var x = [Double](repeating: 0, count: 16)
        for _ in 0..<100 {
            guard density.draw(into: &x, using: &random) else { continue }
            let before = density.logDensity(x)
            for c in 10..<13 { x[c] = -x[c] }
            #expect(abs(density.logDensity(x) - before) < 1e-9)
            // The same parameters with two sticks' labels exchanged, although out of sorted order, have the same
            // density.
            for (a, b) in [(4, 5), (7, 10), (8, 11), (9, 12)] { x.swapAt(a, b) }
            #expect(abs(density.logDensity(x) - before) < 1e-9)
        }
    }

    /// The density about a mode falls as the mode's own precision says, and its draws spread accordingly: uᵀΛu has mean
    /// D · inflation · ν / (ν − 2).
    @Test func followsAMode() throws {
        let z = Structure(0, 1), (theta, y) = SequentialMonteCarloTests.drawn(z, seed: 3, snr: 30),
            g = LocalGeometry(z), density = FittedDensity()
        let finder = ModeFinder(acquisition: EnsembleMovesTests.acquisition),
            mode = try #require(finder.climb(y, g, from: theta, steps: 20, constant: 0))
        density.fit(mode, inflation: 1.5)
        let d = Double(g.dimension),
            centre = density.logDensity(BallSticksPopulation.particle(mode.centre, hasSpread: false))
        var random = RandomSource(seed: 4), x = [Double](repeating: 0, count: 16), total = 0.0, count = 0.0
        for _ in 0..<4000 {
            guard density.draw(into: &x, using: &random) else { continue }
            var other = x
            for (slot, c) in [(BallSticks.Slot.diffusivity, 0), (BallSticks.Slot.snr, 2), (BallSticks.Slot.s0, 3)] {
                other[slot] = exp(x[c])
            }
            let q = mode.squaredDistance(to: other),
                expected = -0.5 * (FittedDensity.freedom + d) * log1p(q / (1.5 * FittedDensity.freedom))
            #expect(abs(density.logDensity(x) - centre - expected) < 1e-4 * (1 + abs(expected)))
            total += q
            count += 1
        }
        // The variance of uᵀΛu over its squared mean is (2/D)(ν + D − 2)/(ν − 4) for a t.
        let mean = d * 1.5 * FittedDensity.freedom / (FittedDensity.freedom - 2)
        let error = mean * (2 / d * (FittedDensity.freedom + d - 2) / (FittedDensity.freedom - 4) / count).squareRoot()
        #expect(abs(total / count - mean) < 4 * error, "\(total / count), expected \(mean) ± \(error)")
    }
}
