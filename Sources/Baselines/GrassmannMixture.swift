import Foundation
import ModelSpace

/// A distribution over d bits that may go together or exclude each other, normalised in closed form: a mixture of
/// Grassmann distributions.
///
///     P(z) = Σ_c π_c det N_c(z) / det(B_c + C_c),   row i of N(z) is row i of C where z_i = 1, of B where z_i = 0
///
/// B and C have positive diagonals larger than the sum of the others' sizes in their row, so that every determinant is
/// positive; a determinant is linear in each row, so that those of all N(z) sum to det(B + C). With Σ = (BC⁻¹ + I)⁻¹ =
/// C(B + C)⁻¹ this is the usual P(z) = det M, M_ii = σ_ii^{z_i}(1−σ_ii)^{1−z_i}, M_ij = σ_ij(−1)^{1−z_i}; the first m
/// bits have the same form with Σ's first m rows and columns.
///
/// Made of d-dimensional unconstrained numbers: `components` logits of π, then for each component B's and C's, d × d
/// each; off the diagonal as they are, on it softplus, to which Σ_{j≠i}|·_ij| + 10⁻⁴ is added.
///
/// Accuracy: probabilities of all z sum to 1 to 1e-12 at d = 8.
/// - Source: Arai, "Grassmann distribution" (2021); Schröder and Macke, "Simultaneous identification of models and
///   parameters of scientific simulators", ICML 2024.
public struct GrassmannMixture: Sendable {
    public let bits: Int, components: Int
    private let raw: [Double]
    private let logWeights: [Double]
    /// B, then C, of each component.
    private let matrices: [[Double]]
    /// log det(B + C).
    private let logNormalisers: [Double]

    /// How many numbers make one.
    public static func numberCount(bits: Int, components: Int) -> Int { components * (1 + 2 * bits * bits) }

    /// - Parameter raw: `numberCount` finite numbers.
    public init(_ raw: [Double], bits d: Int, components: Int) {
        precondition(raw.count == Self.numberCount(bits: d, components: components))
        (bits, self.components, self.raw) = (d, components, raw)
        let total = logSum(Array(raw[0..<components]))
        logWeights = raw[0..<components].map { $0 - total }
        var matrices: [[Double]] = [], normalisers: [Double] = []
        for c in 0..<components {
            let first = components + c * 2 * d * d
            var m = Array(raw[first..<first + 2 * d * d])
            for row in 0..<2 * d {
                let i = row % d
                var size = 0.0
                for j in 0..<d where j != i { size += abs(m[row * d + j]) }
                m[row * d + i] = Self.softplus(m[row * d + i]) + size + 1e-4
            }
            matrices.append(m)
            var sum = (0..<d * d).map { m[$0] + m[d * d + $0] }
            normalisers.append(sum.withUnsafeMutableBufferPointer { DominantMatrix.eliminate($0.baseAddress!, d) })
        }
        (self.matrices, logNormalisers) = (matrices, normalisers)
    }

    private static func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }

    /// N(z) of a component.
    private func chosen(_ c: Int, _ z: Structure) -> [Double] {
        var n = [Double](repeating: 0, count: bits * bits)
        for i in 0..<bits {
            let row = (z[i] ? bits + i : i) * bits
            for j in 0..<bits { n[i * bits + j] = matrices[c][row + j] }
        }
        return n
    }

    /// log P(z).
    public func logProbability(_ z: Structure) -> Double {
        logSum(
            (0..<components).map { c in
                var n = chosen(c, z)
                return logWeights[c] - logNormalisers[c]
                    + n.withUnsafeMutableBufferPointer { DominantMatrix.eliminate($0.baseAddress!, bits) }
            })
    }

    /// Adds scale · ∂ log P(z)/∂ raw to `gradient`, as many numbers as raw has, and returns log P(z).
    public func addGradient(of z: Structure, scale: Double, to gradient: UnsafeMutablePointer<Double>) -> Double {
        let d = bits
        var logs = [Double](repeating: 0, count: components), factors: [[Double]] = []
        for c in 0..<components {
            var n = chosen(c, z)
            logs[c] =
                logWeights[c] - logNormalisers[c]
                + n.withUnsafeMutableBufferPointer { DominantMatrix.eliminate($0.baseAddress!, d) }
            factors.append(n)
        }
        let total = logSum(logs)
        var own = [Double](repeating: 0, count: d * d), all = own, slopes = own
        for c in 0..<components {
            let share = exp(logs[c] - total), first = components + c * 2 * d * d
            gradient[c] += scale * (share - exp(logWeights[c]))
            guard share > 1e-12 else { continue }
            let m = matrices[c]
            var sum = (0..<d * d).map { m[$0] + m[d * d + $0] }
            sum.withUnsafeMutableBufferPointer { _ = DominantMatrix.eliminate($0.baseAddress!, d) }
            DominantMatrix.inverseTransposed(sum, d, into: &all)
            DominantMatrix.inverseTransposed(factors[c], d, into: &own)
            for row in 0..<2 * d {
                // Of B's row where the bit is 0, of C's where it is 1; of their sum either way.
                let i = row % d, isChosen = z[i] == (row >= d)
                for j in 0..<d { slopes[j] = (isChosen ? own[i * d + j] : 0) - all[i * d + j] }
                let diagonal = slopes[i], at = first + row * d
                for j in 0..<d {
                    let x = raw[at + j]
                    let slope = j == i ? diagonal / (1 + exp(-x)) : slopes[j] + (x < 0 ? -diagonal : diagonal)
                    gradient[at + j] += scale * share * slope
                }
            }
        }
        return total
    }

    /// Σ = C(B + C)⁻¹ of a component.
    private func covariance(_ c: Int) -> [Double] {
        let d = bits, m = matrices[c]
        var sum = (0..<d * d).map { m[$0] + m[d * d + $0] }, inverse = sum, result = sum
        sum.withUnsafeMutableBufferPointer { _ = DominantMatrix.eliminate($0.baseAddress!, d) }
        DominantMatrix.inverseTransposed(sum, d, into: &inverse)
        for i in 0..<d {
            for j in 0..<d {
                result[i * d + j] = (0..<d).reduce(0) { $0 + m[d * d + i * d + $1] * inverse[j * d + $1] }
            }
        }
        return result
    }

    /// Probability of each bit.
    public var marginals: [Double] {
        (0..<components).reduce(into: [Double](repeating: 0, count: bits)) { total, c in
            let sigma = covariance(c)
            for i in 0..<bits { total[i] += exp(logWeights[c]) * sigma[i * bits + i] }
        }
    }

    /// Exact draws, bit by bit: a bit's probability given those before it is a pivot of Σ − diag(1 − z).
    /// - Source: Poulson, "High-performance sampling of generic determinantal point processes" (2020).
    public func draws(_ count: Int, using random: inout RandomSource) -> [Structure] {
        let d = bits, sigmas = (0..<components).map(covariance)
        return (0..<count).map { _ in
            var u = random.uniform(), c = 0
            while c + 1 < components, u > exp(logWeights[c]) {
                u -= exp(logWeights[c])
                c += 1
            }
            var a = sigmas[c], z = Structure()
            a.withUnsafeMutableBufferPointer { a in
                for k in 0..<d {
                    z[k] = random.uniform() < a[k * d + k]
                    let pivot = a[k * d + k] - (z[k] ? 0 : 1)
                    for i in k + 1..<max(d, k + 1) {
                        let factor = a[i * d + k] / pivot
                        for j in k + 1..<d { a[i * d + j] -= factor * a[k * d + j] }
                    }
                }
            }
            return z
        }
    }
}
