import Foundation
import ModelSpace

extension NoiseLikelihood {
    /// log p(y | S, σ) of one measurement:
    ///
    ///     Gaussian   −(y − S)²/2σ² − log σ − ½ log 2π
    ///     Rician     log(y/σ²) − (y − S)²/2σ² + log(e^(−x) I₀(x)),  x = yS/σ²;  −∞ when y ≤ 0
    ///
    /// - Accuracy: absolute error ≤ 1e-12 max(1, (y/σ)²).
    public func logDensity(_ y: Double, signal: Double, sigma: Double) -> Double {
        let precision = 1 / (sigma * sigma), r = y - signal, square = -0.5 * r * r * precision
        switch self {
        case .gaussian: return square - log(sigma) - 0.5 * log(2 * .pi)
        case .rician:
            guard y > 0 else { return -.infinity }
            return log(y * precision) + square + logScaledBesselI0(y * signal * precision)
        }
    }
}
