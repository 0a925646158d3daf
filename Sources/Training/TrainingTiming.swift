import Foundation
import ModelSpace
import Networks
import Tensors

/// How fast training is, and where its time goes.
public struct TrainingTiming: Codable, Sendable {
    public struct Stage: Codable, Sendable {
        public var name: String
        /// Processor time.
        public var microsecondsPerSimulation: Double
    }
    public var threads: Int, weights: Int, batch: Int, steps: Int
    /// By the wall clock.
    public var simulationsPerSecond: Double
    public var precision: TrainingPrecision
    /// Simulations a second of one core's time (the stages' sum), and those for each GFLOP/s that its single-precision
    /// matrix product reaches.
    public var simulationsPerCoreSecond: Double, simulationsPerGigaflop: Double
    public var stages: [Stage]

    /// Steps for about `seconds`, then each stage of a chunk by itself.
    /// - Parameter ceiling: of a core's single-precision matrix product, GFLOP/s.
    public static func measure<F: ModelFamily>(
        family: F, plan: TrainingPlan, threads: Int, precision: TrainingPrecision = .fastest, seconds: Double,
        repeats: Int,
        ceiling: Double, design: @escaping @Sendable (inout RandomSource) -> F.Design
    ) -> TrainingTiming {
        let trainer = Trainer(family: family, plan: plan, threads: threads, precision: precision, design: design),
            clock = ContinuousClock()
        _ = trainer.step()
        let start = clock.now
        var steps = 0, elapsed = 0.0
        while elapsed < seconds {
            _ = trainer.step()
            steps += 1
            elapsed = Double((clock.now - start) / .nanoseconds(1)) * 1e-9
        }
        let network = trainer.network, simulator = Simulator(family: family, plan: plan, design: design),
            count = network.layout.count
        var weights = trainer.state.weights, gradients = [Float](repeating: 0, count: count), state = trainer.state
        // Acquisitions differ in size: the same few chunks for every stage.
        let chunks = 8, batches = (0..<chunks).map { simulator.batch(step: 0, chunk: $0) }
        let layers = TrainingLayers(network.layout, precision: precision)
        func layOut() { for l in 0..<layers.count { layers.update(l, values: weights) } }
        layOut()
        func loss(_ tape: Tape<Float>, _ gradients: UnsafeMutablePointer<Float>?) {
            weights.withUnsafeMutableBufferPointer { weights in
                for batch in batches {
                    tape.reset()
                    _ = network.loss(
                        tape, Weights(values: weights.baseAddress!, gradients: gradients, training: layers), batch,
                        automaton: family.automaton, structureScale: 1, parameterScale: 1)
                }
            }
        }
        let inference = Tape<Float>(records: false), training = Tape<Float>(records: true)
        let simulate = Stopwatch.time(repeats: repeats) {
            for c in 0..<chunks { _ = simulator.batch(step: 0, chunk: c) }
        }.minimum
        let forward = Stopwatch.time(repeats: repeats) { loss(inference, nil) }.minimum
        let both = gradients.withUnsafeMutableBufferPointer { g in
            Stopwatch.time(repeats: repeats) { loss(training, g.baseAddress!) }.minimum
        }
        // As a step does it: the lanes' gradients are summed, then AdamW, then the layers are laid out.
        let lanes = min(8, plan.batch / plan.chunk)
        var total = gradients
        let update = Stopwatch.time(repeats: repeats) {
            for start in stride(from: 0, to: count, by: 8192) {
                let n = min(8192, count - start)
                gradients.withUnsafeMutableBufferPointer { g in
                    total.withUnsafeMutableBufferPointer { t in
                        for _ in 1..<max(2, lanes) { Float.axpy(1, g.baseAddress! + start, t.baseAddress! + start, n) }
                        _ = Float.sumOfSquares(t.baseAddress! + start, n)
                    }
                }
            }
            state.descend(total, norm: 1, plan: plan) { n, body in body(0..<n) }
            layOut()
        }.minimum
        let size = Double(chunks * plan.chunk)
        func stage(_ name: String, _ seconds: Double, _ simulations: Double) -> Stage {
            Stage(name: name, microsecondsPerSimulation: 1e6 * seconds / simulations)
        }
        let stages = [
            stage("simulate", simulate, size), stage("forward", forward, size),
            stage("backward", max(0, both - forward), size),
            stage("update", update, Double(plan.batch)),
        ]
        let core = 1e6 / stages.reduce(0) { $0 + $1.microsecondsPerSimulation }
        return TrainingTiming(
            threads: threads, weights: count, batch: plan.batch, steps: steps,
            simulationsPerSecond: Double(steps * plan.batch) / elapsed,
            precision: precision, simulationsPerCoreSecond: core, simulationsPerGigaflop: core / ceiling, stages: stages
        )
    }
}
