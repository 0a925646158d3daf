import Dispatch
import Foundation
import ModelSpace
import Networks
import Synchronization
import Tensors

/// Simulates and descends: AdamW on the joint loss of structure and parameters, with simulations made as they are
/// needed. Of any network that has such losses.
///
/// A step's gradient is the sum over a fixed number of lanes, each of which works through its chunks in order; threads
/// only choose which lane to take next. So the weights depend on the recipe and the seed, not on the number of threads.
public final class Trainer<F: ModelFamily, N: TrainableNetwork> {
    public let plan: TrainingPlan
    public let network: N
    public var state: TrainerState
    private let simulator: Simulator<F>
    private let layers: TrainingLayers
    private let lanes: [Lane]
    /// A worker's, whichever lane it takes: memory that is used again soon is still in the cache.
    private let tapes: [Tape<Float>]

    private final class Lane: @unchecked Sendable {
        let gradients: UnsafeMutablePointer<Float>
        var structure = 0.0, parameter = 0.0

        init(count: Int) {
            gradients = .allocate(capacity: count)
            gradients.initialize(repeating: 0, count: count)
        }
        deinit { gradients.deallocate() }
    }

    /// - Parameters:
    ///   - threads: worker threads; the result does not depend on it.
    ///   - precision: of matrix products, one that is available; the result does depend on it.
    ///   - lambda: of the prior of all simulations; by the plan where nil.
    public init(
        _ network: N, family: F, plan: TrainingPlan, threads: Int, precision: TrainingPrecision = .fastest,
        lambda: Double? = nil, state: TrainerState? = nil,
        design: @escaping @Sendable (inout RandomSource) -> F.Design
    ) {
        precondition(plan.batch % plan.chunk == 0, "the batch must be a whole number of chunks")
        Blas.ready
        self.plan = plan
        simulator = Simulator(family: family, plan: plan, lambda: lambda, design: design)
        self.network = network
        self.state = state ?? TrainerState(weights: network.initialWeights(seed: plan.seed))
        precondition(self.state.weights.count == network.layout.count)
        self.state.precision = precision
        layers = TrainingLayers(network.layout, precision: precision)
        let count = network.layout.count
        lanes = (0..<min(8, plan.batch / plan.chunk)).map { _ in Lane(count: count) }
        tapes = (0..<max(1, min(threads, lanes.count))).map { _ in Tape(records: true) }
    }

    /// One step of descent. Returns the mean losses of its simulations: −log q(z|y,λ), and ‖F − F*‖² per active
    /// coordinate.
    public func step() -> (structure: Double, parameter: Double) {
        let chunks = plan.batch / plan.chunk, step = state.step, simulator = simulator, network = network,
            lanes = lanes, layers = layers, tapes = Workers(tapes)
        let structureScale = 1 / Double(plan.batch)
        let parameterScale = plan.parameterWeight / (Double(plan.batch * plan.noiseDraws) * simulator.meanActive)
        let nextLayer = Atomic<Int>(0), next = Atomic<Int>(0)
        state.weights.withUnsafeMutableBufferPointer { weights in
            let values = SendablePointer(weights.baseAddress!)
            DispatchQueue.concurrentPerform(iterations: tapes.all.count) { _ in
                while true {
                    let l = nextLayer.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard l < layers.count else { return }
                    layers.update(l, values: values.pointer)
                }
            }
            DispatchQueue.concurrentPerform(iterations: tapes.all.count) { worker in
                let tape = tapes.all[worker]
                while true {
                    let l = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard l < lanes.count else { return }
                    let lane = lanes[l]
                    // `descend` left zeros in all others.
                    if l == 0 { memset(lane.gradients, 0, network.layout.count * MemoryLayout<Float>.stride) }
                    lane.structure = 0
                    lane.parameter = 0
                    for chunk in stride(from: l, to: chunks, by: lanes.count) {
                        tape.reset()
                        let sums = network.loss(
                            tape, Weights(values: values.pointer, gradients: lane.gradients, training: layers),
                            simulator.batch(step: step, chunk: chunk),
                            automaton: simulator.automaton,
                            structureScale: structureScale, parameterScale: parameterScale)
                        lane.structure += sums.structure
                        lane.parameter += sums.parameter
                    }
                }
            }
        }
        descend()
        return (
            lanes.reduce(0) { $0 + $1.structure } * structureScale,
            lanes.reduce(0) { $0 + $1.parameter } * parameterScale / plan.parameterWeight
        )
    }

    /// Sums the lanes' gradients, then one step of AdamW.
    private func descend() {
        let parts = lanes.map { SendablePointer($0.gradients) }, count = network.layout.count
        // A norm is the sum over slices in order, whoever summed each of them.
        var squares = [Double](repeating: 0, count: (count + Self.slice - 1) / Self.slice)
        squares.withUnsafeMutableBufferPointer { squares in
            let squares = SendablePointer(squares.baseAddress!)
            share(count) { part in
                let i = part.lowerBound, total = parts[0].pointer + i
                for lane in parts.dropFirst() {
                    Float.axpy(1, lane.pointer + i, total, part.count)
                    // While it is in the cache.
                    memset(lane.pointer + i, 0, part.count * MemoryLayout<Float>.stride)
                }
                squares.pointer[i / Self.slice] = Float.sumOfSquares(total, part.count)
            }
        }
        state.descend(parts[0].pointer, norm: squares.reduce(0, +).squareRoot(), plan: plan, share: share)
    }

    /// Weights that are taken together.
    private static var slice: Int { 8192 }

    /// Slices of 0 ..< count, by all workers.
    private func share(_ count: Int, _ body: @escaping @Sendable (Range<Int>) -> Void) {
        let next = Atomic<Int>(0), slice = Self.slice
        DispatchQueue.concurrentPerform(iterations: tapes.count) { _ in
            while true {
                let start = next.wrappingAdd(slice, ordering: .relaxed).oldValue
                guard start < count else { return }
                body(start..<min(start + slice, count))
            }
        }
    }
}

extension Trainer where N == Network {
    /// Of the network that the plan describes.
    public convenience init(
        family: F, plan: TrainingPlan, threads: Int, precision: TrainingPrecision = .fastest,
        state: TrainerState? = nil,
        design: @escaping @Sendable (inout RandomSource) -> F.Design
    ) {
        self.init(
            Network(FamilyShape(family), plan.network), family: family, plan: plan, threads: threads,
            precision: precision, state: state, design: design)
    }
}

/// A tape for each worker, used by that one alone.
private struct Workers: @unchecked Sendable {
    let all: [Tape<Float>]
    init(_ all: [Tape<Float>]) { self.all = all }
}

struct SendablePointer<T>: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<T>
    init(_ pointer: UnsafeMutablePointer<T>) { self.pointer = pointer }
}
