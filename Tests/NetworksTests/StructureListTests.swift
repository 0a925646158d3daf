import Foundation
import ModelSpace
import Tensors
import Testing

@testable import Networks

/// Structures by prefix, against the tree of all of them, and where there are too many for a tree.
@Suite struct StructureListTests {
    /// Sixteen structures in the order of bits of the built-in network.
    static func sticks() throws -> StructureRule {
        StructureRule(
            try FamilyDescription(
                "sticks", shared: [],
                groups: [
                    ComponentGroup(
                        "stick", .upTo(3), [Parameter("f", "", .weight(floor: 0.05)), Parameter("mu", "", .axis)],
                        fibreAxis: "mu"),
                    ComponentGroup("spread", .optional, [Parameter("s", "", .logUniform(low: 0.1, high: 1))]),
                ], noise: ComponentGroup("noise", .oneOf(["gaussian", "rician"]))))
    }

    /// 2²¹ structures, of which the network (random weights) finds a few hundred likely.
    struct Many {
        let rule: StructureRule, automaton: StructureAutomaton, network: Network, weights: [Float]

        init() throws {
            let terms = (0..<20).map {
                ComponentGroup("term\($0)", .optional, [Parameter("a", "", .coefficient(sd: 1))])
            }
            rule = StructureRule(
                try FamilyDescription(
                    "terms", shared: [], groups: terms, noise: ComponentGroup("noise", .oneOf(["gaussian", "rician"]))))
            automaton = rule.automaton()
            var c = NetworkConfiguration()
            c.width = 32; c.heads = 2; c.latents = 4; c.blocksPerReading = 0; c.parameterWidth = 8;
            c.parameterHeads = 1; c.parameterBlocks = 1
            network = Network(FamilyShape(features: 5, summaries: 4, components: 21, tokens: 1, coordinates: 1), c)
            var random = RandomSource(seed: 8), weights = network.initialWeights(seed: 3)
            for i in weights.indices { weights[i] += Float(0.1 * random.normal()) }
            // Decided bits, most of them off.
            for r in network.layout.references where r.name == "structure.output.weight" {
                for i in 0..<r.count { weights[r.offset + i] *= 16 }
            }
            for r in network.layout.references where r.name == "structure.output.bias" { weights[r.offset] -= 4 }
            self.weights = weights
        }
    }

    private static func inputs(_ shape: FamilyShape, voxels: Int, _ m: Int) -> (features: [Float], summaries: [Float]) {
        var random = RandomSource(seed: 21)
        func normals(_ n: Int) -> [Float] { (0..<n).map { _ in Float(random.normal()) } }
        return (normals(voxels * m * shape.features), normals(voxels * shape.summaries))
    }

    private func encode(_ runner: NetworkRunner, voxels: Int) -> EncodedVoxels {
        let (features, summaries) = Self.inputs(runner.network.shape, voxels: voxels, 9)
        return runner.encode(voxels: voxels, measurements: 9, features: features, summaries: summaries)
    }

    /// In single precision a logarithm carries its own rounding, 6e-8 of itself a step.
    @Test(
        "The built-in network: a list of all is the enumeration, one by one and best first, within 1e-6",
        arguments: NetworkPrecision.available)
    func enumeration(_ precision: NetworkPrecision) throws {
        func agree(_ a: Double, _ b: Double) -> Bool {
            abs(exp(a) - exp(b)) < 1e-6 && abs(a - b) < 1e-6 * (precision == .float32 ? max(1, -a) : 1)
        }
        let rule = try Self.sticks(), space = try #require(rule.space()), automaton = rule.automaton()
        let runner = NetworkRunner(try NetworkFile.standard(), precision: precision), voxels = 6
        for lambda in [0, 0.7, 3] {
            let encoded = encode(runner, voxels: voxels)
            let all = runner.structureLogProbabilities(encoded, lambda: lambda, space: space)
            let each = runner.structureLogProbabilities(
                encoded, of: Array(repeating: space.structures, count: voxels), lambda: lambda, automaton: automaton)
            let lists = runner.structurePosteriors(
                encoded, lambda: lambda, automaton: automaton, plan: StructureListPlan(rest: 0))
            for v in 0..<voxels {
                #expect(lists[v].structures.count == 16 && lists[v].logRest == -.infinity)
                #expect(zip(lists[v].logProbability, lists[v].logProbability.dropFirst()).allSatisfy { $0 >= $1 })
                for (z, l) in zip(lists[v].structures, lists[v].logProbability) {
                    #expect(agree(all[v][try #require(space.index(of: z))], l))
                }
                for (a, b) in zip(all[v], each[v]) { #expect(agree(a, b)) }
            }
            #expect(
                runner.structureLogProbabilities(
                    encoded, of: Array(repeating: [Structure(1)], count: voxels), lambda: lambda, automaton: automaton
                )
                .allSatisfy { $0 == [-.infinity] })
        }
    }

