import Foundation
import ModelSpace
import Testing

@testable import Baselines

/// Mixtures of Grassmann distributions against enumeration and against their other form.
@Suite struct GrassmannTests {
    private static func mixture(_ d: Int, _ components: Int, seed: UInt64) -> (GrassmannMixture, [Double]) {
        var random = RandomSource(seed: seed)
        let raw = (0..<GrassmannMixture.numberCount(bits: d, components: components)).map { _ in 1.5 * random.normal() }
        return (GrassmannMixture(raw, bits: d, components: components), raw)
    }

    private static func all(_ d: Int) -> [Structure] { (0..<1 << d).map { Structure(bits: $0) } }

    /// Determinant by elimination with exchanges.
    private static func determinant(_ matrix: [[Double]]) -> Double {
        var a = matrix, result = 1.0
        for k in a.indices {
            let p = (k..<a.count).max { abs(a[$0][k]) < abs(a[$1][k]) }!
            if p != k {
                a.swapAt(p, k)
                result = -result
            }
            result *= a[k][k]
            for i in k + 1..<max(a.count, k + 1) {
                let f = a[i][k] / a[k][k]
                for j in k..<a.count { a[i][j] -= f * a[k][j] }
            }
        }
        return result
    }

    private static func inverse(_ a: [[Double]]) -> [[Double]] {
        let d = a.count, all = determinant(a)
        return (0..<d).map { i in
            (0..<d).map { j in
                let minor = (0..<d).filter { $0 != j }.map { r in (0..<d).filter { $0 != i }.map { a[r][$0] } }
                return (minor.isEmpty ? 1 : determinant(minor)) * ((i + j) % 2 == 0 ? 1 : -1) / all
            }
        }
    }

    private static func product(_ a: [[Double]], _ b: [[Double]]) -> [[Double]] {
        a.map { row in b[0].indices.map { j in row.indices.reduce(0) { $0 + row[$1] * b[$1][j] } } }
    }

    @Test(arguments: 1...8, [1, 3]) func probabilitiesSumToOne(_ d: Int, _ components: Int) {
        let (mixture, _) = Self.mixture(d, components, seed: UInt64(d))
        let logs = Self.all(d).map(mixture.logProbability)
        #expect(logs.allSatisfy { $0.isFinite })
        #expect(abs(logs.reduce(0) { $0 + exp($1) } - 1) < 1e-12)
        for i in 0..<d {
            let share = zip(Self.all(d), logs).reduce(0) { $0 + ($1.0[i] ? exp($1.1) : 0) }
            #expect(abs(mixture.marginals[i] - share) < 1e-12)
        }
    }

    /// The published form: Σ = (BC⁻¹ + I)⁻¹, P(z) = det M.
    @Test(arguments: [2, 5]) func agreesWithThePublishedForm(_ d: Int) {
        let (mixture, raw) = Self.mixture(d, 1, seed: 40)
        func matrix(_ first: Int) -> [[Double]] {
            (0..<d).map { i in
                let row = (0..<d).map { raw[first + i * d + $0] }
                let others = (0..<d).reduce(0) { $0 + ($1 == i ? 0 : abs(row[$1])) }
                return (0..<d).map { $0 == i ? log1p(exp(row[i])) + others + 1e-4 : row[$0] }
            }
        }
        let b = matrix(1), c = matrix(1 + d * d)
        var precision = Self.product(b, Self.inverse(c))
        for i in 0..<d { precision[i][i] += 1 }
        let sigma = Self.inverse(precision)
        for z in Self.all(d) {
            let m = (0..<d).map { i in
                (0..<d).map { j in
                    i == j ? (z[i] ? sigma[i][i] : 1 - sigma[i][i]) : sigma[i][j] * (z[i] ? 1 : -1)
                }
            }
            #expect(abs(Self.determinant(m) - exp(mixture.logProbability(z))) < 1e-12)
        }
    }

    @Test func gradientMatchesFiniteDifferences() {
        let d = 4, components = 2
        let (mixture, raw) = Self.mixture(d, components, seed: 3)
        for z in [Structure(), Structure(0, 2), Structure(0, 1, 2, 3)] {
            var gradient = [Double](repeating: 0, count: raw.count)
            let value = mixture.addGradient(of: z, scale: 2, to: &gradient)
            #expect(abs(value - mixture.logProbability(z)) < 1e-13)
            for i in raw.indices {
                func at(_ step: Double) -> Double {
                    var other = raw
                    other[i] += step
                    return GrassmannMixture(other, bits: d, components: components).logProbability(z)
                }
                let h = 1e-5, difference = 2 * (at(h) - at(-h)) / (2 * h)
                #expect(abs(gradient[i] - difference) < 1e-7 + 1e-6 * abs(difference), "\(z.bits) \(i)")
                #expect(abs(difference) > 1e-9)
            }
        }
    }

    /// χ² of 40,000 draws over 32 structures: within 4.5 standard deviations of its mean.
    @Test func drawsHaveTheirProbabilities() {
        let d = 5, n = 40_000
        let (mixture, _) = Self.mixture(d, 2, seed: 9)
        var random = RandomSource(seed: 2)
        let counts = Dictionary(grouping: mixture.draws(n, using: &random)) { $0 }.mapValues { Double($0.count) }
        var square = 0.0, cells = -1.0
        for z in Self.all(d) {
            let expected = Double(n) * exp(mixture.logProbability(z))
            guard expected > 5 else { continue }
            square += pow((counts[z] ?? 0) - expected, 2) / expected
            cells += 1
        }
        #expect(cells > 10 && abs(square - cells) < 4.5 * (2 * cells).squareRoot(), "\(square) of \(cells)")
    }
}
