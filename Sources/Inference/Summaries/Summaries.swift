import Foundation
import Parallel

/// What a fit says of every voxel at one λ: probabilities, posterior moments and quantiles, and the fibres matched
/// across draws.
///
/// Made from the archive alone. Each voxel is worked on by itself, so that results do not depend on threads or shards.
/// Voxels that were not fitted are 0 in every column. No value is NaN or infinite.
///
/// Shapes: V voxels (all voxels of the archive, ascending), D stored and S equally weighted draws, K fibres.
public struct PosteriorSummary: Sendable {
    public let lambda: Double
    public let metadata: PosteriorMetadata
    /// [V] index in the image, x fastest; `VoxelQuality` bits; posterior-predictive misfit; mean b≈0 signal.
    public let voxels: [Int], quality: [UInt8], misfit: [Float], meanB0: [Float]
    /// [V × D] which stick of a draw follows which fibre.
    public let assignments: [FibreAssignment]
    /// [V × S] equally weighted draws at this λ.
    public let chosenDraws: [UInt16]
    let values: [Float]

    /// V.
    public var count: Int { voxels.count }

    /// The V values of a column.
    public func column(_ column: SummaryColumn) -> ArraySlice<Float> {
        let i = column.index(metadata.summaryShape)
        return values[(i * count)..<((i + 1) * count)]
    }

    /// Whether voxel number v was fitted.
    public func isFitted(_ v: Int) -> Bool { !VoxelQuality(rawValue: quality[v]).contains(.notFitted) }

    /// The draw that the s-th equally weighted draw of voxel v is.
    @inline(__always)
    public func draw(_ v: Int, _ s: Int) -> Int { Int(chosenDraws[v * metadata.sampleCount + s]) }

    /// Summarises an archive at λ.
    /// - Parameter threads: how many threads share the work; it does not change the result.
    public init(_ archive: PosteriorArchive, lambda: Double, threads: Int) {
        precondition(lambda.isFinite && archive.metadata.drawCount <= Int(UInt16.max))
        let metadata = archive.metadata
        let v = archive.voxelCount, d = metadata.drawCount, s = metadata.sampleCount,
            columns = metadata.summaryShape.columns
        let blocks = archive.shards.flatMap { shard in
            stride(from: 0, to: shard.count, by: 256).map { (shard: shard, range: $0..<min($0 + 256, shard.count)) }
        }
        var assignments = [FibreAssignment](repeating: .none, count: v * d)
        var chosen = [UInt16](repeating: 0, count: v * s)
        values = [Float](unsafeUninitializedCapacity: v * columns) { values, initialised in
            values.initialize(repeating: 0)
            initialised = v * columns
            assignments.withUnsafeMutableBufferPointer { assignments in
                chosen.withUnsafeMutableBufferPointer { chosen in
                    // Disjoint places, one block of voxels each.
                    nonisolated(unsafe) let values = values.baseAddress, assignments = assignments.baseAddress,
                        chosen = chosen.baseAddress
                    try! forEachInParallel(blocks.count, threads: threads) { number in
                        let (shard, range) = blocks[number]
                        var worker = VoxelSummariser(metadata: metadata, lambda: lambda)
                        for i in range where !VoxelQuality(rawValue: shard.quality[i]).contains(.notFitted) {
                            let voxel = shard.first + i
                            worker.summarise(
                                shard, i, assignments: assignments! + voxel * d, chosen: chosen! + voxel * s,
                                into: values! + voxel, stride: v)
                        }
                    }
                }
            }
        }
        self.lambda = lambda
        self.metadata = metadata
        self.assignments = assignments
        chosenDraws = chosen
        voxels = archive.shards.flatMap { $0.voxels.map(Int.init) }
        quality = archive.shards.flatMap { Array($0.quality) }
        misfit = archive.shards.flatMap { Array($0.misfit) }
        meanB0 = archive.shards.flatMap { Array($0.meanB0) }
    }
}
