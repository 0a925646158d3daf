import Foundation

/// Factors of row-diagonally dominant matrices in double precision, row-major and in place. Those of positive definite
/// ones are `SquareFactor`'s.
enum DominantMatrix {
    /// A = L U with ones on the diagonal of L, rows not exchanged: stable where every diagonal entry is larger than the
    /// sum of the others' sizes in its row. Returns log det A, of a matrix whose determinant is positive.
    static func eliminate(_ a: UnsafeMutablePointer<Double>, _ d: Int) -> Double {
        var logDeterminant = 0.0
        for k in 0..<d {
            let pivot = a[k * d + k], inverse = 1 / pivot
            logDeterminant += log(pivot)
            for i in k + 1..<max(d, k + 1) {
                let factor = a[i * d + k] * inverse
                a[i * d + k] = factor
                guard factor != 0 else { continue }
                for j in k + 1..<d { a[i * d + j] -= factor * a[k * d + j] }
            }
        }
        return logDeterminant
    }

    /// A⁻ᵀ, the gradient of log det A, from what `eliminate` left.
    static func inverseTransposed(
        _ lu: UnsafePointer<Double>, _ d: Int, into result: UnsafeMutablePointer<Double>
    ) {
        for column in 0..<d {
            // A x = e: x is a column of A⁻¹, so a row of the result.
            let x = result + column * d
            for i in 0..<d {
                var sum = i == column ? 1.0 : 0
                if i > column { for j in column..<i { sum -= lu[i * d + j] * x[j] } }
                x[i] = sum
            }
            for i in (0..<d).reversed() {
                var sum = x[i]
                for j in i + 1..<max(d, i + 1) { sum -= lu[i * d + j] * x[j] }
                x[i] = sum / lu[i * d + i]
            }
        }
    }
}
