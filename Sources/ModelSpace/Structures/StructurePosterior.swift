import Foundation

/// What is known of one observation's structures when there are too many to list: those that matter, and how much mass the rest has.
public struct StructurePosterior: Sendable, Equatable {
    public var structures: [Structure]
    /// log p(z | y, λ) of each, with that of the rest normalised to 1.
    public var logProbability: [Double]
    /// log of the mass of all other structures; −∞ when there are none or they are known to have none.
    public var logRest: Double
    /// The least k(z) that a structure of the rest can have.
    public var leastParametersOfRest: Int

    public init(structures: [Structure], logProbability: [Double], logRest: Double = -.infinity, leastParametersOfRest: Int = 0) {
        precondition(structures.count == logProbability.count)
        let all = StructureSpace.normalise(logProbability + [logRest])
        self.structures = structures
        self.logProbability = Array(all.dropLast())
        self.logRest = all[all.count - 1]
        self.leastParametersOfRest = leastParametersOfRest
    }

    /// The same at another λ, by log p(z|y,λ′) = log p(z|y,λ) − (λ′ − λ) k(z) + const.
    ///
    /// Exact for the structures listed, relative to each other. Towards larger λ the rest is charged for the fewest parameters it can have, so that
    /// its mass is an upper bound; towards smaller λ nothing bounds it, and the mass stated is what it has if all of it has the fewest.
    public func reweighted(by step: Double, _ rule: StructureRule) -> StructurePosterior {
        StructurePosterior(
            structures: structures, logProbability: zip(structures, logProbability).map { $1 - step * Double(rule.parameterCount($0)) },
            logRest: logRest - step * Double(leastParametersOfRest), leastParametersOfRest: leastParametersOfRest)
    }
}
