import Foundation
import ModelSpace

/// The joint posterior of some structures and their parameters, from evidences: as if there were no others.
public struct ExactPosterior: Sendable {
    /// One for each structure asked for, in that order.
    public let evidences: [StructureEvidence]
    /// k of each.
    public let parameterCounts: [Int]
    /// P.
    public let parameterCount: Int

    /// The same of a list of structures, which holds all of these; others have no evidence.
    package func listed(_ space: StructureSpace) -> ExactPosterior {
        let known = Dictionary(uniqueKeysWithValues: evidences.map { ($0.structure, $0) })
        let all = space.structures.map { z in
            known[z]
                ?? StructureEvidence(
                    structure: z, logEvidence: -.infinity, standardError: .infinity, runs: 0, isRough: true, draws: [])
        }
        return ExactPosterior(evidences: all, parameterCounts: space.parameterCounts, parameterCount: parameterCount)
    }

    /// log p(z | y, λ), normalised over the structures; those of no evidence have −∞ (unless none has any: the prior).
    public func logProbabilities(lambda: Double) -> [Double] {
        let penalties = parameterCounts.map { lambda * Double($0) }
        let values = zip(evidences, penalties).map { $0.logEvidence - $1 }
        return StructureSpace.normalise(values.contains { $0 > -.infinity } ? values : penalties.map { -$0 })
    }

    /// The probability of structures that were not sampled, by the approximations that stand for their evidence.
    public func approximateMass(lambda: Double) -> Double {
        zip(logProbabilities(lambda: lambda), evidences).reduce(0) {
            $1.1.standardError == .infinity ? $0 + exp($1.0) : $0
        }
    }

    /// Standard errors of `logProbabilities`, nats, to first order: ((1 − p_z)² se_z² + Σ_{others} p² se²)^½; ∞ of
    /// approximations, which have no part in the others'.
    public func standardErrors(lambda: Double) -> [Double] {
        let p = logProbabilities(lambda: lambda).map(exp)
        let shares = zip(p, evidences).map {
            $0 > 0 && $1.standardError.isFinite ? $0 * $0 * $1.standardError * $1.standardError : 0
        }
        let total = shares.reduce(0, +)
        return p.indices.map { i in
            guard p[i] > 0, evidences[i].standardError.isFinite else { return evidences[i].standardError }
            let own = (1 - p[i]) * evidences[i].standardError
            return (own * own + max(0, total - shares[i])).squareRoot()
        }
    }

    /// S joint draws (z, θ) at λ: structures by systematic resampling, each with parameters from its own draws.
    /// - Returns: positions in `evidences`, S, and θ, S × P.
    public func draw(_ count: Int, lambda: Double, using random: inout RandomSource) -> (
        structures: [Int], theta: [Double]
    ) {
        evidences.draw(count, probabilities: logProbabilities(lambda: lambda).map(exp), parameterCount, using: &random)
    }
}
