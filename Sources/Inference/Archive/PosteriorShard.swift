import Foundation
import Tensors

/// The posteriors of some voxels, as an engine hands them over to be stored.
///
/// Shapes: v voxels, Z structures, D draws, P = `DrawColumn.count` columns; all row-major.
public struct PosteriorBatch: Sendable {
    /// Z and D.
    public let structureCount: Int, drawCount: Int
    /// [v] index in the image, x fastest, ascending.
    public var voxels: [Int32]
    /// [v] `VoxelQuality` bits.
    public var quality: [UInt8]
    /// [v] mean b≈0 signal in scanner units; 0 where there is none.
    public var meanB0: [Float]
    /// [v] posterior-predictive misfit; finite.
    public var misfit: [Float]
    /// [v × Z] structure log-probabilities at the reference λ.
    public var logProbability: [Float]
    /// [v × D] index into the structure table.
    public var drawStructures: [UInt8]
    /// [v × D × P] draws.
    public var draws: [Float16]

    /// Room for `voxels`, none of them fitted yet: uniform structure probabilities and zero draws.
    public init(voxels: [Int32], structureCount: Int, drawCount: Int) {
        let v = voxels.count
        self.structureCount = structureCount
        self.drawCount = drawCount
        self.voxels = voxels
        quality = Array(repeating: VoxelQuality.notFitted.rawValue, count: v)
        meanB0 = Array(repeating: 0, count: v)
        misfit = Array(repeating: 0, count: v)
        logProbability = Array(repeating: -Float(log(Double(structureCount))), count: v * structureCount)
        drawStructures = Array(repeating: 0, count: v * drawCount)
        draws = Array(repeating: 0, count: v * drawCount * DrawColumn.count)
    }

    /// What a file holds.
    public init(_ shard: PosteriorShard) {
        structureCount = shard.metadata.structures.count
        drawCount = shard.metadata.drawCount
        voxels = Array(shard.voxels)
        quality = Array(shard.quality)
        meanB0 = Array(shard.meanB0)
        misfit = Array(shard.misfit)
        logProbability = Array(shard.logProbability)
        drawStructures = Array(shard.drawStructures)
        draws = Array(shard.draws)
    }

    /// The voxels of several files of one fit, ascending, each once.
    public init(joining files: [PosteriorShard]) {
        let batches = files.map { PosteriorBatch($0) }
        var places: [Int32: (file: Int, row: Int)] = [:]
        for (f, batch) in batches.enumerated() { for (row, voxel) in batch.voxels.enumerated() { places[voxel] = (f, row) } }
        let voxels = places.keys.sorted()
        self.init(voxels: voxels, structureCount: batches.first?.structureCount ?? 1, drawCount: batches.first?.drawCount ?? 0)
        for (i, voxel) in voxels.enumerated() {
            let (f, row) = places[voxel]!
            put(batches[f], row..<row + 1, at: i)
        }
    }

    /// Puts voxels `range` of another batch of the same shape in the place of those from `start` on.
    mutating func put(_ other: PosteriorBatch, _ range: Range<Int>, at start: Int) {
        func copy<T>(_ from: [T], _ to: inout [T], _ width: Int) {
            to.replaceSubrange(start * width..<(start + range.count) * width, with: from[range.lowerBound * width..<range.upperBound * width])
        }
        copy(other.voxels, &voxels, 1)
        copy(other.quality, &quality, 1)
        copy(other.meanB0, &meanB0, 1)
        copy(other.misfit, &misfit, 1)
        copy(other.logProbability, &logProbability, structureCount)
        copy(other.drawStructures, &drawStructures, drawCount)
        copy(other.draws, &draws, drawCount * DrawColumn.count)
    }

    /// Some of the voxels, in the order given.
    func selecting(_ places: [Int]) -> PosteriorBatch {
        var batch = PosteriorBatch(voxels: places.map { voxels[$0] }, structureCount: structureCount, drawCount: drawCount)
        for (k, i) in places.enumerated() { batch.put(self, i..<i + 1, at: k) }
        return batch
    }
}

/// Numbers that lie in a mapped file, which stays mapped for as long as they are held.
public struct MappedColumn<Element: SafetensorsScalar>: RandomAccessCollection, @unchecked Sendable {
    private let file: SafetensorsReader
    private let buffer: UnsafeBufferPointer<Element>

    init(file: SafetensorsReader, buffer: UnsafeBufferPointer<Element>) {
        self.file = file
        self.buffer = buffer
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { buffer.count }
    @inline(__always)
    public subscript(i: Int) -> Element { buffer[i] }

    /// The first number, valid only while this column (or its shard) is held: for inner loops.
    @inline(__always)
    public var start: UnsafePointer<Element> { buffer.baseAddress! }

    public func withContiguousStorageIfAvailable<R>(_ body: (UnsafeBufferPointer<Element>) throws -> R) rethrows -> R? { try body(buffer) }
}

/// One file of a posterior archive: the posteriors of v voxels, mapped into memory.
///
/// A whole shard is named by its number. A piece of one, which an interrupted fit or one part of many leaves, is the same with fewer voxels and has the rank
/// of its first voxel in its name as well.
public final class PosteriorShard: @unchecked Sendable {
    public let path: String
    public let metadata: PosteriorMetadata
    /// Which shard of the fit this is, and the rank of its first voxel among all voxels of the fit.
    public let index: Int, first: Int
    /// v.
    public let count: Int
    /// Whether the name is that of a whole shard.
    public var isWhole: Bool { (path as NSString).lastPathComponent == Self.name(index) }

