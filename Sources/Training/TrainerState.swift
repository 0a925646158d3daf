import CKernels
import Foundation
import Networks
import Tensors

/// All that a training run carries from step to step; stored whole, so that a resumed run continues exactly.
public struct TrainerState {
    public var weights: [Float], firstMoment: [Float], secondMoment: [Float], average: [Float]
    public var step = 0, simulations = 0, skipped = 0
    public var schedule = Schedule()
    /// Of the products of the run's steps; nil in a checkpoint that does not say, and before the first trainer.
    public var precision: TrainingPrecision?

    public init(weights: [Float]) {
        self.weights = weights
        average = weights
        firstMoment = Array(repeating: 0, count: weights.count)
        secondMoment = firstMoment
    }

    /// One step of AdamW on a gradient of Euclidean norm `norm`, clipped, then the moving average.
    /// - Parameter share: calls its second argument for ranges that make up 0 ..< its first, perhaps at the same time.
    mutating func descend(
        _ gradient: UnsafePointer<Float>, norm: Double, plan: TrainingPlan,
        share: (Int, @escaping @Sendable (Range<Int>) -> Void) -> Void
    ) {
        let rate = schedule.rate(plan, step: step), beta1 = 0.9, beta2 = 0.98
        step += 1
        // A step with a non-finite gradient changes nothing but the count.
        guard norm.isFinite else {
            skipped += 1
            return
        }
        let t = Double(step), memory = min(Double(plan.averageSteps), t / 5 + 1), count = weights.count
        let scale = Float(min(1, plan.clip / max(norm, 1e-12))), decay = Float(plan.weightDecay),
            keep = Float(1 - 1 / memory)
        let c1 = Float(1 - pow(beta1, t)), c2 = Float(1 - pow(beta2, t)),
            g = SendablePointer(UnsafeMutablePointer(mutating: gradient))
        weights.withUnsafeMutableBufferPointer { w in
            firstMoment.withUnsafeMutableBufferPointer { m in
                secondMoment.withUnsafeMutableBufferPointer { v in
                    average.withUnsafeMutableBufferPointer { a in
                        let w = SendablePointer(w.baseAddress!), m = SendablePointer(m.baseAddress!),
                            v = SendablePointer(v.baseAddress!)
                        let a = SendablePointer(a.baseAddress!)
                        share(count) { part in
                            let i = part.lowerBound
                            pk_adamw_f32(
                                w.pointer + i, g.pointer + i, m.pointer + i, v.pointer + i, part.count, scale,
                                Float(rate), Float(beta1), Float(beta2),
                                1e-8, c1, c2, decay)
                            pk_average_f32(a.pointer + i, w.pointer + i, part.count, keep)
                        }
                    }
                }
            }
        }
        simulations += plan.batch
    }

    private struct Counters: Codable {
        var step: Int, simulations: Int, skipped: Int
        var schedule: Schedule
        var precision: TrainingPrecision?

        /// Whether these can be counted on from; a run of years makes less than 10¹⁵ simulations.
        var isSound: Bool {
            [step, simulations, skipped, schedule.decaySteps].allSatisfy { (0...1_000_000_000_000_000).contains($0) }
                && schedule.decayStart.map { abs($0) <= 1_000_000_000_000_000 } ?? true
        }
    }

    /// Writes a checkpoint (the file appears only when complete). `recipe` guards against resuming another run.
    public func write(_ network: some TrainableNetwork, recipe: String, to path: String) throws {
        let counters = Counters(
            step: step, simulations: simulations, skipped: skipped, schedule: schedule, precision: precision)
        let text = String(decoding: try JSONEncoder().encode(counters), as: UTF8.self)
        let layout = network.layout
        try SafetensorsWriter.write(
            layout.tensors(weights, prefix: "weights.") + layout.tensors(firstMoment, prefix: "adam_m.")
                + layout.tensors(secondMoment, prefix: "adam_v.") + layout.tensors(average, prefix: "average."),
            metadata: ["counters": text, "recipe": recipe, "method": network.method], to: path)
    }

    /// Reads a checkpoint of the same network. Returns the state and the recipe it was made with.
    /// - Throws: `OtherMethod`, `OtherNetwork`, `SafetensorsError`, `NetworkFileError`.
    public static func read(_ network: some TrainableNetwork, from path: String) throws -> (
        state: TrainerState, recipe: String
    ) {
        let file = try SafetensorsReader(path: path), layout = network.layout
        guard let text = file.metadata["counters"], let recipe = file.metadata["recipe"],
            let counters = try? JSONDecoder().decode(Counters.self, from: Data(text.utf8)), counters.isSound
        else { throw NetworkFileError.notANetwork(path: path, missing: "counters") }
        if let method = file.metadata["method"], method != network.method {
            throw OtherMethod(path: path, found: method, wanted: network.method)
        }
        guard layout.hasShapes(of: file, prefix: "weights.") else { throw OtherNetwork(path: path) }
        var state = TrainerState(weights: try layout.read(file, prefix: "weights."))
        state.firstMoment = try layout.read(file, prefix: "adam_m.")
        state.secondMoment = try layout.read(file, prefix: "adam_v.")
        state.average = try layout.read(file, prefix: "average.")
        state.step = counters.step
        state.simulations = counters.simulations
        state.skipped = counters.skipped
        state.schedule = counters.schedule
        state.precision = counters.precision
        return (state, recipe)
    }
}

/// A checkpoint of another method's training. Those that say of none are older, and another's lacks weights.
public struct OtherMethod: Error {
    public let path: String, found: String, wanted: String
}

/// A checkpoint of a network of other sizes: another recipe's, or the same family's with or without what timing
/// decides.
public struct OtherNetwork: Error {
    public let path: String
}
