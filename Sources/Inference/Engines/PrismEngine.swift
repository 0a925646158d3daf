import BallSticksEngines
import Diffusion
import Foundation
import ModelSpace
import Networks
import Tensors

/// The amortised engine: a trained network's structure probabilities and draws, brought to the exact posterior by the
/// likelihood.
///
/// The network's draws are starts: modes near them carry importance samples, which give each structure's evidence (so
/// the structure posterior itself is exact up to a stated error) and its draws. Ensemble moves end every draw.
///
/// The network was trained on voxels of unknown noise. Where σ is known its draws are still starts, but its word on
/// structures answers another question, and the evidences stand alone: no structure is ruled out or weighed by it.
public struct PrismRecipe: EngineRecipe {
    /// Steps of the diffusion solver.
    public var solverSteps = 3
    /// Sweeps of exact-likelihood moves that end each voxel's draws, and of draws with three sticks.
    public var correctionSweeps = 6, threeStickSweeps = 12
    /// How structure probabilities are refined.
    public var refinement = StructureSearch.Options()
    /// Network draws that each pair (sticks, spread) starts from, by number of sticks.
    public var starts = [1, 1, 1, 1]

    public let name = "prism"
    let file: NetworkFile, options: FitOptions
    fileprivate(set) var acquisition: Acquisition, noise = NoiseKinds.either

    /// - Throws: `NetworkFileError.otherFamily` when the network was trained for something else.
    public init(
        file: NetworkFile, path: String, acquisition: Acquisition, options: FitOptions, preset: PrismPreset = .balanced
    ) throws {
        let family = BallSticks()
        guard file.origin.family == family.name, file.origin.familyDefinition == nil,
            file.network.shape == FamilyShape(family)
        else {
            throw NetworkFileError.otherFamily(path: path, found: file.origin.family, wanted: family.name)
        }
        self.file = file
        self.acquisition = acquisition
        self.options = options
        preset.apply(to: &self)
    }

    public var drawCount: Int { DrawAllocation.total(samples: options.samples) }
    public var networkName: String { file.origin.name }
    public var networkSHA256: String { file.sha256 }
    public var notes: [String: String] {
        let sweeps =
            correctionSweeps == threeStickSweeps ? "\(correctionSweeps)" : "\(correctionSweeps) to \(threeStickSweeps)"
        let precision = NetworkPrecision.fastest.rawValue
        return [
            "solver_steps": "\(solverSteps)", "correction_sweeps": sweeps, "refinement": refinement.summary,
            "precision": precision,
        ]
        .merging(noise.notes) { $1 }
    }
    public func makeEngine() -> any PosteriorEngine {
        PrismEngine(self, AmortisedSampler(family: BallSticks(), file: file))
    }

    public func adapted(to acquisition: Acquisition, noise: NoiseKinds) -> any EngineRecipe {
        var recipe = self
        (recipe.acquisition, recipe.noise) = (acquisition, noise)
        return recipe
    }
}

