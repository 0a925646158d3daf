import Foundation

/// What is known of one observation's structures when there are too many to list: those that matter, and how much mass
/// the rest has.
public struct StructurePosterior: Sendable, Equatable {
    public var structures: [Structure]
    /// log p(z | y, λ) of each, with that of the rest normalised to 1.
    public var logProbability: [Double]
    /// log of the mass of all other structures; −∞ when there are none or they are known to have none.
    public var logRest: Double
    /// How many parameters the rest is charged for when λ grows: at λ + s its mass, on the scale of those listed, is at
    /// most exp(logRest − s · this). The least k(z) that a structure of it can have is such a number for any s ≥ 0; one
    /// that bounds the mass at the far end of a range of λ bounds it everywhere between, because the logarithm of a sum
    /// of exponentials is convex.
    public var restParameters: Double
    /// Bounds of the rest's mass at some larger λ, rising: tighter each than `restParameters`, which holds for all.
    public var restBounds: [RestBound]

    /// At λ + `step` the rest has at most exp(`logMass`), on the scale of those listed.
    public struct RestBound: Sendable, Equatable {
        public var step: Double, logMass: Double

        public init(step: Double, logMass: Double) { (self.step, self.logMass) = (step, logMass) }
    }

    /// Each structure that is not listed stays more than so many nats below the best, noise aside, at every λ that the
    /// list was made for.
    public var reach: Double

    public init(
        structures: [Structure], logProbability: [Double], logRest: Double = -.infinity, restParameters: Double = 0,
        restBounds: [RestBound] = [], reach: Double = 0
    ) {
        precondition(structures.count == logProbability.count)
        let all = StructureSpace.normalise(logProbability + [logRest])
        self.structures = structures
        self.logProbability = Array(all.dropLast())
        self.logRest = all[all.count - 1]
        self.restParameters = restParameters
        let shift = logRest.isFinite ? all[all.count - 1] - logRest : 0
        self.restBounds = restBounds.map { RestBound(step: $0.step, logMass: $0.logMass + shift) }
        self.reach = reach
    }

    /// The same at another λ, by log p(z|y,λ′) = log p(z|y,λ) − (λ′ − λ) k(z) + const.
    ///
    /// Exact for the structures listed, relative to each other. Towards larger λ the mass of the rest is an upper bound
    /// (`restParameters`); towards smaller λ nothing bounds it, and the mass stated is what it has if all of it has so
    /// many parameters: there the mass that it had is a bound at the λ that it had it at.
    public func reweighted(by step: Double, parameterCount: (Structure) -> Int) -> StructurePosterior {
        let known = step < 0 && logRest.isFinite ? [RestBound(step: 0, logMass: logRest)] + restBounds : restBounds
        return StructurePosterior(
            structures: structures,
            logProbability: zip(structures, logProbability).map { $1 - step * Double(parameterCount($0)) },
            logRest: logRest - step * restParameters, restParameters: restParameters,
            restBounds: known.filter { $0.step > step }.map { RestBound(step: $0.step - step, logMass: $0.logMass) },
            reach: reach)
    }

    public func reweighted(by step: Double, _ rule: StructureRule) -> StructurePosterior {
        reweighted(by: step, parameterCount: rule.parameterCount)
    }
}
