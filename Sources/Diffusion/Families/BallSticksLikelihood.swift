import CKernels
import ModelSpace

extension BallSticks {
    /// `logLikelihood` through the vectorised kernels: for engines that need it many times.
    ///
    /// - Parameter scratch: room for M floats.
    /// - Accuracy: within 2e-6 · Σ(1 + (y/σ)²) of `logLikelihood`; −∞ exactly where that is.
    public func logLikelihood(
        _ y: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition,
        scratch: UnsafeMutablePointer<Float>
    ) -> Double {
        attenuations(theta, z, design, into: scratch)
        return logLikelihood(y, attenuations: scratch, theta, z, design)
    }

    /// The same from attenuations already predicted: for moves that change s0 and snr only.
    public func logLikelihood(
        _ y: UnsafePointer<Float>, attenuations: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition
    ) -> Double {
        let s0 = theta[Slot.s0], sigma = s0 / theta[Slot.snr], m = design.count
        guard sigma > 0, (1 / (sigma * sigma)).isFinite else { return -.infinity }
        if !Self.isRician(z) {
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
