/// Which kinds of noise the signals of a scan may have.
public enum NoiseKinds: String, Sendable, CaseIterable {
    /// Each voxel's signals decide between Gaussian and Rician noise: magnitude images.
    case either
    /// Gaussian noise of zero mean, so that signals may be negative: real-valued images (phase-corrected,
    /// complex-denoised). Rician structures have no probability.
    case gaussian

    /// Whether Rician structures can have any probability for these signals: they have none where a signal is not
    /// positive.
    public func allowRician(_ y: UnsafePointer<Float>, count: Int) -> Bool {
        self == .either && (0..<count).allSatisfy { y[$0] > 0 }
    }
}

extension NoiseKinds {
    /// What an archive notes: nothing where both kinds are possible, as of old.
    public var notes: [String: String] { self == .gaussian ? ["noise": "gaussian"] : [:] }
}
