import Foundation
import Networks
import Tensors

/// All that a training run carries from step to step; stored whole, so that a resumed run continues exactly.
public struct TrainerState {
    public var weights: [Float], firstMoment: [Float], secondMoment: [Float], average: [Float]
    public var step = 0, simulations = 0, skipped = 0
    public var schedule = Schedule()

    public init(weights: [Float]) {
        self.weights = weights
        average = weights
        firstMoment = Array(repeating: 0, count: weights.count)
        secondMoment = firstMoment
    }

    private struct Counters: Codable {
        var step: Int, simulations: Int, skipped: Int
        var schedule: Schedule
    }

    /// Writes a checkpoint (the file appears only when complete). `recipe` guards against resuming another run.
    public func write(_ network: Network, recipe: String, to path: String) throws {
        let counters = Counters(step: step, simulations: simulations, skipped: skipped, schedule: schedule)
        let text = String(decoding: try JSONEncoder().encode(counters), as: UTF8.self)
        let layout = network.layout
        try SafetensorsWriter.write(
            layout.tensors(weights, prefix: "weights.") + layout.tensors(firstMoment, prefix: "adam_m.")
                + layout.tensors(secondMoment, prefix: "adam_v.") + layout.tensors(average, prefix: "average."),
            metadata: ["counters": text, "recipe": recipe], to: path)
    }

    /// Reads a checkpoint of the same network. Returns the state and the recipe it was made with.
    public static func read(_ network: Network, from path: String) throws -> (state: TrainerState, recipe: String) {
        let file = try SafetensorsReader(path: path), layout = network.layout
        guard let text = file.metadata["counters"], let recipe = file.metadata["recipe"],
            let counters = try? JSONDecoder().decode(Counters.self, from: Data(text.utf8))
        else { throw NetworkFileError.notANetwork(path: path, missing: "counters") }
        var state = TrainerState(weights: try layout.read(file, prefix: "weights."))
        state.firstMoment = try layout.read(file, prefix: "adam_m.")
        state.secondMoment = try layout.read(file, prefix: "adam_v.")
        state.average = try layout.read(file, prefix: "average.")
        state.step = counters.step
        state.simulations = counters.simulations
        state.skipped = counters.skipped
        state.schedule = counters.schedule
        return (state, recipe)
    }
}
