import Foundation
import ModelSpace

/// Dense numerical integration of smooth peaks in a few dimensions.
enum Lattice {
    /// log ∫ over u of f(m + L u) |L|, by the trapezoid rule (which converges exponentially for such integrands) on the
    /// lattice points with |u| ≤ `radius`.
    static func integrate(
        mean m: [Double], factor: [[Double]], spacing h: Double, radius: Double, _ f: ([Double]) -> Double
    ) -> Double {
        let d = m.count, reach = Int(radius / h)
        var u = [Double](repeating: 0, count: d), peak = -Double.infinity, total = 0.0
        func visit(_ j: Int, _ rest: Double) {
            if j == d {
                let value = f((0..<d).map { a in m[a] + (0...a).reduce(0) { $0 + factor[a][$1] * u[$1] } })
                if value == -.infinity { return }
                if value > peak {
                    total = total * exp(peak - value) + 1; peak = value
                } else {
                    total += exp(value - peak)
                }
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

    /// log ∫ f(x) dx and its standard error, by plain importance sampling from t distributions with five degrees of
    /// freedom, a narrow one and a wide one in turn: for peaks in too many dimensions, or of too odd a shape, for a
    /// lattice.
    static func sample(
        mean m: [Double], factor: [[Double]], count: Int, seed: UInt64, _ f: ([Double]) -> Double
    ) -> (log: Double, error: Double) {
        let d = m.count, dof = 5.0, half = (dof + Double(d)) / 2, scales = [0.9, 1.8]
        var constant = lgamma(half) - lgamma(dof / 2) - Double(d) / 2 * log(dof * Double.pi)
        for j in 0..<d { constant -= log(factor[j][j]) }
        var random = RandomSource(seed: seed), values: [Double] = []
        for i in 0..<count {
            var chi = 0.0, square = 0.0, x = m, density = 0.0
            for _ in 0..<5 { chi += pow(random.normal(), 2) }
            let width = scales[i % 2] * (dof / chi).squareRoot(),
                u: [Double] = (0..<d).map { _ in random.normal() * width }
            for a in 0..<d {
                square += u[a] * u[a]
                for b in 0...a { x[a] += factor[a][b] * u[b] }
            }
            for s in scales { density += 0.5 * exp(-Double(d) * log(s) - half * log1p(square / (s * s * dof))) }
            values.append(f(x) - constant - log(density))
        }
        let peak = values.max()!, weights = values.map { exp($0 - peak) }, sum = weights.reduce(0, +)
        let error = (weights.reduce(0) { $0 + $1 * $1 } / (sum * sum) - 1 / Double(count)).squareRoot()
        return (peak + log(sum / Double(count)), error)
    }

    /// Mean and Cholesky factor of rows of equal weight or with weights: where to put the lattice (the integral does
    /// not depend on them).
    static func spread(_ rows: [[Double]], weights: [Double]? = nil) -> (mean: [Double], factor: [[Double]]) {
        let d = rows[0].count, w = weights ?? rows.map { _ in 1 / Double(rows.count) }
        let mean = (0..<d).map { j in zip(rows, w).reduce(0) { $0 + $1.1 * $1.0[j] } }
        var c = (0..<d).map { j in
            (0..<d).map { l in zip(rows, w).reduce(0) { $0 + $1.1 * ($1.0[j] - mean[j]) * ($1.0[l] - mean[l]) } }
        }
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
