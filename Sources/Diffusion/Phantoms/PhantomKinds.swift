import Foundation
import ModelSpace

extension Phantom {
    /// Two sticks crossing at known angles, turned at random in every voxel.
    ///
    /// Voxel v has angle `angles[v % angles.count]`. In every voxel snr is as given, and s0 follows the coil's
    /// sensitivity.
    /// - Parameters:
    ///   - angles: degrees, above 0 and at most 90.
    ///   - fractions: of the two sticks; the ball has the rest.
    public static func crossings(
        shape: [Int], angles: [Double], fractions: (Double, Double) = (0.35, 0.35), diffusivity: Double = 1.5e-3,
        snr: Double, noise: Noise,
        seed: UInt64
    ) -> Phantom {
        precondition(!angles.isEmpty && fractions.0 > 0 && fractions.1 > 0 && fractions.0 + fractions.1 <= 1)
        var builder = PhantomBuilder(shape: shape, seed: seed)
        for index in 0..<shape.reduce(1, *) {
            var random = builder.random(index)
            let turn = DirectionSets.rotation(using: &random), angle = angles[index % angles.count] * .pi / 180
            let first = DirectionSets.rotate(SIMD3(1, 0, 0), by: turn),
                second = DirectionSets.rotate(SIMD3(cos(angle), sin(angle), 0), by: turn)
            builder.add(
                index, diffusivity: diffusivity, sticks: [(fractions.0, first), (fractions.1, second)],
                s0: referenceSignal * sensitivity(place(index, shape)), snr: snr, noise: noise)
        }
        return builder.phantom()
    }

    /// Free water, isotropic; 2.16e-3 mm²/s is water at room temperature.
    public static func water(shape: [Int], diffusivity: Double = 2.16e-3, snr: Double, noise: Noise, seed: UInt64)
        -> Phantom
    {
        var builder = PhantomBuilder(shape: shape, seed: seed)
        for index in 0..<shape.reduce(1, *) {
            builder.add(
                index, diffusivity: diffusivity, sticks: [], s0: referenceSignal * sensitivity(place(index, shape)),
                snr: snr, noise: noise)
        }
        return builder.phantom()
    }

    /// Voxels drawn from the family's prior, the structures with p(z | λ); what calibration is judged on.
    ///
    /// - Parameters:
    ///   - lambda: λ; 0 makes all structures equally likely.
    ///   - snr: for all voxels; nil draws it from the prior.
    ///   - noise: for all voxels; nil draws it with the structure.
    public static func prior(
        shape: [Int], lambda: Double = 0, acquisition: Acquisition, snr: Double? = nil, noise: Noise? = nil,
        seed: UInt64
    ) -> Phantom {
        let family = BallSticks(), structures = family.structureSpace.structures
        var builder = PhantomBuilder(shape: shape, seed: seed)
        var theta = [Double](repeating: 0, count: BallSticks.Slot.count)
        for index in 0..<shape.reduce(1, *) {
            var random = builder.random(index), z: Structure
            repeat {
                z = structures[family.structureSpace.draw(lambda: lambda, using: &random)]
            } while noise.map { BallSticks.isRician(z) != ($0 == .rician) } ?? false
            family.drawParameters(z, acquisition, using: &random, into: &theta)
            theta[BallSticks.Slot.s0] = referenceSignal * sensitivity(place(index, shape))
            if let snr { theta[BallSticks.Slot.snr] = snr }
            builder.add(index, z, theta)
        }
        return builder.phantom()
    }
}
