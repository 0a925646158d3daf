/// Walls that spins cannot pass, and what diffusion inside them does to the signal: the Gaussian phase approximation of
/// Murday and Cotts (sphere) and Van Gelderen (cylinder), for two pulses of duration δ whose starts are Δ apart:
///
///     −ln E = 2γ²G² Σ_m [2sδ − 2 + 2e^(−sδ) + 2e^(−sΔ) − e^(−s(Δ−δ)) − e^(−s(Δ+δ))] / [s²α² (x_m² − lost)],   α =
///     x_m/R,  s = Dα²
///
/// with γ²G²δ² = b/(Δ − δ/3), x_m the zeros of j₁' and lost = 2, or of J₁' and lost = 1.
public enum Walls: Sendable {
    case sphere, cylinder

    /// Six zeros leave 3e-6 of E.
    private static let sphereRoots = [
        2.081575977818101, 5.940369990572712, 9.205840142936665, 12.404445021901974, 15.579236410387185,
        18.742645584774756,
    ]
    private static let cylinderRoots = [
        1.841183781340659, 5.331442773525033, 8.536316366346286, 11.706004902592063, 14.863588633909033,
        18.015527862681804,
    ]

    /// radius in µm, diffusivity in mm²/s; NaN without timing.
    func exponent(radius: Dual, diffusivity: Double, _ shell: Shell) -> Dual {
        guard let small = shell.smallDelta, let big = shell.bigDelta else { return Dual(.nan) }
        let d = 1e3 * diffusivity, lost = self == .sphere ? 2.0 : 1.0  // µm²/ms
        let strength = 2e-3 * shell.b / ((big - small / 3) * small * small)  // µm⁻² ms⁻²
        var sum = Dual(0)
        for x in self == .sphere ? Self.sphereRoots : Self.cylinderRoots {
            let square = Dual(x * x) / (radius * radius), s = d * square
            let pulse = ((-small) * s).exponential(), gap = ((small - big) * s).exponential(), one = 1 - pulse
            // The four last terms of the bracket are −e^(−s(Δ−δ)) (1 − e^(−sδ))² and 2e^(−sδ).
            let bracket = 2 * (small * s - one) - gap * one * one
            sum = sum + bracket / ((x * x - lost) * s * s * square)
        }
        return strength * sum
    }
}
