import Foundation
import ModelSpace
import Networks
import TestFixtures
import Testing

@testable import Diffusion
@testable import Inference

/// A network trained for a family without cell bodies serves the family that has them where timing is known.
@Suite struct UntimedNetworkTests {
    /// Two timings: a sphere's decay depends on them, a slow ball's does not, so that the signals tell one from the
    /// other.
    private static let acquisition: Acquisition = {
        let plain = TestAcquisition.shells([1000, 3000, 6000], unweighted: 5, directions: 20)
        let pulses = [PulseTiming(duration: 8, separation: 24), PulseTiming(duration: 20, separation: 70)]
        return try! Acquisition(
            bValues: plain.bValues, directions: plain.directions, timing: (0..<plain.count).map { pulses[$0 % 2] })
    }()

    /// The network in the program was trained before tissue had cell bodies: without timing it is for all of tissue.
    @Test func theOneInTheProgramIsForTissueWithoutTiming() throws {
        let tissue = try #require(BuiltInFamilies.family("tissue")),
            file = try #require(try NetworkFile.builtIn("tissue"))
        let rest = try #require(tissue.untimed)
        #expect(file.origin.familyDefinition == rest.definition && file.origin.familyDefinition != tissue.definition)
        #expect(tissue.family(of: file.origin)?.definition == rest.definition)
        #expect(rest.family(of: file.origin)?.definition == rest.definition && rest.rule.count == 376)
        #expect(BuiltInFamilies.family("sandi")?.family(of: file.origin) == nil)
        #expect(file.network.shape == FamilyShape(rest))
    }

    /// Beside it stands one for tissue with cell bodies, which is told of timing and serves no scan without.
    @Test func anotherIsForTissueWithTiming() throws {
        let tissue = try #require(BuiltInFamilies.family("tissue")), rest = try #require(tissue.untimed),
            file = try #require(try NetworkFile.builtIn("tissue" + NetworkFile.timed))
        #expect(file.origin.familyDefinition == tissue.definition && file.network.shape == FamilyShape(tissue))
        #expect(tissue.family(of: file.origin)?.definition == tissue.definition)
        #expect(rest.family(of: file.origin) == nil)
    }

    /// The presets leave structures out that the network rules out: what it does not know is not among these, and what
    /// is said of it is what a search without the network says, as far as both are sure.
    @Test func whatItDoesNotKnowIsFound() throws {
        let family = try #require(BuiltInFamilies.family("tissue")), rule = family.rule, design = Self.acquisition
        let file = try #require(try NetworkFile.builtIn("tissue"))
        var options = FitOptions()
        options.samples = 10
        let recipes = try [file, nil].map {
            try FamilyEngineRecipe(
                family: family, file: $0, path: "", acquisition: design, options: options, preset: .fast)
        }
        #expect(recipes.map(\.name) == ["prism", "search"] && recipes[0].networkSHA256 == file.sha256)
        let engines = recipes.map { $0.makeEngine() },
            truths = family.structureList!.structures.filter {
                rule.has("soma", in: $0) && rule.has("outside", in: $0)
                    && rule.choice(of: "bundle", in: $0).members == 1
            }
        var sure = 0, network = 0.0, search = 0.0
        for (v, z) in truths.enumerated() {
            var random = RandomSource(seed: 6, stream: UInt64(v)), y = [Float](repeating: 0, count: design.count),
                theta = [Double](repeating: 0, count: family.layout.count)
            family.drawParameters(z, design, using: &random, into: &theta)
            family.simulate(&theta, z, design, using: &random, into: &y)
            let p = engines.map { engine -> Double in
                let answer = engine.posteriors(y, count: 1, keys: [UInt64(v)], sigma: [])[0]
                #expect(answer.listed.allSatisfy(rule.allows))
                return zip(answer.listed, answer.logProbability).reduce(0) {
                    rule.has("soma", in: $1.0) ? $0 + exp($1.1) : $0
                }
            }
            (network, search) = (network + p[0], search + p[1])
            if p[1] > 0.9 {
                sure += 1
                #expect(p[0] > 0.5, "voxel \(v): \(p)")
            }
        }
        print("cell bodies of \(truths.count): \(network) with the network, \(search) without, \(sure) sure")
        #expect(sure >= 5 && network > 0.9 * search)
    }
}
