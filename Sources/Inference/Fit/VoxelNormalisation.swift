import Diffusion

/// What the numbers of a scan mean, beyond what one voxel can tell (`SignalSurvey` finds it).
public struct SignalRules: Sendable, Equatable {
    /// The least size of a signal other than zero in an image that stores integers; nil elsewhere. Only there can an
    /// exact zero be a signal, rounded; otherwise the volume does not reach the voxel, as eddy leaves what a head's
    /// movement carried out of the field of view, or has been cut off.
    public var step: Float?
    /// Whether signals are real-valued. Magnitudes are not, and a magnitude of zero stands for less than half a step.
    public var isRealValued = false
    /// Volumes that are zero throughout, by position.
    public var emptyVolumes: [Int] = []
    /// The signals over mean b≈0 that a network was trained on; nil where none is asked.
    public var trained: ClosedRange<Float>?

    public init() {}

    /// Whether a voxel's exact zeros are signals: near zero its other signals are then found as well, at least as many
    /// of them below three and a half steps.
    func zerosAreSignals(_ signal: UnsafeBufferPointer<Float>) -> Bool {
        guard let step else { return false }
        var zeros = 0, low = 0
        for x in signal { if x == 0 { zeros += 1 } else if x < 3.5 * step { low += 1 } }
        return zeros - emptyVolumes.count <= low
    }

    /// What an exact zero that is a signal counts as. Of a magnitude all of the lowest half step was rounded to it,
    /// where Rician densities rise in proportion to the signal: by probability an eighth of a step.
    var zero: Float { isRealValued ? 0 : (step ?? 0) / 8 }
}

/// How a voxel's raw signals become an observation: divided by the mean of its b≈0 volumes, without the measurements
/// that are missing.
package enum VoxelNormalisation {
    package struct Voxel {
        /// 0 where the voxel is not fitted.
        package var meanB0: Float
        package var quality: VoxelQuality
        /// Positions of the measurements there are; nil for all of them.
        package var kept: [Int]?
    }

    /// Writes y = signal / mean(b≈0) of the measurements that are not missing to `out`. Signals may be negative.
    /// - Returns: `.notFitted` among the qualities when there is nothing to fit.
    package static func normalise(
        _ signal: UnsafeBufferPointer<Float>, _ acquisition: Acquisition, _ rules: SignalRules,
        into out: UnsafeMutablePointer<Float>
    ) -> Voxel {
        var zeros = 0, negative = 0, bad = 0, zero = Float(0)
        for x in signal {
            if !x.isFinite { bad += 1 } else if x == 0 { zeros += 1 } else if x < 0 { negative += 1 }
        }
        if zeros == signal.count { return Voxel(meanB0: 0, quality: [.noBaseline, .notFitted]) }
        var quality: VoxelQuality = [], kept: [Int]?
        // What wrote NaN may have damaged the voxel's other volumes as well: nothing of it is trusted.
        if bad > 0 { return Voxel(meanB0: 0, quality: [.nonFiniteSignal, .notFitted]) }
        if negative > 0 { quality.insert(.negativeSignal) }
        if zeros > 0 {
            let areSignals = rules.zerosAreSignals(signal)
            zero = areSignals ? rules.zero : 0
            let there = signal.indices.filter { i in
                signal[i] != 0 || (areSignals && !rules.emptyVolumes.contains(i))
            }
            if there.count < signal.count {
                kept = there
                quality.insert(.missingSignal)
            }
        }
        let positions = kept ?? Array(signal.indices)
        var mean = 0.0, count = 0
        for i in positions where acquisition.isUnweighted(i) {
            mean += Double(signal[i] == 0 ? zero : signal[i])
            count += 1
        }
        mean /= Double(count)
        guard mean > 0, Float(mean).isNormal else {
            return Voxel(meanB0: 0, quality: quality.union([.noBaseline, .notFitted]))
        }
        for (k, i) in positions.enumerated() {
            out[k] = Float(Double(signal[i] == 0 ? zero : signal[i]) / mean)
            if let range = rules.trained, !range.contains(out[k]) { quality.insert(.outsideTraining) }
        }
        return Voxel(meanB0: Float(mean), quality: quality, kept: kept)
    }
}
