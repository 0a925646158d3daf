import Foundation
import ModelSpace
import Networks

/// How to descend: everything of a recipe that is not the family's own.
public struct TrainingPlan: BoundedSettings, Codable, Sendable, Equatable {
    public var network = NetworkConfiguration()
    public var seed: UInt64 = 1
    /// Simulations a step, and how many of them share a design (and a worker's matrices).
    public var batch = 256
    public var chunk = 16
    /// Noise levels drawn for each simulation's parameter loss.
    public var noiseDraws = 2
    /// Peak learning rate, reached after `warmup` steps and held until the final decay to zero.
    public var rate = 1.2e-3
    public var warmup = 500
    /// Share of a run (by time or simulations) spent in the final decay.
    public var decay = 0.25
    public var weightDecay = 0.01
    public var clip = 1.0
    /// Steps over which the weights' moving average forgets a factor e.
    public var averageSteps = 1000
    /// λ of a simulation: `lambdaLeast`, to which with probability 1 − `lambdaZero` something exponential of mean
    /// `lambdaMean` is added, cut to 3.
    public var lambdaLeast = 0.0
    public var lambdaZero = 0.3
    public var lambdaMean = 0.5
    /// Weight of the parameter loss beside the structure loss.
    public var parameterWeight = 1.0

    public init() {}

    public static let settings: [Setting<TrainingPlan>] =
        [
            .whole("seed", \.seed, 0...UInt64.max), .whole("batch", \.batch, 1...65_536),
            .whole("chunk", \.chunk, 1...256),
            .whole("noiseDraws", \.noiseDraws, 1...64), .real("rate", \.rate, 1e-9...1),
            .whole("warmup", \.warmup, 1...10_000_000),
            .real("decay", \.decay, 0...0.99), .real("weightDecay", \.weightDecay, 0...1),
            .real("clip", \.clip, 1e-6...1e6),
            .whole("averageSteps", \.averageSteps, 1...10_000_000), .real("lambdaLeast", \.lambdaLeast, 0...2.5),
            .real("lambdaZero", \.lambdaZero, 0...1), .real("lambdaMean", \.lambdaMean, 1e-3...100),
            .real("parameterWeight", \.parameterWeight, 1e-6...1e6),
        ] + NetworkConfiguration.settings.map { $0.inside(\.network, "network") }

    public var conflict: String? {
        if batch % chunk != 0 { return "'batch', \(batch), must be a multiple of 'chunk', \(chunk)" }
        return network.conflict.map { "in network, " + $0 }
    }

    public func drawLambda(_ random: inout RandomSource) -> Double {
        if random.uniform() < lambdaZero { return lambdaLeast }
        let most = 1 - exp(-(3 - lambdaLeast) / lambdaMean)
        return lambdaLeast - lambdaMean * log(1 - random.uniform() * most)
    }
}

/// When the learning rate falls: fixed once known, so that a resumed run repeats it exactly.
public struct Schedule: Codable, Sendable, Equatable {
    public var decayStart: Int?
    public var decaySteps = 1

    public init() {}

    public init(decayStart: Int, decaySteps: Int) {
        self.decayStart = decayStart
        self.decaySteps = decaySteps
    }

    /// The learning rate at a step.
    public func rate(_ plan: TrainingPlan, step: Int) -> Double {
        var rate = plan.rate * min(1, Double(step + 1) / Double(plan.warmup))
        if let decayStart, step >= decayStart { rate *= max(0, 1 - Double(step - decayStart) / Double(decaySteps)) }
        return rate
    }

    /// Whether the decay has run its course.
    public func isFinished(step: Int) -> Bool { decayStart.map { step >= $0 + decaySteps } ?? false }
}
