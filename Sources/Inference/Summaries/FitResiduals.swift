import Diffusion
import Parallel

/// What a fit leaves over, in one pass over its voxels: by shell, along and across the main fibre; and, where it is
/// asked for, by volume and slice.
///
/// Predictions are those of the fit's draws, at their λ (`VoxelPredictions`).
public struct FitResiduals: Sendable {
    public let shells: ShellResiduals
    public let volumes: ResidualSurvey?

    private static let draws = 8, bandDraws = 32

    /// - Parameters:
    ///   - shards: of a fit or a part of one.
    ///   - lambda: that of the fit.
    ///   - mask: places in the image of all voxels of the fit, rising; nil where only shells are wanted.
    ///   - signals: V × M raw values of all voxels of the fit.
    ///   - deviation: of the gradients in these, where the fit took it in.
    ///   - threads: how many share the work; it does not change the result.
    public init(
        _ shards: [PosteriorShard], family: any DiffusionFamily = BallSticks(), lambda: Double, mask: [Int]?,
        signals: [Float], acquisition: Acquisition, deviation: GradientDeviation? = nil, threads: Int
    ) {
        let m = acquisition.count, grid = shards.first?.metadata.grid ?? [1, 1, 1]
        let (bValues, shell) = ShellResiduals.shells(acquisition)
        let structures = PosteriorArchive.placeStructures(shards)
        let chosen = Set(mask.map { ResidualSurvey.choose($0, grid: grid, volumes: m) } ?? [])
        let blocks = shards.flatMap { shard in
            stride(from: 0, to: shard.count, by: 512).map { (shard: shard, range: $0..<min($0 + 512, shard.count)) }
        }
        var parts = [(shells: ShellSums, volumes: VolumeSums)](
            repeating: (ShellSums(shells: bValues.count), VolumeSums()), count: blocks.count)
        parts.withUnsafeMutableBufferPointer { parts in
            signals.withUnsafeBufferPointer { signals in
                nonisolated(unsafe) let parts = parts.baseAddress!, signals = signals.baseAddress!
                try! forEachInParallel(blocks.count, threads: threads) { number in
                    let (shard, range) = blocks[number]
                    var (shells, volumes) = parts[number]
                    var predictions = VoxelPredictions(shard.metadata, structures, family, acquisition)
                    for i in range where !VoxelQuality(rawValue: shard.quality[i]).contains(.notFitted) {
                        guard shard.meanB0[i] > 0 else { continue }
                        let voxel = Int(shard.voxels[i]), own = signals + (shard.first + i) * m
                        let gradients = deviation?.acquisition(acquisition, at: shard.first + i) ?? acquisition
                        predictions.read(shard, i)
                        let hasFibres = ShellSums.hasFibres(predictions)
                        guard hasFibres || mask != nil else { continue }
                        predictions.predict(own, gradients, draws: Self.draws)
                        if hasFibres { shells.add(predictions, own, gradients, shell) }
                        guard mask != nil else { continue }
                        volumes.add(predictions.residuals, own, slice: voxel / (grid[0] * grid[1]))
                        guard chosen.contains(voxel) else { continue }
                        predictions.predict(own, gradients, draws: Self.bandDraws)
                        volumes.keep(voxel, own, predictions)
                    }
                    parts[number] = (shells, volumes)
                }
            }
        }
        shells = ShellResiduals(parts.map(\.shells), bValues: bValues, lambda: lambda)
        volumes = mask.map { _ in
            ResidualSurvey(parts.map(\.volumes), acquisition: acquisition, slices: grid[2], lambda: lambda)
        }
    }
}