    @Test("2²¹ structures: the list's mass and the rest's are accounted for, and a voxel's list is its own")
    func accounts() throws {
        let many = try Many(), runner = NetworkRunner(many.network, weights: many.weights), voxels = 5
        let encoded = encode(runner, voxels: voxels), plan = StructureListPlan(rest: 0.02)
        let lists = runner.structurePosteriors(encoded, lambda: 0.4, automaton: many.automaton, plan: plan)
        let each = runner.structureLogProbabilities(
            encoded, of: lists.map(\.structures), lambda: 0.4, automaton: many.automaton)
        for (list, single) in zip(lists, each) {
            #expect(list.structures.count > 10 && Set(list.structures).count == list.structures.count)
            // Not made to sum to 1 afterwards: what is listed has the network's own mass, so that the rest's is what it
            // lacks.
            for (a, b) in zip(list.logProbability, single) { #expect(abs(a - b) < 1e-5) }
            let mass = list.logProbability.reduce(0) { $0 + exp($1) }
            #expect(mass < 1 && abs(mass + exp(list.logRest) - 1) < 1e-12)
            #expect(exp(list.logRest) <= plan.rest || list.structures.count >= plan.most)
        }
        #expect(lists.count { $0.structures.count < plan.most } >= 3 && lists.contains { $0.structures.count > 100 })
        // Best first: none of the structures that were drawn but are not listed is likelier than the rest's mass; and a
        // limit is kept.
        var random = (0..<voxels).map { RandomSource(seed: 4, stream: UInt64($0)) }
        let draws = runner.drawStructures(encoded, lambda: 0.4, automaton: many.automaton, count: 300, using: &random)
        for (v, list) in draws.enumerated() {
            let others = list.map(\.structure).filter { !lists[v].structures.contains($0) }
            let l = runner.structureLogProbabilities(
                encoded, of: (0..<voxels).map { $0 == v ? others : [] }, lambda: 0.4, automaton: many.automaton)[v]
            #expect(l.allSatisfy { $0 <= lists[v].logRest + 1e-5 })
        }
        let short = runner.structurePosteriors(
            encoded, lambda: 0.4, automaton: many.automaton, plan: StructureListPlan(rest: 0, most: 50))
        for list in short {
            #expect((50..<100).contains(list.structures.count))
            #expect(abs(list.logProbability.reduce(exp(list.logRest)) { $0 + exp($1) } - 1) < 1e-12)
        }
        // Alone it is as in company.
        let shape = many.network.shape, m = 9, last = voxels - 1
        let (features, summaries) = Self.inputs(shape, voxels: voxels, m)
        let alone = runner.encode(
            voxels: 1, measurements: m, features: Array(features[(last * m * shape.features)...]),
            summaries: Array(summaries[(last * shape.summaries)...]))
        #expect(runner.structurePosteriors(alone, lambda: 0.4, automaton: many.automaton, plan: plan)[0] == lists[last])
    }

    @Test("2²¹ structures: draws come as often as the list says")
    func draws() throws {
        let many = try Many(), runner = NetworkRunner(many.network, weights: many.weights), voxels = 3, n = 20_000
        let encoded = encode(runner, voxels: voxels)
        let lists = runner.structurePosteriors(
            encoded, lambda: 0.4, automaton: many.automaton, plan: StructureListPlan(rest: 0.02))
        var random = (0..<voxels).map { RandomSource(seed: 9, stream: UInt64($0)) }
        let draws = runner.drawStructures(encoded, lambda: 0.4, automaton: many.automaton, count: n, using: &random)
        for (list, drawn) in zip(lists, draws) {
            #expect(drawn.reduce(0) { $0 + $1.count } == n && Set(drawn.map(\.structure)).count == drawn.count)
            let counts = Dictionary(uniqueKeysWithValues: drawn.map { ($0.structure, Double($0.count)) })
            // χ² over the structures of which enough are expected, all others together as one.
            var chi = 0.0, cells = 0.0, others = (expected: Double(n), found: Double(n))
            for (z, l) in zip(list.structures, list.logProbability) where exp(l) * Double(n) >= 10 {
                let expected = exp(l) * Double(n), found = counts[z] ?? 0
                chi += (found - expected) * (found - expected) / expected
                others = (others.expected - expected, others.found - found)
                cells += 1
            }
            chi += (others.found - others.expected) * (others.found - others.expected) / others.expected
            #expect(
                cells >= 5 && abs(chi - cells) < 4 * (2 * cells).squareRoot(),
                "χ² \(chi) with \(cells) degrees of freedom")
        }
    }

    @Test("A list for a range of λ has what matters at each, and never understates the rest")
    func range() throws {
        let rule = try Self.sticks(), space = try #require(rule.space()), automaton = rule.automaton()
        let runner = NetworkRunner(try NetworkFile.standard()), voxels = 8, encoded = encode(runner, voxels: voxels)
        let all = runner.structureLogProbabilities(encoded, lambda: 0, space: space)
        let lists = runner.structurePosteriors(
            encoded, lambda: 0, automaton: automaton, plan: StructureListPlan(rest: 0.05, steps: [0, 1, 2, 3]))
        #expect(lists.contains { $0.structures.count < 16 })
        for (list, l) in zip(lists, all) {
            for step in [0, 0.5, 1, 1.7, 2, 3] {
                let at = list.reweighted(by: step, rule), whole = space.reweight(l, from: 0, to: step)
                let listed = at.structures.map { exp(whole[space.index(of: $0)!]) }, rest = 1 - listed.reduce(0, +)
                #expect(exp(at.logRest) >= rest - 1e-6)
                if step == step.rounded() { #expect(rest <= 0.05 + 1e-6) }
            }
        }
    }
}
