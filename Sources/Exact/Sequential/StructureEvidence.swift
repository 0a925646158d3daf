import Foundation
import ModelSpace

/// log p(y | z) of one structure with its Monte-Carlo standard error, and posterior draws of its parameters.
public struct StructureEvidence: Sendable {
    public var structure: Structure
    /// log p(y | z), nats; −∞ when the structure cannot have made the observation.
    public var logEvidence: Double
    /// One standard deviation of `logEvidence`, nats.
    public var standardError: Double
    /// Independent runs averaged; 0 when only the pilot's answer stands.
    public var runs: Int
    /// Far below the best structures at every λ asked for, so left at the pilot's accuracy.
    public var isRough: Bool
    /// S × P parameters, equally weighted.
    public var draws: [Double]
}

extension [StructureEvidence] {
    /// S joint draws: structures by systematic resampling with these probabilities, each with parameters from its own
    /// draws.
    /// - Returns: positions of the structures, S, and θ, S × P.
    func draw(
        _ count: Int, probabilities: [Double], _ parameterCount: Int, using random: inout RandomSource
    ) -> (structures: [Int], theta: [Double]) {
        var indices = [Int](repeating: 0, count: count)
        TemperedSampler.systematic(probabilities, into: &indices, using: &random)
        var theta: [Double] = []
        theta.reserveCapacity(count * parameterCount)
        var i = 0
        while i < count {
            let z = indices[i], wanted = indices[i...].prefix { $0 == z }.count
            let held = self[z].draws.count / parameterCount
            precondition(held > 0, "a structure of no evidence was drawn")
            // Evenly spaced through the structure's own draws, from a random start.
            let start = random.uniform()
            for k in 0..<wanted {
                let d = Int((Double(k) + start) / Double(wanted) * Double(held)) % held
                theta += self[z].draws[d * parameterCount..<(d + 1) * parameterCount]
            }
            i += wanted
        }
        return (indices, theta)
    }
}

/// Averages of independent evidence estimates.
enum EvidenceAverage {
    /// log of the mean evidence and its standard error.
    ///
    ///     Z̄ = Σ Z_r / R,    se² = max(v̄, s²) / R
    ///
    /// with s² the relative variance between runs and v̄ the mean of their own estimates: the scatter of two or three
    /// runs alone would often be far too small by luck, and their own estimates know nothing of a mode that a run
    /// missed.
    static func combine(_ runs: [TemperedEstimate]) -> (logEvidence: Double, standardError: Double) {
        let peak = runs.map(\.logEvidence).max() ?? -.infinity, count = Double(runs.count)
        guard peak > -.infinity else { return (-.infinity, runs.isEmpty ? .infinity : 0) }
        let relative = runs.map { exp($0.logEvidence - peak) }, mean = relative.reduce(0, +) / count
        let between = relative.reduce(0) { $0 + ($1 / mean - 1) * ($1 / mean - 1) }
        let finite = runs.map(\.relativeVariance).filter(\.isFinite)
        let own = finite.isEmpty ? 1 : finite.reduce(0, +) / Double(finite.count)
        let variance = max(own, count > 1 ? between / (count - 1) : 0) / count
        return (peak + log(mean), variance.squareRoot())
    }
}
