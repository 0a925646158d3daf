import BallSticksEngines
import Diffusion
import Exact
import ModelSpace

/// The exact engine: evidences and draws of every structure by tempered sequential Monte Carlo, without a network.
/// Seconds a voxel.
public struct SmcRecipe: EngineRecipe {
    public let name = "smc"
    private let acquisition: Acquisition, options: FitOptions
    public var settings: SequentialMonteCarlo.Options

    public init(acquisition: Acquisition, options: FitOptions, settings: SequentialMonteCarlo.Options = .init()) {
        var settings = settings
        self.acquisition = acquisition
        self.options = options
        settings.draws = max(settings.draws, DrawAllocation.total(samples: options.samples))
        self.settings = settings
    }

    public var drawCount: Int { DrawAllocation.total(samples: options.samples) }
    public var notes: [String: String] {
        ["smc_particles": "\(settings.particles)", "smc_target_error": "\(settings.targetError)"].merging(
            settings.noise.notes
        ) { $1 }
    }
    public var voxelsAtOnce: Int { 1 }
    public func makeEngine() -> any PosteriorEngine { SmcEngine(self, acquisition, options, settings) }

    public func adapted(to acquisition: Acquisition, noise: NoiseKinds) -> any EngineRecipe {
        var settings = settings
        settings.noise = noise
        return SmcRecipe(acquisition: acquisition, options: options, settings: settings)
    }
}

final class SmcEngine: PosteriorEngine {
    private let recipe: SmcRecipe, acquisition: Acquisition, options: FitOptions, drawCount: Int
    private let engine: SequentialMonteCarlo, rule = StructureRule(BallSticks.family)

    init(
        _ recipe: SmcRecipe, _ acquisition: Acquisition, _ options: FitOptions, _ settings: SequentialMonteCarlo.Options
    ) {
        self.recipe = recipe
        self.acquisition = acquisition
        self.options = options
        drawCount = recipe.drawCount
        engine = SequentialMonteCarlo(acquisition: acquisition, options: settings)
    }

    func stop(when isAsked: @escaping @Sendable () -> Bool) { engine.check = { if isAsked() { throw Stopped() } } }

    func restricted(to acquisition: Acquisition) -> any PosteriorEngine {
        recipe.adapted(to: acquisition, noise: recipe.settings.noise).makeEngine()
    }

    func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64], sigma: [Double?]) -> [VoxelPosterior] {
        let m = acquisition.count
        var answers: [VoxelPosterior] = []
        for v in 0..<count {
            let exact: ExactPosterior
            do {
                exact = try engine.posterior(
                    Array(UnsafeBufferPointer(start: y + v * m, count: m)), sigma: sigma.isEmpty ? nil : sigma[v],
                    seed: options.seed, voxel: keys[v])
            } catch is Stopped {
                break
            } catch {
                preconditionFailure("signals are finite and divided by their mean b≈0 before an engine sees them")
            }
            var random = RandomSource(seed: options.seed, stream: keys[v], substream: 1 << 32)
            answers.append(
                VoxelPosterior(exact, rule, lambda: options.lambda, total: drawCount, using: &random))
        }
        return answers
    }
}
