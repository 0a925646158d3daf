import Foundation

/// How to draw from a normal restricted to u ≥ 0, and perhaps Σ u ≤ c, one coordinate after another from the last to
/// the first: one that is drawn knows nothing of the bounds of those to come.
///
/// With Λ = L Lᵀ and z = Lᵀ (u − ū) coordinate k is between a_k and b_k, linear functions of the z_j, j > k, drawn
/// before it. Drawn from normals about shifts μ_k restricted so, a sample's weight is
///
///     exp ψ(z, μ),   ψ = Σ_k ½μ_k² − z_k μ_k + log[Φ(b_k − μ_k) − Φ(a_k − μ_k)]
///
/// Where ψ is stationary in both (a saddle) weights are the most alike. With p^a, p^b the density at the two ends,
///
///     z_k = μ_k + p^a_k − p^b_k,   μ_j = Σ_{k<j} p^b_k ∂b_k/∂z_j − p^a_k ∂a_k/∂z_j
///
/// found by Newton's method. Of nine overlapping exponentials with a known σ half the samples are effective then,
/// without shifts one in 250.
///
/// - Source: Botev, "The normal law under linear restrictions", J. Royal Statistical Society B 79 (2017).
struct TruncationShift {
    private let w: Int
    /// Bounds where z = 0, and their slopes, row k by z_j.
    private var low: [Double], high: [Double], slope: [Double], highSlope: [Double]

    /// μ for the precision Λ (w × w) and Λ ū; zeros where they are not found.
    /// - Parameter sum: c, or infinity.
    static func shifts(precision: [Double], product: [Double], sum: Double = .infinity) -> [Double] {
        let w = product.count, none = [Double](repeating: 0, count: w)
        guard w > (sum == .infinity ? 1 : 0), let problem = TruncationShift(precision, product, sum) else {
            return none
        }
        return problem.solve() ?? none
    }

    private init?(_ precision: [Double], _ product: [Double], _ sum: Double) {
        var l = precision, mean = product
        w = product.count
        guard Cholesky.factorise(&l, w) else { return nil }
        Cholesky.solve(l, w, &mean)
        // u − ū = R z, R = L⁻ᵀ.
        var r = [Double](repeating: 0, count: w * w)
        for j in 0..<w {
            for k in (0...j).reversed() {
                var x = k == j ? 1.0 : 0
                for h in k + 1..<max(k + 1, j + 1) { x -= l[h * w + k] * r[h * w + j] }
                r[k * w + j] = x / l[k * w + k]
            }
        }
        (low, high) = ([Double](repeating: 0, count: w), [Double](repeating: .infinity, count: w))
        slope = [Double](repeating: 0, count: w * w)
        highSlope = slope
        for k in 0..<w {
            let root = l[k * w + k]
            low[k] = -root * mean[k]
            if sum < .infinity { high[k] = low[k] + root * (sum - mean[(k + 1)...].reduce(0, +)) }
            for j in k + 1..<max(w, k + 1) {
                var taken = 0.0
                for h in k + 1...j {
                    slope[k * w + j] += l[h * w + k] * r[h * w + j]
                    taken += r[h * w + j]
                }
                highSlope[k * w + j] = slope[k * w + j] - root * taken
            }
        }
    }

    /// log of the normal's upper tail.
    static func logTail(_ x: Double) -> Double {
        x > 35 ? -0.5 * x * x - log(x) - 0.5 * log(2 * .pi) : log(0.5 * erfc(x / 2.0.squareRoot()))
    }

    /// Densities at the ends of [a, b] of a normal restricted to it.
    private static func ends(_ a: Double, _ b: Double) -> (Double, Double) {
        let (near, far) = a + b >= 0 ? (logTail(a), logTail(b)) : (logTail(-b), logTail(-a)),
            mass = near + log(-expm1(far - near)) + 0.5 * log(2 * .pi)
        return (exp(-0.5 * a * a - mass), b == .infinity ? 0 : exp(-0.5 * b * b - mass))
    }

