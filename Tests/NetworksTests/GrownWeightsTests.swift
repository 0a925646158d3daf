import ModelSpace
import Tensors
import Testing

@testable import Networks

/// A network grown for a larger family, before it has learnt anything, answers of the smaller family's structures what
/// the smaller one answered.
@Suite struct GrownWeightsTests {
    /// Both losses of the same simulations: by the small network, and by the one grown from it, in which the small
    /// one's bits, tokens and columns stand in the places given, among others that its structures do not have.
    private static func losses(_ places: CoordinatePlaces, components: Int) -> (
        small: (structure: Double, parameter: Double), grown: (structure: Double, parameter: Double)
    ) {
        let problem = TinyProblem(), small = problem.network, old = small.shape
        var shape = old
        (shape.features, shape.components) = (old.features + 2, components)
        (shape.tokens, shape.coordinates) = (old.tokens + 1, old.coordinates + 3)
        let large = Network(shape, small.configuration), row = shape.tokens * shape.coordinates,
            oldRow = old.tokens * old.coordinates, b = problem.batch, m = b.measurements
        var batch = TrainingBatch(count: b.count, measurements: m, draws: 2, shape: shape)
        (batch.summaries, batch.lambdas, batch.sigma) = (b.summaries, b.lambdas, b.sigma)
        func moved(_ z: Structure) -> Structure {
            Structure(bits: places.bits.indices.reduce(UInt128(0)) { z[$1] ? $0 | 1 << UInt128(places.bits[$1]) : $0 })
        }
        batch.structures = b.structures.map(moved)
        var random = RandomSource(seed: 1)
        for i in 0..<b.count * m {
            for f in 0..<old.features { batch.features[i * shape.features + f] = b.features[i * old.features + f] }
            // What the small one is not shown.
            for f in old.features..<shape.features { batch.features[i * shape.features + f] = Float(random.normal()) }
        }
        func move(_ x: [Float], _ rows: Int) -> [Float] {
            var y = [Float](repeating: 0, count: rows * row)
            for r in 0..<rows {
                for t in 0..<old.tokens {
                    for c in 0..<old.coordinates {
                        y[r * row + places.tokens[t] * shape.coordinates + places.columns[c]] =
                            x[r * oldRow + t * old.coordinates + c]
                    }
                }
            }
            return y
        }
        batch.coordinates = move(b.coordinates, b.count)
        batch.mask = move(b.mask, b.count)
        batch.noise = move(b.noise, 2 * b.count)
        let weights = problem.weights().map { Float($0) }
        let file = NetworkFile(
            network: small, weights: weights,
            origin: NetworkOrigin(
                name: "", family: "", recipe: "", simulations: 0, steps: 0, structureLoss: nil, parameterLoss: nil))
        func loss(_ network: Network, _ values: [Float], _ batch: TrainingBatch, _ automaton: StructureAutomaton) -> (
            structure: Double, parameter: Double
        ) {
            var values = values.map { Double($0) }
            return values.withUnsafeMutableBufferPointer {
                network.loss(
                    Tape<Double>(arena: Arena(blockSize: 1 << 20), records: false),
                    Weights(values: $0.baseAddress!, gradients: nil), batch, automaton: automaton, structureScale: 1,
                    parameterScale: 1)
            }
        }
        let space = StructureSpace(
            componentCount: components, structures: problem.space.structures.map(moved),
            parameterCounts: problem.space.parameterCounts)
        return (
            loss(small, weights, b, problem.space.automaton),
            loss(large, large.weights(of: file, at: places, seed: 4), batch, space.automaton)
        )
    }

    @Test func newPartsAtTheEndChangeNothing() {
        let (small, grown) = Self.losses(
            CoordinatePlaces(bits: [0, 1, 2], tokens: [0, 1, 2, 3], columns: [0, 1]), components: 5)
        #expect(abs(grown.structure - small.structure) < 1e-5 * small.structure)
        #expect(abs(grown.parameter - small.parameter) < 1e-5 * small.parameter)
        #expect(small.structure > 0.1 && small.parameter > 0.1)
    }

    /// New parts in between: numbers are answered the same still; bits nearly, as they follow upon others.
    @Test func newPartsInBetweenMoveTheOthers() {
        let (small, grown) = Self.losses(
            CoordinatePlaces(bits: [1, 2, 4], tokens: [0, 2, 3, 4], columns: [1, 3]), components: 5)
        #expect(abs(grown.parameter - small.parameter) < 1e-5 * small.parameter)
        #expect(abs(grown.structure - small.structure) < 0.5 * small.structure && grown.structure != small.structure)
    }
}
