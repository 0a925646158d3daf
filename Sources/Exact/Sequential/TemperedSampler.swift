import Foundation
import ModelSpace

/// The outcome of one sequential Monte Carlo run.
public struct TemperedEstimate: Sendable {
    /// log of an unbiased estimate of the evidence.
    public var logEvidence: Double
    /// The run's own estimate of Var(Z)/Z², from how many of the first particles have descendants at the end.
    public var relativeVariance: Double
    /// Number of temperatures visited after β = 0.
    public var temperatures: Int
}

/// Tempered sequential Monte Carlo: evidence and equally weighted posterior draws of one problem.
///
/// Each next β is the one at which the conditional effective sample size of the reweighting,
/// (Σ W w)² / Σ W w² with w = R^Δβ, falls to `retention`; particles are resampled (systematically) when (Σ W²)⁻¹ < N/2,
/// and moved at every β.
///
///     log Z = log(mass of q₀ in the support) + Σ_t log Σ_i W_i R_i^(β_t − β_{t−1})
///
/// Variance: Σ_e W_e² − 1/N over the particles e of the start, W_e the final weight of the descendants of e; for a
/// single step this is the variance of importance sampling.
/// - Source: Del Moral, Doucet, Jasra, JRSS B 68 (2006) 411; Zhou, Johansen, Aston, JCGS 25 (2016) 701 (adaptive path);
///   Lee & Whiteley, Biometrika 105 (2018) 609 (variance).
public struct TemperedSampler {
    /// Share of the effective sample that one step of β may keep, in (0, 1): nearer to 1 means more, smaller steps.
    public var retention: Double
    /// Calls of `move(at: 1)` after the last resampling.
    public var finalMoves: Int
    /// A run that needs more temperatures is given up (evidence −∞): far beyond what any finite likelihood asks for.
    static let temperatureLimit = 5000

    public init(retention: Double, finalMoves: Int = 1) {
        precondition(retention > 0 && retention < 1)
        self.retention = retention
        self.finalMoves = finalMoves
    }

    /// Runs from q₀ to the posterior; the population ends as equally weighted posterior draws (unless the evidence is
    /// −∞).
    /// - Parameter check: called at every temperature; what it throws ends the run.
    public func run<Population: TemperedPopulation>(
        _ population: Population, using random: inout RandomSource, check: () throws -> Void
    ) rethrows -> TemperedEstimate {
        let n = population.count, logRatio = population.logRatio
        var weights = [Double](repeating: 1 / Double(n), count: n), eves = Array(0..<n), ancestors = Array(0..<n)
        var result = TemperedEstimate(
            logEvidence: population.begin(using: &random), relativeVariance: 0, temperatures: 0)
        var beta = 0.0
        while beta < 1 {
            try check()
            let next = nextBeta(beta, weights, logRatio)
            var peak = -Double.infinity, total = 0.0
            for i in 0..<n where weights[i] > 0 { peak = max(peak, logRatio[i]) }
            guard peak > -.infinity, result.temperatures < Self.temperatureLimit else {
                result.logEvidence = -.infinity
                result.relativeVariance = .infinity
                return result
            }
            for i in 0..<n {
                weights[i] *= exp((next - beta) * (logRatio[i] - peak))
                total += weights[i]
            }
            result.logEvidence += (next - beta) * peak + log(total)
            result.temperatures += 1
            beta = next
            var squares = 0.0
            for i in 0..<n { weights[i] /= total; squares += weights[i] * weights[i] }
            if beta >= 1 { result.relativeVariance = Self.variance(weights, eves) }
            if beta >= 1 || squares * Double(n) > 2 {
                Self.systematic(weights, into: &ancestors, using: &random)
                population.resample(ancestors)
                eves = ancestors.map { eves[$0] }
                for i in 0..<n { weights[i] = 1 / Double(n) }
            }
            if beta < 1 { population.move(at: beta, using: &random) }
        }
        for _ in 0..<finalMoves { population.move(at: 1, using: &random) }
        return result
    }

    /// The same without a check.
    public func run<Population: TemperedPopulation>(_ population: Population, using random: inout RandomSource)
        -> TemperedEstimate
    {
        run(population, using: &random, check: {})
    }

    /// The β at which the conditional effective sample size falls to `retention` of what any step would leave, or 1.
    private func nextBeta(_ beta: Double, _ weights: [Double], _ logRatio: UnsafePointer<Double>) -> Double {
        var peak = -Double.infinity, alive = 0.0
        for i in weights.indices where weights[i] > 0 && logRatio[i] > -.infinity {
            peak = max(peak, logRatio[i])
            alive += weights[i]
        }
        guard peak > -.infinity else { return 1 }
        func keeps(_ step: Double) -> Bool {
            var sum = 0.0, squares = 0.0
            for i in weights.indices where weights[i] > 0 {
                let w = exp(step * (logRatio[i] - peak))
                sum += weights[i] * w
                squares += weights[i] * w * w
            }
            return sum * sum >= retention * alive * squares
        }
        if keeps(1 - beta) { return 1 }
        var low = log(1e-14), high = log(1 - beta)
        for _ in 0..<24 {
            let middle = 0.5 * (low + high)
            if keeps(exp(middle)) { low = middle } else { high = middle }
        }
        return min(1, beta + exp(low))
    }

    private static func variance(_ weights: [Double], _ eves: [Int]) -> Double {
        var families = [Double](repeating: 0, count: weights.count)
        for (i, e) in eves.enumerated() { families[e] += weights[i] }
        return max(0, families.reduce(0) { $0 + $1 * $1 } - 1 / Double(weights.count))
    }

    /// Systematic resampling: particle i appears ⌊N W_i⌋ or ⌈N W_i⌉ times.
    static func systematic(_ weights: [Double], into ancestors: inout [Int], using random: inout RandomSource) {
        ancestors = systematicResample(weights, count: ancestors.count, offset: random.uniform())
    }
}
