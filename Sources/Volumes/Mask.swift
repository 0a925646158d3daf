/// The voxels to work on: a list of places in a 3-D grid.
public struct Mask: Sendable {
    /// The 3-D grid.
    public let geometry: VolumeGeometry
    /// Linear indices i + X·(j + Y·k), rising strictly, never empty.
    public let indices: [Int]

    public var count: Int { indices.count }

    /// Precondition: the indices rise strictly and lie in the grid.
    public init(geometry: VolumeGeometry, indices: [Int]) {
        precondition(!indices.isEmpty && indices[0] >= 0 && indices[indices.count - 1] < geometry.voxelsPerVolume)
        precondition(zip(indices, indices.dropFirst()).allSatisfy { $0 < $1 })
        self.geometry = geometry.withTrailing([])
        self.indices = indices
    }

    /// Reads a mask and checks that it lies on the grid of the image that it is for.
    ///
    /// A voxel is inside when its value is finite and not 0. The grid passes as in `VolumeGeometry.sharesGrid`; the mask then takes the image's geometry.
    /// Errors: `VolumeError`: `.shapeMismatch`, `.affineMismatch`, `.emptyMask`, `.wrongDimensions`, and those of reading.
    public init(path: String, matching image: VolumeGeometry, of imagePath: String, tolerance: Double = 0.1) throws {
        // The header first: a file of another grid may unpack to gigabytes.
        let reader = try VolumeReader(path: path)
        if reader.geometry.volumeCount == 1 { try reader.geometry.requireGrid(of: image, path: path, reference: imagePath, tolerance: tolerance) }
        let volume = try Volume(reader)
        let indices = volume.values.indices.filter { volume.values[$0].isFinite && volume.values[$0] != 0 }
        guard !indices.isEmpty else { throw VolumeError.emptyMask(path: path) }
        self.init(geometry: image, indices: indices)
    }

    /// Voxels `range` of the list, for instance one shard.
    public func subset(_ range: Range<Int>) -> Mask { Mask(geometry: geometry, indices: Array(indices[range])) }

    /// (i, j, k) of the voxel at a place in the list.
    public func coordinates(_ voxel: Int) -> SIMD3<Int> {
        let (x, y) = (geometry.shape[0], geometry.shape[1])
        let index = indices[voxel]
        return SIMD3(index % x, index / x % y, index / (x * y))
    }

    /// X·Y·Z bytes, x fastest: 1 inside, 0 outside.
    public var bytes: [UInt8] {
        var result = [UInt8](repeating: 0, count: geometry.voxelsPerVolume)
        for i in indices { result[i] = 1 }
        return result
    }

    /// Dice overlap with another mask on the same grid: 2·|A ∩ B| / (|A| + |B|).
    public func dice(_ other: Mask) -> Double {
        precondition(geometry.spatialShape == other.geometry.spatialShape)
        let inside = bytes
        return 2 * Double(other.indices.count { inside[$0] == 1 }) / Double(count + other.count)
    }
}
