import Foundation

/// A fit's posteriors: all shards of a directory, mapped into memory and checked to be one complete fit.
public struct PosteriorArchive: Sendable {
    public let directory: String
    public let metadata: PosteriorMetadata
    /// In order; together they hold each voxel of the fit once, ascending.
    public let shards: [PosteriorShard]

    /// V, the number of voxels in all shards.
    public var voxelCount: Int { metadata.voxelCount }

    /// - Throws: `PosteriorArchiveError`, `SafetensorsError`.
    public init(directory: String) throws {
        self.directory = directory
        let found = try Self.shards(in: directory)
        guard let one = found.first else { throw PosteriorArchiveError.empty(directory: directory) }
        metadata = one.metadata
        let present = Set(found.map(\.index))
        let missing = (0..<one.metadata.shardCount).filter { !present.contains($0) }
        guard missing.isEmpty else {
            throw PosteriorArchiveError.incomplete(directory: directory, missing: missing, of: one.metadata.shardCount)
        }
        var position = 0, last = -1
        for shard in found {
            guard shard.first == position, shard.voxels.first.map({ Int($0) > last }) ?? true else {
                throw PosteriorArchiveError.mixed(path: shard.path, reason: "its voxels do not follow on those of the shard before")
            }
            position += shard.count
            last = shard.voxels.last.map(Int.init) ?? last
        }
        guard position == one.metadata.voxelCount else {
            throw PosteriorArchiveError.mixed(path: directory, reason: "\(position) voxels where \(one.metadata.voxelCount) are promised")
        }
        shards = found
    }

    /// The sound shards of a directory in order, which may be part of a fit only: what `--resume` goes on from.
    /// - Throws: `PosteriorArchiveError.damaged` or `.mixed`, `SafetensorsError`.
    public static func shards(in directory: String) throws -> [PosteriorShard] {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [])
            .filter { $0.hasPrefix("posterior-") && $0.hasSuffix(".safetensors") }.sorted()
        var result: [PosteriorShard] = []
        for name in names {
            let shard = try PosteriorShard(path: directory + "/" + name)
            guard name == PosteriorShard.name(shard.index), shard.index < shard.metadata.shardCount else {
                throw PosteriorArchiveError.damaged(path: shard.path, reason: "its name does not fit its contents (shard \(shard.index))")
            }
            if let one = result.first, one.metadata != shard.metadata {
                throw PosteriorArchiveError.mixed(path: shard.path, reason: one.metadata.difference(shard.metadata))
            }
            result.append(shard)
        }
        return result
    }
}

extension PosteriorMetadata {
    /// Names the first entry in which two fits differ.
    public func difference(_ other: PosteriorMetadata) -> String {
        if family != other.family { return "family \(other.family), not \(family)" }
        if structures != other.structures { return "other structures" }
        if drawLambda != other.drawLambda || referenceLambda != other.referenceLambda { return "λ \(other.drawLambda), not \(drawLambda)" }
        if drawCount != other.drawCount { return "\(other.drawCount) draws a voxel, not \(drawCount)" }
        if sampleCount != other.sampleCount { return "\(other.sampleCount) draws asked for, not \(sampleCount)" }
        if grid != other.grid { return "grid \(other.grid), not \(grid)" }
        if seed != other.seed { return "seed \(other.seed), not \(seed)" }
        if networkSHA256 != other.networkSHA256 || networkName != other.networkName { return "another network" }
        if shardCount != other.shardCount { return "\(other.shardCount) shards, not \(shardCount)" }
        if voxelCount != other.voxelCount { return "\(other.voxelCount) voxels, not \(voxelCount)" }
        return "other notes"
    }
}
