import Foundation
import ModelSpace

@testable import Exact

/// y = Σ w_c φ_c(x) + σ ε with w ~ N(0, 1), φ = 1, x, x²: evidence and posterior in closed form.
struct LinearProblem {
    var x: [Double], y: [Double], sigma: Double, terms: Int

    /// A problem drawn from the model.
    init(terms: Int, points: Int, sigma: Double, using random: inout RandomSource) {
        let w = (0..<terms).map { _ in random.normal() }
        self.sigma = sigma
        self.terms = terms
        x = (0..<points).map { -1 + 2 * Double($0) / Double(points - 1) }
        y = []
        for x in x { y.append((0..<terms).reduce(0) { $0 + w[$1] * Self.term($1, x) } + sigma * random.normal()) }
    }

    static func term(_ c: Int, _ x: Double) -> Double { [1, x, x * x][c] }

    func logLikelihood(_ w: UnsafePointer<Double>) -> Double {
        zip(x, y).reduce(0) { total, point in
            let e = (point.1 - (0..<terms).reduce(0) { $0 + w[$1] * Self.term($1, point.0) }) / sigma
            return total - 0.5 * e * e - log(sigma) - 0.5 * log(2 * .pi)
        }
    }

    /// With A = ΦᵀΦ/σ² + I, b = Φᵀy/σ²:  w | y ~ N(A⁻¹b, A⁻¹),  log p(y) = −½ y·y/σ² + ½ b·A⁻¹b − ½ log|A| − N log σ −
    /// N/2 log 2π.
    func exact() -> (logEvidence: Double, mean: [Double], deviation: [Double]) {
        let n = terms, s2 = sigma * sigma
        var a = [[Double]](repeating: [Double](repeating: 0, count: 2 * n), count: n),
            b = [Double](repeating: 0, count: n)
        for i in 0..<n {
            for j in 0..<n {
                a[i][j] = x.reduce(0) { $0 + Self.term(i, $1) * Self.term(j, $1) } / s2 + (i == j ? 1 : 0)
            }
            a[i][n + i] = 1
            b[i] = zip(x, y).reduce(0) { $0 + Self.term(i, $1.0) * $1.1 } / s2
        }
        var logDeterminant = 0.0
        for i in 0..<n {
            let pivot = a[i][i]
            logDeterminant += log(pivot)
            for j in 0..<2 * n { a[i][j] /= pivot }
            for r in 0..<n where r != i {
                let factor = a[r][i]
                for j in 0..<2 * n { a[r][j] -= factor * a[i][j] }
            }
        }
        let mean = (0..<n).map { i in (0..<n).reduce(0) { $0 + a[i][n + $1] * b[$1] } }
        let quadratic = zip(mean, b).reduce(0) { $0 + $1.0 * $1.1 }, yy = y.reduce(0) { $0 + $1 * $1 }
        let evidence =
            0.5 * (quadratic - yy / s2 - logDeterminant) - Double(y.count) * (log(sigma) + 0.5 * log(2 * .pi))
        return (evidence, mean, (0..<n).map { a[$0][n + $0].squareRoot() })
    }
}

/// The linear problem under sequential Monte Carlo, from the prior or from another normal.
final class LinearGaussianPopulation: TemperedPopulation {
    let problem: LinearProblem, count: Int, centre: Double, width: Double
    let logRatio: UnsafeMutablePointer<Double>
    private(set) var w: [Double]
    private var logReference: [Double]

    init(_ problem: LinearProblem, count: Int, centre: Double = 0, width: Double = 1) {
        self.problem = problem
        self.count = count
        self.centre = centre
        self.width = width
        logRatio = .allocate(capacity: count)
        w = Array(repeating: 0, count: count * problem.terms)
        logReference = Array(repeating: 0, count: count)
    }

    deinit { logRatio.deallocate() }

    private func densities(_ w: UnsafePointer<Double>) -> (reference: Double, ratio: Double) {
        var reference = 0.0, prior = 0.0
        for c in 0..<problem.terms {
            let t = (w[c] - centre) / width
            reference -= 0.5 * t * t + log(width)
            prior -= 0.5 * w[c] * w[c]
        }
        return (reference, prior - reference + problem.logLikelihood(w))
    }

    func begin(using random: inout RandomSource) -> Double {
        for i in w.indices { w[i] = centre + width * random.normal() }
        for i in 0..<count {
            w.withUnsafeBufferPointer {
                (logReference[i], logRatio[i]) = densities($0.baseAddress! + i * problem.terms)
            }
        }
        return 0
    }

    func resample(_ ancestors: UnsafePointer<Int>) {
        let (oldW, oldReference, oldRatio, n) = (w, logReference, (0..<count).map { logRatio[$0] }, problem.terms)
        for i in 0..<count {
            for c in 0..<n { w[i * n + c] = oldW[ancestors[i] * n + c] }
            logReference[i] = oldReference[ancestors[i]]
            logRatio[i] = oldRatio[ancestors[i]]
        }
    }

    func move(at beta: Double, using random: inout RandomSource) {
        let n = problem.terms
        for _ in 0..<4 {
            for i in 0..<count {
                var j = i, k = i
                while j == i { j = random.index(below: count) }
                while k == i || k == j { k = random.index(below: count) }
                let gamma = 2.38 / (2 * Double(n)).squareRoot() * (random.uniform() < 0.5 ? 1 : 0.4)
                var proposal = [Double](repeating: 0, count: n)
                for c in 0..<n {
                    proposal[c] = w[i * n + c] + gamma * (w[j * n + c] - w[k * n + c]) + 1e-3 * random.normal()
                }
                let (reference, ratio) = densities(proposal)
                let difference = reference - logReference[i] + beta * (ratio - logRatio[i])
                if log(random.uniform()) < difference {
                    for c in 0..<n { w[i * n + c] = proposal[c] }
                    logReference[i] = reference
                    logRatio[i] = ratio
                }
            }
        }
    }
}
