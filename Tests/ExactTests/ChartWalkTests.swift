import Foundation
import ModelSpace
import Testing

@testable import Exact

@Suite struct ChartWalkTests {
    /// Draws that begin at one point end where importance samples say the posterior is.
    @Test(arguments: [NoiseLikelihood.gaussian, .rician]) func endsInThePosterior(noise: NoiseLikelihood) throws {
        let layout = StartFinderTests.layout, truth = StartFinderTests.truth, kernels = Decays().kernels(StartFinderTests.design)
        var random = RandomSource(seed: 5)
        let y = StartFinderTests.signal(layout, truth).map { $0 + 0.03 * Float(random.normal()) }
        let sampler = ImportanceSampler(kernels)
        let modes = try #require(sampler.modes(y, layout, starts: [(noise, truth)], options: .init()))
        var run = sampler.start(y, modes, generations: 16, options: .init(), noises: [noise])
        sampler.advance(&run, y, generations: 16, options: .init()) { RandomSource(seed: 1, stream: 2, substream: UInt64($0)) }
        let weights = run.sample.weights(noise)
        let samples = weights.indices.map { i in
            var x = [Double](repeating: 0, count: layout.count)
            run.sample.point(i, into: &x)
            return (point: x, weight: weights[i])
        }
        let chart = ChartWalk.Chart(layout, centre: modes.best.centre, samples: samples, knowsNoise: false), walk = ChartWalk(kernels)
        let draws = 96
        var points = Array(repeating: modes.best.centre, count: draws)
        let rate = walk.run(y, points: &points, chart: chart, noise, sweeps: 300, using: &random)
        #expect(rate > 0.1 && rate < 0.8)
        // Means and variances in the chart against those of the weighted samples.
        let reference = samples.map { (chart.coordinates($0.point), $0.weight) }, found = points.map(chart.coordinates)
        for i in 0..<chart.dimension {
            let mean = reference.reduce(0) { $0 + $1.0[i] * $1.1 }, variance = reference.reduce(0) { $0 + pow($1.0[i] - mean, 2) * $1.1 }
            let own = found.reduce(0) { $0 + $1[i] } / Double(draws), ownVariance = found.reduce(0) { $0 + pow($1[i] - own, 2) } / Double(draws - 1)
            #expect(abs(own - mean) < 4.5 * (variance / Double(draws)).squareRoot(), "coordinate \(i)")
            #expect(ownVariance > 0.4 * variance && ownVariance < 2.2 * variance, "coordinate \(i)")
        }
        #expect(points.allSatisfy { layout.supports($0) })
    }

    @Test func knownNoiseStays() {
        let layout = StartFinderTests.layout, kernels = Decays().kernels(StartFinderTests.design), y = StartFinderTests.signal(layout, StartFinderTests.truth)
        var random = RandomSource(seed: 6), points = Array(repeating: StartFinderTests.truth, count: 5)
        let samples = (0..<200).map { _ in (point: StartFinderTests.truth.map { $0 + 0.01 * random.normal() }, weight: 1.0) }
        let chart = ChartWalk.Chart(layout, centre: StartFinderTests.truth, samples: samples, knowsNoise: true)
        ChartWalk(kernels).run(y, points: &points, chart: chart, .gaussian, sigma: 0.01, sweeps: 20, using: &random)
        #expect(points.allSatisfy { $0[SignalLayout.sigma] == StartFinderTests.truth[SignalLayout.sigma] })
        #expect(points.contains { $0 != StartFinderTests.truth })
    }
}
