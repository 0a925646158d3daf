import Diffusion
import Foundation
import Networks
import Testing
import Training

@testable import prism_dmri

/// Every number of a recipe has its bounds: one that is added without them fails here.
@Suite struct SettingsTests {
    private func keys(_ value: some Encodable, below place: String = "") throws -> Set<String> {
        func walk(_ value: Any, _ key: String) -> [String] {
            guard let map = value as? [String: Any] else { return [key] }
            return map.flatMap { walk($1, key.isEmpty ? $0 : key + "." + $0) }
        }
        return Set(walk(try JSONSerialization.jsonObject(with: JSONEncoder().encode(value)), ""))
    }

    @Test func everyNumberHasBounds() throws {
        #expect(try keys(TrainingPlan()) == Set(TrainingPlan.settings.map(\.key)))
        #expect(try keys(NetworkConfiguration()) == Set(NetworkConfiguration.settings.map(\.key)))
        #expect(try keys(FamilyShape(BallSticks())) == Set(FamilyShape.settings.map(\.key)))
        #expect(try keys(ProtocolMixture()) == Set(ProtocolMixture.settings.map(\.key)))
        let all = Set(Recipe.settings.map(\.key))
        #expect(
            all
                == Set(
                    ["name", "family"] + TrainingPlan.settings.map { "training." + $0.key }
                        + ProtocolMixture.settings.map { "mixture." + $0.key }))
    }

    @Test func theDefaultsAreAllowed() {
        #expect(Recipe().fault == nil && FamilyShape(BallSticks()).fault == nil)
    }

    /// A recipe that states everything, each value other than the default, is read as it stands.
    @Test func aWholeRecipeIsRead() throws {
        let text = """
            name: "all: of it"
            family: ball-sticks
            training:
              {seed: 18446744073709551615, batch: 64, chunk: 8, noiseDraws: 3, rate: 1e-3, warmup: 1_000, decay: .5, \
            weightDecay: 0, clip: 2, averageSteps: 10,
               lambdaZero: 0.1, lambdaMean: 1, parameterWeight: 0.5,
               network: {width: 32, heads: 2, latents: 8, blocksPerReading: 0, structureBlocks: 1, parameterWidth: 48, \
            parameterHeads: 3, parameterBlocks: 2}}
            mixture:
              singleShell: 1      # and a comment: with a colon, an &ampersand and [brackets
              jitter: 0.25
            """
        let recipe = try Recipe(yaml: text, path: "r.yaml")
        #expect(
            recipe.name == "all: of it" && recipe.training.seed == .max && recipe.training.warmup == 1000
                && recipe.training.decay == 0.5)
        #expect(recipe.training.network.parameterWidth == 48 && recipe.training.network.blocksPerReading == 0)
        #expect(
            recipe.mixture.singleShell == 1 && recipe.mixture.jitter == 0.25
                && recipe.mixture.known == ProtocolMixture().known)
    }
}
