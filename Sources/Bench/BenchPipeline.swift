import Diffusion
import Exact
import Foundation
import Inference
import ModelSpace
import Synchronization
import Tensors

/// How fast whole fits are, and where their time goes.
public struct PipelineTiming: Codable, Sendable {
    public struct Stage: Codable, Sendable {
        public var name: String
        /// Processor time, summed over threads.
        public var microsecondsPerVoxel: Double
    }
    public var name: String, voxels: Int, draws: Int, threads: Int
    /// By the wall clock, best of the repeats: fitting and archiving without summaries, and with them.
    public var voxelsPerSecond: Double, voxelsPerSecondSummarised: Double
    public var stages: [Stage]
    /// Of all threads, fitting and archiving without summaries, least of the repeats.
    public var processorSeconds: Double
    /// Of the program so far, bytes.
    public var peakMemoryBytes: Int

    /// Fits voxels simulated from the prior (λ = 0.5), `repeats` times.
    /// - Parameter modesOnly: the same recipe but finding modes only, which tells them from importance sampling.
    public static func measure(
        _ name: String, recipe: any EngineRecipe, modesOnly: (any EngineRecipe)?, acquisition: Acquisition,
        options: FitOptions, voxels: Int, repeats: Int
    ) throws -> PipelineTiming {
        let signals = BenchSubject.voxels(voxels, acquisition)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("prism-bench-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var wall = Double.infinity, summaryWall = Double.infinity, seconds: [FitStage: Double] = [:],
            least = Double.infinity
        func fit(_ recipe: any EngineRecipe, summarise: Bool) throws -> (
            wall: Double, summary: Double, processor: Double, stages: [FitStage: Double]
        ) {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let staged = StagedRecipe(recipe),
                engine = FitEngine(recipe: staged, acquisition: acquisition, options: options),
                clock = ContinuousClock()
            let start = clock.now, processor = Stopwatch.processSeconds
            _ = try engine.run(
                voxels: Array(0..<voxels), signals: signals,
                metadata: engine.metadata(grid: [voxels, 1, 1], voxelCount: voxels), directory: folder)
            let wall = Double((clock.now - start) / .nanoseconds(1)) * 1e-9, used = Stopwatch.processSeconds - processor
            var stages = staged.seconds
            guard summarise else { return (wall, 0, used, stages) }
            let begin = clock.now, before = Stopwatch.processSeconds
            _ = PosteriorSummary(
                try PosteriorArchive(directory: folder), lambda: options.lambda, threads: options.threads)
            stages[.summary] = Stopwatch.processSeconds - before
            return (wall, Double((clock.now - begin) / .nanoseconds(1)) * 1e-9, used, stages)
        }
        for _ in 0..<max(1, repeats) {
            let result = try fit(recipe, summarise: true)
            wall = min(wall, result.wall)
            summaryWall = min(summaryWall, result.summary)
            guard result.processor < least else { continue }
            least = result.processor
            seconds = result.stages
            let known = seconds.reduce(0) { $0 + ($1.key == .summary ? 0 : $1.value) }
            seconds[.other] = max(0, least - known)
        }
        if let modesOnly, let total = seconds[.importance] {
            let modes = min(total, try fit(modesOnly, summarise: false).stages[.importance] ?? 0)
            seconds[.modes] = modes
            seconds[.importance] = total - modes
        }
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return PipelineTiming(
            name: name, voxels: voxels, draws: options.samples, threads: options.threads,
            voxelsPerSecond: Double(voxels) / wall,
            voxelsPerSecondSummarised: Double(voxels) / (wall + summaryWall),
            stages: FitStage.allCases.compactMap { stage in
                seconds[stage].map { Stage(name: stage.rawValue, microsecondsPerVoxel: 1e6 * $0 / Double(voxels)) }
            }, processorSeconds: least, peakMemoryBytes: Int(usage.ru_maxrss) * 1024)
    }
}

/// A recipe whose engines tell where their time goes.
private final class StagedRecipe: EngineRecipe {
    private let recipe: any EngineRecipe
    private let clocks = Mutex<[StageClock]>([])

    init(_ recipe: any EngineRecipe) { self.recipe = recipe }

    var name: String { recipe.name }
    var drawCount: Int { recipe.drawCount }
    var networkName: String { recipe.networkName }
    var networkSHA256: String { recipe.networkSHA256 }
    var notes: [String: String] { recipe.notes }
    var voxelsAtOnce: Int { recipe.voxelsAtOnce }

    func makeEngine() -> any PosteriorEngine {
        let clock = StageClock(), engine = recipe.makeEngine()
        clocks.withLock { $0.append(clock) }
        if let engine = engine as? PrismEngine {
            engine.stages = clock
            return engine
        }
        return StagedEngine(engine, clock)
    }

    func adapted(to acquisition: Acquisition, noise: NoiseKinds) -> any EngineRecipe {
        StagedRecipe(recipe.adapted(to: acquisition, noise: noise))
    }

    var seconds: [FitStage: Double] {
        clocks.withLock { $0.reduce(into: [:]) { $0.merge($1.seconds, uniquingKeysWith: +) } }
    }
}

/// An engine that is one stage.
private final class StagedEngine: PosteriorEngine {
    private let engine: any PosteriorEngine, clock: StageClock

    init(_ engine: any PosteriorEngine, _ clock: StageClock) { (self.engine, self.clock) = (engine, clock) }

    func restricted(to acquisition: Acquisition) -> any PosteriorEngine {
        StagedEngine(engine.restricted(to: acquisition), clock)
    }

    func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64], sigma: [Double?]) -> [VoxelPosterior] {
        clock.enter(.chain)
        defer { clock.enter(nil) }
        return engine.posteriors(y, count: count, keys: keys, sigma: sigma)
    }
}
