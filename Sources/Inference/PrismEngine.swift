import Diffusion
import Exact
import ModelSpace
import Networks

/// The amortised engine: a trained network's structure probabilities and draws, finished by exact-likelihood moves.
public struct PrismRecipe: EngineRecipe {
    /// Steps of the diffusion solver.
    public var solverSteps = 6
    /// Sweeps of exact-likelihood moves that end each voxel's draws.
    public var correctionSweeps = 30
    /// Draws of one structure that start from the same draw of the network, before the exact moves part them.
    public var copies = 3

    public let name = "prism"
    let file: NetworkFile, acquisition: Acquisition, options: FitOptions

    /// - Throws: `NetworkFileError.otherFamily` when the network was trained for something else.
    public init(file: NetworkFile, path: String, acquisition: Acquisition, options: FitOptions) throws {
        let family = BallSticks()
        guard file.origin.family == family.name, file.network.shape == FamilyShape(family) else {
            throw NetworkFileError.otherFamily(path: path, found: file.origin.family, wanted: family.name)
        }
        self.file = file
        self.acquisition = acquisition
        self.options = options
    }

    public var drawCount: Int { DrawAllocation.total(samples: options.samples) }
    public var networkName: String { file.origin.name }
    public var networkSHA256: String { file.sha256 }
    public var notes: [String: String] {
        ["solver_steps": "\(solverSteps)", "correction_sweeps": "\(correctionSweeps)", "copies": "\(copies)"]
    }
    public func makeEngine() -> any PosteriorEngine { PrismEngine(self) }
}

final class PrismEngine: PosteriorEngine {
    private let family = BallSticks(), recipe: PrismRecipe
    private let sampler: AmortisedSampler<BallSticks>, corrector: LikelihoodCorrector

    init(_ recipe: PrismRecipe) {
        self.recipe = recipe
        sampler = AmortisedSampler(family: family, file: recipe.file)
        corrector = LikelihoodCorrector(acquisition: recipe.acquisition)
    }

    func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64]) -> [VoxelPosterior] {
        let options = recipe.options, space = family.structureSpace, m = recipe.acquisition.count
        var answers = sampler.answer(
            y, count: count, design: recipe.acquisition, keys: keys, seed: options.seed, steps: recipe.solverSteps, copies: recipe.copies
        ) { _, logProbability in
            let counts = DrawAllocation.counts(logProbability, lambda: options.lambda, total: recipe.drawCount) {
                space.reweight(logProbability, from: 0, to: $0)
            }
            return counts.enumerated().flatMap { Array(repeating: $0, count: $1) }
        }
        for v in 0..<count {
            // A stream of its own, beyond those of the draws.
            var random = RandomSource(seed: options.seed, stream: keys[v], substream: 1 << 32)
            corrector.correct(
                y + v * m, &answers[v].parameters, structures: answers[v].structures.map { space.structures[$0] },
                sweeps: recipe.correctionSweeps, using: &random)
        }
        return answers
    }
}