    // Tensors of this file are aligned, because the writer puts wide numbers first; the initialiser checks it.
    public let voxels: MappedColumn<Int32>
    public let quality: MappedColumn<UInt8>
    public let meanB0: MappedColumn<Float>
    public let misfit: MappedColumn<Float>
    public let logProbability: MappedColumn<Float>
    public let drawStructures: MappedColumn<UInt8>
    public let draws: MappedColumn<Float16>

    /// The name of shard `index` in a fit's directory.
    public static func name(_ index: Int) -> String { String(format: "posterior-%05d.safetensors", index) }

    /// The name of a piece of shard `index` whose first voxel has this rank among all voxels of the fit.
    public static func name(_ index: Int, pieceFrom first: Int) -> String { String(format: "posterior-%05d-%09d.safetensors", index, first) }

    /// Opens a shard and checks its checksum (files of earlier versions have none), its layout, its voxels (in the grid, ascending) and its structure indices.
    /// - Throws: `SafetensorsError`, `PosteriorArchiveError.damaged`.
    public init(path: String) throws {
        self.path = path
        let file = try SafetensorsReader(path: path)
        if file.isIntact == false {
            throw PosteriorArchiveError.damaged(path: path, reason: "it is not what was written: its checksum does not hold")
        }
        (metadata, index, first) = try PosteriorMetadata.decode(file.metadata, path: path)
        let z = metadata.structures.count, s = metadata.drawCount
        func column<T: SafetensorsScalar>(_ name: String, _ shape: [Int], of type: T.Type) throws -> MappedColumn<T> {
            let bytes = file.bytes(try file.require(name, T.safetensorsType, shape: shape))
            guard Int(bitPattern: bytes.baseAddress) % MemoryLayout<T>.alignment == 0 else {
                throw PosteriorArchiveError.damaged(path: path, reason: "tensor '\(name)' is not aligned")
            }
            return MappedColumn(file: file, buffer: bytes.bindMemory(to: T.self))
        }
        voxels = try column("voxel", [-1], of: Int32.self)
        let v = voxels.count
        count = v
        quality = try column("quality", [v], of: UInt8.self)
        meanB0 = try column("b0", [v], of: Float.self)
        misfit = try column("misfit", [v], of: Float.self)
        logProbability = try column("logprob", [v, z], of: Float.self)
        drawStructures = try column("draw_structure", [v, s], of: UInt8.self)
        draws = try column("draws", [v, s, DrawColumn.count], of: Float16.self)
        guard first + v <= metadata.voxelCount else {
            throw PosteriorArchiveError.damaged(path: path, reason: "it holds more voxels than the fit has")
        }
        let extent = metadata.grid.reduce(1, *)
        var previous = -1
        for voxel in voxels {
            guard Int(voxel) > previous, Int(voxel) < extent else {
                throw PosteriorArchiveError.damaged(path: path, reason: "voxel indices leave the grid or are not ascending")
            }
            previous = Int(voxel)
        }
        guard drawStructures.max().map({ Int($0) < z }) ?? true else {
            throw PosteriorArchiveError.damaged(path: path, reason: "a draw names a structure that the fit does not have")
        }
        guard meanB0.allSatisfy(\.isFinite), misfit.allSatisfy(\.isFinite), !logProbability.contains(where: \.isNaN) else {
            throw PosteriorArchiveError.damaged(path: path, reason: "it holds values that are not finite")
        }
    }

    /// Stores a batch as shard `index` of the fit, or as a piece of it, under a temporary name until all of it is there.
    /// - Parameter first: rank of the batch's first voxel among all voxels of the fit.
    /// - Throws: `SafetensorsError.unwritable`.
    public static func write(
        _ batch: PosteriorBatch, metadata: PosteriorMetadata, index: Int, first: Int, directory: String, isPiece: Bool = false
    ) throws {
        let v = batch.voxels.count, z = metadata.structures.count, s = metadata.drawCount
        precondition(batch.quality.count == v && batch.meanB0.count == v && batch.misfit.count == v, "a batch of ragged columns")
        precondition(batch.logProbability.count == v * z && batch.drawStructures.count == v * s, "a batch of ragged columns")
        precondition(batch.draws.count == v * s * DrawColumn.count, "a batch of ragged columns")
        precondition(batch.misfit.allSatisfy(\.isFinite) && batch.meanB0.allSatisfy(\.isFinite), "misfit and b0 must be finite")
        precondition(zip(batch.voxels, batch.voxels.dropFirst()).allSatisfy { $0 < $1 }, "voxels must ascend")
        let writer = try SafetensorsWriter(
            path: directory + "/" + (isPiece ? name(index, pieceFrom: first) : name(index)),
            tensors: [
                ("voxel", .i32, [v]), ("quality", .u8, [v]), ("b0", .f32, [v]), ("misfit", .f32, [v]), ("logprob", .f32, [v, z]),
                ("draw_structure", .u8, [v, s]), ("draws", .f16, [v, s, DrawColumn.count]),
            ], metadata: metadata.encode(shard: index, first: first), isChecksummed: true)
        try writer.append(batch.voxels, to: "voxel")
        try writer.append(batch.quality, to: "quality")
        try writer.append(batch.meanB0, to: "b0")
        try writer.append(batch.misfit, to: "misfit")
        try writer.append(batch.logProbability, to: "logprob")
        try writer.append(batch.drawStructures, to: "draw_structure")
        try writer.append(batch.draws, to: "draws")
        try writer.finish()
    }
}
