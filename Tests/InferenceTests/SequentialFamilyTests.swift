import Foundation
import ModelSpace
import TestFixtures
import Testing

@testable import Diffusion
@testable import Exact
@testable import Inference

/// The exact engine of any family: a small composed one, whose structures are all sampled, or those that were found.
@Suite struct SequentialFamilyTests {
    static let acquisition = TestAcquisition.shells([1000, 2500], unweighted: 2, directions: 12)
    static let family = try! ComposedFamily.read(
        """
        name: small
        shared: {d: log-uniform 2e-4 3e-3 in mm^2/s}
        components:
          ball: {presence: always, weight: rest, signal: ball}
          stick: {presence: up to 1, weight: 0.05, parameters: {mu: axis}, fibre: mu, signal: stick}
        """)

    static func recipe(
        _ change: (inout StructureSampler.Options) -> Void = { _ in }
    ) -> SequentialFamilyRecipe<CompartmentFamily> {
        var settings = StructureSampler.Options(), options = FitOptions()
        (settings.sampling.pilotParticles, settings.sampling.particles) = (128, 256)
        (settings.sampling.minimumRuns, settings.sampling.maximumRuns) = (2, 4)
        options.samples = 40
        change(&settings)
        return SequentialFamilyRecipe(family: family, acquisition: acquisition, options: options, settings: settings)
    }

    static func signals(_ z: Structure, seeds: [UInt64]) -> [Float] {
        seeds.flatMap { seed in
            var random = RandomSource(seed: seed), theta = [Double](repeating: 0, count: family.parameterNames.count)
            var y = [Float](repeating: 0, count: acquisition.count)
            family.drawParameters(z, acquisition, using: &random, into: &theta)
            theta[family.noiseSlots.snr] = 30
            family.simulate(&theta, z, acquisition, using: &random, into: &y)
            return y
        }
    }

    /// A stick is found with its axis; draws are as many as asked for and of the prior's support; voxels do not depend
    /// on their company; errors are stated.
    @Test func answersAsAnyEngine() throws {
        let space = Self.family.structureList!
        let stick = space.structures.firstIndex { Self.family.rule.has("stick", in: $0) }!
        let y = Self.signals(space.structures[stick], seeds: [1, 2]), m = Self.acquisition.count, recipe = Self.recipe()
        let both = recipe.makeEngine().posteriors(y, count: 2, keys: [5, 6])
        let second = recipe.makeEngine().posteriors(Array(y[m...]), count: 1, keys: [6])
        #expect(both.count == 2 && second[0].logProbability == both[1].logProbability)
        #expect(second[0].parameters == both[1].parameters)
        for answer in both {
            #expect(abs(answer.logProbability.reduce(0) { $0 + exp($1) } - 1) < 1e-9)
            #expect(answer.structures.count == recipe.drawCount && answer.approximateMass == 0)
            #expect(zip(answer.logProbability, answer.logEvidenceError).allSatisfy { $0 < -12 || ($1 > 0 && $1 < 0.5) })
            var withStick = 0.0
            for (z, l) in zip(space.structures, answer.logProbability) where Self.family.rule.has("stick", in: z) {
                withStick += exp(l)
            }
            #expect(withStick > 0.9)
            let p = Self.family.parameterNames.count
            for (d, z) in answer.structures.enumerated() {
                let theta = Array(answer.parameters[d * p..<(d + 1) * p])
                #expect(Self.family.logPrior(theta, space.structures[z]) > -.infinity)
            }
        }
    }

    /// Of more structures than are listed those found are sampled: the same evidences within their errors, and what
    /// is left out is stated.
    @Test func samplesWhatWasFound() throws {
        let space = Self.family.structureList!, y = Self.signals(space.structures.last!, seeds: [3])
        let all = Self.recipe().makeEngine().posteriors(y, count: 1, keys: [5])[0]
        let few = Self.recipe {
            $0.mostListed = 1
            $0.exploration.cutoff = 3
        }
        #expect(few.notes["exploration"] != nil && Self.recipe().notes["exploration"] == nil)
        let some = few.makeEngine().posteriors(y, count: 1, keys: [5])[0]
        #expect(some.logEvidenceError.contains(.infinity) && some.approximateMass > 0 && some.approximateMass < 0.2)
        var sampled = 0
        for z in space.structures.indices where some.logEvidenceError[z].isFinite && some.logProbability[z] > -3 {
            sampled += 1
            #expect(abs(exp(all.logProbability[z]) - exp(some.logProbability[z])) < 0.25)
        }
        #expect(sampled > 0)
    }

    @Test func stopsWhenTold() {
        let engine = Self.recipe().makeEngine()
        engine.stop { true }
        #expect(engine.posteriors(Self.signals(Structure(), seeds: [1]), count: 1, keys: [1]).isEmpty)
    }

    /// Signals that are not positive have Gaussian noise.
    @Test func onlyGaussianNoiseBelowZero() {
        var y = Self.signals(Structure(), seeds: [4])
        y[20] = -0.01
        let answer = Self.recipe().makeEngine().posteriors(y, count: 1, keys: [1])[0]
        let all = Self.family.structureList!.structures
        for (z, l) in zip(all, answer.logProbability) where Self.family.noise(z) == .rician {
            #expect(l == -.infinity)
        }
    }
}
