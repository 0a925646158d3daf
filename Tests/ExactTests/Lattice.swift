import Foundation

/// Dense numerical integration of smooth peaks in a few dimensions.
enum Lattice {
    /// log ∫ over u of f(m + L u) |L|, by the trapezoid rule (which converges exponentially for such integrands) on the lattice points with |u| ≤ `radius`.
    static func integrate(mean m: [Double], factor: [[Double]], spacing h: Double, radius: Double, _ f: ([Double]) -> Double) -> Double {
        let d = m.count, reach = Int(radius / h)
        var u = [Double](repeating: 0, count: d), peak = -Double.infinity, total = 0.0
        func visit(_ j: Int, _ rest: Double) {
            if j == d {
                let value = f((0..<d).map { a in m[a] + (0...a).reduce(0) { $0 + factor[a][$1] * u[$1] } })
                if value == -.infinity { return }
                if value > peak { total = total * exp(peak - value) + 1; peak = value } else { total += exp(value - peak) }
                return
            }
            for k in -reach...reach {
                let v = Double(k) * h
                if v * v > rest { continue }
                u[j] = v
                visit(j + 1, rest - v * v)
            }
        }
        visit(0, radius * radius)
        return peak + log(total) + Double(d) * log(h) + (0..<d).reduce(0) { $0 + log(factor[$1][$1]) }
    }

    /// Mean and Cholesky factor of rows of equal weight or with weights: where to put the lattice (the integral does not depend on them).
    static func spread(_ rows: [[Double]], weights: [Double]? = nil) -> (mean: [Double], factor: [[Double]]) {
        let d = rows[0].count, w = weights ?? rows.map { _ in 1 / Double(rows.count) }
        let mean = (0..<d).map { j in zip(rows, w).reduce(0) { $0 + $1.1 * $1.0[j] } }
        var c = (0..<d).map { j in (0..<d).map { l in zip(rows, w).reduce(0) { $0 + $1.1 * ($1.0[j] - mean[j]) * ($1.0[l] - mean[l]) } } }
        for j in 0..<d {
            for l in 0...j {
                let sum = c[j][l] - (0..<l).reduce(0) { $0 + c[j][$1] * c[l][$1] }
                c[j][l] = l == j ? sum.squareRoot() : sum / c[l][l]
            }
            for l in j + 1..<max(d, j + 1) { c[j][l] = 0 }
        }
        return (mean, c)
    }
}
