import Foundation
import ModelSpace

/// The definition that the fast path is checked against: the n × n covariance, factorised.
public enum PlainDensity {
    /// log p(y | z, inner, σ) of normal noise by the dense covariance of y.
    public static func logDensity(
        _ family: RegressionFamily, _ series: Series, _ z: Structure, inner: [[Double]], level: Double
    ) -> Double {
        let noise = family.noise(z), n = series.count, sigma = NoiseModel.level.value(level)
        precondition(noise != .heavy, "closed forms are of normal noise")
        var covariance = [Double](repeating: 0, count: n * n)
        for i in 0..<n {
            for j in 0...i {
                // Correlations of a Markov chain multiply along the way.
                var rho = i == j || noise.length > 0 ? 1.0 : 0
                if noise.length > 0 {
                    for k in j..<i { rho *= exp(-max(series.x[k + 1] - series.x[k], 0.01) / noise.length) }
                }
                covariance[i * n + j] = sigma * sigma * noise.spread(series.x[i]) * noise.spread(series.x[j]) * rho
            }
        }
        for (t, scores) in zip(family.active(z), inner) {
            let term = family.terms[t], p = zip(term.inner, scores).map { $0.value($1) }
            let f = series.x.map { term.value($0, p) }
            for i in 0..<n { for j in 0...i { covariance[i * n + j] += f[i] * f[j] } }
        }
        let factor = SquareFactor(most: n)
        guard factor.factorise(covariance, stride: n, size: n, ridge: 0) else { return -.infinity }
        var r = series.y
        r.withUnsafeMutableBufferPointer { factor.forward($0.baseAddress!) }
        return -0.5 * (Double(n) * log(2 * .pi) + factor.logDeterminant + r.reduce(0) { $0 + $1 * $1 })
    }
}
