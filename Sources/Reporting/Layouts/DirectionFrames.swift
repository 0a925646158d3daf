import Diffusion
import Volumes

/// The three frames in which tools expect fibre directions. Inside this package directions are in the scanner frame;
/// they change frame only where a file is written.
///
/// With v a unit direction in scanner coordinates (world, RAS+), and R and s as in `FrameConversion`:
/// - Source: checked against FSL probtrackx2, MRtrix3 tckgen and DIPY trackers with det(affine) of both signs,
///   axis-aligned and oblique.
enum DirectionFrame: Sendable {
    /// v itself: MRtrix3 and BIDS `Reference: xyz`.
    case scanner
    /// Rᵀv, along the voxel axes i, j, k: DIPY and BIDS `Reference: ijk`.
    case voxel
    /// diag(s, 1, 1)·Rᵀv: FSL's bvecs and bedpostX directories, BIDS `Reference: bvec`.
    case fsl
}

/// Carries directions from the scanner frame into another frame of an image, in single precision.
struct DirectionConversion: Sendable {
    private var x = SIMD3<Float>(1, 0, 0), y = SIMD3<Float>(0, 1, 0), z = SIMD3<Float>(0, 0, 1)

    /// - Precondition: the affine is one that `Volumes` let pass, hence not singular.
    init(to frame: DirectionFrame, of affine: Affine) {
        guard frame != .scanner,
            let conversion = try? FrameConversion(affine3x3: (0..<9).map { affine[$0 / 3, $0 % 3] })
        else { return }
        (x, y, z) = (
            SIMD3<Float>(conversion.columns[0]), SIMD3<Float>(conversion.columns[1]),
            SIMD3<Float>(conversion.columns[2])
        )
        if frame == .fsl { x *= Float(conversion.fslSign) }
    }

    /// The direction in the other frame, of unit length; 0 stays 0.
    @inline(__always)
    func callAsFunction(_ v: SIMD3<Float>) -> SIMD3<Float> {
        let rotated = SIMD3((x * v).sum(), (y * v).sum(), (z * v).sum())
        let norm = (rotated * rotated).sum().squareRoot()
        return norm > 0 ? rotated / norm : SIMD3()
    }
}
