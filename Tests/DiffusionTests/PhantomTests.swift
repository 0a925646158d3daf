import Foundation
import ModelSpace
import Testing

@testable import Diffusion

@Suite struct PhantomTests {
    let design = twoShells(n0: 3)

    func every(_ snr: Double = 30, seed: UInt64 = 4) -> [Phantom] {
        [
            .brain(shape: [16, 18, 10], snr: snr, noise: .rician, seed: seed),
            .crossings(
                shape: [8, 5, 3], angles: [20, 45, 90], fractions: (0.2, 0.5), snr: snr, noise: .gaussian, seed: seed),
            .water(shape: [5, 4, 3], snr: snr, noise: .rician, seed: seed),
            .prior(shape: [6, 7, 4], acquisition: design, seed: seed),
        ]
    }

    func images(_ phantom: Phantom, volumes: [Int]) -> [[Float]] {
        volumes.map { volume in
            var grid = [Float](repeating: .nan, count: phantom.shape.reduce(1, *))
            grid.withUnsafeMutableBufferPointer { phantom.measure(volume, design, into: $0) }
            return grid
        }
    }

    @Test("Without noise the images are the family's attenuations times s0")
    func noiseFree() {
        for phantom in every(.infinity) + [.prior(shape: [6, 7, 4], acquisition: design, snr: .infinity, seed: 9)] {
            let series = images(phantom, volumes: Array(0..<design.count))
            guard
                (0..<phantom.count).allSatisfy({ phantom.theta($0).dropFirst(BallSticks.Slot.snr).first == .infinity })
            else { continue }
            for n in stride(from: 0, to: phantom.count, by: 7) {
                var predicted = [Float](repeating: 0, count: design.count)
                let theta = Array(phantom.theta(n))
                family.attenuations(theta, phantom.structures[n], design, into: &predicted)
                for i in 0..<design.count {
                    #expect(
                        abs(Double(series[i][phantom.indices[n]]) / theta[BallSticks.Slot.s0] - Double(predicted[i]))
                            < 3e-6)
                }
            }
        }
    }

    @Test("Deviating gradients are those that grad_dev tells of")
    func deviating() throws {
        let phantom = Phantom.brain(shape: [16, 18, 10], snr: .infinity, noise: .gaussian, seed: 4).deviating(by: 0.1)
        let frame = try FrameConversion(affine3x3: [-2, 0, 0, 0, 2, 0, 0, 0, 2])
        let deviation = GradientDeviation(
            (0..<phantom.count).flatMap { phantom.gradientDeviation($0, frame) }, frame: frame)
        #expect(deviation.size.medianB > 0.03 && deviation.size.highB > 0.1 && deviation.size.highAngle > 1)
        let series = images(phantom, volumes: Array(0..<design.count))
        for n in stride(from: 0, to: phantom.count, by: 11) {
            var predicted = [Float](repeating: 0, count: design.count)
            let theta = Array(phantom.theta(n)), own = deviation.acquisition(design, at: n)
            family.attenuations(theta, phantom.structures[n], own, into: &predicted)
            for i in 0..<design.count {
                let measured = Double(series[i][phantom.indices[n]]) / theta[BallSticks.Slot.s0]
                #expect(abs(measured - Double(predicted[i])) < 1e-5)
            }
        }
    }

    @Test("Every voxel's truth lies in the family's support, with unit directions and falling fractions")
    func support() {
        for phantom in every() {
            #expect(zip(phantom.indices, phantom.indices.dropFirst()).allSatisfy { $0 < $1 })
            for n in 0..<phantom.count {
                let theta = Array(phantom.theta(n)), sticks = BallSticks.stickCount(phantom.structures[n])
                #expect(family.logPrior(theta, phantom.structures[n]).isFinite)
                for k in 0..<3 {
                    let a = axis(theta, k)
                    #expect(abs((a * a).sum() - (k < sticks ? 1 : 0)) < 1e-12)
                    #expect((theta[BallSticks.Slot.fraction + k] > 0) == (k < sticks))
                }
            }
        }
    }

    @Test("The brain holds every number of fibres, in good supply")
    func brainCounts() {
        let phantom = Phantom.brain(shape: [32, 40, 24], snr: 30, noise: .rician, seed: 1)
        #expect(phantom.fibreCounts.reduce(0, +) == phantom.count)
        #expect(
            phantom.fibreCounts[0] > 5000 && phantom.fibreCounts[1] > 2500 && phantom.fibreCounts[2] > 800
                && phantom.fibreCounts[3] > 200)
    }

    @Test(
        """
        Bundles turn smoothly: neighbouring voxels agree within 15 degrees, and the fields are tangent to their own \
        lines
        """
    )
    func continuity() {
        let h = 2.0 / 40
        for (name, bundle) in BrainScene.bundles {
            var found = 0, worst = 1.0
            var random = RandomSource(seed: 8)
            for _ in 0..<40_000 {
                let p = SIMD3(random.uniform(-0.9, 0.9), random.uniform(-0.9, 0.9), random.uniform(-0.9, 0.9))
                let here = bundle(p)
                guard here.weight > 0, (p * p).sum() < 0.8 else { continue }
                found += 1
                for step in [SIMD3(h, 0, 0), SIMD3(0, h, 0), SIMD3(0, 0, h)] where bundle(p + step).weight > 0 {
                    worst = min(
                        worst, (DirectionSets.unit(here.tangent) * DirectionSets.unit(bundle(p + step).tangent)).sum())
                }
                // A bundle's weight hardly changes along its fibres.
                let along = bundle(p + 0.01 * DirectionSets.unit(here.tangent))
                #expect(abs(along.weight - here.weight) < 0.05, "\(name) at \(p)")
            }
            #expect(found > 100, "\(name)")
            #expect(worst > cos(15 * Double.pi / 180), "\(name)")
        }
    }

    @Test("Crossing angles are exact, and every orientation occurs")
    func angles() {
        let angles = [20.0, 37.5, 90]
        let phantom = Phantom.crossings(
            shape: [30, 20, 5], angles: angles, fractions: (0.2, 0.5), snr: 30, noise: .rician, seed: 2)
        var octants: Set<Int> = []
        for n in 0..<phantom.count {
            let theta = Array(phantom.theta(n)), a = axis(theta, 0), b = axis(theta, 1)
            #expect(abs(acos((a * b).sum()) * 180 / .pi - angles[phantom.indices[n] % 3]) < 1e-9)
            #expect(theta[BallSticks.Slot.fraction] == 0.5 && theta[BallSticks.Slot.fraction + 1] == 0.2)
            octants.insert((a.x > 0 ? 1 : 0) + (a.y > 0 ? 2 : 0) + (a.z > 0 ? 4 : 0))
        }
        #expect(octants.count == 8)
    }

    @Test("Equal seeds give equal images, other seeds others")
    func seeds() {
        for ((one, same), other) in zip(zip(every(), every()), every(seed: 5)) {
            let a = images(one, volumes: [0, 3, 40])
            #expect(a == images(same, volumes: [0, 3, 40]))
            #expect(a[1] == images(one, volumes: [3])[0])
            let b = images(other, volumes: [0, 3, 40])
            #expect(zip(a, b).allSatisfy { zip($0, $1).allSatisfy { $0 != $1 } })
        }
    }

    @Test(
        """
        Noise has the standard deviation asked for, in and around the brain, and is independent between voxels and \
        volumes
        """
    )
    func noise() {
        let shape = [24, 24, 24]
        let gaussian = Phantom.brain(shape: shape, snr: 25, noise: .gaussian, seed: 3),
            clean = Phantom.brain(shape: shape, snr: .infinity, noise: .gaussian, seed: 3)
        let volumes = [0, 10, 11], noisy = images(gaussian, volumes: volumes), truth = images(clean, volumes: volumes)
        let residuals = zip(noisy, truth).map { zip($0, $1).map { Double($0 - $1) / 40 } }
        for r in residuals {
            #expect(abs(r.reduce(0, +) / Double(r.count)) < 0.04)
            #expect(abs(r.reduce(0) { $0 + $1 * $1 } / Double(r.count) - 1) < 0.06)
            #expect(abs(zip(r, r.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / Double(r.count)) < 0.04)
        }
        #expect(abs(zip(residuals[1], residuals[2]).reduce(0) { $0 + $1.0 * $1.1 } / Double(residuals[1].count)) < 0.04)

        // Rayleigh around the brain: second moment 2σ².
        let rician = Phantom.brain(shape: shape, snr: 25, noise: .rician, seed: 3), inside = Set(rician.indices)
        let image = images(rician, volumes: [5])[0], outside = image.indices.filter { !inside.contains($0) }
        let square = outside.reduce(0.0) { $0 + pow(Double(image[$1]), 2) } / Double(outside.count)
        #expect(abs(square / (2 * 40 * 40) - 1) < 0.06)
    }

    @Test("The prior's phantom keeps to the noise and λ asked for")
    func prior() {
        let gaussian = Phantom.prior(shape: [10, 10, 10], acquisition: design, noise: .gaussian, seed: 1)
        #expect(gaussian.structures.allSatisfy { !BallSticks.isRician($0) })
        #expect(gaussian.fibreCounts.allSatisfy { $0 > 190 })
        let sparse = Phantom.prior(shape: [10, 10, 10], lambda: 2, acquisition: design, snr: 20, seed: 1)
        #expect(sparse.fibreCounts[0] > 980)
        #expect((0..<sparse.count).allSatisfy { sparse.parameters[$0 * 16 + BallSticks.Slot.snr] == 20 })
    }
}
