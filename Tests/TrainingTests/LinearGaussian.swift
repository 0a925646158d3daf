import Foundation
import ModelSpace

/// y = Σ_{c present} w_c φ_c(x) + σ ε with w ~ N(0, 1): a family whose evidence and posterior are known in closed form.
///
/// Terms φ = 1, x, x²; any subset is allowed; k(z) = number of terms. Ten points on [−1, 1] in fixed places, σ = 0.5.
struct LinearGaussian: ListedFamily {
    struct Design: Sendable {
        var x: [Double]
        var sigma: Double
    }

    let name = "linear-gaussian"
    let componentNames = ["constant", "linear", "quadratic"]
    let parameterNames = ["w1", "w2", "w3"]
    let tokenCount = 3, coordinateCount = 1, featureCount = 6, summaryCount = 1
    let structureSpace = StructureSpace(
        componentCount: 3, structures: (0..<8).map { Structure(bits: UInt64($0)) },
        parameterCounts: (0..<8).map { $0.nonzeroBitCount })

    static func term(_ c: Int, _ x: Double) -> Double { [1, x, x * x][c] }

    func coordinateMask(_ z: Structure) -> [Float] { (0..<3).map { z[$0] ? 1 : 0 } }
    func measurementCount(_ design: Design) -> Int { design.x.count }

    func drawParameters(
        _ z: Structure, _ design: Design, using random: inout RandomSource, into theta: UnsafeMutablePointer<Double>
    ) {
        for c in 0..<3 { theta[c] = z[c] ? random.normal() : 0 }
    }

    func simulate(
        _ theta: UnsafeMutablePointer<Double>, _ z: Structure, _ design: Design, using random: inout RandomSource,
        into y: UnsafeMutablePointer<Float>
    ) {
        for (i, x) in design.x.enumerated() {
            y[i] = Float((0..<3).reduce(0) { $0 + theta[$1] * Self.term($1, x) } + design.sigma * random.normal())
        }
    }

    func logLikelihood(_ y: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Design)
        -> Double
    {
        design.x.indices.reduce(0) { total, i in
            let e = (Double(y[i]) - (0..<3).reduce(0) { $0 + theta[$1] * Self.term($1, design.x[i]) }) / design.sigma
            return total - 0.5 * e * e - log(design.sigma) - 0.5 * log(2 * .pi)
        }
    }

    func observe(
        _ y: UnsafePointer<Float>, _ design: Design, features: UnsafeMutablePointer<Float>,
        summary: UnsafeMutablePointer<Float>
    ) {
        for (i, x) in design.x.enumerated() {
            let f = features + i * featureCount
            for c in 0..<3 {
                f[c] = Float(Self.term(c, x))
                f[3 + c] = Float(Self.term(c, x)) * y[i]
            }
        }
        summary[0] = 0
    }

    func encode(
        _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Design, _ frame: Void,
        into x: UnsafeMutablePointer<Float>
    ) {
        for c in 0..<3 { x[c] = Float(theta[c]) }
    }

    func decode(
        _ x: UnsafePointer<Float>, _ z: Structure, _ design: Design, _ frame: Void,
        into theta: UnsafeMutablePointer<Double>
    ) {
        for c in 0..<3 { theta[c] = Double(x[c]) }
    }

    static let design = Design(x: (0..<10).map { -1 + 2 * Double($0) / 9 }, sigma: 0.5)

    /// log p(y | z) and the posterior mean and covariance of the present weights.
    ///
    /// With A = ΦᵀΦ/σ² + I, b = Φᵀy/σ²:  w | y ~ N(A⁻¹b, A⁻¹),  log p(y) = −½ y·y/σ² + ½ b·A⁻¹b − ½ log|A| − N log σ −
    /// N/2 log 2π.
    func exact(_ y: [Float], _ z: Structure, _ design: Design) -> (
        logEvidence: Double, mean: [Double], covariance: [[Double]]
    ) {
        let terms = (0..<3).filter { z[$0] }, n = terms.count, s2 = design.sigma * design.sigma
        let phi: [[Double]] = design.x.map { x in terms.map { Self.term($0, x) } }
        var a = [[Double]](repeating: [Double](repeating: 0, count: 2 * n), count: n),
            b = [Double](repeating: 0, count: n)
        for i in 0..<n {
            for j in 0..<n {
                var sum = 0.0
                for row in phi { sum += row[i] * row[j] }
                a[i][j] = sum / s2 + (i == j ? 1 : 0)
            }
            a[i][n + i] = 1
            for (row, value) in zip(phi, y) { b[i] += row[i] * Double(value) / s2 }
        }
        var logDeterminant = 0.0
        for i in 0..<n {  // Gauss–Jordan on [A | I]; A is positive definite, so no pivoting is needed
            logDeterminant += log(a[i][i])
            let pivot = a[i][i]
            for j in 0..<2 * n { a[i][j] /= pivot }
            for r in 0..<n where r != i {
                let factor = a[r][i]
                for j in 0..<2 * n { a[r][j] -= factor * a[i][j] }
            }
        }
        let inverse: [[Double]] = a.map { Array($0[n...]) }
        var mean = [Double](repeating: 0, count: n), quadratic = 0.0, yy = 0.0
        for i in 0..<n {
            for j in 0..<n { mean[i] += inverse[i][j] * b[j] }
            quadratic += mean[i] * b[i]
        }
        for value in y { yy += Double(value) * Double(value) }
        let normaliser = Double(y.count) * (log(design.sigma) + 0.5 * log(2 * Double.pi))
        let evidence = 0.5 * (quadratic - yy / s2 - logDeterminant) - normaliser
        return (evidence, mean, inverse)
    }
}
