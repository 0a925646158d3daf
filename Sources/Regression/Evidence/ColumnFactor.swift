import CKernels
import ModelSpace

/// The factor A + ridge·I = Uᵀ U of a symmetric matrix of any size up to a limit, eight numbers at a time.
///
/// - Accuracy: 1e-10 of `SquareFactor`, as a test asserts.
final class ColumnFactor {
    private let width: Int, u: UnsafeMutablePointer<Double>
    private(set) var size = 0, logDeterminant = 0.0

    init(most: Int) {
        width = (max(1, most) + 7) & ~7
        u = .filled(width * width)
    }
    deinit { u.deallocate() }

    /// - Parameter a: both triangles, rows `stride` apart.
    /// - Returns: false where a + ridge·I is not positive definite.
    func factorise(_ a: UnsafePointer<Double>, stride: Int, size: Int, ridge: Double) -> Bool {
        self.size = size
        return pk_upper_factor(size, stride, a, ridge, width, u, &logDeterminant) != 0
    }

    /// Uᵀ x = b in place.
    func forward(_ b: UnsafeMutablePointer<Double>) { pk_upper_forward(size, width, u, b) }

    /// The same of eight b at once, of each eight numbers a row.
    func forward(lanes b: UnsafeMutablePointer<Double>) { pk_upper_forward_lanes(size, width, u, b) }

    /// U x = b in place.
    func backward(_ b: UnsafeMutablePointer<Double>) {
        for i in (0..<size).reversed() {
            let row = u + i * width
            var s = b[i]
            for k in i + 1..<max(size, i + 1) { s -= row[k] * b[k] }
            b[i] = s / row[i]
        }
    }
}
