import ModelSpace
import Tensors

/// A network as training sees it: named weights, and a loss of simulations to be made small.
public protocol TrainableNetwork: Sendable {
    /// The method's name, by which a checkpoint tells whose it is.
    var method: String { get }
    var layout: ParameterLayout { get }

    /// Runs the losses of structures and of parameters on a batch and adds their gradients, scaled, to
    /// `weights.gradients`.
    /// - Returns: both sums over the batch, unscaled.
    func loss<S: Scalar>(
        _ tape: Tape<S>, _ weights: Weights<S>, _ batch: TrainingBatch, automaton: StructureAutomaton,
        structureScale: Double, parameterScale: Double
    ) -> (structure: Double, parameter: Double)
}

extension TrainableNetwork {
    /// Fresh weights (layout.count values), reproducible from the seed.
    public func initialWeights(seed: UInt64) -> [Float] {
        var random = RandomSource(seed: seed, stream: 0x57454947)
        var values = [Float](repeating: 0, count: layout.count)
        for (reference, start) in zip(layout.references, layout.initialisations) {
            for i in reference.offset..<reference.offset + reference.count {
                switch start {
                case .zero: values[i] = 0
                case .constant(let c): values[i] = Float(c)
                case .normal(let sd): values[i] = Float(sd * random.normal())
                }
            }
        }
        return values
    }
}
