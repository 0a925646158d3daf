import Foundation

extension FitEngine {
    /// The shards that are not whole yet, with what pieces of them the folder holds, and the number of voxels asked for
    /// in the others.
    /// - Throws: `FitEngineError.otherFit` when the folder holds something else; what `PosteriorArchive.shards` throws.
    func open(
        _ voxels: [Int], _ metadata: PosteriorMetadata, _ directory: String, _ asked: Range<Int>
    ) throws -> (open: [ShardInProgress], finished: Int) {
        var held: [Int: [PosteriorShard]] = [:]
        for found in try PosteriorArchive.shards(in: directory) {
            if let difference = metadata.difference(found.metadata) {
                throw FitEngineError.otherFit(path: found.path, difference: difference)
            }
            held[found.index, default: []].append(found)
        }
        var open: [ShardInProgress] = [], finished = 0
        for index in 0..<metadata.shardCount {
            let full = index * shardSize..<min((index + 1) * shardSize, voxels.count), range = full.clamped(to: asked)
            if range.isEmpty && !voxels.isEmpty { continue }
            let files = held[index] ?? []
            if let whole = files.first(where: \.isWhole) {
                guard whole.first == full.lowerBound, whole.voxels.elementsEqual(voxels[full].map(Int32.init)) else {
                    throw FitEngineError.otherFit(path: whole.path, difference: "other voxels")
                }
                finished += range.count
                for piece in files where !piece.isWhole { unlink(piece.path) }
                continue
            }
            let shard = ShardInProgress(
                index: index, range: range, isWhole: range == full, voxels: voxels[range].map(Int32.init),
                metadata: metadata, directory: directory,
                interval: pieceInterval)
            for piece in files {
                guard shard.adopt(piece, rank: { voxel in Self.rank(of: Int(voxel), in: voxels, full) }) else {
                    throw FitEngineError.otherFit(path: piece.path, difference: "other voxels")
                }
            }
            open.append(shard)
        }
        return (open, finished)
    }

    /// The place of a voxel among the ascending `voxels`, looked for in `range`.
    private static func rank(of voxel: Int, in voxels: [Int], _ range: Range<Int>) -> Int? {
        var low = range.lowerBound, high = range.upperBound
        while low < high {
            let middle = (low + high) / 2
            if voxels[middle] < voxel { low = middle + 1 } else { high = middle }
        }
        return low < range.upperBound && voxels[low] == voxel ? low : nil
    }
}

/// What can stop a fit that has its data.
public enum FitEngineError: Error, Equatable, CustomStringConvertible, LocalizedError {
    /// `difference` says in what.
    case otherFit(path: String, difference: String)

    public var description: String {
        switch self {
        case .otherFit(let path, let difference):
            """
            \(path) belongs to another fit (\(difference)); give the options it was begun with, or choose another \
            --out.
            """
        }
    }
    public var errorDescription: String? { description }
}