package final class PrismEngine: DesignsEngine {
    private let family = BallSticks(), recipe: PrismRecipe, structures = BallSticks().structureSpace.structures
    private let sampler: AmortisedSampler<BallSticks>, exact: ExactHalf
    private typealias Slot = BallSticks.Slot
    private var shouldStop: @Sendable () -> Bool = { false }
    /// Told where the time goes; nil outside benchmarks.
    package var stages: StageClock? { didSet { sampler.stages = stages } }

    init(_ recipe: PrismRecipe, _ sampler: AmortisedSampler<BallSticks>) {
        self.recipe = recipe
        self.sampler = sampler
        exact = ExactHalf(recipe, recipe.acquisition)
    }

    /// What knows the likelihood of one design.
    private struct ExactHalf {
        let moves: EnsembleMoves, search: StructureSearch

        init(_ recipe: PrismRecipe, _ acquisition: Acquisition) {
            moves = EnsembleMoves(acquisition: acquisition)
            search = StructureSearch(acquisition: acquisition, options: recipe.refinement)
        }
    }

    package func stop(when isAsked: @escaping @Sendable () -> Bool) { shouldStop = isAsked }

    /// The network's memory, by far the most, is shared.
    package func restricted(to acquisition: Acquisition) -> any PosteriorEngine {
        var other = recipe
        other.acquisition = acquisition
        return PrismEngine(other, sampler)
    }

    package func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64], sigma: [Double?]) -> [VoxelPosterior]
    {
        posteriors(y, keys: keys, sigma: sigma, Array(repeating: recipe.acquisition, count: count)) { _ in exact }
    }

    package func posteriors(_ y: UnsafePointer<Float>, keys: [UInt64], sigma: [Double?], designs: [Acquisition])
        -> [VoxelPosterior]
    {
        posteriors(y, keys: keys, sigma: sigma, designs) { ExactHalf(recipe, designs[$0]) }
    }

    private func posteriors(
        _ y: UnsafePointer<Float>, keys: [UInt64], sigma: [Double?], _ designs: [Acquisition],
        half: (Int) -> ExactHalf
    ) -> [VoxelPosterior] {
        let count = designs.count
        let sigma = sigma.isEmpty ? Array(repeating: nil, count: count) : sigma
        let options = recipe.options, m = recipe.acquisition.count
        let canBeRician = (0..<count).map { recipe.noise.allowRician(y + $0 * m, count: m) }
        var answers = sampler.answer(
            y, designs: designs, keys: keys, seed: options.seed, steps: recipe.solverSteps
        ) { v, logProbability in
            starts(canBeRician[v] ? logProbability : withoutRician(logProbability), isNoiseKnown: sigma[v] != nil)
        }
        for v in 0..<count {
            if shouldStop() {
                stages?.enter(nil)
                return Array(answers[..<v])
            }

            if !canBeRician[v] { answers[v].logProbability = withoutRician(answers[v].logProbability) }
            // A stream of its own, beyond those of the draws.
            var random = RandomSource(seed: options.seed, stream: keys[v], substream: 1 << 32)
            stages?.enter(.importance)
            let own = half(v)
            answers[v] = refine(y + v * m, answers[v], sigma[v], own.search, &random)
            stages?.enter(.correction)
            own.moves.run(
                y + v * m, &answers[v].parameters, structures: answers[v].structures.map { structures[$0] },
                sweeps: recipe.correctionSweeps, threeSticks: recipe.threeStickSweeps, sigma: sigma[v], using: &random)
        }
        stages?.enter(nil)
        return answers
    }

    /// What the network says given that the noise is Gaussian.
    private func withoutRician(_ logProbability: [Double]) -> [Double] {
        StructureSpace.normalise(zip(structures, logProbability).map { BallSticks.isRician($0) ? -.infinity : $1 })
    }

    /// The structures of the draws that are kept, ascending.
    private func draws(of logProbability: [Double], offset: Double) -> [Int] {
        let counts = DrawAllocation.counts(
            logProbability, parameterCounts: family.structureSpace.parameterCounts,
            fibreCounts: structures.map(BallSticks.stickCount), lambda: recipe.options.lambda,
            total: recipe.drawCount, offset: offset)
        return counts.enumerated().flatMap { Array(repeating: $0, count: $1) }
    }

    /// For every number of sticks and spread, draws of the noise that the network prefers.
    private func starts(_ logProbability: [Double], isNoiseKnown: Bool) -> [Int] {
        exact.search.candidates(amortised: isNoiseKnown ? nil : logProbability).flatMap { p in
            let z = logProbability[2 * p] > logProbability[2 * p + 1] ? 2 * p : 2 * p + 1
            return Array(repeating: z, count: recipe.starts[BallSticks.stickCount(structures[z])])
        }
    }

    private func refine(
        _ y: UnsafePointer<Float>, _ network: VoxelPosterior, _ sigma: Double?, _ search: StructureSearch,
        _ random: inout RandomSource
    ) -> VoxelPosterior {
        let p = Slot.count, amortised = sigma == nil ? network.logProbability : nil
        var starts = [[(Structure, [Double])]](repeating: [], count: StructureSearch.pairCount)
        for (i, z) in network.structures.enumerated() {
            starts[z / 2].append((structures[z], Array(network.parameters[i * p..<(i + 1) * p])))
        }
        let refined = search.refine(
            y, starts: starts, amortised: amortised, noise: recipe.noise, sigma: sigma, using: &random)
        // Signals that no structure explains at all leave the network's word.
        let logProbability =
            refined.logEvidence.contains(where: \.isFinite)
            ? StructureSearch.combine(
                refined, amortised: amortised, learnsError: recipe.refinement.learnsAmortisedError)
            : network.logProbability
        // Structures that were not looked at cannot be given draws.
        let drawn = draws(
            of: zip(logProbability, refined.isSkipped).map { $1 ? -.infinity : $0 }, offset: random.uniform())
        var parameters = [Double](repeating: 0, count: drawn.count * p), first = 0
        while first < drawn.count {
            let z = drawn[first], n = drawn[first...].prefix { $0 == z }.count
            let sample = refined.samples[z / 2],
                weights = sample.map { BallSticks.isRician(structures[z]) ? $0.rician.weights : $0.gaussian.weights }
            let chosen = systematicResample(
                weights?.isEmpty == false ? weights! : [1], count: n, offset: random.uniform())
            for k in 0..<n {
                parameters.withUnsafeMutableBufferPointer { out in
                    let at = out.baseAddress! + (first + k) * p
                    if let sample {
                        sample.parameters(chosen[k], hasSpread: BallSticks.hasSpread(structures[z]), into: at)
                    } else {
                        at.update(from: refined.modes[z / 2] ?? starts[z / 2][0].1, count: p)
                    }
                    if let sigma { at[Slot.snr] = at[Slot.s0] / sigma }
                }
            }
            first += n
        }
        var answer = VoxelPosterior(
            of: structures, logProbability: logProbability, structures: drawn, parameters: parameters)
        answer.logEvidence = VoxelPosterior.logEvidence(logProbability, refined.logEvidence) {
            refined.samples[$0 / 2] != nil
        }
        return answer
    }
}
