import Foundation
import Networks

/// The noise of a scan where it is taken as known: σ enters the likelihood of each voxel as it is; nothing of it is
/// inferred.
///
/// Where the signals hold more than that noise (motion, eddy currents, tissue that the model lacks), the excess is then
/// taken for signal, and further fibres are called to explain it; an unknown σ takes it in instead.
public struct KnownNoise: Sendable {
    public var source: IndependentNoise.Source
    /// [V] σ in scanner units; not above 0 where it is not known.
    let values: [Float]

    /// σ over mean b≈0 within which a value can be the noise of a voxel: an SNR of a tenth to a thousand.
    static let range = 1e-3...10.0

    public init(_ noise: IndependentNoise) {
        source = noise.origin.source
        values = noise.values
    }

    /// σ of voxel v in units of its normalised signals; nil where it is not known.
    func sigma(_ v: Int, meanB0: Float) -> Double? {
        let sigma = Double(values[v]) / Double(meanB0)
        return Self.range.contains(sigma) ? sigma : nil
    }

    /// What an archive notes, so that fits with other values are not mixed with it.
    public var notes: [String: String] {
        ["known_noise": source.rawValue, "known_noise_digest": values.withUnsafeBytes { NetworkFile.digest(Data($0)) }]
    }
}
