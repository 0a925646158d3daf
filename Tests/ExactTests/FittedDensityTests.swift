import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

@Suite struct FittedDensityTests {
    static let space = BallSticks().structureSpace.structures

    /// ∫ prior = 1 by importance sampling from a density fitted to prior draws: normaliser, charts, signs and labels all enter.
    @Test(arguments: [0, 2, 4, 6, 8, 12, 14])
    func integratesToOne(_ index: Int) {
        let population = BallSticksPopulation(acquisition: CorrectorTests.acquisition, capacity: 3000)
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
        let population = BallSticksPopulation(acquisition: CorrectorTests.acquisition, capacity: 200), density = FittedDensity()
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
            // The same parameters with two sticks' labels exchanged, although out of sorted order, have the same density.
            for (a, b) in [(4, 5), (7, 10), (8, 11), (9, 12)] { x.swapAt(a, b) }
            #expect(abs(density.logDensity(x) - before) < 1e-9)
        }
    }
}
