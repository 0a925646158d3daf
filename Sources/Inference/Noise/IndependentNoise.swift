import Diffusion
import Foundation

/// The noise of a scan as something else than the fit knows it, for each voxel: what the fitted σ is held against.
public struct IndependentNoise: Sendable {
    /// Where it comes from, in the words of `fit.json` and the report.
    public enum Source: String, Codable, Sendable {
        case map = "noise map given"
        case patches = "Marchenko-Pastur law on patches"
        case repeats = "repeated b=0 volumes"
    }

    /// What is to be said of an estimate besides its values.
    public struct Origin: Codable, Equatable, Sendable {
        public var source: Source
        /// σ by the scatter of repeated b≈0 volumes (`scatterOfRepeats`), scanner units; nil when there are fewer than
        /// three.
        public var repeats: Double?

        public init(_ source: Source, repeats: Double? = nil) {
            self.source = source
            self.repeats = repeats
        }
    }

    public var origin: Origin
    /// [V] σ in scanner units; 0 where it is not known.
    public var values: [Float]

    public init(_ origin: Origin, values: [Float]) {
        self.origin = origin
        self.values = values
    }

    /// From the scan itself: from patches (`PatchNoise`), or where these cannot tell from the scatter of repeated b≈0
    /// volumes, one value for all voxels.
    ///
    /// Parameters as those of `PatchNoise.init`.
    /// - Returns: nil when the scan has too few volumes or voxels for either, or when stopped.
    public static func estimate(
        voxels: [Int], grid: [Int], signals: [Float], acquisition: Acquisition, threads: Int,
        shouldStop: @escaping @Sendable () -> Bool = { false }
    ) -> IndependentNoise? {
        let patches = PatchNoise(
            voxels: voxels, grid: grid, signals: signals, measurements: acquisition.count, threads: threads,
            shouldStop: shouldStop)
        guard !shouldStop() else { return nil }
        let repeats = scatterOfRepeats(signals, acquisition)
        if let patches { return IndependentNoise(Origin(.patches, repeats: repeats), values: patches.values) }
        guard let sigma = repeats else { return nil }
        return IndependentNoise(
            Origin(.repeats, repeats: repeats), values: Array(repeating: Float(sigma), count: voxels.count))
    }

    /// σ from the b≈0 volumes, at least three of the same b within 20 s/mm²: the median over voxels of their variance.
    /// Holds pulsation, motion and drift between them as well as noise.
    /// - Parameter signals: V × M raw values.
    public static func scatterOfRepeats(_ signals: [Float], _ acquisition: Acquisition) -> Double? {
        let least = acquisition.unweightedIndices.map { acquisition.bValues[$0] }.min() ?? 0
        let repeats = acquisition.unweightedIndices.filter { acquisition.bValues[$0] <= least + 20 }
        let n = Double(repeats.count), m = acquisition.count
        guard repeats.count >= 3 else { return nil }
        var variances: [Double] = []
        for v in 0..<signals.count / m {
            var sum = 0.0, squares = 0.0
            for i in repeats { sum += Double(signals[v * m + i]) }
            for i in repeats { squares += pow(Double(signals[v * m + i]) - sum / n, 2) }
            if squares.isFinite, squares > 0 { variances.append(squares / (n - 1)) }
        }
        guard variances.count >= PatchNoise.leastVoxels else { return nil }
        // The median of χ² with k degrees of freedom over k, by Wilson and Hilferty's approximation.
        let median = pow(1 - 2 / (9 * (n - 1)), 3)
        variances.sort()
        return (variances[variances.count / 2] / median).squareRoot()
    }
}
