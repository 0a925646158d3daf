import Exact
import Foundation
import ModelSpace
import Networks
import TestFixtures
import Testing

@testable import Diffusion
@testable import Inference

/// Families whose structures are known by rule alone are fitted as those whose structures are listed.
@Suite struct UnlistedFamilyTests {
    static let acquisition = TestAcquisition.shells([1000, 2500], unweighted: 2, directions: 12)
    static let listed = try! ComposedFamily.read(
        """
        name: both
        components:
          ball: {weight: 0.05, parameters: {d: log-uniform 1e-4 5e-3 in mm^2/s}, signal: ball}
          stick:
            presence: up to 2
            weight: 0.05
            parameters: {d: log-uniform 1e-4 5e-3 in mm^2/s, mu: axis}
            fibre: mu
            signal: stick
          racket:
            weight: 0.05
            parameters: {d: log-uniform 1e-4 5e-3 in mm^2/s, odi: uniform 0.02 0.99, skew: uniform 0 1, rotation: \
        rotation}
            fibre: rotation
            signal: bingham_stick
        rules: ["at least 1 of ball, stick, racket"]
        """)
    static let byRule = CompartmentFamily(listed.composition, mostListed: 0)

    static func signals(_ count: Int) -> [Float] {
        (0..<count).flatMap { v in
            var random = RandomSource(seed: 8, stream: UInt64(v)), y = [Float](repeating: 0, count: acquisition.count)
            var theta = [Double](repeating: 0, count: listed.parameterNames.count)
            let all = listed.structureList!.structures, z = all[v * 7 % all.count]
            listed.drawParameters(z, acquisition, using: &random, into: &theta)
            listed.simulate(&theta, z, acquisition, using: &random, into: &y)
            return y
        }
    }

    /// An untrained network of the family: what it knows does not matter.
    static func network(_ family: CompartmentFamily) -> NetworkFile {
        var c = NetworkConfiguration()
        c.width = 16; c.heads = 2; c.latents = 4; c.blocksPerReading = 1; c.structureBlocks = 1
        c.parameterWidth = 16; c.parameterHeads = 2; c.parameterBlocks = 1
        let network = Network(FamilyShape(family), c)
        var origin = NetworkOrigin(
            name: "untrained", family: family.name, recipe: "", simulations: 0, steps: 0, structureLoss: 0,
            parameterLoss: 0)
        origin.familyDefinition = family.definition
        return NetworkFile(network: network, weights: network.initialWeights(seed: 1), origin: origin)
    }

