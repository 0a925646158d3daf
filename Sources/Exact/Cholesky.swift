/// Cholesky's factorisation of small positive definite matrices, row-major in the lower triangle.
enum Cholesky {
    /// Factor in the lower triangle, in place; false when the matrix is not positive definite.
    static func factorise(_ a: inout [Double], _ d: Int) -> Bool {
        a.withUnsafeMutableBufferPointer { a in
            for j in 0..<d {
                var diagonal = a[j * d + j]
                for k in 0..<j { diagonal -= a[j * d + k] * a[j * d + k] }
                guard diagonal > 0, diagonal.isFinite else { return false }
                let root = diagonal.squareRoot()
                a[j * d + j] = root
                for i in j + 1..<max(d, j + 1) {
                    var x = a[i * d + j]
                    for k in 0..<j { x -= a[i * d + k] * a[j * d + k] }
                    a[i * d + j] = x / root
                }
            }
            return true
        }
    }

    /// Solves L x = b in place.
    static func forward(_ l: [Double], _ d: Int, _ b: inout [Double]) {
        for i in 0..<d {
            for k in 0..<i { b[i] -= l[i * d + k] * b[k] }
            b[i] /= l[i * d + i]
        }
    }

    /// Solves L Lᵀ x = b in place.
    static func solve(_ l: [Double], _ d: Int, _ b: inout [Double]) {
        forward(l, d, &b)
        for i in (0..<d).reversed() {
            for k in i + 1..<max(d, i + 1) { b[i] -= l[k * d + i] * b[k] }
            b[i] /= l[i * d + i]
        }
    }
}
