import ModelSpace
import Tensors

/// The whole network: encoder, structure decoder, parameter decoder, and the list of their weights.
public struct Network: TrainableNetwork {
    public let configuration: NetworkConfiguration
    public let shape: FamilyShape
    public var method: String { "prism" }
    public let layout: ParameterLayout
    let encoder: Encoder
    let structureDecoder: StructureDecoder
    let parameterDecoder: ParameterDecoder

    public init(_ shape: FamilyShape, _ configuration: NetworkConfiguration = NetworkConfiguration()) {
        var layout = ParameterLayout()
        encoder = Encoder(&layout, shape, configuration)
        structureDecoder = StructureDecoder(&layout, shape, configuration)
        parameterDecoder = ParameterDecoder(&layout, shape, configuration)
        self.layout = layout
        self.shape = shape
        self.configuration = configuration
    }

    /// Runs both losses on a batch and adds their gradients to `weights.gradients`:
    ///
    ///     structureScale · Σ −log q(z|y,λ)  +  parameterScale · Σ ‖F − F*‖²
    ///
    /// - Returns: both sums, unscaled.
    public func loss<S: Scalar>(
        _ tape: Tape<S>, _ weights: Weights<S>, _ batch: TrainingBatch, automaton: StructureAutomaton,
        structureScale: Double,
        parameterScale: Double
    ) -> (structure: Double, parameter: Double) {
        batch.features.withUnsafeBufferPointer { features in
            batch.summaries.withUnsafeBufferPointer { summaries in
                let latents = encoder.forward(
                    tape, weights,
                    features: tape.constant(
                        features.baseAddress!, rows: batch.count * batch.measurements, columns: shape.features),
                    summaries: tape.constant(summaries.baseAddress!, rows: batch.count, columns: shape.summaries))
                let s = structureDecoder.loss(
                    tape, weights, latents: latents, lambdas: batch.lambdas, structures: batch.structures,
                    automaton: automaton,
                    weight: structureScale)
                let p = parameterDecoder.loss(tape, weights, latents: latents, batch: batch, weight: parameterScale)
                tape.backward()
                return (s, p)
            }
        }
    }
}
