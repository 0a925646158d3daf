import Diffusion

/// How a voxel's raw signals become an observation: divided by the mean of its b≈0 volumes.
enum VoxelNormalisation {
    /// Writes y = signal / mean(b≈0) to `out`. Values ≤ 0 among the diffusion-weighted ones become 1e-4 and are flagged.
    /// - Returns: the mean b≈0 signal and what is to be said of the voxel; `.notFitted` when there is nothing to fit.
    static func normalise(
        _ signal: UnsafeBufferPointer<Float>, _ acquisition: Acquisition, into out: UnsafeMutablePointer<Float>
    ) -> (meanB0: Float, quality: VoxelQuality) {
        guard signal.allSatisfy(\.isFinite) else { return (0, [.nonFiniteSignal, .notFitted]) }
        var mean = 0.0
        for i in acquisition.unweightedIndices { mean += Double(signal[i]) }
        mean /= Double(acquisition.unweightedCount)
        guard mean > 0, Float(mean).isNormal else { return (0, [.noBaseline, .notFitted]) }
        var quality: VoxelQuality = []
        for i in 0..<signal.count {
            let y = Float(Double(signal[i]) / mean)
            if y <= 0 && !acquisition.isUnweighted(i) {
                quality.insert(.clampedSignal)
                out[i] = 1e-4
            } else {
                out[i] = y
            }
            // No scanner's noise lifts a signal to ten times the unweighted one: artefact, or a wrong mask.
            if !(out[i] < 10) { quality.insert(.outsideTraining) }
        }
        return (Float(mean), quality)
    }
}
