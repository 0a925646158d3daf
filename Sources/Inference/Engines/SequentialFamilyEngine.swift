import Diffusion
import Exact
import Foundation
import ModelSpace

/// The exact engine for any family whose signal is linear in its weights: evidences and draws of structures by tempered
/// sequential Monte Carlo (`StructureSampler`), without a network. A yardstick: seconds to minutes a voxel.
public struct SequentialFamilyRecipe<F: DiffusionFamily>: EngineRecipe {
    public let name = "smc"
    public var settings: StructureSampler.Options

    public let family: F
    let options: FitOptions
    private(set) var acquisition: Acquisition, noise = NoiseKinds.either

    public init(
        family: F, acquisition: Acquisition, options: FitOptions, settings: StructureSampler.Options = .init()
    ) {
        (self.family, self.acquisition, self.options, self.settings) = (family, acquisition, options, settings)
        self.settings.sampling.draws = max(settings.sampling.draws, drawCount)
    }

    /// - Parameter targetError: standard error of log-evidence, nats; nil: the engine's own.
    public init(family: F, acquisition: Acquisition, options: FitOptions, targetError: Double?) {
        var settings = StructureSampler.Options()
        if let targetError { settings.sampling.targetError = targetError }
        self.init(family: family, acquisition: acquisition, options: options, settings: settings)
    }

    public var diffusionFamily: any DiffusionFamily { family }
    public var drawCount: Int { DrawAllocation.total(samples: options.samples) }
    public var voxelsAtOnce: Int { 1 }
    public var notes: [String: String] {
        var notes = ["smc": settings.summary]
        // Only where not all structures are sampled does it matter how they are looked for.
        if (family.structureList?.structures.count ?? .max) > settings.mostListed {
            notes["exploration"] = settings.exploration.summary
        }
        return notes.merging(noise.notes) { $1 }
    }

    public func makeEngine() -> any PosteriorEngine { SequentialFamilyEngine(self) }

    public func adapted(to acquisition: Acquisition, noise: NoiseKinds) -> any EngineRecipe {
        var recipe = self
        (recipe.acquisition, recipe.noise) = (acquisition, noise)
        return recipe
    }
}

final class SequentialFamilyEngine<F: DiffusionFamily>: PosteriorEngine {
    private let recipe: SequentialFamilyRecipe<F>, sampler: StructureSampler
    private let rule: StructureRule, list: StructureSpace?

    init(_ recipe: SequentialFamilyRecipe<F>) {
        self.recipe = recipe
        sampler = StructureSampler(recipe.family, design: recipe.acquisition, options: recipe.settings)
        rule = StructureRule(recipe.family.description)
        list = recipe.family.structureList
    }

    func stop(when isAsked: @escaping @Sendable () -> Bool) { sampler.check { if isAsked() { throw Stopped() } } }

    func restricted(to acquisition: Acquisition) -> any PosteriorEngine {
        recipe.adapted(to: acquisition, noise: recipe.noise).makeEngine()
    }

    func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64], sigma: [Double?]) -> [VoxelPosterior] {
        let m = recipe.acquisition.count
        var answers: [VoxelPosterior] = []
        for v in 0..<count {
            let signal = y + v * m, canBeRician = recipe.noise.allowRician(signal, count: m)
            do {
                let found = try sampler.posterior(
                    Array(UnsafeBufferPointer(start: signal, count: m)), allows: { $0 == .gaussian || canBeRician },
                    sigma: sigma.isEmpty ? nil : sigma[v], seed: recipe.options.seed, voxel: keys[v])
                answers.append(answer(found, key: keys[v]))
            } catch is Stopped {
                break
            } catch {
                preconditionFailure("signals are finite and divided by their mean b≈0 before an engine sees them")
            }
        }
        return answers
    }

    private func answer(_ found: ExactPosterior, key: UInt64) -> VoxelPosterior {
        var random = RandomSource(seed: recipe.options.seed, stream: key, substream: 1 << 32)
        guard found.evidences.contains(where: { $0.logEvidence > -.infinity }) else {
            return .prior(
                recipe.family, rule, recipe.acquisition, lambda: recipe.options.lambda, total: recipe.drawCount,
                using: &random)
        }
        return VoxelPosterior(
            list.map(found.listed) ?? found, rule, lambda: recipe.options.lambda, total: recipe.drawCount,
            using: &random)
    }
}

extension VoxelPosterior {
    /// The answer of an exact engine, of the structures of its evidences: draws of each structure evenly spaced through
    /// its own.
    /// - Parameter total: D.
    init(
        _ exact: ExactPosterior, _ rule: StructureRule, lambda: Double, total: Int, using random: inout RandomSource
    ) {
        let log0 = exact.logProbabilities(lambda: 0), p = exact.parameterCount
        self.init(
            of: exact.evidences.map(\.structure), logProbability: log0,
            logEvidenceError: exact.evidences.map(\.standardError))
        logEvidence = Self.logEvidence(log0, exact.evidences.map(\.logEvidence)) { _ in true }
        // Structures without draws of their own cannot be given any.
        let drawable = zip(log0, exact.evidences).map { $1.draws.isEmpty ? -.infinity : $0 }
        let counts = DrawAllocation.counts(
            drawable, parameterCounts: exact.parameterCounts, fibreCounts: listed.map(rule.fibreCount),
            lambda: lambda, total: total, offset: random.uniform())
        for (z, n) in counts.enumerated() where n > 0 {
            let held = exact.evidences[z].draws.count / p
            for k in 0..<n {
                let d = k * held / n
                structures.append(z)
                parameters += exact.evidences[z].draws[d * p..<(d + 1) * p]
            }
        }
    }

    /// The prior's, for signals that no structure explains.
    ///
    /// Of a family too large to list, structures drawn from it at λ stand for all; the others are its rest.
    /// - Parameter known: what is better known of structures than by the prior.
    static func prior<F: DiffusionFamily>(
        _ family: F, _ rule: StructureRule, _ acquisition: Acquisition, known: StructurePosterior? = nil,
        lambda: Double, total: Int, using random: inout RandomSource
    ) -> VoxelPosterior {
        let p = family.parameterNames.count
        var answer: VoxelPosterior
        if let known {
            answer = VoxelPosterior(of: known.structures, logProbability: known.logProbability)
            (answer.logRest, answer.restParameters) = (known.logRest, known.restParameters)
        } else if let list = family.structureList {
            answer = VoxelPosterior(of: list.structures, logProbability: list.logPrior(lambda: 0))
        } else {
            let drawn = Set((0..<total).map { _ in rule.draw(lambda: lambda, using: &random) }).sorted()
            answer = VoxelPosterior(of: drawn, logProbability: drawn.map { rule.logPrior($0, lambda: 0) })
            answer.logRest = log(max(1e-300, 1 - answer.logProbability.reduce(0) { $0 + exp($1) }))
        }
        let counts = DrawAllocation.counts(
            answer.logProbability, parameterCounts: answer.listed.map(rule.parameterCount),
            fibreCounts: answer.listed.map(rule.fibreCount), lambda: lambda, total: total, offset: random.uniform())
        answer.structures = counts.enumerated().flatMap { Array(repeating: $0, count: $1) }
        answer.parameters = [Double](repeating: 0, count: answer.structures.count * p)
        answer.parameters.withUnsafeMutableBufferPointer {
            for (d, z) in answer.structures.enumerated() {
                family.drawParameters(answer.listed[z], acquisition, using: &random, into: $0.baseAddress! + d * p)
            }
        }
        return answer
    }
}
