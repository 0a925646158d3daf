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

    /// Fresh weights and noise on them, so that none is zero.
    func weights(noise: Double = 0.2, seed: UInt64 = 8) -> [Double] {
        var random = RandomSource(seed: seed)
        return network.initialWeights(seed: 3).map { Double($0) + noise * random.normal() }
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

    /// What training runs agrees with plain passes in double precision, which finite differences check: heads of 16
    /// columns and others, layers laid out in every number format. The losses to a part `loss`, the gradient as a whole
    /// to √(Σ (g − g*)² / Σ g*²) ≤ 12 of the format's rounding units, whichever it is. Noise on the weights is small
    /// enough for no softmax to be sharp: one that is multiplies whatever rounding its logits have.
    @Test(arguments: TrainingPrecision.available, [true, false])
    func trainingAgreesWithDouble(_ precision: TrainingPrecision, _ wide: Bool) {
        let loss = precision == .single ? 1e-6 : precision == .half ? 5e-4 : 2e-3
        let unit = precision == .single ? 0x1p-24 : precision == .half ? 0x1p-12 : 0x1p-9
        var sizes = TinyProblem.sizes
        if wide {
            (sizes.width, sizes.heads, sizes.latents, sizes.parameterWidth, sizes.parameterHeads) = (32, 2, 16, 48, 3)
        }
        let problem = TinyProblem(measurements: 37, configuration: sizes)
        let layers = TrainingLayers(problem.network.layout, precision: precision)
        // The tape's memory has been used by the pass before: none must depend on what that left there.
        let tape = Tape<Float>(arena: Arena(blockSize: 1 << 20), records: true)
        for seed: UInt64 in 1...4 {
            var values = problem.weights(noise: 0.05, seed: seed),
                gradients = [Double](repeating: 0, count: values.count)
            let reference = problem.loss(&values, gradients: &gradients)
            var narrow = values.map { Float($0) }, found = [Float](repeating: 0, count: values.count)
            for l in 0..<layers.count { layers.update(l, values: narrow) }
            tape.reset()
            let sums = problem.network.loss(
                tape, Weights(values: &narrow, gradients: &found, training: layers), problem.batch,
                automaton: problem.space.automaton,
                structureScale: 0.7, parameterScale: 0.3)
            #expect(abs(0.7 * sums.structure + 0.3 * sums.parameter - reference) <= loss * reference)
            let apart = zip(found, gradients).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
            let distance = (apart / gradients.reduce(0) { $0 + $1 * $1 }).squareRoot()
            #expect(distance <= 12 * unit)
            // Narrow products were indeed made.
            #expect(precision == .single || distance > 1e-4)
        }
    }
}
