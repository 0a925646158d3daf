import CKernels
import Foundation
import ModelSpace

extension BallSticks {
    /// A(b, g; θ): one predicted attenuation, signal over S0; the plain reference of `attenuations`.
    public static func attenuation(_ theta: UnsafePointer<Double>, _ z: Structure, b: Double, g: SIMD3<Double>)
        -> Double
    {
        let d = theta[Slot.diffusivity], s = hasSpread(z) ? theta[Slot.spread] : 0
        func decay(_ b: Double) -> Double {
            s > 0 ? exp(-(d / s) * (d / s) * log1p(b * s * (s / d))) : exp(-b * d)
        }
        let n = stickCount(z)
        var f0 = 1.0, total = 0.0
        for k in 0..<n {
            let f = theta[Slot.fraction + k], axis = theta + Slot.axis + 3 * k
            let c = g.x * axis[0] + g.y * axis[1] + g.z * axis[2]
            f0 -= f
            total += f * decay(b * c * c)
        }
        return total + f0 * decay(b)
    }

    /// Predicted attenuations of all M volumes.
    /// - Accuracy: within 2e-6 of `attenuation`.
    public func attenuations(
        _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition, into out: UnsafeMutablePointer<Float>
    ) {
        let t = design.tables, n = Self.stickCount(z)
        var fractions: (Float, Float, Float, Float) = (1, 0, 0, 0)
        var axes: (Float, Float, Float, Float, Float, Float, Float, Float, Float) = (0, 0, 0, 0, 0, 0, 0, 0, 0)
        withUnsafeMutableBytes(of: &fractions) { rawF in
            withUnsafeMutableBytes(of: &axes) { rawA in
                let f = rawF.bindMemory(to: Float.self).baseAddress!, a = rawA.bindMemory(to: Float.self).baseAddress!
                var rest = 1.0
                for k in 0..<n { rest -= theta[Slot.fraction + k]; f[k + 1] = Float(theta[Slot.fraction + k]) }
                f[0] = Float(rest)
                for k in 0..<3 * n { a[k] = Float(theta[Slot.axis + k]) }
                pk_ball_sticks_signal(
                    t.count, t.b, t.gx, t.gy, t.gz, Float(theta[Slot.diffusivity]),
                    Self.hasSpread(z) ? Float(theta[Slot.spread]) : 0, n,
                    f, a, out)
            }
        }
    }

    /// Mean predicted attenuation over the b≈0 volumes: 1 when all of them have b = 0.
    public func unweightedAttenuation(_ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition) -> Double {
        let t = design.tables
        guard t.unweightedHaveB else { return 1 }
        var total = 0.0
        for k in 0..<t.unweightedCount {
            let i = Int(t.unweighted[k])
            total += Self.attenuation(
                theta, z, b: Double(t.b[i]), g: SIMD3(Double(t.gx[i]), Double(t.gy[i]), Double(t.gz[i])))
        }
        return total / Double(t.unweightedCount)
    }

    /// Draws y as the loader delivers it (`Acquisition.addNoise`), and writes the matching s0 into θ, whatever was
    /// there.
    public func simulate(
        _ theta: UnsafeMutablePointer<Double>, _ z: Structure, _ design: Acquisition, using random: inout RandomSource,
        into y: UnsafeMutablePointer<Float>
    ) {
        theta[Slot.s0] = design.addNoise(
            snr: theta[Slot.snr], Self.isRician(z) ? .rician : .gaussian, using: &random, to: y
        ) {
            attenuations(theta, z, design, into: $0)
        }
    }

    /// log p(y | θ, z), exact, over all M volumes (`Acquisition.logLikelihood`); the plain reference of any faster
    /// likelihood.
    public func logLikelihood(
        _ y: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition
    ) -> Double {
        design.logLikelihood(y, s0: theta[Slot.s0], snr: theta[Slot.snr], Self.isRician(z) ? .rician : .gaussian) {
            Self.attenuation(theta, z, b: design.bValues[$0], g: design.directions[$0])
        }
    }
}
