import ModelSpace

/// What tempered sequential Monte Carlo needs of a problem: N particles that can be drawn from a reference and moved at
/// a temperature.
///
/// The path leads from a proper reference density q₀, which can be drawn from, to the posterior, through
///
///     p_β(θ) ∝ q₀(θ)^(1−β) · (p(θ) L(θ))^β = q₀(θ) · R(θ)^β,      R = prior × likelihood / q₀,   0 ≤ β ≤ 1.
///
/// With q₀ = prior, R is the likelihood; with any other q₀, also one fitted to an earlier run, the evidence ∫ p L dθ is
/// the same number. q₀ may extend beyond the support of the prior: then only draws inside are kept, and `begin`
/// estimates the share that was.
public protocol TemperedPopulation: AnyObject {
    /// N.
    var count: Int { get }
    /// log R of each particle, N values; −∞ where the posterior has no mass.
    var logRatio: UnsafeMutablePointer<Double> { get }
    /// Draws N particles from q₀ within the prior's support. Returns the log of an unbiased estimate of q₀'s mass there
    /// (0 when that is all).
    func begin(using random: inout RandomSource) -> Double
    /// Replaces particle i by particle `ancestors[i]`, for all i < N.
    func resample(_ ancestors: UnsafePointer<Int>)
    /// Markov moves of every particle that leave p_β invariant; proposals may adapt to the population.
    func move(at beta: Double, using random: inout RandomSource)
}
