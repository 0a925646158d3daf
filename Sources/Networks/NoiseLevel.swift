import Foundation

/// The noise schedule of the parameter decoder: x_σ = x + σ ε, v-prediction in the form of EDM.
///
///     D(x_σ) = x_σ/(1+σ²) + σ/√(1+σ²) · F(x_σ/√(1+σ²), ¼ ln σ),   target F* = (σ x − ε)/√(1+σ²)
///
/// Source: Karras et al., "Elucidating the design space of diffusion-based generative models" (2022), with σ_data = 1.
public enum NoiseLevel {
    public static let lowest = 0.005, highest = 20.0

    /// Training density: ln σ ~ N(−1, 1.4²) within the range; `u` standard normal.
    public static func training(_ u: Double) -> Double { min(max(exp(-1 + 1.4 * u), lowest), highest) }

    /// Features of a noise level for the network.
    public static let featureCount = 16
    public static func features(_ sigma: Double) -> [Double] {
        let t = 0.25 * log(sigma)  // in [−1.33, 0.75]
        return (0..<8).flatMap { k -> [Double] in
            let f = 0.75 * pow(1.6, Double(k))
            return [cos(f * t), sin(f * t)]
        }
    }

    /// `steps` + 1 noise levels from `highest` to `lowest`, evenly spaced in the ρ-th root.
    public static func schedule(steps: Int, rho: Double = 7) -> [Double] {
        (0...steps).map { i in
            let a = pow(highest, 1 / rho), b = pow(lowest, 1 / rho)
            return pow(a + Double(i) / Double(steps) * (b - a), rho)
        }
    }
}
