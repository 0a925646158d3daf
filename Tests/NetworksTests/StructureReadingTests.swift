import Foundation
import ModelSpace
import Tensors
import Testing

@testable import Networks

/// Structures read as far as a search needs them, against the enumeration of all.
@Suite struct StructureReadingTests {
    fileprivate static let steps = [0.0, 0.5, 1, 2, 3]

    /// 256 structures with either noise, and a network of random weights.
    private struct Some {
        let rule: StructureRule, space: StructureSpace, runner: NetworkRunner, encoded: EncodedVoxels
        let signalBits = 8, voxels = 6

        init() throws {
            let terms = (0..<8).map {
                ComponentGroup("term\($0)", .optional, [Parameter("a", "", .coefficient(sd: 1))])
            }
            rule = StructureRule(
                try FamilyDescription(
                    "terms", shared: [], groups: terms, noise: ComponentGroup("noise", .oneOf(["gaussian", "rician"]))))
            space = try #require(rule.space())
            var c = NetworkConfiguration()
            c.width = 32; c.heads = 2; c.latents = 4; c.blocksPerReading = 0; c.parameterWidth = 8
            c.parameterHeads = 1; c.parameterBlocks = 1
            let network = Network(FamilyShape(features: 5, summaries: 4, components: 9, tokens: 1, coordinates: 1), c)
            var random = RandomSource(seed: 8), weights = network.initialWeights(seed: 3)
            for i in weights.indices { weights[i] += Float(0.1 * random.normal()) }
            for r in network.layout.references where r.name == "structure.output.weight" {
                for i in 0..<r.count { weights[r.offset + i] *= 8 }
            }
            // In single precision, which both ways round alike.
            runner = NetworkRunner(
                network, weights: weights, packed: PackedLayers(network.layout, values: weights, precision: .float32))
            func normals(_ n: Int) -> [Float] { (0..<n).map { _ in Float(random.normal()) } }
            encoded = runner.encode(
                voxels: voxels, measurements: 9, features: normals(voxels * 45), summaries: normals(voxels * 4))
        }

        func read(_ plan: StructureReadingPlan) -> [StructurePosterior] {
            runner.structurePosteriors(encoded, lambda: 0, automaton: space.automaton, plan: plan)
        }

        /// log p and the gap of each structure without its noise, by the enumeration.
        func signals(_ v: Int) -> [(signal: Structure, gap: Double)] {
            let all = runner.structureLogProbabilities(encoded, lambda: 0, space: space)[v]
            var total: [Structure: Double] = [:]
            for (z, l) in zip(space.structures, all) { total[z.prefix(signalBits), default: 0] += exp(l) }
            func value(_ z: Structure, _ step: Double) -> Double { log(total[z]!) - step * Double(z.count) }
            let steps = StructureReadingTests.steps,
                best = steps.map { step in total.keys.map { value($0, step) }.max()! }
            return total.keys.sorted().map { z in
                (z, zip(steps, best).map { step, best in best - value(z, step) }.min()!)
            }
        }
    }

    @Test("All within the reach is read with all its noise, what is not read is farther, and the masses add up")
    func reach() throws {
        let some = try Some(), all = some.runner.structureLogProbabilities(some.encoded, lambda: 0, space: some.space)
        for reach in [0.5, 3, 6] {
            let lists = some.read(StructureReadingPlan(steps: Self.steps, reach: reach, signalBits: some.signalBits))
            for (v, list) in lists.enumerated() {
                #expect(list.reach == reach && Set(list.structures).count == list.structures.count)
                let read = Set(list.structures), signals = Set(read.map { $0.prefix(some.signalBits) })
                for (z, gap) in some.signals(v) {
                    if gap < reach - 1e-6 { #expect(signals.contains(z)) }
                    if signals.contains(z) {
                        #expect(read.contains(z) && read.contains(Structure(bits: z.bits | 1 << 8)))
                    } else {
                        #expect(gap > reach - 1e-6)
                    }
                }
                for (z, l) in zip(list.structures, list.logProbability) {
                    #expect(abs(l - all[v][try #require(some.space.index(of: z))]) < 1e-5)
                }
                #expect(abs(list.logProbability.reduce(exp(list.logRest)) { $0 + exp($1) } - 1) < 1e-12)
                // At larger λ the rest has no more than the bounds say, which are no looser than the one for all λ.
                #expect(list.logRest == -.infinity || list.restBounds.map(\.step) == Array(Self.steps.dropFirst()))
                for bound in list.restBounds {
                    let rest = zip(some.space.structures, all[v]).filter { !read.contains($0.0) }
                        .reduce(0) { $0 + exp($1.1 - bound.step * Double(some.rule.parameterCount($1.0))) }
                    #expect(rest <= exp(bound.logMass) * (1 + 1e-5))
                    #expect(bound.logMass <= list.logRest - bound.step * list.restParameters + 1e-9)
                }
            }
            if reach < 3 { #expect(lists.contains { $0.structures.count < 100 }) }
        }
        let everything = some.read(
            StructureReadingPlan(steps: Self.steps, reach: .infinity, signalBits: some.signalBits))
        #expect(everything.allSatisfy { $0.structures.count == 512 && $0.logRest == -.infinity })
    }

    @Test("No more is read than is allowed, and how far the rest stays is then what it is")
    func most() throws {
        let some = try Some()
        var plan = StructureReadingPlan(steps: Self.steps, reach: 6, signalBits: some.signalBits)
        let whole = some.read(plan).map(\.structures.count)
        plan.most = 40
        for (v, list) in some.read(plan).enumerated() {
            let signals = Set(list.structures.map { $0.prefix(some.signalBits) })
            #expect(list.structures.count >= 40 && list.structures.count < 90 && list.structures.count < whole[v])
            #expect(list.structures.count == 2 * signals.count && list.reach < 6)
            for (z, gap) in some.signals(v) where !signals.contains(z) { #expect(gap > list.reach - 1e-6) }
            #expect(abs(list.logProbability.reduce(exp(list.logRest)) { $0 + exp($1) } - 1) < 1e-12)
        }
    }

    @Test("The likeliest that are asked for are read, those that are always wanted too, and a voxel's list is its own")
    func namedAndAlways() throws {
        let some = try Some(), far = Structure(bits: 0b1111_1111)
        for (named, within) in [(20, 100.0), (200, 2.0)] {
            let plan = StructureReadingPlan(
                steps: Self.steps, reach: -1, named: named, namedReach: within, always: [far],
                signalBits: some.signalBits)
            for (v, list) in some.read(plan).enumerated() {
                let signals = Set(list.structures.map { $0.prefix(some.signalBits) })
                let nearest = some.signals(v).sorted { $0.gap < $1.gap }.prefix(named).filter { $0.gap < within - 1e-6 }
                #expect(nearest.count > 5 && nearest.allSatisfy { signals.contains($0.signal) })
                #expect(list.structures.contains(far) && list.structures.contains(Structure(bits: far.bits | 1 << 8)))
                #expect(list.structures.count < 400)
            }
        }
    }
}
