import CKernels
import Foundation
import ModelSpace

extension Acquisition {
    /// Draws y as the loader delivers it: the signal of S0 = 1 with noise of σ = 1/snr on *every* volume, divided by
    /// the mean of the noisy b≈0 volumes. Returns the matching s0 = 1 / that mean.
    ///
    /// Gaussian: S + σ n; Rician: |S + σ (n₁ + i n₂)|, independent draws. Noise that brings the b≈0 mean to 0.05 or
    /// below is redrawn (as no voxel with such a mean is fitted).
    /// - Parameter signal: writes the M attenuations.
    func addNoise(
        snr: Double, _ noise: NoiseLikelihood, using random: inout RandomSource, to y: UnsafeMutablePointer<Float>,
        signal: (UnsafeMutablePointer<Float>) -> Void
    ) -> Double {
        let m = count, t = tables, sigma = Float(1 / snr)
        for attempt in 0..<100 {
            signal(y)
            if noise == .rician {
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
            return scale
        }
        return 1
    }

    /// log p(y | S), exact, over all M volumes (b≈0 included): mean s0·A, standard deviation σ = s0/snr.
    ///
    ///     Gaussian   Σ −(y − S)²/2σ² − log σ − ½ log 2π
    ///     Rician     Σ log(y/σ²) − (y − S)²/2σ² + log(e^(−x) I₀(x)),  x = yS/σ²;  −∞ when some y ≤ 0
    ///
    /// Data or parameters that are not numbers give −∞.
    /// - Parameter attenuation: A of volume i.
    /// - Accuracy: absolute error ≤ 1e-12 · M · max(1, (y/σ)²).
    @inline(__always)
    func logLikelihood(
        _ y: UnsafePointer<Float>, s0: Double, snr: Double, _ noise: NoiseLikelihood, attenuation: (Int) -> Double
    ) -> Double {
        let sigma = s0 / snr, precision = 1 / (sigma * sigma)
        guard sigma > 0, precision.isFinite else { return -.infinity }
        var total = 0.0
        for i in 0..<count {
            let signal = s0 * attenuation(i), value = Double(y[i]), r = value - signal
            total -= 0.5 * r * r * precision
            if noise == .rician {
                guard value > 0 else { return -.infinity }
                total += log(value * precision) + logScaledBesselI0(value * signal * precision)
            }
        }
        if noise == .gaussian { total -= Double(count) * (log(sigma) + 0.5 * log(2 * Double.pi)) }
        return total.isNaN ? -.infinity : total
    }

    /// The same from M attenuations, through the vectorised kernels: for whoever needs it many times.
    ///
    /// - Accuracy: within 2e-6 · Σ(1 + (y/σ)²) of the definition with the same attenuations; −∞ exactly where that is.
    @inline(__always)
    public func logLikelihood(
        _ y: UnsafePointer<Float>, attenuations: UnsafePointer<Float>, s0: Double, snr: Double, _ noise: NoiseLikelihood
    ) -> Double {
        let sigma = s0 / snr, m = count
        guard sigma > 0, (1 / (sigma * sigma)).isFinite else { return -.infinity }
        if noise == .gaussian {
            let value = pk_gaussian_log_likelihood(m, attenuations, y, s0, sigma)
            return value.isNaN ? -.infinity : value
        }
        // Without a way out of the loop, so that it becomes vectors.
        var outside: Int32 = 0
        for i in 0..<m { outside |= y[i] > 0 ? 0 : 1 }
        if outside != 0 { return -.infinity }
        let value = pk_rician_log_likelihood(m, attenuations, y, s0, sigma)
        return value.isNaN ? -.infinity : value
    }
}
