/// Eigenvalues and eigenvectors of symmetric 3 × 3 matrices, such as mean dyads ⟨μμᵀ⟩.
public enum SymmetricEigen {
    /// The six distinct entries of a symmetric matrix.
    public struct Matrix: Equatable, Sendable {
        public var xx = 0.0, xy = 0.0, xz = 0.0, yy = 0.0, yz = 0.0, zz = 0.0
        public init() {}

        /// Adds weight · v vᵀ.
        @inline(__always)
        public mutating func add(_ v: SIMD3<Double>, weight: Double) {
            xx += weight * v.x * v.x
            xy += weight * v.x * v.y
            xz += weight * v.x * v.z
            yy += weight * v.y * v.y
            yz += weight * v.y * v.z
            zz += weight * v.z * v.z
        }
    }

    /// The largest eigenvalue and its unit eigenvector, signed so that the last non-zero component is positive.
    ///
    /// Cyclic Jacobi rotations, so that equal or nearly equal eigenvalues lose nothing.
    /// - Accuracy: |Av − λv| ≤ 1e-12 · |A|. The zero matrix gives (0, z axis).
    /// - Source: Golub & Van Loan, Matrix Computations, §8.5.
    public static func largest(_ a: Matrix) -> (value: Double, vector: SIMD3<Double>) {
        var (xx, xy, xz, yy, yz, zz) = (a.xx, a.xy, a.xz, a.yy, a.yz, a.zz)
        var x = SIMD3<Double>(1, 0, 0), y = SIMD3<Double>(0, 1, 0), z = SIMD3<Double>(0, 0, 1)
        let scale = abs(xx) + abs(yy) + abs(zz)
        for _ in 0..<12 {
            guard abs(xy) + abs(xz) + abs(yz) > 1e-15 * scale else { break }
            rotate(&xx, &yy, &xy, &xz, &yz, &x, &y)
            rotate(&xx, &zz, &xz, &xy, &yz, &x, &z)
            rotate(&yy, &zz, &yz, &xy, &xz, &y, &z)
        }
        var (value, vector) = (zz, z)
        if yy > value { (value, vector) = (yy, y) }
        if xx > value { (value, vector) = (xx, x) }
        vector /= (vector * vector).sum().squareRoot()
        let sign = vector.z != 0 ? vector.z : vector.y != 0 ? vector.y : vector.x
        return (value, sign < 0 ? -vector : vector)
    }

    /// One Jacobi rotation in the plane (p, q), which brings `pq` to zero; r is the third axis.
    @inline(__always)
    private static func rotate(
        _ pp: inout Double, _ qq: inout Double, _ pq: inout Double, _ pr: inout Double, _ qr: inout Double,
        _ p: inout SIMD3<Double>,
        _ q: inout SIMD3<Double>
    ) {
        guard pq != 0 else { return }
        let theta = (qq - pp) / (2 * pq)
        let t = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
        let c = 1 / (t * t + 1).squareRoot(), s = t * c
        pp -= t * pq
        qq += t * pq
        pq = 0
        (pr, qr) = (c * pr - s * qr, s * pr + c * qr)
        (p, q) = (c * p - s * q, s * p + c * q)
    }
}
