import Diffusion
import Foundation
import ModelSpace
import Parallel

/// How well a fit foretells measurements that it has not seen, at several λ: of every voxel v
///
///     Σ_i log p(y_i | y_fitted, λ),     p(y_i | y_fitted, λ) = Σ_d w_d(λ) p(y_i | θ_d),
///
/// over its draws d with their weights at λ (`DrawWeights`). As a score of λ it is proper: no λ does better on the
/// average than the one under which voxels really come about.
///
/// Left out are measurements that are missing (exact zeros), not finite, or not positive where some draw's noise is
/// Rician. Units: nats, densities of signals over the voxel's mean b≈0.
struct HeldOutDensity {
    /// [V × L] sums, and [V] how many measurements they are of; 0 where the voxel is not fitted.
    private(set) var sums: [Double], counts: [Int]

    /// - Parameters:
    ///   - acquisition: M measurements that the archive's fit has not seen.
    ///   - deviation: of the gradients in these voxels.
    ///   - signals: V × M in scanner units.
    /// - Throws: `Stopped`.
    init(
        _ archive: PosteriorArchive, _ family: any DiffusionFamily, lambdas: [Double], acquisition: Acquisition,
        deviation: GradientDeviation? = nil, signals: [Float], threads: Int, shouldStop: @Sendable () -> Bool
    ) throws {
        let v = archive.voxelCount, l = lambdas.count, m = acquisition.count
        precondition(signals.count == v * m)
        let blocks = archive.shards.flatMap { shard in
            stride(from: 0, to: shard.count, by: 32).map { (shard: shard, range: $0..<min($0 + 32, shard.count)) }
        }
        sums = Array(repeating: 0, count: v * l)
        counts = Array(repeating: 0, count: v)
        try sums.withUnsafeMutableBufferPointer { sums in
            try counts.withUnsafeMutableBufferPointer { counts in
                try signals.withUnsafeBufferPointer { signals in
                    // Disjoint voxels.
                    nonisolated(unsafe) let sums = sums.baseAddress, counts = counts.baseAddress,
                        signals = signals.baseAddress
                    try forEachInParallel(blocks.count, threads: threads) { number in
                        let (shard, range) = blocks[number]
                        var worker = Worker(archive.metadata, family, lambdas, measurements: m)
                        for i in range where !VoxelQuality(rawValue: shard.quality[i]).contains(.notFitted) {
                            if shouldStop() { throw Stopped() }
                            let place = shard.first + i
                            let own = deviation?.acquisition(acquisition, at: place) ?? acquisition
                            counts![place] = worker.add(shard, i, own, signals! + place * m, into: sums! + place * l)
                        }
                    }
                }
            }
        }
    }

    private struct Worker {
        let metadata: PosteriorMetadata, family: any DiffusionFamily,
            weightings: [DrawWeights]
        let s0Place: Int, snrPlace: Int
        var posterior = ListedPosterior(), probability: [Double] = [], weights: [[Float]]
        var theta: [Double], attenuations: [Float], logDensity: [Double], density: [Double]

        init(
            _ metadata: PosteriorMetadata, _ family: any DiffusionFamily, _ lambdas: [Double], measurements m: Int
        ) {
            (self.metadata, self.family) = (metadata, family)
            let noise = ThetaLayout(family.description).noise(family.description)
            (s0Place, snrPlace) = (noise.scale!, noise.level!)
            weightings = lambdas.map { DrawWeights(metadata, target: $0) }
            weights = Array(repeating: Array(repeating: 0, count: metadata.drawCount), count: lambdas.count)
            theta = Array(repeating: 0, count: metadata.layout.count)
            attenuations = Array(repeating: 0, count: m)
            logDensity = Array(repeating: 0, count: m * metadata.drawCount)
            density = Array(repeating: 0, count: metadata.drawCount)
        }

        /// - Returns: how many measurements count.
        mutating func add(
            _ shard: PosteriorShard, _ i: Int, _ acquisition: Acquisition, _ signals: UnsafePointer<Float>,
            into sums: UnsafeMutablePointer<Double>
        ) -> Int {
            let d = metadata.drawCount, m = acquisition.count, layout = metadata.layout, p = layout.count
            shard.read(i, into: &posterior)
            for k in weightings.indices {
                weightings[k].update(posterior, probability: &probability, weights: &weights[k])
            }
            var isRician = false
            for s in 0..<d {
                let structure = posterior.structures[Int(posterior.drawPlaces[s])], noise = family.noise(structure)
                isRician = isRician || noise == .rician
                for c in 0..<p { theta[c] = Double(posterior.draws[s * p + c]) * (1 / layout.scales[c]) }
                family.attenuations(theta, structure, acquisition, into: &attenuations)
                let s0 = theta[s0Place], sigma = s0 / theta[snrPlace]
                for j in 0..<m {
                    logDensity[j * d + s] = noise.logDensity(
                        Double(signals[j]) / Double(shard.meanB0[i]), signal: s0 * Double(attenuations[j]), sigma: sigma
                    )
                }
            }
            var count = 0
            for j in 0..<m where signals[j].isFinite && signals[j] != 0 && (signals[j] > 0 || !isRician) {
                let own = logDensity[j * d..<(j + 1) * d], peak = own.max()!
                guard peak.isFinite else { continue }
                count += 1
                for s in 0..<d { density[s] = exp(logDensity[j * d + s] - peak) }
                for k in weights.indices {
                    var sum = 0.0
                    for s in 0..<d { sum += Double(weights[k][s]) * density[s] }
                    // What all draws of weight hold impossible is as unlikely as a double can say.
                    sums[k] += peak + log(max(sum, 1e-300))
                }
            }
            return count
        }
    }
}