    /// What ought to be 0 at (z, μ), and its derivatives, 2w rows of 2w, if wanted.
    private func equations(_ v: [Double], _ out: inout [Double], _ jacobian: inout [Double], derives: Bool) {
        let n = 2 * w
        for i in 0..<n { out[i] = 0 }
        if derives { for i in 0..<n * n { jacobian[i] = 0 } }
        for k in 0..<w {
            var a = low[k] - v[w + k], b = high[k] - v[w + k]
            for j in k + 1..<max(w, k + 1) {
                a += slope[k * w + j] * v[j]
                if b < .infinity { b += highSlope[k * w + j] * v[j] }
            }
            let (p, q) = Self.ends(a, b)
            out[k] += v[k] - v[w + k] - p + q
            out[w + k] += v[w + k]
            for j in k + 1..<max(w, k + 1) { out[w + j] += p * slope[k * w + j] - q * highSlope[k * w + j] }
            guard derives else { continue }
            // Of p and q by a and b.
            let ofB = b == .infinity ? 0 : b, pa = p * (p - a), pb = -p * q, qa = p * q, qb = -q * (q + ofB)
            jacobian[k * n + k] += 1
            jacobian[k * n + w + k] += -1 + pa + pb - qa - qb
            jacobian[(w + k) * n + w + k] += 1
            for j in k + 1..<max(w, k + 1) {
                let s = slope[k * w + j], t = highSlope[k * w + j]
                jacobian[k * n + j] += (qa - pa) * s + (qb - pb) * t
                jacobian[(w + j) * n + w + k] += -(pa + pb) * s + (qa + qb) * t
                for i in k + 1..<w {
                    jacobian[(w + j) * n + i] +=
                        s * (pa * slope[k * w + i] + pb * highSlope[k * w + i]) - t
                        * (qa * slope[k * w + i] + qb * highSlope[k * w + i])
                }
            }
        }
    }

    private func solve() -> [Double]? {
        let n = 2 * w
        var v = [Double](repeating: 0, count: n), f = v, next = v, other = v
        var jacobian = [Double](repeating: 0, count: n * n)
        func size(_ f: [Double]) -> Double { f.reduce(0) { $0 + $1 * $1 } }
        for _ in 0..<25 {
            equations(v, &f, &jacobian, derives: true)
            let before = size(f)
            if before < 1e-6 { return Array(v[w...]) }
            guard before.isFinite, let step = Self.eliminate(&jacobian, f) else { return nil }
            var share = 1.0
            repeat {
                for i in 0..<n { next[i] = v[i] - share * step[i] }
                share /= 2
                equations(next, &other, &jacobian, derives: false)
            } while !(size(other) < before) && share > 1e-3
            guard share > 1e-3 else { return nil }
            swap(&v, &next)
        }
        return nil
    }

    /// x of A x = b, with row pivots; nil where A is singular.
    private static func eliminate(_ a: inout [Double], _ b: [Double]) -> [Double]? {
        let n = b.count
        var x = b
        for k in 0..<n {
            let pivot = (k..<n).max { abs(a[$0 * n + k]) < abs(a[$1 * n + k]) }!
            guard abs(a[pivot * n + k]) > 1e-300 else { return nil }
            if pivot != k {
                for c in k..<n { a.swapAt(k * n + c, pivot * n + c) }
                x.swapAt(k, pivot)
            }
            for i in k + 1..<max(n, k + 1) {
                let factor = a[i * n + k] / a[k * n + k]
                if factor == 0 { continue }
                for c in k..<n { a[i * n + c] -= factor * a[k * n + c] }
                x[i] -= factor * x[k]
            }
        }
        for k in (0..<n).reversed() {
            for c in k + 1..<max(n, k + 1) { x[k] -= a[k * n + c] * x[c] }
            x[k] /= a[k * n + k]
        }
        return x.allSatisfy(\.isFinite) ? x : nil
    }
}
