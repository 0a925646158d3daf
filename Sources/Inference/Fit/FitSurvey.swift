import Diffusion

/// What can be said of a scan's voxels before any is fitted: how many cannot be, and why.
public struct FitSurvey: Sendable, Equatable {
    /// Voxels in all, and those that cannot be fitted.
    public var voxels: Int, unfitted = 0
    /// Voxels that can be fitted but have no usable σ, where the noise is to be taken as known.
    public var withoutNoise = 0
    /// Voxels under each reason, in the order of `VoxelQuality.meanings`.
    public var reasons: [(flag: VoxelQuality, count: Int)] = []
    /// The first volume, from 0, in which a signal is NaN or infinite.
    public var firstBadVolume: Int?

    public static func == (a: FitSurvey, b: FitSurvey) -> Bool {
        a.voxels == b.voxels && a.unfitted == b.unfitted && a.withoutNoise == b.withoutNoise
            && a.firstBadVolume == b.firstBadVolume && a.reasons.elementsEqual(b.reasons, by: ==)
    }

    /// - Parameters:
    ///   - signals: raw values of V voxels, V × M.
    ///   - noise: theirs, where it is to be taken as known.
    public init(_ signals: [Float], _ acquisition: Acquisition, _ rules: SignalRules, noise: KnownNoise? = nil) {
        let m = acquisition.count
        voxels = signals.count / m
        var suffices: [[Int]: Bool] = [:], counts: [UInt8: Int] = [:], y = [Float](repeating: 0, count: m), first = m
        signals.withUnsafeBufferPointer { all in
            for v in 0..<voxels {
                let signal = UnsafeBufferPointer(rebasing: all[v * m..<(v + 1) * m])
                let voxel = y.withUnsafeMutableBufferPointer {
                    VoxelNormalisation.normalise(signal, acquisition, rules, into: $0.baseAddress!)
                }
                var quality = voxel.quality
                if let kept = voxel.kept, !quality.contains(.notFitted) {
                    let isEnough = suffices[kept] ?? (acquisition.keeping(kept) != nil)
                    suffices[kept] = isEnough
                    if !isEnough { quality.formUnion([.tooFewMeasurements, .notFitted]) }
                }
                guard quality.contains(.notFitted) else {
                    if let noise, noise.sigma(v, meanB0: voxel.meanB0) == nil { withoutNoise += 1 }
                    continue
                }
                unfitted += 1
                for (flag, _) in VoxelQuality.meanings where flag != .notFitted && quality.contains(flag) {
                    counts[flag.rawValue, default: 0] += 1
                }
                if quality.contains(.nonFiniteSignal) {
                    first = signal.firstIndex { !$0.isFinite }.map { min($0, first) } ?? first
                }
            }
        }
        reasons = VoxelQuality.meanings.compactMap { flag, _ in counts[flag.rawValue].map { (flag, $0) } }
        firstBadVolume = first < m ? first : nil
    }

    /// "5 of 60 have a signal that is NaN or infinite (first in volume 3, counted from 0), 2 of 60 …".
    public var explanation: String {
        reasons.map { flag, count in
            let what: String
            switch flag {
            case .nonFiniteSignal:
                what =
                    "have a signal that is NaN or infinite"
                    + (firstBadVolume.map { " (first in volume \($0), counted from 0)" } ?? "")
            case .noBaseline: what = "have a mean b=0 signal that is zero or negative"
            case .tooFewMeasurements: what = "have too few measurements that are not exactly zero"
            case .missingSignal: what = "lack measurements (exact zeros)"
            case .negativeSignal: what = "have negative signals"
            default: what = "are flagged: " + (VoxelQuality.meanings.first { $0.flag == flag }?.text ?? "unknown")
            }
            return "\(count) of \(voxels) \(what)"
        }.joined(separator: ", ")
    }
}
