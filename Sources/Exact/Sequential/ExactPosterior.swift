import Foundation
import ModelSpace

/// The joint posterior of structures and parameters of one observation, from evidences.
public struct ExactPosterior: Sendable {
    public let space: StructureSpace
    /// One for each structure, in the order of `space.structures`.
    public let evidences: [StructureEvidence]
    /// P.
    public let parameterCount: Int

    /// log p(z | y, λ), normalised; structures of no evidence have −∞.
    public func logProbabilities(lambda: Double) -> [Double] {
        let evidence = evidences.map(\.logEvidence)
        guard evidence.contains(where: { $0 > -.infinity }) else { return space.logPrior(lambda: lambda) }
        return space.reweight(StructureSpace.normalise(evidence), from: 0, to: lambda)
    }

    /// S joint draws (z, θ) at λ: structures by systematic resampling, each with parameters from its own draws.
    /// - Returns: positions in `space.structures`, S, and θ, S × P.
    public func draw(_ count: Int, lambda: Double, using random: inout RandomSource) -> (structures: [Int], theta: [Double]) {
        evidences.draw(count, probabilities: logProbabilities(lambda: lambda).map(exp), parameterCount, using: &random)
    }
}
