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
    /// Which values are inside: see `MaskValues`. The grid passes as in `VolumeGeometry.sharesGrid`; where one of the
    /// two headers does not say where its voxels lie, equal dimensions are enough. The mask then takes the image's
    /// geometry.
    /// - Parameter warn: is told, in a sentence, of a mask that is not binary or does not say where it lies.
    /// Errors: `VolumeError`: `.shapeMismatch`, `.affineMismatch`, `.emptyMask`, `.wrongDimensions`, and those of
    /// reading.
    public init(
        path: String, matching image: VolumeGeometry, of imagePath: String, tolerance: Double = 0.1,
        warn: (String) -> Void = { _ in }
    ) throws {
        // The header first: a file of another grid may unpack to gigabytes.
        let reader = try VolumeReader(path: path), own = reader.geometry
        let isComparable = own.isPlaced && image.isPlaced
        if own.volumeCount == 1 {
            try own.requireGrid(
                of: image, path: path, reference: imagePath, tolerance: isComparable ? tolerance : .infinity)
        }
        let volume = try Volume(reader)
        let values = MaskValues(volume.values)
        let indices = volume.values.indices.filter {
            volume.values[$0].isFinite && volume.values[$0] > values.threshold
        }
        guard !indices.isEmpty else {
            let largest = volume.values.lazy.filter(\.isFinite).max()
            throw VolumeError.emptyMask(
                path: path,
                reason: largest.map { "its largest value is \(VolumeError.number(Double($0)))" }
                    ?? "none of its values is finite")
        }
        if !own.isPlaced, image.isPlaced {
            warn(
                """
                The mask \(path) does not say where its voxels lie (both form codes are 0); it is taken to lie on \
                \(imagePath) voxel by voxel.
                """
            )
        }
        if let remark = values.remark { warn("The mask \(path) is to be checked: \(remark).") }
        self.init(geometry: image, indices: indices)
    }

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
}
