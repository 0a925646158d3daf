import Foundation
import ModelSpace
import Tensors
import Testing

@testable import Networks

/// A family's sizes without a family: three components (the second only with the first), three tokens, two coordinates.
struct TinyProblem {
    let space = StructureSpace(
        componentCount: 3, structures: [Structure(), Structure(0), Structure(0, 1), Structure(2), Structure(0, 1, 2)],
        parameterCounts: [0, 1, 2, 1, 3])
    let network: Network
    var batch: TrainingBatch

    static var sizes: NetworkConfiguration {
        var c = NetworkConfiguration()
        c.width = 8; c.heads = 2; c.latents = 3; c.blocksPerReading = 1; c.structureBlocks = 1
        c.parameterWidth = 12; c.parameterHeads = 3; c.parameterBlocks = 2
        return c
    }

    init(draws: Int = 2, measurements: Int = 7, configuration c: NetworkConfiguration = sizes) {
        let shape = FamilyShape(features: 5, summaries: 4, components: 3, tokens: 4, coordinates: 2)
        network = Network(shape, c)
        var random = RandomSource(seed: 5)
        batch = TrainingBatch(count: 5, measurements: measurements, draws: draws, shape: shape)
        func fill(_ x: inout [Float]) { for i in x.indices { x[i] = Float(random.normal()) } }
        fill(&batch.features); fill(&batch.summaries); fill(&batch.coordinates); fill(&batch.noise)
        for i in batch.sigma.indices { batch.sigma[i] = NoiseLevel.training(random.normal()) }
        for b in 0..<batch.count {
            batch.structures[b] = space.structures[b]
            batch.lambdas[b] = random.uniform(0, 3)
            for token in 0..<4 where token == 0 || space.structures[b][token - 1] {
                for j in 0..<2 where !(token == 2 && j == 1) { batch.mask[b * 8 + token * 2 + j] = 1 }
            }
        }
    }

    func weights() -> [Double] {
        var random = RandomSource(seed: 8)
        return network.initialWeights(seed: 3).map { Double($0) + 0.2 * random.normal() }
    }

    func loss(_ values: inout [Double], gradients: UnsafeMutablePointer<Double>?) -> Double {
        let tape = Tape<Double>(arena: Arena(blockSize: 1 << 20), records: gradients != nil)
        return values.withUnsafeMutableBufferPointer { v in
            let sums = network.loss(
                tape, Weights(values: v.baseAddress!, gradients: gradients), batch, automaton: space.automaton,
                structureScale: 0.7, parameterScale: 0.3)
            return 0.7 * sums.structure + 0.3 * sums.parameter
        }
    }
}

@Suite struct GradientTests {
    /// Every weight's gradient against a central difference in double precision, through both losses at once.
    @Test func wholeNetworkMatchesFiniteDifferences() {
        let problem = TinyProblem()
        var values = problem.weights()
        var gradients = [Double](repeating: 0, count: values.count)
        _ = problem.loss(&values, gradients: &gradients)
        var random = RandomSource(seed: 1)
        for reference in problem.network.layout.references {
            var sizes: [Double] = []
            for _ in 0..<min(reference.count, 6) {
                let i = reference.offset + random.index(below: reference.count)
                let step = 1e-5, kept = values[i]
                values[i] = kept + step
                let above = problem.loss(&values, gradients: nil)
                values[i] = kept - step
                let below = problem.loss(&values, gradients: nil)
                values[i] = kept
                let difference = (above - below) / (2 * step)
                #expect(
                    abs(difference - gradients[i]) <= 1e-7 + 1e-6 * abs(difference),
                    "\(reference.name)[\(i - reference.offset)]")
                sizes.append(abs(difference))
            }
            // A weight that nothing depends on would pass the comparison without testing anything.
            // (Query biases shift all logits of a key-independent term by nothing only for keys; key biases cancel in
            // the softmax.)
            if !reference.name.hasSuffix("table") {
                #expect(sizes.max()! > 1e-9, "no gradient reaches \(reference.name)")
            }
        }
    }

    /// The fast Float kernels agree with the Double ones.
    @Test func floatAgreesWithDouble() {
        let problem = TinyProblem(measurements: 37)
        var values = problem.weights()
        var gradients = [Double](repeating: 0, count: values.count)
        let reference = problem.loss(&values, gradients: &gradients)
        var narrow = values.map { Float($0) }, narrowGradients = [Float](repeating: 0, count: values.count)
        let tape = Tape<Float>(arena: Arena(blockSize: 1 << 20), records: true)
        let sums = problem.network.loss(
            tape, Weights(values: &narrow, gradients: &narrowGradients), problem.batch,
            automaton: problem.space.automaton, structureScale: 0.7,
            parameterScale: 0.3)
        #expect(abs(0.7 * sums.structure + 0.3 * sums.parameter - reference) < 1e-4 * reference)
        let scale = gradients.map { abs($0) }.max()!
        for i in gradients.indices { #expect(abs(Double(narrowGradients[i]) - gradients[i]) < 2e-5 * scale) }
    }
}
