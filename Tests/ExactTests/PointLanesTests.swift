import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Sixteen points at once against one after the other.
@Suite struct PointLanesTests {
    /// Log-densities of sixteen points, fewer or more signals than a vector, are those that a climb sees.
    @Test(arguments: [NoiseLikelihood.gaussian, .rician]) func valuesAreThoseOfOnePoint(noise: NoiseLikelihood) {
        let design = StartFinderTests.design, kernels = Decays().kernels(design)
        for bits in [0b00001, 0b00100, 0b00101, 0b01111] as [UInt64] {
            let layout = Decays.layout(Structure(bits: UInt128(bits)))
            check(kernels, layout, noise, scale: 0.2)
        }
        guard noise == .gaussian else { return }
        let times = (0..<21).map { 0.3 * Double($0) }
        for bits in [0b000, 0b011, 0b110] as [UInt64] {
            check(Waves().kernels(times), Waves.layout(Structure(bits: UInt128(bits))), noise, scale: 0)
        }
    }

    private func check(
        _ kernels: any SignalKernels, _ layout: SignalLayout, _ noise: NoiseLikelihood, scale: Double
    ) {
        var random = RandomSource(seed: 11)
        let m = kernels.measurementCount, climber = ModeClimber(kernels), lanes = PointLanes(m)
        let y = (0..<m).map { _ in Float(0.2 + 0.8 * random.uniform()) }
        for count in [16, 11, 1] {
            let points = (0..<count).map { _ in TestPoints.prior(layout, scale: scale, sigma: 0.3, using: &random) }
            y.withUnsafeBufferPointer { y in
                let task = ModeClimber.Task(y.baseAddress!, layout, noise, sigma: nil)
                for (i, x) in points.enumerated() { lanes.set(task, x, at: i) }
                for (x, value) in zip(points, lanes.values(task, count: count, kernels)) {
                    let one = climber.predict(task, x)
                    #expect(abs(value - one) <= 1e-3 + 2e-6 * abs(one), "\(layout.structure) \(value) \(one)")
                }
            }
        }
    }

    /// The scale found along a direction is that at which a parabola, however wide, has fallen by about a half.
    @Test func aWideDirectionEndsWhereTheDensityHasFallenByAHalf() {
        for width in [0.3, 0.7, 1.0, 1.6] {
            let s = WideDirection.scale(0.1) { 0.5 * ($0 / width) * ($0 / width) }
            let fall = 0.5 * (s / width) * (s / width)
            #expect(fall > 0.19 && fall < 1.01, "\(width): \(s)")
        }
        // Outside the support on both sides there is nothing to learn.
        #expect(WideDirection.scale(0.1) { _ in nil } == 1)
    }
}
