import CKernels

/// Cholesky's factorisation of small positive definite matrices, row-major in the lower triangle; `SmallMatrix` is the
/// same for inner loops.
package enum Cholesky {
    /// Factor in the lower triangle, in place; false, with the matrix as it was, when it is not positive definite.
    /// - Parameter d: rows, at most 63.
    package static func factorise(_ a: inout [Double], _ d: Int) -> Bool {
        precondition(d <= Int(PK_SYSTEM_MOST), "a matrix of more rows than the kernel holds")
        let stride = d <= SmallMatrix.stride ? SmallMatrix.stride : SignalLimits.stride(d)
        return a.withUnsafeMutableBufferPointer { a in
            withUnsafeTemporaryAllocation(of: Double.self, capacity: d * stride) { buffer in
                let room = buffer.baseAddress!
                room.initialize(repeating: 0, count: d * stride)
                for i in 0..<d { for j in 0...i { room[j * stride + i] = a[i * d + j] } }
                guard pk_system_factorise(d, stride, room) != 0 else { return false }
                for i in 0..<d { for j in 0...i { a[i * d + j] = room[j * stride + i] } }
                return true
            }
        }
    }

    /// Solves L x = b in place.
    package static func forward(_ l: UnsafePointer<Double>, _ d: Int, _ b: UnsafeMutablePointer<Double>) {
        for i in 0..<d {
            var x = b[i]
            for k in 0..<i { x -= l[i * d + k] * b[k] }
            b[i] = x / l[i * d + i]
        }
    }

    /// vᵀ L Lᵀ v.
    package static func square(_ l: UnsafePointer<Double>, _ d: Int, of v: UnsafePointer<Double>) -> Double {
        var square = 0.0
        for j in 0..<d {
            var sum = 0.0
            for i in j..<d { sum += l[i * d + j] * v[i] }
            square += sum * sum
        }
        return square
    }

    /// Standard deviation of coordinate j where L Lᵀ is the precision: (L Lᵀ)⁻¹_jj^½ = |L⁻¹ e_j|.
    package static func deviation(_ l: UnsafePointer<Double>, _ d: Int, of j: Int) -> Double {
        var x = [Double](repeating: 0, count: d)
        x[j] = 1
        forward(l, d, &x)
        return x.reduce(0) { $0 + $1 * $1 }.squareRoot()
    }

    /// Solves L Lᵀ x = b in place.
    package static func solve(_ l: UnsafePointer<Double>, _ d: Int, _ b: UnsafeMutablePointer<Double>) {
        forward(l, d, b)
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
