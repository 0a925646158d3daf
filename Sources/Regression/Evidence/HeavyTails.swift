import Foundation
import ModelSpace

/// Amplitudes under Student's t: their mode by reweighted least squares, and the normal about it.
///
/// The mode is the fixed point of a = (ΦᵀΩΦ/σ² + I/s²)⁻¹ ΦᵀΩy/σ², Ω = (ν+1)/(ν + r²/σ²) (an EM iteration, so the
/// density never falls). Laplace's integral takes the curvature there; where that is not positive definite, that of the
/// iteration.
final class HeavyTails {
    private let n: Int, stride: Int
    private let matrix: UnsafeMutablePointer<Double>, side: UnsafeMutablePointer<Double>
    private let weight: UnsafeMutablePointer<Double>, scaled: UnsafeMutablePointer<Double>
    private let factor: SquareFactor
    /// The mode after `logDensity`.
    private(set) var mode: [Double] = []

    init(_ n: Int, _ stride: Int) {
        (self.n, self.stride) = (n, stride)
        matrix = .filled(stride * stride)
        side = .filled(stride)
        weight = .filled(n, with: 1)
        scaled = .filled(n)
        factor = SquareFactor(most: stride)
    }

    deinit { for p in [matrix, side, weight, scaled] { p.deallocate() } }

    private static let variance = RegressionFamily.amplitudeSD * RegressionFamily.amplitudeSD

    private func normalEquations(_ d: CollapsedDensity, _ sigma: Double, side isWanted: Bool) {
        let k = d.size, inverse = 1 / (sigma * sigma)
        for c in 0..<k {
            for i in 0..<n { scaled[i] = d.columns[c * n + i] * weight[i] }
            for j in 0...c { matrix[c * stride + j] = inverse * CollapsedDensity.dot(scaled, d.columns + j * n, n) }
            if isWanted { side[c] = inverse * CollapsedDensity.dot(scaled, d.y, n) }
        }
    }

    func logPosterior(_ d: CollapsedDensity, _ sigma: Double, _ a: [Double]) -> Double {
        var total =
            -0.5 * a.reduce(0) { $0 + $1 * $1 } / Self.variance
            - 0.5 * Double(a.count) * log(2 * .pi * Self.variance) - Double(n) * log(sigma) - d.logDeterminant
        for r in d.residuals(a) { total += NoiseModel.heavy.logDensity(r / sigma) }
        return total
    }

    func logDensity(_ d: CollapsedDensity, _ sigma: Double) -> Double {
        let nu = NoiseModel.degrees, k = d.size
        var a = [Double](repeating: 0, count: k)
        if k > 0 {
            for i in 0..<n { weight[i] = 1 }
            for step in 0..<60 {
                normalEquations(d, sigma, side: true)
                guard factor.factorise(matrix, stride: stride, size: k, ridge: 1 / Self.variance) else {
                    return -.infinity
                }
                factor.forward(side)
                factor.backward(side)
                var change = 0.0
                for c in 0..<k { change = max(change, abs(side[c] - a[c])); a[c] = side[c] }
                for (i, r) in d.residuals(a).enumerated() { weight[i] = (nu + 1) / (nu + r * r / (sigma * sigma)) }
                if step > 2, change < 1e-7 { break }
            }
        }
        mode = a
        let top = logPosterior(d, sigma, a)
        guard k > 0 else { return top }
        for (i, r) in d.residuals(a).enumerated() {
            let u = nu + r * r / (sigma * sigma)
            weight[i] = (nu + 1) * (nu - r * r / (sigma * sigma)) / (u * u)
        }
        normalEquations(d, sigma, side: false)
        if !factor.factorise(matrix, stride: stride, size: k, ridge: 1 / Self.variance) {
            for (i, r) in d.residuals(a).enumerated() { weight[i] = (nu + 1) / (nu + r * r / (sigma * sigma)) }
            normalEquations(d, sigma, side: false)
            guard factor.factorise(matrix, stride: stride, size: k, ridge: 1 / Self.variance) else {
                return -.infinity
            }
        }
        return top + 0.5 * Double(k) * log(2 * .pi) - 0.5 * factor.logDeterminant
    }

    /// An unbiased estimate of the density and amplitudes drawn in proportion to what they contribute: draws from a t
    /// with 5 degrees of freedom about the mode.
    func sample(
        _ d: CollapsedDensity, _ sigma: Double, draws: Int, using random: inout RandomSource
    ) -> (logDensity: Double, amplitudes: [Double]) {
        let laplace = logDensity(d, sigma), k = d.size
        guard k > 0, laplace > -.infinity else { return (laplace, []) }
        let middle = mode, nu = 5.0, dimension = Double(k)
        var logs: [Double] = [], all: [[Double]] = []
        let constant =
            lgamma((nu + dimension) / 2) - lgamma(nu / 2) - 0.5 * dimension * log(nu * .pi)
            + 0.5 * factor.logDeterminant
        for _ in 0..<draws {
            var e = (0..<k).map { _ in random.normal() }, square = 0.0
            for _ in 0..<5 { let g = random.normal(); square += g * g }
            let scale = (nu / square).squareRoot()
            for i in 0..<k { e[i] *= scale }
            let length = e.reduce(0) { $0 + $1 * $1 }
            e.withUnsafeMutableBufferPointer { factor.backward($0.baseAddress!) }
            let a = zip(middle, e).map { $0 + $1 }
            logs.append(logPosterior(d, sigma, a) - constant + (nu + dimension) / 2 * log1p(length / nu))
            all.append(a)
        }
        let peak = logs.max()!, weights = logs.map { exp($0 - peak) }, total = weights.reduce(0, +)
        var u = random.uniform() * total, chosen = draws - 1
        for i in 0..<draws { u -= weights[i]; if u <= 0 { chosen = i; break } }
        return (peak + log(total / Double(draws)), all[chosen])
    }
}
