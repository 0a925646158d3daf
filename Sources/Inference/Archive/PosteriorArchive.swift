import Foundation
import ModelSpace

/// A fit's posteriors: all shards of a directory, mapped into memory and checked to be one complete fit.
public struct PosteriorArchive: Sendable {
    public let directory: String
    public private(set) var metadata: PosteriorMetadata
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
        let whole = found.filter(\.isWhole)
        guard whole.count == one.metadata.shardCount else {
            let done = Set(whole.map(\.index)),
                held = found.reduce(0) { $0 + ($1.isWhole || !done.contains($1.index) ? $1.count : 0) }
            let missing = max(0, one.metadata.voxelCount - held)
            throw PosteriorArchiveError.incomplete(directory: directory, missing: missing, of: one.metadata.voxelCount)
        }
        var position = 0, last = -1
        for shard in whole {
            guard shard.first == position, shard.voxels.first.map({ Int($0) > last }) ?? true else {
                throw PosteriorArchiveError.mixed(
                    path: shard.path, reason: "its voxels do not follow on those of the shard before")
            }
            position += shard.count
            last = shard.voxels.last.map(Int.init) ?? last
        }
        guard position == one.metadata.voxelCount else {
            throw PosteriorArchiveError.mixed(
                path: directory, reason: "\(position) voxels where \(one.metadata.voxelCount) are promised")
        }
        shards = whole
        metadata.structures = Self.placeStructures(whole)
    }

    /// The rows of tables of structure probabilities of these shards, which then know their structures' places in them:
    /// where a family has too many structures for a row each, the classes of those that occur.
    static func placeStructures(_ shards: [PosteriorShard]) -> StructureTable {
        guard let metadata = shards.first?.metadata, metadata.structures.rows.isEmpty else {
            return shards.first?.metadata.structures ?? StructureTable(rows: [])
        }
        var all: Set<Structure> = []
        for shard in shards { all.formUnion(shard.structures) }
        let table = StructureTable(classesOf: all, metadata.layout.rule)
        for shard in shards { shard.place(in: table) }
        return table
    }

    /// The sound shards and pieces of shards of a directory, by shard and first voxel, which may be part of a fit only:
    /// what `--resume` and `merge` go on from.
    /// - Throws: `PosteriorArchiveError.damaged` or `.mixed`, `SafetensorsError`.
    public static func shards(in directory: String) throws -> [PosteriorShard] {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [])
            .filter { $0.hasPrefix("posterior-") && $0.hasSuffix(".safetensors") }.sorted()
        var result: [PosteriorShard] = []
        for name in names {
            let shard = try PosteriorShard(path: directory + "/" + name)
            guard shard.isWhole || name == PosteriorShard.name(shard.index, pieceFrom: shard.first) else {
                throw PosteriorArchiveError.damaged(
                    path: shard.path, reason: "its name does not fit its contents (shard \(shard.index))")
            }
            if let one = result.first, one.metadata != shard.metadata {
                throw PosteriorArchiveError.mixed(
                    path: shard.path, reason: one.metadata.difference(shard.metadata) ?? "nothing")
            }
            result.append(shard)
        }
        return result.sorted { ($0.index, $0.first, $0.isWhole ? 0 : 1) < ($1.index, $1.first, $1.isWhole ? 0 : 1) }
    }
}

extension PosteriorMetadata {
    /// Names the first entry in which two fits differ; nil when they do not.
    public func difference(_ other: PosteriorMetadata) -> String? {
        if format != other.format { return "format \(other.format), not \(format)" }
        let definition = "family_digest"
        if family != other.family || notes[definition] != other.notes[definition] {
            return family.name == other.family.name
                ? "another family '\(family.name)'" : "family \(other.family.name), not \(family.name)"
        }
        if format == Self.denseFormat && structures != other.structures { return "other structures" }
        if drawLambda != other.drawLambda || referenceLambda != other.referenceLambda {
            return "λ \(other.drawLambda), not \(drawLambda)"
        }
        if sampleCount != other.sampleCount { return "\(other.sampleCount) draws asked for, not \(sampleCount)" }
        if drawCount != other.drawCount { return "\(other.drawCount) draws a voxel, not \(drawCount)" }
        if grid != other.grid { return "grid \(other.grid), not \(grid)" }
        if seed != other.seed { return "seed \(other.seed), not \(seed)" }
        if networkSHA256 != other.networkSHA256 || networkName != other.networkName { return "another network" }
        if shardCount != other.shardCount { return "\(other.shardCount) shards, not \(shardCount)" }
        if voxelCount != other.voxelCount { return "\(other.voxelCount) voxels, not \(voxelCount)" }
        let precision = "precision"
        if notes[precision] != other.notes[precision] {
            func said(_ value: String?) -> String { value ?? "unknown precision" }
            return
                """
                the network ran in \(said(other.notes[precision])), not \(said(notes[precision])): \
                PRISM_NETWORK_PRECISION chooses
                """
        }
        if let key = Set(notes.keys).union(other.notes.keys).filter({ notes[$0] != other.notes[$0] }).min() {
            // A digest says nothing to a reader.
            if key == "known_noise_digest" { return "other values of the known noise" }
            if key == PosteriorMetadata.wordsNote { return "other named quantities or models of the family" }
            if [PosteriorMetadata.definitionNote, PosteriorMetadata.allocationNote].contains(key) {
                return "a fit of another version"
            }
            if key.hasSuffix("digest") { return "other data" }
            func said(_ value: String?) -> String { value.map { "'\($0)'" } ?? "nothing" }
            return "\(key.replacingOccurrences(of: "_", with: " ")) \(said(other.notes[key])), not \(said(notes[key]))"
        }
        return nil
    }
}
