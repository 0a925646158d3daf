/// The measurements of every masked voxel of a 4-D diffusion image, each voxel's M values side by side.
///
/// Shapes: values [V][M], V = mask.count in the order of `mask.indices`, M volumes in the order of the file.
/// Memory: 4·V·M bytes, plus a block of at most 16 volumes of masked values (64·V bytes), plus about 1 MiB; never a
/// whole volume. Speed: bound by zlib. Volumes are gathered one by one and written out sixteen at a time, so that each
/// voxel receives whole cache lines. Accuracy: as `VolumeReader`. Values that are not finite stay as they are. Errors:
/// `VolumeError`, among them `.wrongDimensions` for a 3-D image and `.shapeMismatch`/`.affineMismatch` for a mask of
/// another grid.
public struct MaskedSeries: Sendable {
    public let mask: Mask
    /// M: measurements a voxel.
    public let measurements: Int
    /// [V][M].
    public let values: [Float]
    /// Whether the image stores integers.
    public let areIntegers: Bool

    public var count: Int { mask.count }

    /// Precondition: mask.count · measurements values.
    public init(mask: Mask, measurements: Int, values: [Float], areIntegers: Bool = false) {
        precondition(values.count == mask.count * measurements)
        self.mask = mask
        self.measurements = measurements
        self.values = values
        self.areIntegers = areIntegers
    }

    /// Reads the masked voxels; to read fewer give a `mask.subset`.
    ///
    /// - Parameter progress: called after each volume with the volumes read and M; may throw to stop.
    public init(path: String, mask: Mask, progress: ((_ read: Int, _ of: Int) throws -> Void)? = nil) throws {
        let reader = try VolumeReader(path: path)
        try Self.requireSeries(reader.geometry, path: path)
        try mask.geometry.requireGrid(of: reader.geometry, path: "the mask", reference: path)
        let voxels = mask.count, measurements = reader.geometry.volumeCount
        let values = try [Float](unsafeUninitializedCapacity: voxels * measurements) { buffer, count in
            try mask.indices.withUnsafeBufferPointer {
                try Self.fill(
                    buffer.baseAddress!, from: reader, indices: $0, measurements: measurements, progress: progress)
            }
            count = voxels * measurements
        }
        try reader.finish()
        self.init(mask: mask, measurements: measurements, values: values, areIntegers: reader.datatype.isInteger)
    }

    /// Throws unless the image is a series: more than one volume, along one dimension (X×Y×Z×N, or X×Y×Z×1×N as ITK's
    /// writers make it).
    public static func requireSeries(_ geometry: VolumeGeometry, path: String) throws {
        let axes = geometry.shape.indices.dropFirst(3).filter { geometry.shape[$0] > 1 }
        guard axes.count == 1 else {
            throw VolumeError.wrongDimensions(
                path: path, shape: geometry.shape,
                wanted: axes.isEmpty
                    ? "a 4-D image with several volumes is needed; give the whole diffusion series"
                    : """
                    volumes must lie along one axis, not along axes \
                    \(axes.map { String($0 + 1) }.joined(separator: " and ")); make it 4-D, in the gradient \
                    table's order
                    """
            )
        }
    }

    private static func fill(
        _ out: UnsafeMutablePointer<Float>, from reader: VolumeReader, indices: UnsafeBufferPointer<Int>,
        measurements: Int,
        progress: ((Int, Int) throws -> Void)?
    ) throws {
        let voxels = indices.count
        let depth = min(16, measurements)
        let block = UnsafeMutablePointer<Float>.allocate(capacity: depth * voxels)
        defer { block.deallocate() }
        var first = 0
        while first < measurements {
            let count = min(depth, measurements - first)
            for t in 0..<count {
                try reader.gather(indices, into: UnsafeMutableBufferPointer(start: block + t * voxels, count: voxels))
                try progress?(first + t + 1, measurements)
            }
            transpose(block, volumes: count, voxels: voxels, into: out + first, stride: measurements)
            first += count
        }
    }

    /// out[v·stride + t] = block[t][v]. Runs of 16 voxels keep each of the block's cache lines in use until it is
    /// spent.
    private static func transpose(
        _ block: UnsafePointer<Float>, volumes: Int, voxels: Int, into out: UnsafeMutablePointer<Float>, stride: Int
    ) {
        for start in Swift.stride(from: 0, to: voxels, by: 16) {
            for v in start..<min(start + 16, voxels) {
                let row = out + v * stride
                for t in 0..<volumes { row[t] = block[t * voxels + v] }
            }
        }
    }
}
