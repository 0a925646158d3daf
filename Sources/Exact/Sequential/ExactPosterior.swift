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
        var indices = [Int](repeating: 0, count: count)
        TemperedSampler.systematic(logProbabilities(lambda: lambda).map(exp), into: &indices, using: &random)
        var theta: [Double] = []
        theta.reserveCapacity(count * parameterCount)
        var i = 0
        while i < count {
            let z = indices[i], wanted = indices[i...].prefix { $0 == z }.count, held = evidences[z].draws.count / parameterCount
            precondition(held > 0, "a structure of no evidence was drawn")
            // Evenly spaced through the structure's own draws, from a random start.
            let start = random.uniform()
            for k in 0..<wanted {
                let d = Int((Double(k) + start) / Double(wanted) * Double(held)) % held
                theta += evidences[z].draws[d * parameterCount..<(d + 1) * parameterCount]
            }
            i += wanted
        }
        return (indices, theta)
    }
}
