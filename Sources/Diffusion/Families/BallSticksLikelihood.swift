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
        _ y: UnsafePointer<Float>, attenuations: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ z: Structure,
        _ design: Acquisition
    ) -> Double {
        design.logLikelihood(
            y, attenuations: attenuations, s0: theta[Slot.s0], snr: theta[Slot.snr],
            Self.isRician(z) ? .rician : .gaussian)
    }
}
