import Foundation

/// A symmetric 3×3 matrix, such as a mean dyad ⟨μμᵀ⟩ or a diffusion tensor, and its eigensystem.
public struct SymmetricMatrix3: Equatable, Sendable {
    public var xx = 0.0, yy = 0.0, zz = 0.0, xy = 0.0, xz = 0.0, yz = 0.0

    public init(xx: Double = 0, yy: Double = 0, zz: Double = 0, xy: Double = 0, xz: Double = 0, yz: Double = 0) {
        (self.xx, self.yy, self.zz, self.xy, self.xz, self.yz) = (xx, yy, zz, xy, xz, yz)
    }

    /// Adds weight · v vᵀ.
    @inlinable
    public mutating func add(_ v: SIMD3<Double>, weight: Double) {
        xx += weight * v.x * v.x; yy += weight * v.y * v.y; zz += weight * v.z * v.z
        xy += weight * v.x * v.y; xz += weight * v.x * v.z; yz += weight * v.y * v.z
    }

    /// Eigenvalues, falling, and their eigenvectors, orthonormal.
    /// - Accuracy: reconstruction error ≤ 1e-14 of the largest eigenvalue, for any finite matrix.
    func eigensystem() -> (values: SIMD3<Double>, vectors: (SIMD3<Double>, SIMD3<Double>, SIMD3<Double>)) {
        var (values, (u, v, w)) = diagonalised { a in
            let off = a.xy * a.xy + a.xz * a.xz + a.yz * a.yz
            return off > 1e-32 * (a.xx * a.xx + a.yy * a.yy + a.zz * a.zz)
        }
        if values.x < values.y { (values.x, values.y) = (values.y, values.x); swap(&u, &v) }
        if values.y < values.z { (values.y, values.z) = (values.z, values.y); swap(&v, &w) }
        if values.x < values.y { (values.x, values.y) = (values.y, values.x); swap(&u, &v) }
        return (values, (u, v, w))
    }

    /// The largest eigenvalue and its unit eigenvector, signed so that the last non-zero component is positive. Equal
    /// or nearly equal eigenvalues lose nothing.
    /// - Accuracy: |Av − λv| ≤ 1e-12 · |A|. The zero matrix gives (0, z axis).
    public func largest() -> (value: Double, vector: SIMD3<Double>) {
        let scale = abs(xx) + abs(yy) + abs(zz)
        let (values, (x, y, z)) = diagonalised { abs($0.xy) + abs($0.xz) + abs($0.yz) > 1e-15 * scale }
        var (value, vector) = (values.z, z)
        if values.y > value { (value, vector) = (values.y, y) }
        if values.x > value { (value, vector) = (values.x, x) }
        vector /= (vector * vector).sum().squareRoot()
        let sign = vector.z != 0 ? vector.z : vector.y != 0 ? vector.y : vector.x
        return (value, sign < 0 ? -vector : vector)
    }

    /// Eigenvalues and eigenvectors in no order, by cyclic Jacobi rotations as long as `isCoupled`, twelve rounds at
    /// most.
    /// - Source: Golub & Van Loan, Matrix Computations, §8.5.
    @inline(__always)
    private func diagonalised(while isCoupled: (SymmetricMatrix3) -> Bool) -> (
        values: SIMD3<Double>, vectors: (SIMD3<Double>, SIMD3<Double>, SIMD3<Double>)
    ) {
        var a = self
        var u = SIMD3(1.0, 0, 0), v = SIMD3(0, 1.0, 0), w = SIMD3(0, 0, 1.0)
        for _ in 0..<12 {
            guard isCoupled(a) else { break }
            Self.rotate(&a.xx, &a.yy, &a.xy, &a.xz, &a.yz, &u, &v)
            Self.rotate(&a.xx, &a.zz, &a.xz, &a.xy, &a.yz, &u, &w)
            Self.rotate(&a.yy, &a.zz, &a.yz, &a.xy, &a.xz, &v, &w)
        }
        return (SIMD3(a.xx, a.yy, a.zz), (u, v, w))
    }

    /// One Jacobi rotation that zeroes the element `pq`; `pr`, `qr` are the others of the two rows.
    @inline(__always)
    private static func rotate(
        _ pp: inout Double, _ qq: inout Double, _ pq: inout Double, _ pr: inout Double, _ qr: inout Double,
        _ p: inout SIMD3<Double>,
        _ q: inout SIMD3<Double>
    ) {
        if pq == 0 { return }
        let theta = (qq - pp) / (2 * pq)
        let t = (theta >= 0 ? 1.0 : -1.0) / (abs(theta) + (theta * theta + 1).squareRoot())
        let c = 1 / (t * t + 1).squareRoot(), s = t * c
        pp -= t * pq
        qq += t * pq
        pq = 0
        (pr, qr) = (c * pr - s * qr, s * pr + c * qr)
        (p, q) = (c * p - s * q, s * p + c * q)
    }

    /// The unit eigenvector of the largest eigenvalue; (1, 0, 0) for a matrix that is zero or not finite.
    ///
    /// Closed form (trigonometric eigenvalue, cross product of rows); Jacobi when the two largest eigenvalues nearly
    /// coincide.
    func principalAxis() -> SIMD3<Double> {
        let mean = (xx + yy + zz) / 3
        let dx = xx - mean, dy = yy - mean, dz = zz - mean
        let size = (dx * dx + dy * dy + dz * dz + 2 * (xy * xy + xz * xz + yz * yz)) / 6
        guard size.isFinite, size > 1e-200 else { return SIMD3(1, 0, 0) }
        let p = size.squareRoot()
        let determinant = dx * (dy * dz - yz * yz) - xy * (xy * dz - yz * xz) + xz * (xy * yz - dy * xz)
        let r = max(-1, min(1, determinant / (2 * p * p * p)))
        let top = 2 * p * cos(acos(r) / 3)
        let row0 = SIMD3(dx - top, xy, xz), row1 = SIMD3(xy, dy - top, yz), row2 = SIMD3(xz, yz, dz - top)
        let a = Self.cross(row0, row1), b = Self.cross(row0, row2), c = Self.cross(row1, row2)
        let na = (a * a).sum(), nb = (b * b).sum(), nc = (c * c).sum()
        let (best, norm) = na >= nb ? (na >= nc ? (a, na) : (c, nc)) : (nb >= nc ? (b, nb) : (c, nc))
        if norm > 1e-6 * size * size { return best / norm.squareRoot() }
        return SymmetricMatrix3(xx: dx, yy: dy, zz: dz, xy: xy, xz: xz, yz: yz).eigensystem().vectors.0
    }

    @inline(__always)
    static func cross(_ a: SIMD3<Double>, _ b: SIMD3<Double>) -> SIMD3<Double> {
        SIMD3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)
    }
}
