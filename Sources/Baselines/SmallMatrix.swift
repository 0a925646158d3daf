import Foundation

/// Factors of small matrices in double precision, row-major and in place.
enum SmallMatrix {
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

    /// Lower factor of a positive definite matrix (what is above the diagonal is left as it was). Returns half of its
    /// log determinant; NaN where it is not positive definite.
    static func factorise(_ a: UnsafeMutablePointer<Double>, _ n: Int) -> Double {
        var half = 0.0
        for i in 0..<n {
            for j in 0...i {
                var sum = a[i * n + j]
                for k in 0..<j { sum -= a[i * n + k] * a[j * n + k] }
                if i == j {
                    guard sum > 0 else { return .nan }
                    a[i * n + i] = sum.squareRoot()
                    half += 0.5 * log(sum)
                } else {
                    a[i * n + j] = sum / a[j * n + j]
                }
            }
        }
        return half
    }

    /// x = L⁻¹ x, then x = L⁻ᵀ x.
    static func forward(_ l: UnsafePointer<Double>, _ n: Int, _ x: UnsafeMutablePointer<Double>) {
        for i in 0..<n {
            var sum = x[i]
            for k in 0..<i { sum -= l[i * n + k] * x[k] }
            x[i] = sum / l[i * n + i]
        }
    }

    static func backward(_ l: UnsafePointer<Double>, _ n: Int, _ x: UnsafeMutablePointer<Double>) {
        for i in (0..<n).reversed() {
            x[i] /= l[i * n + i]
            for k in 0..<i { x[k] -= l[i * n + k] * x[i] }
        }
    }
}
