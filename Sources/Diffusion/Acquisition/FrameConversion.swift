import Foundation

/// Changes of frame between the scanner (world, RAS), FSL's bvecs and the voxel axes, for one image affine.
///
///     v_scanner = R diag(s, 1, 1) v_fsl        s = −1 if det(affine) > 0, else 1
///     v_voxel   = Rᵀ v_scanner                 (DIPY: voxel axes, no flip)
///
/// R is the orthogonal matrix nearest to the affine's 3×3 part with its columns normalised (for an affine without
/// shear: those columns). It may be a reflection: R keeps the sign of the determinant.
public struct FrameConversion: Sendable, Equatable {
    /// Columns of R: the scanner directions of the voxel axes i, j, k.
    public let columns: [SIMD3<Double>]
    /// s: the factor on FSL's x.
    public let fslSign: Double

    /// - Parameter affine3x3: row-major 3×3 part of the voxel-to-world affine.
    /// - Errors: `GradientTableError.singularAffine`.
    public init(affine3x3 a: [Double]) throws {
        precondition(a.count == 9)
        guard a.allSatisfy({ $0.isFinite }) else { throw GradientTableError.singularAffine }
        var c = (0..<3).map { SIMD3(a[$0], a[3 + $0], a[6 + $0]) }
        let lengths = c.map { ($0 * $0).sum().squareRoot() }
        guard lengths.min()! > 1e-9 else { throw GradientTableError.singularAffine }
        for k in 0..<3 { c[k] /= lengths[k] }
        func determinant(_ c: [SIMD3<Double>]) -> Double { (SymmetricMatrix3.cross(c[0], c[1]) * c[2]).sum() }
        let sign = determinant(c)
        guard abs(sign) > 1e-4 else { throw GradientTableError.singularAffine }
        // Newton's iteration for the orthogonal polar factor: X ← (X + X⁻ᵀ)/2, quadratic near the end.
        for _ in 0..<60 {
            let d = determinant(c)
            let inverseTranspose = [
                SymmetricMatrix3.cross(c[1], c[2]) / d, SymmetricMatrix3.cross(c[2], c[0]) / d,
                SymmetricMatrix3.cross(c[0], c[1]) / d,
            ]
            var change = 0.0
            for k in 0..<3 {
                let next = 0.5 * (c[k] + inverseTranspose[k])
                change = max(change, ((next - c[k]) * (next - c[k])).sum())
                c[k] = next
            }
            if change < 1e-30 { break }
        }
        columns = c
        fslSign = sign > 0 ? -1 : 1
    }

    /// The conversion for an identity affine (voxel axes = scanner axes).
    public static let identity = try! FrameConversion(affine3x3: [1, 0, 0, 0, 1, 0, 0, 0, 1])

    public func scanner(fromVoxel v: SIMD3<Double>) -> SIMD3<Double> {
        v.x * columns[0] + v.y * columns[1] + v.z * columns[2]
    }
    public func voxel(fromScanner v: SIMD3<Double>) -> SIMD3<Double> {
        SIMD3((columns[0] * v).sum(), (columns[1] * v).sum(), (columns[2] * v).sum())
    }
    public func scanner(fromFSL v: SIMD3<Double>) -> SIMD3<Double> {
        scanner(fromVoxel: SIMD3(fslSign * v.x, v.y, v.z))
    }
    public func fsl(fromScanner v: SIMD3<Double>) -> SIMD3<Double> {
        let u = voxel(fromScanner: v)
        return SIMD3(fslSign * u.x, u.y, u.z)
    }
}
