import ModelSpace
import Networks
import Tensors

/// Simulation-based model inference, a method to compare with: one joint network whose structure posterior is a mixture
/// of Grassmann distributions and whose parameter posterior, given the structure, a mixture of full normal
/// distributions with absent dimensions left out.
///
/// It reads observations by the same encoder and learns from the same simulations, of a prior that is fixed for good.
/// Shapes: V observations; L·width numbers of each go into both heads.
/// - Source: Schröder and Macke, "Simultaneous identification of models and parameters of scientific simulators", ICML
///   2024.
public struct SBMINetwork: TrainableNetwork {
    public let shape: FamilyShape, configuration: NetworkConfiguration, sbmi: SBMIConfiguration
    public var method: String { "sbmi" }
    public let layout: ParameterLayout
    private let encoder: Encoder
    private let structureFirst: Dense, structureOutput: Dense
    private let parameterFirst: Dense, parameterStructure: Dense, parameterSecond: Dense, parameterOutput: Dense

    public init(_ shape: FamilyShape, _ configuration: NetworkConfiguration, _ sbmi: SBMIConfiguration) {
        var layout = ParameterLayout()
        (self.shape, self.configuration, self.sbmi) = (shape, configuration, sbmi)
        let read = configuration.latents * configuration.width, hidden = sbmi.hidden
        encoder = Encoder(&layout, shape, configuration)
        structureFirst = Dense(&layout, "structure.first", read, hidden)
        structureOutput = Dense(
            &layout, "structure.output", hidden,
            GrassmannMixture.numberCount(bits: shape.components, components: sbmi.structureComponents), gain: 0.1,
            exact: true)
        parameterFirst = Dense(&layout, "parameter.first", read, hidden)
        parameterStructure = Dense(&layout, "parameter.structure", shape.components, hidden, exact: true)
        parameterSecond = Dense(&layout, "parameter.second", hidden, hidden)
        parameterOutput = Dense(
            &layout, "parameter.output", hidden,
            GaussianMixture.numberCount(dimensions: sbmi.coordinates.count, components: sbmi.parameterComponents),
            gain: 0.1, exact: true)
        self.layout = layout
    }

    /// The latents of each observation in one row: V × L·width.
    func read<S>(_ tape: Tape<S>, _ w: Weights<S>, features: Variable<S>, summaries: Variable<S>) -> Variable<S> {
        encoder.forward(tape, w, features: features, summaries: summaries)
            .reshaped(summaries.rows, configuration.latents * configuration.width)
    }

    /// What makes the mixtures over structures: V × `GrassmannMixture.numberCount`.
    func structures<S>(_ tape: Tape<S>, _ w: Weights<S>, _ latents: Variable<S>) -> Variable<S> {
        structureOutput.forward(tape, w, structureFirst.forward(tape, w, latents, silu: true))
    }

    /// What makes the mixtures over parameters, given a structure each: V × `GaussianMixture.numberCount`.
    func parameters<S>(_ tape: Tape<S>, _ w: Weights<S>, _ latents: Variable<S>, _ structures: [Structure])
        -> Variable<S>
    {
        let z = tape.matrix(structures.count, shape.components)
        for (v, s) in structures.enumerated() {
            for c in 0..<shape.components { z.value[v * shape.components + c] = s[c] ? 1 : -1 }
        }
        let both = tape.silu(
            tape.add(parameterFirst.forward(tape, w, latents), parameterStructure.forward(tape, w, z)))
        return parameterOutput.forward(tape, w, parameterSecond.forward(tape, w, both, silu: true))
    }

    public func loss<S: Scalar>(
        _ tape: Tape<S>, _ weights: Weights<S>, _ batch: TrainingBatch, automaton: StructureAutomaton,
        structureScale: Double, parameterScale: Double
    ) -> (structure: Double, parameter: Double) {
        let row = shape.tokens * shape.coordinates, draws = batch.noise.count / (batch.count * row)
        let blur = sbmi.blur ?? 0
        return batch.features.withUnsafeBufferPointer { features in
            batch.summaries.withUnsafeBufferPointer { summaries in
                let latents = read(
                    tape, weights,
                    features: tape.constant(
                        features.baseAddress!, rows: batch.count * batch.measurements, columns: shape.features),
                    summaries: tape.constant(summaries.baseAddress!, rows: batch.count, columns: shape.summaries))
                let s = structures(tape, weights, latents), p = parameters(tape, weights, latents, batch.structures)
                var sums = (structure: 0.0, parameter: 0.0)
                for v in 0..<batch.count {
                    let z = batch.structures[v]
                    let grassmann = GrassmannMixture(
                        s.numbers(v), bits: shape.components, components: sbmi.structureComponents)
                    sums.structure -= s.addGradient(v) {
                        grassmann.addGradient(of: z, scale: -structureScale, to: $0)
                    }
                    let active = sbmi.coordinates.indices.filter { batch.mask[v * row + sbmi.coordinates[$0]] != 0 }
                    let x = active.map { i in
                        let place = sbmi.coordinates[i]
                        return Double(batch.coordinates[v * row + place])
                            + blur * Double(batch.noise[v * draws * row + place])
                    }
                    let normal = GaussianMixture(
                        p.numbers(v), dimensions: sbmi.coordinates.count, components: sbmi.parameterComponents)
                    sums.parameter -= p.addGradient(v) {
                        normal.addGradient(of: x, active: active, scale: -parameterScale, to: $0)
                    }
                }
                tape.backward()
                return sums
            }
        }
    }
}

extension Variable {
    /// A row in double precision.
    func numbers(_ row: Int) -> [Double] { (0..<columns).map { Double(value[row * columns + $0]) } }

    /// Adds what `fill` makes of zeros to a row's gradient, where there is one. Returns what it returns.
    fileprivate func addGradient(_ row: Int, _ fill: (UnsafeMutablePointer<Double>) -> Double) -> Double {
        var slopes = [Double](repeating: 0, count: columns)
        let result = fill(&slopes)
        if let gradient {
            for j in 0..<columns { gradient[row * columns + j] += S(slopes[j]) }
        }
        return result
    }
}
