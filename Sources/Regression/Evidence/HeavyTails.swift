import CKernels
import Foundation
import ModelSpace

/// Amplitudes under Student's t: their mode, and the normal about it.
///
/// From least squares one step of reweighting, a ← (ΦᵀΩΦ/σ² + I/s²)⁻¹ ΦᵀΩy/σ² with Ω = (ν+1)/(ν + r²/σ²) (an EM
/// iteration, so the density never falls), then Newton's steps,
///
///     Δa = (ΦᵀWΦ/σ² + I/s²)⁻¹ (ΦᵀΩr/σ² − a/s²),   W = (ν+1)(ν − r²/σ²)/(ν + r²/σ²)²
///
/// and reweighting again wherever that matrix is not positive definite or the density would fall. Laplace's integral
/// takes the curvature at the end; where that is not positive definite, that of the reweighting.
final class HeavyTails {
    private let n: Int, stride: Int
    private let matrix: UnsafeMutablePointer<Double>, side: UnsafeMutablePointer<Double>
    private let weight: UnsafeMutablePointer<Double>, curvature: UnsafeMutablePointer<Double>
    private let residual: UnsafeMutablePointer<Double>, scaled: UnsafeMutablePointer<Double>
    private let factor: ColumnFactor
    /// The mode after `logDensity`.
    private(set) var mode: [Double] = []

    init(_ n: Int, _ stride: Int) {
        (self.n, self.stride) = (n, stride)
        matrix = .filled(stride * stride)
        side = .filled(stride)
        weight = .filled(n)
        curvature = .filled(n)
        residual = .filled(n)
        scaled = .filled((n + 7) & ~7)
        factor = ColumnFactor(most: stride)
    }

    deinit { for p in [matrix, side, weight, curvature, residual, scaled] { p.deallocate() } }

    private static let variance = RegressionFamily.amplitudeSD * RegressionFamily.amplitudeSD

    /// Factorises ΦᵀVΦ/σ² + I/s² of diagonal V; false where it is not positive definite.
    private func factorise(_ d: CollapsedDensity, _ v: UnsafePointer<Double>, _ sigma: Double) -> Bool {
        let inverse = 1 / (sigma * sigma)
        for c in 0..<d.size {
            let column = d.columns + c * d.width
            for i in 0..<n { scaled[i] = inverse * column[i] * v[i] }
            pk_column_products(d.width, c + 1, d.columns, scaled, matrix + c * stride)
            for j in 0..<c { matrix[j * stride + c] = matrix[c * stride + j] }
        }
        return factor.factorise(matrix, stride: stride, size: d.size, ridge: 1 / Self.variance)
    }

    /// `side` ← (L Lᵀ)⁻¹ `side` of the last factor.
    private func solve() {
        factor.forward(side)
        factor.backward(side)
    }

    /// Leaves ΦᵀΩv/σ² in `side`.
    private func project(_ d: CollapsedDensity, _ v: UnsafePointer<Double>, _ sigma: Double) {
        let inverse = 1 / (sigma * sigma)
        for i in 0..<n { scaled[i] = inverse * weight[i] * v[i] }
        pk_column_products(d.width, d.size, d.columns, scaled, side)
    }

    /// The log-density of errors and amplitudes; leaves residuals, Ω and W.
    private func logPosterior(_ d: CollapsedDensity, _ sigma: Double, _ a: [Double]) -> Double {
        let nu = NoiseModel.degrees, inverse = 1 / (sigma * sigma), k = d.size
        for i in 0..<n { residual[i] = d.y[i] }
        for c in 0..<k {
            let column = d.columns + c * d.width, amplitude = a[c]
            for i in 0..<n { residual[i] -= amplitude * column[i] }
        }
        for i in 0..<n {
            let square = residual[i] * residual[i] * inverse, u = 1 / (nu + square)
            weight[i] = (nu + 1) * u
            curvature[i] = (nu + 1) * (nu - square) * u * u
            scaled[i] = 1 + square / nu
        }
        // One logarithm for eight of them: products stay far from what a double holds.
        var tails = 0.0
        for start in Swift.stride(from: 0, to: n, by: 8) {
            var product = 1.0
            for i in start..<min(n, start + 8) { product *= scaled[i] }
            tails += log(product)
        }
        let constant = Double(n) * (NoiseModel.heavy.logDensity(0) - log(sigma)) - d.logDeterminant
        return constant - (nu + 1) / 2 * tails - 0.5 * CollapsedDensity.dot(a, a, k) / Self.variance
            - 0.5 * Double(k) * log(2 * .pi * Self.variance)
    }

    func logDensity(_ d: CollapsedDensity, _ sigma: Double) -> Double {
        let k = d.size
        mode = Array(repeating: 0, count: k)
        guard k > 0 else { return logPosterior(d, sigma, mode) }
        guard factor.factorise(d.gram, stride: d.stride, size: k, ridge: sigma * sigma / Self.variance) else {
            return -.infinity
        }
        for c in 0..<k { side[c] = d.projection[c] }
        solve()
        for c in 0..<k { mode[c] = side[c] }
        var top = logPosterior(d, sigma, mode), isCurved = false
        for step in 0..<60 {
            isCurved = step > 0 && factorise(d, curvature, sigma)
            if isCurved {
                project(d, residual, sigma)
                for c in 0..<k { side[c] -= mode[c] / Self.variance }
                solve()
                if (0..<k).allSatisfy({ abs(side[$0]) < 1e-7 }) { break }
                let next = (0..<k).map { mode[$0] + side[$0] }, value = logPosterior(d, sigma, next)
                if value > top {
                    (mode, top) = (next, value)
                    continue
                }
                // Rounding alone is left where a step no longer gains.
                top = logPosterior(d, sigma, mode)
                if (0..<k).allSatisfy({ abs(side[$0]) < 1e-5 }) { break }
            }
            isCurved = false
            guard factorise(d, weight, sigma) else { return -.infinity }
            project(d, d.y, sigma)
            solve()
            let change = (0..<k).reduce(0) { max($0, abs(side[$1] - mode[$1])) }
            for c in 0..<k { mode[c] = side[c] }
            top = logPosterior(d, sigma, mode)
            if change < 1e-7 {
                isCurved = factorise(d, curvature, sigma)
                break
            }
        }
        if !isCurved, !factorise(d, weight, sigma) { return -.infinity }
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
