import Diffusion
import Foundation
import ModelSpace
import Networks
import Synchronization
import TestFixtures
import Testing

@testable import Inference

@Suite struct FitEngineTests {
    private func folder() throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("prism-engine-\(UUID())").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    private func fit(threads: Int, into folder: String, block: Int = 32, stopAfter: Int = .max) throws -> Bool {
        var options = FitOptions()
        options.threads = threads
        options.samples = 6
        var recipe = try PrismRecipe(
            file: TestScan.file, path: "test", acquisition: TestScan.acquisition, options: options)
        recipe.solverSteps = 3
        let engine = FitEngine(recipe: recipe, acquisition: TestScan.acquisition, options: options, blockSize: block)
        let voxels = (0..<100).map { $0 * 2 }
        return try engine.run(
            voxels: voxels, signals: TestScan.signals, metadata: engine.metadata(grid: [20, 10, 1], voxelCount: 100),
            directory: folder,
            shouldStop: { stopAfter == 0 })
    }

    @Test func drawsAreKeptForEveryStructureThatMatters() {
        let space = BallSticks().structureSpace
        var random = RandomSource(seed: 5)
        for _ in 0..<100 {
            let log0 = StructureSpace.normalise(space.structures.map { _ in -20 * random.uniform() })
            let counts = DrawAllocation.counts(
                log0, parameterCounts: space.parameterCounts,
                fibreCounts: space.structures.map(BallSticks.stickCount), lambda: 0.5, total: 64,
                offset: random.uniform())
            #expect(counts.reduce(0, +) == 64 && counts.allSatisfy { $0 >= 0 })
            for lambda in [0, 0.5, 1, 1.5, 2, 3] {
                for (z, l) in space.reweight(log0, from: 0, to: lambda).enumerated() where exp(l) > 0.2 {
                    #expect(counts[z] >= 2)
                }
            }
        }
    }

