import CKernels
import Foundation
import ModelSpace

extension BallSticks {
    /// A(b, g; θ): one predicted attenuation, signal over S0; the plain reference of `attenuations`.
    public static func attenuation(_ theta: UnsafePointer<Double>, _ z: Structure, b: Double, g: SIMD3<Double>) -> Double {
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
                    t.count, t.b, t.gx, t.gy, t.gz, Float(theta[Slot.diffusivity]), Self.hasSpread(z) ? Float(theta[Slot.spread]) : 0, n,
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

    /// Draws y as the loader delivers it: the signal of S0 = 1 with noise of σ = 1/snr on *every* volume, divided by the mean of the noisy
    /// b≈0 volumes; writes the matching s0 = 1 / that mean into θ (whatever s0 was there).
    ///
    /// Gaussian: S + σ n; Rician: |S + σ (n₁ + i n₂)|, independent draws. Noise that brings the b≈0 mean to 0.05 or below is redrawn (as no
    /// voxel with such a mean is fitted).
    public func simulate(
        _ theta: UnsafeMutablePointer<Double>, _ z: Structure, _ design: Acquisition, using random: inout RandomSource,
        into y: UnsafeMutablePointer<Float>
    ) {
        let m = design.count, t = design.tables
        let sigma = Float(1 / theta[Slot.snr]), rician = Self.isRician(z)
        for attempt in 0..<100 {
            attenuations(theta, z, design, into: y)
            if rician {
                for i in 0..<m {
                    let real = y[i] + sigma * Float(random.normal()), imaginary = sigma * Float(random.normal())
                    y[i] = (real * real + imaginary * imaginary).squareRoot()
                }
            } else {
                for i in 0..<m { y[i] += sigma * Float(random.normal()) }
            }
            var mean = 0.0
            for k in 0..<t.unweightedCount { mean += Double(y[Int(t.unweighted[k])]) }
            mean /= Double(t.unweightedCount)
            if mean <= 0.05 && attempt < 99 { continue }
            let scale = 1 / max(mean, 0.05)
            for i in 0..<m { y[i] *= Float(scale) }
            theta[Slot.s0] = scale
            return
        }
    }

    /// log p(y | θ, z), exact, over all M volumes (b≈0 included): mean s0·A, standard deviation σ = s0/snr.
    ///
    ///     Gaussian   Σ −(y − S)²/2σ² − log σ − ½ log 2π
    ///     Rician     Σ log(y/σ²) − (y − S)²/2σ² + log(e^(−x) I₀(x)),  x = yS/σ²;  −∞ when some y ≤ 0
    ///
    /// Data or parameters that are not numbers give −∞.
    /// - Accuracy: absolute error ≤ 1e-12 · M · max(1, (y/σ)²); the plain reference of any faster likelihood.
    public func logLikelihood(
        _ y: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition
    ) -> Double {
        let s0 = theta[Slot.s0], sigma = s0 / theta[Slot.snr]
        let precision = 1 / (sigma * sigma)
        guard sigma > 0, precision.isFinite else { return -.infinity }
        let rician = Self.isRician(z)
        var total = 0.0
        for i in 0..<design.count {
            let signal = s0 * Self.attenuation(theta, z, b: design.bValues[i], g: design.directions[i])
            let value = Double(y[i]), r = value - signal
            total -= 0.5 * r * r * precision
            if rician {
                guard value > 0 else { return -.infinity }
                total += log(value * precision) + logScaledBesselI0(value * signal * precision)
            }
        }
        if !rician { total -= Double(design.count) * (log(sigma) + 0.5 * log(2 * Double.pi)) }
        return total.isNaN ? -.infinity : total
    }
}
