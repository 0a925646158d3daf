import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Evidences of ball and sticks against dense numerical integration.
@Suite struct EvidenceQuadratureTests {
    typealias Slot = BallSticks.Slot
    static let acquisition = EnsembleMovesTests.acquisition
    static let family = BallSticks()

    /// A voxel of known parameters.
    static func voxel(_ z: Structure, _ theta: inout [Double], seed: UInt64) -> [Float] {
        var random = RandomSource(seed: seed), y = [Float](repeating: 0, count: acquisition.count)
        family.simulate(&theta, z, acquisition, using: &random, into: &y)
        return y
    }

    static func options(_ error: Double) -> SequentialMonteCarlo.Options {
        var options = SequentialMonteCarlo.Options()
        options.targetError = error
        return options
    }

    /// Ball only, with and without spread, both noises: 3 or 4 dimensions.
    @Test(arguments: [0, 1, 2, 3])
    func ball(_ index: Int) throws {
        let z = Self.family.structureSpace.structures[index], spread = BallSticks.hasSpread(z)
        var theta = [Double](repeating: 0, count: 16)
        theta[0] = 1.1e-3
        theta[1] = spread ? 0.6e-3 : 0
        theta[2] = 12
        let y = Self.voxel(z, &theta, seed: UInt64(index + 1))
        let found = try SequentialMonteCarlo(acquisition: Self.acquisition, options: Self.options(0.03)).evidence(
            y, z, seed: 8, voxel: 0)
        func coordinates(_ t: ArraySlice<Double>) -> [Double] {
            let t = Array(t)
            return [log(t[0]), log(t[2]), log(t[3])] + (spread ? [log(t[1] / t[0])] : [])
        }
        let lattice = Lattice.spread((0..<200).map { coordinates(found.draws[$0 * 16..<$0 * 16 + 16]) })
        // The spread fills its whole prior range: a wide lattice, on which the prior's bounds cut, needs to be fine.
        var t = theta, scratch = [Float](repeating: 0, count: Self.acquisition.count)
        let exact = Lattice.integrate(
            mean: lattice.mean, factor: lattice.factor, spacing: spread ? 0.2 : 0.4, radius: spread ? 5.5 : 7
        ) { x in
            t[0] = exp(x[0]); t[2] = exp(x[1]); t[3] = exp(x[2])
            if spread { t[1] = exp(x[0] + x[3]) }
            let prior = Self.family.logPrior(t, z)
            return prior > -.infinity
                ? prior + Self.family.logLikelihood(y, t, z, Self.acquisition, scratch: &scratch) : prior
        }
        #expect(found.standardError < 0.05)
        #expect(
            abs(found.logEvidence - exact) < 3.5 * found.standardError + 0.01,
            "found \(found.logEvidence) ± \(found.standardError), exact \(exact)")
    }

    /// Lattice coordinates of one stick: (log d, log snr, log s0, f, r cos φ, r sin φ), its direction in polar
    /// coordinates about `axis`.
    enum OneStick {
        static let axis = SIMD3(0.36, 0.48, 0.8)
        private static let a = SIMD3(0.8, -0.6, 0.0), b = SIMD3(0.48, 0.64, -0.6)

        static func coordinates(_ t: [Double]) -> [Double] {
            let sign = t[7] * axis.x + t[8] * axis.y + t[9] * axis.z < 0 ? -1.0 : 1
            let v = sign * SIMD3(t[7], t[8], t[9]), r = acos(min(1, (v * axis).sum())), s = r < 1e-9 ? 1 : r / sin(r)
            return [log(t[0]), log(t[2]), log(t[3]), t[4], s * (v * a).sum(), s * (v * b).sum()]
        }

        /// Brings θ to x; returns the log of the area element, sin r / r.
        static func move(_ t: inout [Double], to x: [Double]) -> Double {
            t[0] = exp(x[0]); t[2] = exp(x[1]); t[3] = exp(x[2]); t[4] = x[3]
            let r = (x[4] * x[4] + x[5] * x[5]).squareRoot(), s = r < 1e-9 ? 1 : sin(r) / r
            let v = cos(r) * axis + s * (x[4] * a + x[5] * b)
            for c in 0..<3 { t[7 + c] = v[c] }
            return log(s)
        }
    }

    /// One stick: 6 dimensions, direction in polar coordinates about the truth (area element sin r / r), twice for the
    /// two signs.
    @Test(arguments: [4, 5])
    func oneStick(_ index: Int) throws {
        let z = Self.family.structureSpace.structures[index]
        var theta = [Double](repeating: 0, count: 16)
        theta[0] = 1e-3; theta[2] = 20; theta[4] = 0.5
        for c in 0..<3 { theta[7 + c] = OneStick.axis[c] }
        let y = Self.voxel(z, &theta, seed: UInt64(index + 1))
        let found = try SequentialMonteCarlo(acquisition: Self.acquisition, options: Self.options(0.03)).evidence(
            y, z, seed: 9, voxel: 0)
        let lattice = Lattice.spread((0..<200).map { OneStick.coordinates(Array(found.draws[$0 * 16..<$0 * 16 + 16])) })
        var t = theta, scratch = [Float](repeating: 0, count: Self.acquisition.count)
        let exact =
            log(2)
            + Lattice.integrate(mean: lattice.mean, factor: lattice.factor, spacing: 0.8, radius: 5.6) { x in
                let area = OneStick.move(&t, to: x)
                let prior = Self.family.logPrior(t, z)
                return prior > -.infinity
                    ? prior + area + Self.family.logLikelihood(y, t, z, Self.acquisition, scratch: &scratch) : prior
            }
        #expect(found.standardError < 0.05)
        #expect(
            abs(found.logEvidence - exact) < 3.5 * found.standardError + 0.01,
            "found \(found.logEvidence) ± \(found.standardError), exact \(exact)")
    }
}