    @Test(arguments: [false, true]) func listsOfARuleAreThoseOfTheList(_ hasNetwork: Bool) throws {
        #expect(Self.byRule.structureList == nil && Self.listed.structureList!.structures.count == 22)
        let y = Self.signals(6), keys = (0..<6).map(UInt64.init)
        var options = FitOptions()
        options.samples = 20
        func answers(_ family: CompartmentFamily) throws -> [VoxelPosterior] {
            let recipe = try FamilyEngineRecipe(
                family: family, file: hasNetwork ? Self.network(family) : nil, path: "", acquisition: Self.acquisition,
                options: options, preset: .fast)
            return recipe.makeEngine().posteriors(y, count: 6, keys: keys)
        }
        for (a, b) in zip(try answers(Self.listed), try answers(Self.byRule)) {
            // What the network says of others follows.
            let seen = a.listed.count
            #expect(!a.listed.isEmpty && a.listed == Array(b.listed[..<seen]) && a.structures == b.structures)
            #expect(Set(b.listed).count == b.listed.count && (hasNetwork || b.listed.count == seen))
            #expect(a.logRest == -.infinity && (hasNetwork || b.logRest == -.infinity))
            let p = a.logProbability.map { exp($0) }, q = b.logProbability.map { exp($0) }
            #expect(abs(q.reduce(0, +) + exp(b.logRest) - 1) < 1e-9 && abs(p.reduce(0, +) - 1) < 1e-9)
            let left = q[..<seen].reduce(0, +)
            for (x, y) in zip(p, q) { #expect(abs(x - y / left) < 1e-5) }
            for (x, y) in zip(a.parameters, b.parameters) { #expect(abs(x - y) <= 1e-4 * max(1e-3, abs(x))) }
        }
    }

    /// A network that is right of all structures, of which a search looked at some, found them as likely beside each
    /// other, and knows their evidence: what comes of it is all of the network's probabilities, and the evidence of the
    /// family.
    @Test func whatWasNotSeenHasTheNetworksWord() {
        let all = Self.byRule.rule.all()!, p = all.indices.map { 1 / Double($0 + 1) }, sum = p.reduce(0, +)
        let read = StructurePosterior(
            structures: Array(all[..<9]), logProbability: p[..<9].map { log($0 / sum) },
            logRest: log(p[9...].reduce(0, +) / sum), restParameters: 4)
        let seen = [2, 5, 7, 0], total = seen.reduce(0) { $0 + p[$1] }
        var answer = VoxelPosterior(of: seen.map { all[$0] }, logProbability: seen.map { log(p[$0] / total) })
        answer.add(unseen: read, Self.byRule.rule, at: 0.5, .fast)
        #expect(Array(answer.listed[..<4]) == seen.map { all[$0] } && Set(answer.listed) == Set(all[..<9]))
        for (z, l) in zip(answer.listed, answer.logProbability) {
            #expect(abs(exp(l) - p[all.firstIndex(of: z)!] / sum) < 1e-12)
        }
        #expect(abs(answer.logRest - read.logRest) < 1e-12 && answer.restParameters == 4)
        // log p(y | z) = −70 + log p: in all −70 + log of their sum.
        let evidence = VoxelPosterior.logEvidence(
            Array(answer.logProbability[..<4]), seen.map { log(p[$0]) - 70 }, isKnown: { _ in true })
        #expect(abs(evidence - log(sum) + 70) < 1e-9)
    }

    /// One structure that the network thought unlikely and that turns out likely does not make others likely.
    @Test func oneSurpriseLiftsNoOthers() {
        let all = Self.byRule.rule.all()!, k = all.map { Double(Self.byRule.rule.parameterCount($0)) }
        // At λ = 0.5 the first two share the network's mass, the third is what it rules out, the fourth was not seen.
        let word = [0.5, 0.5, 1e-8, 1e-3],
            read = StructurePosterior(
                structures: Array(all[..<4]), logProbability: (0..<4).map { log(word[$0]) + 0.5 * k[$0] })
        var answer = VoxelPosterior(
            of: Array(all[..<3]), logProbability: [1e-6, 1e-6, 1].enumerated().map { log($1) + 0.5 * k[$0] })
        answer.add(unseen: read, Self.byRule.rule, at: 0.5, .fast)
        let unseen = exp(answer.logProbability[3] - answer.logProbability[0] - 0.5 * (k[3] - k[0]))
        #expect(answer.listed.last == all[3] && abs(unseen / 2e-3 - 1) < 1e-3)
    }

    /// The rest is charged for as what bounds it at the fit's λ.
    @Test func theRestIsChargedByItsBounds() {
        let all = Self.byRule.rule.all()!
        var answer = VoxelPosterior(of: Array(all[..<2]), logProbability: [log(0.5), log(0.5)])
        let read = StructurePosterior(
            structures: Array(all[..<2]), logProbability: [log(0.4), log(0.4)], logRest: log(0.2), restParameters: 3,
            restBounds: [0.5, 1].map { .init(step: $0, logMass: log(0.2) - 9 * $0) })
        answer.add(unseen: read, Self.byRule.rule, at: 0.6, .fast)
        #expect(abs(exp(answer.logRest) - 0.2) < 1e-12 && abs(answer.restParameters - 9) < 1e-9)
    }

    /// Signals that nothing explains leave the prior, whose structures are drawn where they cannot be listed.
    @Test func thePriorOfARule() {
        var random = RandomSource(seed: 2)
        let answer = VoxelPosterior.prior(
            Self.byRule, Self.byRule.rule, Self.acquisition, lambda: 1, total: 50, using: &random)
        #expect(
            answer.structures.count == 50 && answer.listed.count > 2 && Set(answer.listed).count == answer.listed.count)
        let mass = answer.logProbability.reduce(exp(answer.logRest)) { $0 + exp($1) }
        #expect(abs(mass - 1) < 1e-9)
        for (z, l) in zip(answer.listed, answer.logProbability) { #expect(abs(exp(l) * 22 - 1) < 1e-9, "\(z)") }
    }

    /// A frame's first axis is what is drawn.
    @Test func aRotationIsAFibre() throws {
        let layout = try DrawLayout(Self.listed.description), p = layout.count
        let at = ThetaLayout(Self.listed.description).offset(of: "rotation", in: "racket")!,
            weight = ThetaLayout(Self.listed.description).offset(of: "f", in: "racket")!
        var row = [Float](repeating: 0, count: p), out = [Float](repeating: -1, count: DrawColumn.count)
        // A quarter turn about z brings x to y.
        (row[weight], row[at], row[at + 3]) = (0.4, Float(0.5.squareRoot()), Float(0.5.squareRoot()))
        layout.fibres.convert(row, into: &out)
        #expect(out[DrawColumn.fraction] == 0.4)
        let axis = (0..<3).map { out[DrawColumn.direction + $0] }
        #expect(abs(axis[0]) < 1e-6 && abs(axis[1] - 1) < 1e-6 && abs(axis[2]) < 1e-6)
    }
}
