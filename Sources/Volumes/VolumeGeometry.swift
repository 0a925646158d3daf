import CNIfTI

/// The grid of an image: how many voxels along each axis, and where they lie in the scanner.
///
/// The affine is the sform when its code is above 0, else the qform when its code is above 0, else it follows from the
/// voxel sizes alone. In that last case left and right are unknown; like FSL and nibabel we take the grid as
/// left-handed and centred: x = −dx·(i − (X−1)/2), y = dy·(j − (Y−1)/2), z = dz·(k − (Z−1)/2), so that gradient tables
/// in FSL's frame keep their meaning. Source: nifti1.h, "3D image orientation"; NIfTI-2 likewise.
public struct VolumeGeometry: Equatable, Sendable {
    /// Voxels along each axis, at least three entries and at most seven; x varies fastest in memory.
    public let shape: [Int]
    /// Voxel sizes in mm along the first three axes.
    public let voxelSizes: [Double]
    /// Voxel indices → scanner mm.
    public let affine: Affine
    /// Where `affine` came from.
    public let affineSource: AffineSource
    /// The sform as the file has it, with a valid code; nil when its code is 0, but made of a qform whose quaternion
    /// had to be normalised.
    public let sform: SForm?
    /// The qform as the file has it, with a valid code and a quaternion no longer than 1; nil when its code is 0 or
    /// when its numbers make no rotation.
    public let qform: QForm?

    public enum AffineSource: String, Sendable { case sform, qform, voxelSizes }

    /// NIfTI's affine with its NIFTI_XFORM code (1 scanner, 2 aligned, 3 Talairach, 4 MNI).
    public struct SForm: Equatable, Sendable {
        public let code: Int
        public let matrix: Affine
        public init(code: Int, matrix: Affine) {
            self.code = code
            self.matrix = matrix
        }
    }

    /// NIfTI's quaternion (b, c, d), offsets in mm and handedness (±1) with its NIFTI_XFORM code.
    public struct QForm: Equatable, Sendable {
        public let code: Int
        public let quaternion: SIMD3<Double>
        public let offset: SIMD3<Double>
        public let handedness: Double

        func matrix(voxelSizes d: [Double]) -> Affine {
            Affine(
                nifti_quatern_to_dmat44(
                    quaternion.x, quaternion.y, quaternion.z, offset.x, offset.y, offset.z, d[0], d[1], d[2], handedness
                ))
        }

        /// The quaternion nearest to an affine.
        public init(code: Int, matrix: Affine) {
            var b = 0.0, c = 0.0, d = 0.0, x = 0.0, y = 0.0, z = 0.0, dx = 0.0, dy = 0.0, dz = 0.0, handedness = 0.0
            nifti_dmat44_to_quatern(matrix.dmat44, &b, &c, &d, &x, &y, &z, &dx, &dy, &dz, &handedness)
            self.init(code: code, quaternion: SIMD3(b, c, d), offset: SIMD3(x, y, z), handedness: handedness)
        }

        init(code: Int, quaternion: SIMD3<Double>, offset: SIMD3<Double>, handedness: Double) {
            self.code = code
            self.quaternion = quaternion
            self.offset = offset
            self.handedness = handedness
        }
    }

    /// A grid of one's own making, such as MRtrix3's fixel tables.
    ///
    /// Both sform and qform carry `code`; the qform is left out when a quaternion cannot express the affine (shear) to
    /// 10⁻⁴ mm over the grid. Precondition: three to seven positive dimensions and an affine without `defect`.
    public init(shape: [Int], affine: Affine = .identity, code: Int = 1) {
        precondition((3...7).contains(shape.count) && shape.allSatisfy { $0 > 0 } && affine.defect == nil)
        self.shape = shape
        self.affine = affine
        voxelSizes = (0..<3).map(affine.columnNorm)
        affineSource = .sform
        sform = SForm(code: code, matrix: affine)
        let q = QForm(code: code, matrix: affine)
        let error = Self.displacement(affine, q.matrix(voxelSizes: voxelSizes), over: shape)
        qform = error < 1e-4 ? q : nil
    }

    init(shape: [Int], voxelSizes: [Double], affine: Affine, affineSource: AffineSource, sform: SForm?, qform: QForm?) {
        self.shape = shape
        self.voxelSizes = voxelSizes
        self.affine = affine
        self.affineSource = affineSource
        self.sform = sform
        self.qform = qform
    }

    /// The first three dimensions.
    public var spatialShape: [Int] { Array(shape[0..<3]) }
    /// Voxels in one 3-D volume.
    public var voxelsPerVolume: Int { shape[0] * shape[1] * shape[2] }
    /// Volumes: the product of the dimensions after the third.
    public var volumeCount: Int { shape[3...].reduce(1, *) }
    /// Whether the voxel axes are right-handed (det > 0): FSL then mirrors x in gradient tables and in its own
    /// directions.
    public var isRightHanded: Bool { affine.determinant > 0 }

    /// The same place in the scanner with other dimensions after the third; `[]` gives the 3-D grid.
    public func withTrailing(_ trailing: [Int]) -> VolumeGeometry {
        precondition(trailing.count <= 4 && trailing.allSatisfy { $0 > 0 })
        return VolumeGeometry(
            shape: spatialShape + trailing, voxelSizes: voxelSizes, affine: affine, affineSource: affineSource,
            sform: sform, qform: qform)
    }

    /// The farthest, in mm, that any voxel centre of this grid lies from its place under the other affine (reached at a
    /// corner).
    public func displacement(to other: Affine) -> Double { Self.displacement(affine, other, over: shape) }

    /// Whether two images share a 3-D grid: equal first three dimensions, and no voxel more than `tolerance` voxel
    /// sizes apart.
    public func sharesGrid(with other: VolumeGeometry, tolerance: Double = 0.1) -> Bool {
        spatialShape == other.spatialShape && displacement(to: other.affine) <= tolerance * (voxelSizes.min() ?? 1)
    }

    /// Whether the file says where its voxels lie in the scanner.
    public var isPlaced: Bool { affineSource != .voxelSizes }

    /// Throws the sentence that says how this image's grid differs from a reference's; see `sharesGrid`.
    public func requireGrid(of reference: VolumeGeometry, path: String, reference name: String, tolerance: Double = 0.1)
        throws
    {
        guard spatialShape == reference.spatialShape else {
            throw VolumeError.shapeMismatch(
                path: path, shape: spatialShape, reference: name, referenceShape: reference.spatialShape)
        }
        guard reference.sharesGrid(with: self, tolerance: tolerance) else {
            throw VolumeError.affineMismatch(
                path: path, affine: affine, reference: name, referenceAffine: reference.affine,
                millimetres: displacement(to: reference.affine))
        }
    }

    private static func displacement(_ a: Affine, _ b: Affine, over shape: [Int]) -> Double {
        (0..<8).map { corner in
            let voxel = SIMD3<Double>(
                corner & 1 == 0 ? 0 : Double(shape[0] - 1), corner & 2 == 0 ? 0 : Double(shape[1] - 1),
                corner & 4 == 0 ? 0 : Double(shape[2] - 1))
            let d = a(voxel) - b(voxel)
            return (d * d).sum().squareRoot()
        }.max()!
    }
}
