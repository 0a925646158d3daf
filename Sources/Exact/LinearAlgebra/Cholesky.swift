import CKernels

/// Cholesky's factorisation of small positive definite matrices, row-major in the lower triangle; `SmallMatrix` is the
/// same for inner loops.
package enum Cholesky {
    /// Factor in the lower triangle, in place; false, with the matrix as it was, when it is not positive definite.
    package static func factorise(_ a: inout [Double], _ d: Int) -> Bool {
        guard d <= SmallMatrix.stride else { return factorisePlainly(&a, d) }
        return a.withUnsafeMutableBufferPointer { a in
            SmallMatrix.withRoom { room in
                for i in 0..<d { for j in 0...i { room[j * SmallMatrix.stride + i] = a[i * d + j] } }
                guard pk_factorise(d, room) != 0 else { return false }
                for i in 0..<d { for j in 0...i { a[i * d + j] = room[j * SmallMatrix.stride + i] } }
                return true
            }
        }
    }

    /// Of any size, which the kernel is not.
    private static func factorisePlainly(_ a: inout [Double], _ d: Int) -> Bool {
        var l = a
        for j in 0..<d {
            for i in j..<d {
                var x = l[i * d + j]
                for k in 0..<j { x -= l[i * d + k] * l[j * d + k] }
                if i == j {
                    guard x > 0, x.isFinite else { return false }
                    l[j * d + j] = x.squareRoot()
                } else {
                    l[i * d + j] = x / l[j * d + j]
                }
            }
        }
        a = l
        return true
    }

    /// Solves L x = b in place.
    package static func forward(_ l: [Double], _ d: Int, _ b: inout [Double]) {
        l.withUnsafeBufferPointer { l in
            b.withUnsafeMutableBufferPointer { b in
                for i in 0..<d {
                    var x = b[i]
                    for k in 0..<i { x -= l[i * d + k] * b[k] }
                    b[i] = x / l[i * d + i]
                }
            }
        }
    }

    /// Solves L Lᵀ x = b in place.
    package static func solve(_ l: [Double], _ d: Int, _ b: inout [Double]) {
        forward(l, d, &b)
        for i in (0..<d).reversed() {
            for k in i + 1..<max(d, i + 1) { b[i] -= l[k * d + i] * b[k] }
            b[i] /= l[i * d + i]
        }
    }
}

/// Matrices as the kernels of `small_matrix.h` take them: rows lie `stride` numbers apart, the upper triangle counts.
package enum SmallMatrix {
    @inlinable package static var stride: Int { Int(PK_SMALL_STRIDE) }
    /// Numbers in a matrix.
    @inlinable package static var size: Int { stride * stride }

    /// Room for one, zeros.
    @inlinable @inline(__always)
    package static func withRoom<R>(_ body: (UnsafeMutablePointer<Double>) -> R) -> R {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: 256) { buffer in
            let room = buffer.baseAddress!
            room.initialize(repeating: 0, count: 256)
            return body(room)
        }
    }
}