    @Test func stopsAndResumes() throws {
        let f = try folder()
        defer { try? FileManager.default.removeItem(atPath: f) }
        #expect(try !fit(threads: 2, into: f, stopAfter: 0))
        #expect(try FileManager.default.contentsOfDirectory(atPath: f).isEmpty)
        #expect(try fit(threads: 2, into: f))
        let path = f + "/" + PosteriorShard.name(0)
        let before = try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
        #expect(try fit(threads: 2, into: f))  // everything is there already
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date == before)
    }

    /// Answers slowly, and listens while it does; says how many observations it was asked for.
    private struct SlowRecipe: EngineRecipe {
        let name = "slow", drawCount = 4, notes: [String: String] = [:]
        let asked = Counter()
        var voxelsAtOnce: Int { 1 }
        func makeEngine() -> any PosteriorEngine { SlowEngine(asked) }
        func adapted(to acquisition: Acquisition, noise: NoiseKinds) -> any EngineRecipe { self }
        final class Counter: Sendable {
            let keys = Mutex<[UInt64]>([])
        }
        final class SlowEngine: PosteriorEngine {
            let asked: Counter
            var shouldStop: @Sendable () -> Bool = { false }
            init(_ asked: Counter) { self.asked = asked }
            func stop(when isAsked: @escaping @Sendable () -> Bool) { shouldStop = isAsked }
            func restricted(to acquisition: Acquisition) -> any PosteriorEngine { self }
            func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64], sigma: [Double?]) -> [VoxelPosterior]
            {
                var answers: [VoxelPosterior] = []
                for key in keys {
                    if key >= 20 { while !shouldStop() { usleep(1000) } }
                    if shouldStop() { break }
                    asked.keys.withLock { $0.append(key) }
                    answers.append(
                        VoxelPosterior(
                            of: BallSticks().structureSpace.structures,
                            logProbability: [Double](repeating: -log(16.0), count: 16), structures: [0, 0, 0, 0],
                            parameters: [Double](repeating: 1e-3, count: 64)))
                }
                return answers
            }
        }
    }

    @Test func whatIsFinishedIsKeptAndWhatIsNotIsGivenUp() throws {
        let f = try folder()
        defer { try? FileManager.default.removeItem(atPath: f) }
        var options = FitOptions()
        options.threads = 2
        let recipe = SlowRecipe(), m = TestScan.acquisition.count
        let engine = FitEngine(
            recipe: recipe, acquisition: TestScan.acquisition, options: options, pieceInterval: .milliseconds(50))
        let isOnDisk = Atomic<Bool>(false)
        let metadata = engine.metadata(grid: [30, 1, 1], voxelCount: 30), start = ContinuousClock.now
        // Voxels from 20 on do not end by themselves; number 20 is one that cannot be fitted, and finished at once.
        let isComplete = try engine.run(
            voxels: Array(0..<30), signals: Array(TestScan.signals[..<(30 * m)]), metadata: metadata, directory: f,
            shouldStop: {
                let held = (try? PosteriorArchive.shards(in: f))?.reduce(0) { $0 + $1.count } ?? 0
                if held == 21 { isOnDisk.store(true, ordering: .relaxed) }
                return .now - start > .milliseconds(500)
            })
        #expect(!isComplete && .now - start < .seconds(2))
        let kept = try PosteriorArchive.shards(in: f)
        #expect(
            kept.flatMap { Array($0.voxels) }.sorted() == (0..<21).map { Int32($0) } && kept.allSatisfy { !$0.isWhole })
        #expect(throws: PosteriorArchiveError.incomplete(directory: f, missing: 9, of: 30)) {
            try PosteriorArchive(directory: f)
        }
        // On the disk before the fit ended, though no voxel after the twentieth did.
        let wasOnDisk = isOnDisk.load(ordering: .relaxed)
        #expect(wasOnDisk)
        // A file torn by a death in the middle of writing never gets its name; one that is damaged is refused, not
        // taken.
        let path = kept[0].path, sound = try Data(contentsOf: URL(fileURLWithPath: path))
        try sound.prefix(sound.count - 1).write(to: URL(fileURLWithPath: path))
        #expect(throws: (any Error).self) {
            try engine.run(
                voxels: Array(0..<30), signals: Array(TestScan.signals[..<(30 * m)]), metadata: metadata, directory: f)
        }
        try sound.write(to: URL(fileURLWithPath: path))
        recipe.asked.keys.withLock { $0 = [] }
        let again = ContinuousClock.now
        _ = try engine.run(
            voxels: Array(0..<30), signals: Array(TestScan.signals[..<(30 * m)]), metadata: metadata, directory: f,
            shouldStop: { .now - again > .milliseconds(100) })
        let fittedAgain = recipe.asked.keys.withLock { $0 }
        #expect(fittedAgain == [], "voxels in the piece are not fitted again")
        // Another voxel list or option is another fit.
        #expect(throws: FitEngineError.self) {
            try engine.run(
                voxels: Array(1..<31), signals: Array(TestScan.signals[..<(30 * m)]), metadata: metadata, directory: f)
        }
        var other = metadata
        other.notes["precision"] = "float32"
        #expect(throws: FitEngineError.self) {
            try engine.run(
                voxels: Array(0..<30), signals: Array(TestScan.signals[..<(30 * m)]), metadata: other, directory: f)
        }
    }

    @Test func partsAreOfNearlyEqualSizeWhateverTheMask() {
        for count in [0, 1, 3, 60, 4095, 4097, 234_691] {
            for of in [1, 2, 4, 7, 100] {
                let parts = (0..<of).map { FitEngine.voxels(ofPart: ($0, of), among: count) }
                #expect(parts[0].lowerBound == 0 && parts[of - 1].upperBound == count)
                #expect(zip(parts, parts.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
                #expect(parts.map(\.count).max()! - parts.map(\.count).min()! <= 1)
            }
        }
    }

    @Test func aDifferenceNamesBothPrecisions() {
        let engine = FitEngine(recipe: SlowRecipe(), acquisition: TestScan.acquisition, options: FitOptions())
        var one = engine.metadata(grid: [30, 1, 1], voxelCount: 30), two = one
        one.notes["precision"] = "bfloat16"
        two.notes["precision"] = "float32"
        #expect(one.difference(two)!.hasPrefix("the network ran in float32, not bfloat16"))
        two.notes["precision"] = nil
        #expect(one.difference(two)!.contains("unknown precision"))
    }

    @Test func whatCannotBeFittedIsCountedBeforehand() {
        let all = FitSurvey(TestScan.signals, TestScan.acquisition, SignalRules())
        #expect(all.voxels == 100 && all.unfitted == 2 && all.firstBadVolume == 3)
        #expect(
            all.explanation == "1 of 100 have a signal that is NaN or infinite (first in volume 3, counted from 0), "
                + "1 of 100 have a mean b=0 signal that is zero or negative")
    }

    @Test func spoiltVoxelsAreFlaggedAndZero() throws {
        let f = try folder()
        defer { try? FileManager.default.removeItem(atPath: f) }
        #expect(try fit(threads: 2, into: f))
        let shard = try PosteriorShard(path: f + "/" + PosteriorShard.name(0))
        #expect(VoxelQuality(rawValue: shard.quality[10]) == [.nonFiniteSignal, .notFitted])
        #expect(VoxelQuality(rawValue: shard.quality[20]) == [.noBaseline, .notFitted])
        #expect(VoxelQuality(rawValue: shard.quality[30]).contains(.negativeSignal))
        #expect(!VoxelQuality(rawValue: shard.quality[30]).contains(.notFitted))
        let n = DrawAllocation.total(samples: 6) * DrawColumn.count, draws = shard.dense.draws
        for v in [10, 20] { #expect((0..<n).allSatisfy { draws[v * n + $0] == 0 }) }
        #expect((0..<100 * n).allSatisfy { draws[$0].isFinite })
        #expect(draws[DrawColumn.snr] > 0)
    }

    /// Trackers need a direction in every fitted voxel, also where no draw has a fibre.
    @Test func everyFittedVoxelHasADirection() throws {
        // Signals of free diffusion, to which no engine gives a fibre, some with a slightly faster axis.
        let m = TestScan.acquisition.count, fast = SIMD3(0.6, 0, 0.8)
        var signals = [Float](repeating: 0, count: 10 * m)
        for v in 0..<10 {
            for i in 0..<m {
                let g = TestScan.acquisition.directions[i], along = (g * fast).sum()
                signals[v * m + i] = Float(
                    500 * exp(-1e-3 * TestScan.acquisition.bValues[i] * (1 + 0.02 * along * along)))
            }
        }
        var options = FitOptions()
        options.samples = 6
        struct NoFibre: EngineRecipe {
            let name = "none", drawCount = 6, notes: [String: String] = [:]
            func makeEngine() -> any PosteriorEngine { Engine() }
            func adapted(to acquisition: Acquisition, noise: NoiseKinds) -> any EngineRecipe { self }
            final class Engine: PosteriorEngine {
                func restricted(to acquisition: Acquisition) -> any PosteriorEngine { self }
                func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64], sigma: [Double?])
                    -> [VoxelPosterior]
                {
                    (0..<count).map { _ in
                        var theta = [Double](repeating: 0, count: BallSticks.Slot.count)
                        (theta[BallSticks.Slot.diffusivity], theta[BallSticks.Slot.snr], theta[BallSticks.Slot.s0]) = (
                            1e-3, 20, 1
                        )
                        return VoxelPosterior(
                            of: BallSticks().structureSpace.structures,
                            logProbability: (0..<16).map { $0 == 0 ? 0 : -.infinity },
                            structures: Array(repeating: 0, count: 6),
                            parameters: (0..<6).flatMap { _ in theta })
                    }
                }
            }
        }
        let f = try folder()
        defer { try? FileManager.default.removeItem(atPath: f) }
        let engine = FitEngine(recipe: NoFibre(), acquisition: TestScan.acquisition, options: options)
        #expect(
            try engine.run(
                voxels: Array(0..<10), signals: signals, metadata: engine.metadata(grid: [10, 1, 1], voxelCount: 10),
                directory: f))
        let draws = try PosteriorShard(path: f + "/" + PosteriorShard.name(0)).dense.draws
        for row in 0..<60 {
            let mu = (0..<3).map { Double(draws[row * DrawColumn.count + DrawColumn.direction + $0]) }
            #expect(
                abs(mu[0] * fast.x + mu[1] * fast.y + mu[2] * fast.z) > 0.99
                    && draws[row * DrawColumn.count + DrawColumn.fraction] == 0)
        }
    }

    @Test func systematicResamplingKeepsProportions() {
        var random = RandomSource(seed: 1)
        for _ in 0..<200 {
            let weights = (0..<7).map { _ in random.uniform() < 0.3 ? 0 : random.uniform() }
            guard weights.contains(where: { $0 > 0 }) else { continue }
            let total = weights.reduce(0, +), drawn = systematicResample(weights, count: 50, offset: random.uniform())
            #expect(drawn.count == 50 && drawn == drawn.sorted())
            for (i, w) in weights.enumerated() {
                let count = drawn.filter { $0 == i }.count, expected = 50 * w / total
                #expect(
                    Double(count) >= expected.rounded(.down) - 1e-9 && Double(count) <= expected.rounded(.up) + 1e-9)
            }
        }
    }
}
