import Foundation
import ModelSpace
import Tensors

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

    public func withContiguousStorageIfAvailable<R>(_ body: (UnsafeBufferPointer<Element>) throws -> R) rethrows -> R? {
        try body(buffer)
    }
}

/// One file of a posterior archive: the posteriors of v voxels, mapped into memory.
///
/// A whole shard is named by its number. A piece of one, which an interrupted fit or one part of many leaves, is the
/// same with fewer voxels and has the rank of its first voxel in its name as well.
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
    let body: any PosteriorColumns

    /// The structures that occur, rising.
    var structures: [Structure] { body.structures }

    /// The name of shard `index` in a fit's directory.
    public static func name(_ index: Int) -> String { String(format: "posterior-%05d.safetensors", index) }

    /// The name of a piece of shard `index` whose first voxel has this rank among all voxels of the fit.
    public static func name(_ index: Int, pieceFrom first: Int) -> String {
        String(format: "posterior-%05d-%09d.safetensors", index, first)
    }

    /// Opens a shard and checks its checksum (files of earlier versions have none), its layout, its voxels (in the
    /// grid, ascending), lists and draws.
    /// - Throws: `SafetensorsError`, `PosteriorArchiveError.damaged`.
    public init(path: String) throws {
        self.path = path
        let file = try SafetensorsReader(path: path)
        if file.isIntact == false {
            throw PosteriorArchiveError.damaged(
                path: path, reason: "it is not what was written: its checksum does not hold")
        }
        (metadata, index, first) = try PosteriorMetadata.decode(file.metadata, path: path)
        voxels = try file.column("voxel", [-1])
        let v = voxels.count
        count = v
        quality = try file.column("quality", [v])
        meanB0 = try file.column("b0", [v])
        misfit = try file.column("misfit", [v])
        guard first + v <= metadata.voxelCount else {
            throw PosteriorArchiveError.damaged(path: path, reason: "it holds more voxels than the fit has")
        }
        let extent = metadata.grid.reduce(1, *)
        var previous = -1
        for voxel in voxels {
            guard Int(voxel) > previous, Int(voxel) < extent else {
                throw PosteriorArchiveError.damaged(
                    path: path, reason: "voxel indices leave the grid or are not ascending")
            }
            previous = Int(voxel)
        }
        guard meanB0.allSatisfy(\.isFinite), misfit.allSatisfy(\.isFinite) else {
            throw PosteriorArchiveError.damaged(path: path, reason: "it holds values that are not finite")
        }
        if metadata.format == PosteriorMetadata.denseFormat {
            body = try DenseColumns(file, metadata, voxels: v)
        } else {
            body = try ListColumns(file, metadata, quality: quality)
        }
    }

    /// Says which row of the whole archive's table each structure of this file belongs to. Once, before anything is
    /// read.
    func place(in table: StructureTable) { body.place(in: table) }

    /// Reads the list and the draws of voxel i, which must be a fitted one.
    public func read(_ i: Int, into posterior: inout ListedPosterior) { body.read(i, into: &posterior) }

    /// Reads the list alone.
    func readList(_ i: Int, into posterior: inout ListedPosterior) { body.readList(i, into: &posterior) }

    /// Reads draws `range` of voxel i: P numbers each.
    @inline(__always)
    public func readDraws(_ i: Int, _ range: ClosedRange<Int>, into values: UnsafeMutablePointer<Float>) {
        body.readDraws(i, range, into: values)
    }

    /// The same as fibres (`DrawColumn`), whatever the family.
    public func readFibres(_ i: Int, _ range: ClosedRange<Int>, into values: UnsafeMutablePointer<Float>) {
        let layout = metadata.layout, p = layout.count
        if layout.fibres.isIdentity { return readDraws(i, range, into: values) }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count * p) { rows in
            readDraws(i, range, into: rows.baseAddress!)
            for d in 0..<range.count {
                layout.fibres.convert(rows.baseAddress! + d * p, into: values + d * DrawColumn.count)
            }
        }
    }

    /// Voxel i as it would be stored; nil when it is not fitted.
    func record(_ i: Int) -> VoxelRecord? {
        VoxelQuality(rawValue: quality[i]).contains(.notFitted) ? nil : body.record(i)
    }

    /// Stores the same voxels without their draws, under the same name in another folder.
    /// - Throws: `SafetensorsError.unwritable`.
    public func writeStructures(to directory: String) throws {
        var batch = PosteriorBatch(self)
        for i in batch.records.indices {
            batch.records[i]?.drawPlaces = []
            batch.records[i]?.draws = []
        }
        try Self.write(batch, metadata: metadata.withoutDraws, index: index, first: first, directory: directory)
    }

    /// Stores a batch as shard `index` of the fit, or as a piece of it, under a temporary name until all of it is
    /// there.
    /// - Parameter first: rank of the batch's first voxel among all voxels of the fit.
    /// - Throws: `SafetensorsError.unwritable`.
    public static func write(
        _ batch: PosteriorBatch, metadata: PosteriorMetadata, index: Int, first: Int, directory: String,
        isPiece: Bool = false
    ) throws {
        let v = batch.voxels.count
        precondition(metadata.format == PosteriorMetadata.listFormat, "earlier formats are read only")
        precondition(
            batch.quality.count == v && batch.meanB0.count == v && batch.misfit.count == v && batch.records.count == v,
            "ragged columns")
        precondition(
            batch.misfit.allSatisfy(\.isFinite) && batch.meanB0.allSatisfy(\.isFinite), "misfit and b0 must be finite")
        precondition(zip(batch.voxels, batch.voxels.dropFirst()).allSatisfy { $0 < $1 }, "voxels must ascend")
        precondition(
            zip(batch.quality, batch.records).allSatisfy {
                VoxelQuality(rawValue: $0).contains(.notFitted) == ($1 == nil)
            },
            "voxels have a posterior when they are fitted, and only then")
        let lists = ListColumns.Tensors(batch, metadata)
        let writer = try SafetensorsWriter(
            path: directory + "/" + (isPiece ? name(index, pieceFrom: first) : name(index)),
            tensors: [("voxel", .i32, [v]), ("quality", .u8, [v]), ("b0", .f32, [v]), ("misfit", .f32, [v])]
                + lists.shapes,
            metadata: metadata.encode(shard: index, first: first), isChecksummed: true)
        try writer.append(batch.voxels, to: "voxel")
        try writer.append(batch.quality, to: "quality")
        try writer.append(batch.meanB0, to: "b0")
        try writer.append(batch.misfit, to: "misfit")
        try lists.write(to: writer)
        try writer.finish()
    }
}

/// Structures and draws of a shard's voxels, however they stand in its file.
protocol PosteriorColumns: AnyObject {
    var structures: [Structure] { get }
    func place(in table: StructureTable)
    func readList(_ i: Int, into posterior: inout ListedPosterior)
    func read(_ i: Int, into posterior: inout ListedPosterior)
    func readDraws(_ i: Int, _ range: ClosedRange<Int>, into values: UnsafeMutablePointer<Float>)
    func record(_ i: Int) -> VoxelRecord
}

extension SafetensorsReader {
    /// A tensor as it lies in the file.
    func column<T: SafetensorsScalar>(_ name: String, _ shape: [Int], of type: T.Type = T.self) throws -> MappedColumn<
        T
    > {
        let bytes = bytes(try require(name, T.safetensorsType, shape: shape))
        guard Int(bitPattern: bytes.baseAddress) % MemoryLayout<T>.alignment == 0 else {
            throw PosteriorArchiveError.damaged(path: path, reason: "tensor '\(name)' is not aligned")
        }
        return MappedColumn(file: self, buffer: bytes.bindMemory(to: T.self))
    }
}
