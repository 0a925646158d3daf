/// Writes images volume by volume, so that a map of many volumes needs the memory of one.
///
/// The name's ending chooses NIfTI (.nii, .nii.gz) or MRtrix3's format (.mif, .mif.gz); the element type chooses how
/// values are stored; a dimension above 32767
/// makes it NIfTI-2. Nothing appears under the final name until the file is whole; after any error nothing is left of
/// it. Equal values give equal bytes. No state is shared: several threads may write several files at once, which is the
/// way to compress in parallel. Errors: `VolumeError`: `.badOutputName`, `.cannotCreate`, `.writeFailed`, and whatever
/// the closures throw.
public enum VolumeWriter {
    /// Writes an image whose volumes a closure fills.
    ///
    /// - Parameters:
    ///   - geometry: all dimensions, three to seven; the closure is called for volume 0, 1, …, geometry.volumeCount −
    ///   1.
    ///   - description: up to 79 bytes kept in the header's descrip field.
    ///   - meaning: what the numbers are, for NIfTI's header.
    ///   - volume: receives the volume's index (the fourth dimension fastest) and X·Y·Z zeros, x fastest, to overwrite.
    public static func write<Value: VoxelValue>(
        _ path: String, geometry: VolumeGeometry, as _: Value.Type = Value.self, description: String = "",
        meaning: ImageMeaning = .init(),
        volume: (_ index: Int, _ grid: UnsafeMutableBufferPointer<Value>) throws -> Void
    ) throws {
        try writeReusing(
            path, geometry: geometry, description: description, meaning: meaning
        ) { (index, grid: UnsafeMutableBufferPointer<Value>) in
            clear(grid)
            try volume(index, grid)
        }
    }

    /// The same with a grid of zeros at first, and after that with what the closure left in it.
    private static func writeReusing<Value: VoxelValue>(
        _ path: String, geometry: VolumeGeometry, description: String, meaning: ImageMeaning,
        volume: (_ index: Int, _ grid: UnsafeMutableBufferPointer<Value>) throws -> Void
    ) throws {
        let sink = try begin(
            path, geometry: geometry, datatype: Value.datatype, description: description, meaning: meaning)
        let grid = UnsafeMutableBufferPointer<Value>.allocate(capacity: geometry.voxelsPerVolume)
        defer { grid.deallocate() }
        clear(grid)
        for index in 0..<geometry.volumeCount {
            try volume(index, grid)
            try sink.write(UnsafeRawBufferPointer(grid))
        }
        try sink.commit()
    }

    /// Writes an image of which only masked voxels have values; the others are 0.
    ///
    /// - Parameters:
    ///   - trailing: the dimensions after the third, `[]` for a 3-D map.
    ///   - values: receives the volume's index and mask.count zeros, in the order of `mask.indices`, to overwrite.
    public static func write<Value: VoxelValue>(
        _ path: String, mask: Mask, trailing: [Int] = [], as _: Value.Type = Value.self, description: String = "",
        meaning: ImageMeaning = .init(),
        values: (_ index: Int, _ voxels: UnsafeMutableBufferPointer<Value>) throws -> Void
    ) throws {
        let voxels = UnsafeMutableBufferPointer<Value>.allocate(capacity: mask.count)
        defer { voxels.deallocate() }
        try mask.indices.withUnsafeBufferPointer { indices in
            // Every volume fills the same places of the grid.
            try writeReusing(
                path, geometry: mask.geometry.withTrailing(trailing), description: description, meaning: meaning
            ) { (index, grid: UnsafeMutableBufferPointer<Value>) in
                clear(voxels)
                try values(index, voxels)
                scatter(
                    UnsafeRawBufferPointer(voxels), to: UnsafeMutableRawBufferPointer(grid), indices: indices,
                    size: MemoryLayout<Value>.size)
            }
        }
    }

    /// Writes values kept voxel by voxel: values[v · n + t] becomes volume t of masked voxel v, n the product of
    /// `trailing`.
    public static func write<Value: VoxelValue>(
        _ path: String, mask: Mask, trailing: [Int] = [], voxelMajor values: [Value], description: String = "",
        meaning: ImageMeaning = .init()
    ) throws {
        let n = trailing.reduce(1, *)
        precondition(values.count == mask.count * n)
        try values.withUnsafeBytes { source in
            try write(
                path, mask: mask, trailing: trailing, as: Value.self, description: description, meaning: meaning
            ) { t, voxels in
                pick(
                    source, to: UnsafeMutableRawBufferPointer(voxels), stride: n, offset: t,
                    size: MemoryLayout<Value>.size)
            }
        }
    }

    /// A file that has its header.
    static func begin(
        _ path: String, geometry: VolumeGeometry, datatype: Datatype, description: String,
        meaning: ImageMeaning = .init()
    ) throws -> ByteSink {
        let isCompressed = path.hasSuffix(".gz"), plain = isCompressed ? String(path.dropLast(3)) : path
        let isMRtrix = plain.hasSuffix(".mif")
        guard isMRtrix || plain.hasSuffix(".nii") else { throw VolumeError.badOutputName(path: path) }
        let sink = try ByteSink(path: path, isCompressed: isCompressed)
        let header =
            isMRtrix
            ? encodeMRtrixHeader(geometry, datatype: datatype, description: description)
            : encodeHeader(geometry, datatype: datatype, description: description, meaning: meaning)
        try header.withUnsafeBytes(sink.write)
        return sink
    }

    /// Every element type's zero is all bits 0.
    static func clear<Value: VoxelValue>(_ buffer: UnsafeMutableBufferPointer<Value>) {
        UnsafeMutableRawBufferPointer(buffer).initializeMemory(as: UInt8.self, repeating: 0)
    }
}

extension Volume {
    /// Writes this image.
    public func write(to path: String, description: String = "") throws {
        try VolumeWriter.write(path, geometry: geometry, as: Float.self, description: description) { _, grid in
            _ = grid.update(from: values)
        }
    }
}

extension Mask {
    /// Writes this mask as bytes, 1 inside and 0 outside.
    public func write(to path: String, description: String = "") throws {
        try VolumeWriter.write(path, geometry: geometry, as: UInt8.self, description: description) { _, grid in
            for i in indices { grid[i] = 1 }
        }
    }
}
