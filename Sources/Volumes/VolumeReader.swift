import Files

/// A NIfTI or MRtrix3 image opened for reading, whose volumes come one after the other.
///
/// Reads NIfTI-1 and NIfTI-2, .nii, .nii.gz and .hdr with .img (each plain or gzip), both byte orders, all integers and
/// float32/float64, with scl_slope and scl_inter applied (a slope of 0 or not finite means none). Values that are not
/// finite stay as they are. MRtrix3's .mif, .mif.gz and .mih, of the same types and single bits, in any order of axes.
/// Memory: the buffers given plus about 1 MiB (of MRtrix3 images whose volumes are interleaved, the whole file's data);
/// dimensions are checked against the file's size before anything is allocated. Accuracy: each value is within half a
/// unit in the last place of Float of slope · x + intercept computed in double precision. Errors: `VolumeError`.
/// Source: nifti1.h, nifti2.h. Not for several threads at once; readers are independent of each other.
public final class VolumeReader {
    public let path: String
    public let geometry: VolumeGeometry
    /// How the file stores its values.
    public let datatype: Datatype
    /// Index of the volume that the next read gives.
    public private(set) var nextVolume = 0

    private let header: ImageHeader
    private let source: ByteSource
    private let expectedBytes: Int
    private let chunk: UnsafeMutableRawPointer
    private static let chunkBytes = 1 << 18

    /// The gradient table that an MRtrix3 image has in its header: rows x y z b, directions in the scanner's frame; nil
    /// where there is none.
    public let gradients: [[Double]]?
    private let layout: StoredLayout?
    /// All elements in the order of volumes, where the file has them in another.
    private var unpacked: [UInt8] = []

    /// Whether a file is an MRtrix image by its name.
    public static func isMRtrix(_ path: String) -> Bool { [".mif", ".mif.gz", ".mih"].contains(where: path.hasSuffix) }

    /// Opens the image and checks its header; throws when the file cannot hold what the header promises.
    public init(path: String) throws {
        if Self.isMRtrix(path) {
            let own = try MRtrixHeader(path: path)
            let (expected, overflows) = own.dataOffset.addingReportingOverflow(own.storedBytes)
            let voxels = try ByteSource(path: own.dataPath)
            guard !overflows, voxels.canHold(expected), own.dataOffset <= 1 << 28 || !voxels.isCompressed else {
                throw VolumeError.truncated(
                    path: own.dataPath, expected: overflows ? own.storedBytes : expected,
                    found: "the file has \(VolumeError.bytes(voxels.fileSize))"
                        + (voxels.isCompressed ? " of gzip data" : ""))
            }
            (self.path, source, expectedBytes, header) = (path, voxels, expected, ImageHeader(own))
            (geometry, datatype, gradients, layout) = (own.geometry, own.decoder.datatype, own.gradients, own.layout)
            chunk = .allocate(byteCount: Self.chunkBytes, alignment: 64)
            return
        }
        (gradients, layout) = (nil, nil)
        let headerPath = Self.headerPath(path)
        let headerSource = try ByteSource(path: headerPath)
        header = try ImageHeader(headerSource)
        let voxels = header.isSingleFile ? headerSource : try Self.openImage(beside: headerPath)
        let (expected, overflows) = header.dataOffset.addingReportingOverflow(header.dataBytes)
        guard !overflows, voxels.canHold(expected) else {
            throw VolumeError.truncated(
                path: voxels.path, expected: overflows ? header.dataBytes : expected,
                found: "the file has \(VolumeError.bytes(voxels.fileSize))\(voxels.isCompressed ? " of gzip data" : "")"
            )
        }
        // Between header and voxels stand notes of some kilobytes; a quarter of a gigabyte to unpack is none.
        guard !voxels.isCompressed || header.dataOffset <= 1 << 28 else {
            throw VolumeError.badHeader(path: path, reason: "vox_offset is \(header.dataOffset)")
        }
        self.path = path
        source = voxels
        expectedBytes = expected
        geometry = header.geometry
        datatype = header.decoder.datatype
        chunk = .allocate(byteCount: Self.chunkBytes, alignment: 64)
    }

