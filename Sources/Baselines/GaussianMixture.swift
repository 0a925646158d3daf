import Foundation
import ModelSpace

/// A mixture of normal distributions with full covariances in D dimensions, of which any may be left out: the density
/// of those present is the same with rows left out, in closed form.
///
///     q(x_A) = Σ_c π_c N(x_A; μ_A, L_A L_Aᵀ),   L_A the rows A of L
///
/// Made of unconstrained numbers: `components` logits of π, then for each component μ, the logarithms of L's diagonal
/// (cut to [−8, 8]) and L below it, row by row.
public struct GaussianMixture: Sendable {
    public let dimensions: Int, components: Int
    private let raw: [Double], logWeights: [Double]

    public static func numberCount(dimensions d: Int, components: Int) -> Int {
        components * (1 + 2 * d + d * (d - 1) / 2)
    }

    private static let widest = 8.0

    /// - Parameter raw: `numberCount` finite numbers.
    public init(_ raw: [Double], dimensions: Int, components: Int) {
        precondition(raw.count == Self.numberCount(dimensions: dimensions, components: components))
        (self.raw, self.dimensions, self.components) = (raw, dimensions, components)
        let total = logSum(Array(raw[0..<components]))
        logWeights = raw[0..<components].map { $0 - total }
    }

    /// Where a component's numbers begin: μ, diagonal, below it.
    private func start(_ c: Int) -> Int { components + c * (2 * dimensions + dimensions * (dimensions - 1) / 2) }
    private func below(_ c: Int, _ i: Int) -> Int { start(c) + 2 * dimensions + i * (i - 1) / 2 }

    /// Rows `active` of L, each D long.
    private func rows(_ c: Int, _ active: [Int]) -> [Double] {
        var l = [Double](repeating: 0, count: active.count * dimensions)
        for (r, i) in active.enumerated() {
            let from = below(c, i)
            for j in 0..<i { l[r * dimensions + j] = raw[from + j] }
            l[r * dimensions + i] = exp(max(-Self.widest, min(Self.widest, raw[start(c) + dimensions + i])))
        }
        return l
    }

    /// The factor of L_A L_Aᵀ, half its log determinant, and Σ⁻¹(x − μ) with the log density.
    private func solve(_ c: Int, _ x: [Double], _ active: [Int], _ l: [Double]) -> (
        factor: SquareFactor, pull: [Double], log: Double
    ) {
        let n = active.count, d = dimensions
        var s = [Double](repeating: 0, count: n * n)
        l.withUnsafeBufferPointer { l in
            for i in 0..<n {
                for j in 0...i {
                    var sum = 0.0
                    for k in 0...min(active[i], active[j]) { sum += l[i * d + k] * l[j * d + k] }
                    s[i * n + j] = sum
                }
            }
        }
        let factor = SquareFactor(most: n)
        let half = factor.factorise(s, stride: n, size: n, ridge: 0) ? 0.5 * factor.logDeterminant : .nan
        var e = active.indices.map { x[$0] - raw[start(c) + active[$0]] }
        factor.forward(&e)
        let square = e.reduce(0) { $0 + $1 * $1 }
        factor.backward(&e)
        return (factor, e, logWeights[c] - 0.5 * square - half - 0.5 * Double(n) * log(2 * .pi))
    }

    /// log q of x, the values of the dimensions `active` (rising).
    public func logDensity(_ x: [Double], active: [Int]) -> Double {
        if active.isEmpty { return 0 }
        return logSum((0..<components).map { solve($0, x, active, rows($0, active)).log })
    }

    /// Adds scale · ∂ log q/∂ raw to `gradient`, as many numbers as raw has, and returns log q.
    public func addGradient(
        of x: [Double], active: [Int], scale: Double, to gradient: UnsafeMutablePointer<Double>
    ) -> Double {
        let n = active.count, d = dimensions
        if n == 0 { return 0 }
        let l = (0..<components).map { rows($0, active) }
        let parts = (0..<components).map { solve($0, x, active, l[$0]) }, total = logSum(parts.map(\.log))
        var h = [Double](repeating: 0, count: n * n), column = [Double](repeating: 0, count: n)
        for c in 0..<components {
            let share = exp(parts[c].log - total), pull = parts[c].pull
            gradient[c] += scale * (share - exp(logWeights[c]))
            guard share > 1e-12 else { continue }
            // ∂ log N/∂L_A = (Σ⁻¹e eᵀΣ⁻¹ − Σ⁻¹) L_A.
            for j in 0..<n {
                for i in 0..<n { column[i] = i == j ? 1 : 0 }
                parts[c].factor.forward(&column)
                parts[c].factor.backward(&column)
                for i in 0..<n { h[j * n + i] = pull[i] * pull[j] - column[i] }
            }
            let at = start(c), weight = scale * share
            for (r, i) in active.enumerated() {
                gradient[at + i] += weight * pull[r]
                let from = below(c, i)
                for k in 0...i {
                    var slope = 0.0
                    for q in 0..<n { slope += h[r * n + q] * l[c][q * d + k] }
                    if k < i {
                        gradient[from + k] += weight * slope
                    } else if abs(raw[at + d + i]) < Self.widest {
                        gradient[at + d + i] += weight * slope * l[c][r * d + i]
                    }
                }
            }
        }
        return total
    }

    /// A draw of the dimensions `active`.
    public func draw(_ active: [Int], using random: inout RandomSource) -> [Double] {
        var u = random.uniform(), c = 0
        while c + 1 < components, u > exp(logWeights[c]) {
            u -= exp(logWeights[c])
            c += 1
        }
        let l = rows(c, active), e = (0..<dimensions).map { _ in random.normal() }
        return active.enumerated().map { r, i in
            (0...i).reduce(raw[start(c) + i]) { $0 + l[r * dimensions + $1] * e[$1] }
        }
    }
}
