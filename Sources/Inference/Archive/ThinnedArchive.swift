import Foundation

extension PosteriorArchive {
    /// A fit of some of the voxels, written as one file.
    /// - Parameters:
    ///   - ranks: among this fit's voxels, ascending.
    ///   - directory: an empty folder.
    /// - Throws: `SafetensorsError`.
    public func taking(_ ranks: [Int], into directory: String) throws -> PosteriorArchive {
        var metadata = self.metadata.inCurrentFormat
        (metadata.shardCount, metadata.voxelCount) = (1, ranks.count)
        var batch = PosteriorBatch(voxels: ranks.map { _ in 0 }), next = 0
        for shard in shards {
            while next < ranks.count, ranks[next] < shard.first + shard.count {
                let i = ranks[next] - shard.first
                batch.voxels[next] = shard.voxels[i]
                batch.quality[next] = shard.quality[i]
                batch.meanB0[next] = shard.meanB0[i]
                batch.misfit[next] = shard.misfit[i]
                batch.records[next] = shard.record(i)
                next += 1
            }
        }
        try PosteriorShard.write(batch, metadata: metadata, index: 0, first: 0, directory: directory)
        return try PosteriorArchive(directory: directory)
    }
}