    /// Moves to the first voxel. Left until voxels are wanted, because what lies between may be long in a compressed
    /// file.
    private func begin() throws {
        if source.position < header.dataOffset {
            try source.skip(header.dataOffset - source.position, expected: expectedBytes)
        }
        if let layout, unpacked.isEmpty {
            unpacked = try layout.unpack(source, storedBytes: expectedBytes - header.dataOffset)
        }
    }

    deinit { chunk.deallocate() }

    /// Reads the next volume, x fastest, into a buffer of `geometry.voxelsPerVolume` values.
    public func read(into buffer: UnsafeMutableBufferPointer<Float>) throws {
        precondition(buffer.count == geometry.voxelsPerVolume)
        try forEachChunk { first, count in
            header.decoder.decode(chunk, count: count, into: buffer.baseAddress! + first)
        }
    }

    /// Reads the next volume and keeps only the voxels at `indices`, which must rise strictly; one value for each comes
    /// into the buffer.
    public func gather(_ indices: UnsafeBufferPointer<Int>, into buffer: UnsafeMutableBufferPointer<Float>) throws {
        precondition(buffer.count == indices.count)
        precondition(indices.isEmpty || (indices[0] >= 0 && indices[indices.count - 1] < geometry.voxelsPerVolume))
        var done = 0
        try forEachChunk { first, count in
            let start = done
            while done < indices.count, indices[done] < first + count { done += 1 }
            guard done > start else { return }
            header.decoder.gather(
                chunk, indices: indices.baseAddress! + start, base: first, count: done - start,
                into: buffer.baseAddress! + start)
        }
    }

    /// Passes over the next volume.
    public func skip() throws {
        precondition(nextVolume < geometry.volumeCount)
        try begin()
        if layout == nil { try source.skip(header.volumeBytes, expected: expectedBytes) }
        nextVolume += 1
    }

    /// After the last volume: checks the gzip checksum, and that nothing but zero padding follows.
    public func finish() throws {
        precondition(nextVolume == geometry.volumeCount)
        try source.finish()
    }

    private func forEachChunk(_ body: (_ first: Int, _ count: Int) -> Void) throws {
        precondition(nextVolume < geometry.volumeCount, "read past the last volume")
        try begin()
        let size = datatype.bytes
        let total = geometry.voxelsPerVolume
        let step = Self.chunkBytes / size
        var first = 0
        while first < total {
            let count = min(step, total - first)
            if layout == nil {
                try source.read(chunk, count * size, expected: expectedBytes)
            } else {
                let start = (nextVolume * total + first) * size
                unpacked.withUnsafeBytes {
                    chunk.copyMemory(from: $0.baseAddress! + start, byteCount: count * size)
                }
            }
            body(first, count)
            first += count
        }
        nextVolume += 1
    }

    /// The header's name for a name that may be the image's.
    private static func headerPath(_ path: String) -> String {
        for (image, headers) in [(".img.gz", [".hdr.gz", ".hdr"]), (".img", [".hdr", ".hdr.gz"])]
        where path.hasSuffix(image) {
            let stem = path.dropLast(image.count)
            return headers.map { stem + $0 }.first(where: FilePath.exists) ?? stem + headers[0]
        }
        return path
    }

    private static func openImage(beside header: String) throws -> ByteSource {
        let isCompressed = header.hasSuffix(".hdr.gz")
        let stem = String(header.dropLast(isCompressed ? 7 : header.hasSuffix(".hdr") ? 4 : 0))
        let names = isCompressed ? [stem + ".img.gz", stem + ".img"] : [stem + ".img", stem + ".img.gz"]
        guard let name = names.first(where: { FilePath.exists($0) }) else {
            throw VolumeError.imageMissing(header: header, image: names[0])
        }
        return try ByteSource(path: name)
    }
}
