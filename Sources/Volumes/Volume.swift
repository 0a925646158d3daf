/// One 3-D image in memory.
public struct Volume: Sendable {
    /// The 3-D grid.
    public let geometry: VolumeGeometry
    /// X·Y·Z values, x fastest.
    public var values: [Float]

    public init(geometry: VolumeGeometry, values: [Float]) {
        precondition(geometry.voxelsPerVolume == values.count)
        self.geometry = geometry.withTrailing([])
        self.values = values
    }

    /// Reads a 3-D image; an image of more dimensions counts as 3-D when it has one volume.
    ///
    /// Errors: `VolumeError`, `.wrongDimensions` when there are several volumes.
    public init(path: String) throws { try self.init(VolumeReader(path: path)) }

    /// Reads what a reader has opened and nobody has read from yet.
    init(_ reader: VolumeReader) throws {
        guard reader.geometry.volumeCount == 1 else {
            throw VolumeError.wrongDimensions(
                path: reader.path, shape: reader.geometry.shape,
                wanted: "one 3-D volume is needed; extract one, for instance with fslroi or mrconvert -coord")
        }
        let values = try [Float](unsafeUninitializedCapacity: reader.geometry.voxelsPerVolume) { buffer, count in
            try reader.read(into: UnsafeMutableBufferPointer(rebasing: buffer[0..<reader.geometry.voxelsPerVolume]))
            count = reader.geometry.voxelsPerVolume
        }
        try reader.finish()
        self.init(geometry: reader.geometry, values: values)
    }

    /// The mean of some volumes of a 4-D image, such as its b0 images; the rest is passed over.
    ///
    /// Values that are not finite are left out of a voxel's mean; a voxel without any finite value is 0. Sums are in
    /// double precision. Errors: `VolumeError`, `.volumeOutOfRange` for an index beyond the last volume. Precondition:
    /// at least one volume is asked for.
    public init(meanOf volumes: [Int], in path: String) throws {
        precondition(!volumes.isEmpty)
        let reader = try VolumeReader(path: path)
        let wanted = Set(volumes)
        let last = wanted.max()!
        if let bad = wanted.first(where: { $0 < 0 || $0 >= reader.geometry.volumeCount }) {
            throw VolumeError.volumeOutOfRange(path: path, volume: bad, count: reader.geometry.volumeCount)
        }
        let total = reader.geometry.voxelsPerVolume
        var sums = [Double](repeating: 0, count: total)
        var counts = [Int32](repeating: 0, count: total)
        var values = [Float](repeating: 0, count: total)
        for volume in 0...last {
            guard wanted.contains(volume) else {
                try reader.skip()
                continue
            }
            try values.withUnsafeMutableBufferPointer { try reader.read(into: $0) }
            for i in 0..<total where values[i].isFinite {
                sums[i] += Double(values[i])
                counts[i] += 1
            }
        }
        for i in 0..<total { values[i] = counts[i] > 0 ? Float(sums[i] / Double(counts[i])) : 0 }
        self.init(geometry: reader.geometry, values: values)
    }
}
