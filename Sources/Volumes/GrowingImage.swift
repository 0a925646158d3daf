/// An image in single precision that receives its volumes a few at a time, for images that must be made side by side;
/// voxels outside the mask are 0.
///
/// As with `VolumeWriter`, nothing appears under the final name before `finish`, and an image let go before that leaves
/// nothing behind. Different images may grow on different threads. Memory: one volume while `append` runs, and less
/// than 1 MiB for the file. Errors: `VolumeError`: `.badOutputName`, `.cannotCreate`, `.writeFailed`.
public final class GrowingImage {
    private let mask: Mask
    private let sink: ByteSink
    private var volumesToCome: Int

    /// - Parameters:
    ///   - trailing: the dimensions after the third.
    ///   - description: up to 79 bytes kept in the header's descrip field.
    public init(_ path: String, mask: Mask, trailing: [Int], description: String = "") throws {
        self.mask = mask
        let geometry = mask.geometry.withTrailing(trailing)
        volumesToCome = geometry.volumeCount
        sink = try VolumeWriter.begin(path, geometry: geometry, datatype: .float32, description: description)
    }

    /// Appends volumes, each `mask.count` values in the order of `mask.indices`.
    public func append(_ volumes: UnsafeBufferPointer<Float>) throws {
        let count = volumes.count / mask.count
        precondition(count * mask.count == volumes.count && count <= volumesToCome)
        volumesToCome -= count
        let grid = UnsafeMutableBufferPointer<Float>.allocate(capacity: mask.geometry.voxelsPerVolume)
        defer { grid.deallocate() }
        VolumeWriter.clear(grid)
        try mask.indices.withUnsafeBufferPointer { indices in
            for t in 0..<count {
                let values = UnsafeRawBufferPointer(
                    UnsafeBufferPointer(rebasing: volumes[(t * mask.count)..<((t + 1) * mask.count)]))
                scatter(
                    values, to: UnsafeMutableRawBufferPointer(grid), indices: indices, size: MemoryLayout<Float>.size)
                try sink.write(UnsafeRawBufferPointer(grid))
            }
        }
    }

    /// After the last volume: gives the file its name.
    public func finish() throws {
        precondition(volumesToCome == 0)
        try sink.commit()
    }
}
