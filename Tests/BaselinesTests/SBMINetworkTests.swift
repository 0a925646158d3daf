import Foundation
import ModelSpace
import Networks
import Tensors
import Testing

@testable import Baselines

@Suite struct SBMINetworkTests {
    private static let shape = FamilyShape(features: 5, summaries: 4, components: 3, tokens: 4, coordinates: 2)
    private static let structures = [Structure(), Structure(0), Structure(0, 1), Structure(2), Structure(0, 1, 2)]

    private static func mask(_ z: Structure) -> [Float] {
        (0..<8).map { i in (i / 2 == 0 || z[i / 2 - 1]) && i != 5 ? 1 : 0 }
    }

    static func network() -> SBMINetwork {
        var c = NetworkConfiguration()
        (c.width, c.heads, c.latents, c.blocksPerReading) = (8, 2, 3, 1)
        var sbmi = SBMIConfiguration(lambda: 1, masks: structures.map(mask))
        (sbmi.hidden, sbmi.structureComponents, sbmi.parameterComponents) = (6, 2, 2)
        return SBMINetwork(shape, c, sbmi)
    }

    private static func batch() -> TrainingBatch {
        var random = RandomSource(seed: 5), batch = TrainingBatch(count: 5, measurements: 7, draws: 1, shape: shape)
        for i in batch.features.indices { batch.features[i] = Float(random.normal()) }
        for i in batch.summaries.indices { batch.summaries[i] = Float(random.normal()) }
        for b in 0..<5 {
            batch.structures[b] = structures[b]
            for (i, m) in mask(structures[b]).enumerated() {
                batch.mask[b * 8 + i] = m
                batch.coordinates[b * 8 + i] = m * Float(random.normal())
            }
        }
        return batch
    }

    private static let automaton = StructureSpace(
        componentCount: 3, structures: structures, parameterCounts: [0, 1, 2, 1, 3]
    ).automaton

    @Test func coordinatesAreThoseOfAnyStructure() {
        #expect(Self.network().sbmi.coordinates == [0, 1, 2, 3, 4, 6, 7])
    }

    /// Every weight's gradient against a central difference in double precision, through both losses at once.
    @Test func wholeNetworkMatchesFiniteDifferences() {
        let network = Self.network(), batch = Self.batch()
        var random = RandomSource(seed: 8)
        var values = network.initialWeights(seed: 3).map { Double($0) + 0.2 * random.normal() }
        func loss(_ gradients: UnsafeMutablePointer<Double>?) -> Double {
            let tape = Tape<Double>(arena: Arena(blockSize: 1 << 20), records: gradients != nil)
            return values.withUnsafeMutableBufferPointer { v in
                let sums = network.loss(
                    tape, Weights(values: v.baseAddress!, gradients: gradients), batch, automaton: Self.automaton,
                    structureScale: 0.7, parameterScale: 0.3)
                return 0.7 * sums.structure + 0.3 * sums.parameter
            }
        }
        var gradients = [Double](repeating: 0, count: values.count)
        _ = gradients.withUnsafeMutableBufferPointer { loss($0.baseAddress!) }
        for reference in network.layout.references {
            var largest = 0.0
            for _ in 0..<min(reference.count, 6) {
                let i = reference.offset + random.index(below: reference.count), kept = values[i], step = 1e-5
                values[i] = kept + step
                let above = loss(nil)
                values[i] = kept - step
                let below = loss(nil)
                values[i] = kept
                let difference = (above - below) / (2 * step)
                #expect(
                    abs(difference - gradients[i]) <= 1e-7 + 1e-6 * abs(difference),
                    "\(reference.name)[\(i - reference.offset)]")
                largest = max(largest, abs(difference))
            }
            #expect(largest > 1e-9, "no gradient reaches \(reference.name)")
        }
    }

    /// With a blur the loss is that of coordinates with so much of the batch's noise.
    @Test func blurIsNoiseOfTheBatch() {
        let plain = Self.network()
        var sbmi = plain.sbmi
        sbmi.blur = 0.3
        let blurred = SBMINetwork(Self.shape, plain.configuration, sbmi), values = plain.initialWeights(seed: 3)
        var random = RandomSource(seed: 9), batch = Self.batch(), moved = batch
        for i in batch.noise.indices {
            batch.noise[i] = Float(random.normal())
            moved.coordinates[i] += batch.mask[i] * 0.3 * batch.noise[i]
        }
        func loss(_ network: SBMINetwork, _ batch: TrainingBatch) -> Double {
            var v = values.map(Double.init)
            return v.withUnsafeMutableBufferPointer { v in
                network.loss(
                    Tape<Double>(arena: Arena(blockSize: 1 << 20), records: false),
                    Weights(values: v.baseAddress!, gradients: nil), batch, automaton: Self.automaton,
                    structureScale: 1, parameterScale: 1
                ).parameter
            }
        }
        #expect(abs(loss(blurred, batch) - loss(plain, moved)) < 1e-5)
        #expect(abs(loss(blurred, batch) - loss(plain, batch)) > 1e-3)
    }

    /// A network comes back from its file as it was, and what is no such network is told.
    @Test func returnsFromItsFile() throws {
        let network = Self.network(), folder = NSTemporaryDirectory() + "sbmi-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let origin = NetworkOrigin(
            name: "a", family: "b", recipe: "", simulations: 7, steps: 1, structureLoss: nil, parameterLoss: nil)
        let file = SBMIFile(network: network, weights: network.initialWeights(seed: 1), origin: origin)
        try file.write(to: folder + "/n")
        #expect(SBMIFile.isOne(folder + "/n") && !SBMIFile.isOne(folder + "/none"))
        let back = try SBMIFile(path: folder + "/n")
        // Between weights stand unused places.
        for r in network.layout.references {
            let range = r.offset..<r.offset + r.count
            #expect(back.weights[range] == file.weights[range])
        }
        #expect(back.origin == origin && back.network.sbmi == network.sbmi)
        #expect(throws: NetworkFileError.self) { try NetworkFile(path: folder + "/n") }
        var wrong = network.sbmi
        wrong.coordinates = [0, 9]
        try SBMIFile(
            network: SBMINetwork(Self.shape, network.configuration, wrong),
            weights: [Float](repeating: 0, count: 100_000), origin: origin
        ).write(to: folder + "/m")
        #expect(throws: NetworkFileError.self) { try SBMIFile(path: folder + "/m") }
    }
}
