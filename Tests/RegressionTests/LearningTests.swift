import Foundation
import ModelSpace
import Networks
import Testing
import Training

@testable import Regression

/// The core trains on this family as on any other, whatever its number of terms.
@Suite struct RegressionLearningTests {
    private static func plan() -> TrainingPlan {
        var plan = TrainingPlan()
        (plan.network.width, plan.network.latents, plan.network.blocksPerReading) = (32, 4, 1)
        (plan.network.structureBlocks, plan.network.parameterWidth, plan.network.parameterBlocks) = (1, 16, 1)
        plan.network.parameterHeads = 2
        (plan.batch, plan.chunk, plan.noiseDraws) = (64, 16, 1)
        (plan.rate, plan.warmup, plan.averageSteps) = (3e-3, 10, 50)
        return plan
    }

    @Test(arguments: [15, 100]) func stepsDescend(_ terms: Int) {
        let family = RegressionFamily(terms: terms)
        let trainer = Trainer(family: family, plan: Self.plan(), threads: 2) { RegressionFamily.drawPlaces(using: &$0) }
        let losses = (0..<60).map { _ in trainer.step().structure }
        let first = losses[..<5].reduce(0, +) / 5, last = losses.suffix(15).reduce(0, +) / 15
        #expect(losses.allSatisfy(\.isFinite) && trainer.state.skipped == 0)
        // From a coin for every bit towards the prior's frequencies.
        #expect(last < first - 0.05 * Double(terms), "\(first) to \(last)")
    }

    /// A network answers about structures that were never listed.
    @Test func networkDrawsAreAllowed() throws {
        let family = RegressionFamily(terms: 30), network = Network(FamilyShape(family), Self.plan().network)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let definition = String(decoding: try encoder.encode(family.description), as: UTF8.self)
        let file = NetworkFile(
            network: network, weights: network.initialWeights(seed: 1),
            origin: NetworkOrigin(
                name: "a", family: family.name, familyDefinition: definition, recipe: "", simulations: 0, steps: 0,
                structureLoss: nil, parameterLoss: nil))
        let reader = try SeriesReader(file, path: "a", terms: 30)
        let series = Series(x: (0..<30).map { Double($0) / 3 }, y: (0..<30).map { sin(Double($0)) })
        let draws = reader.draws(series, lambda: 1, count: 64, seed: 1)
        #expect(draws.reduce(0) { $0 + $1.count } == 64 && draws.allSatisfy { family.rule.allows($0.structure) })
        let logs = reader.logProbabilities(series, of: draws.map(\.structure), lambda: 1)
        #expect(logs.allSatisfy { $0 < 0 && $0.isFinite })
        #expect(throws: NetworkFileError.self) { try SeriesReader(file, path: "a", terms: 15) }
    }
}
