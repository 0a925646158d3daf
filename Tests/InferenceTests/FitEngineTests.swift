import Diffusion
import Foundation
import ModelSpace
import Networks
import Testing

@testable import Inference

@Suite struct FitEngineTests {
    static let acquisition: Acquisition = {
        var random = RandomSource(seed: 3)
        let g = DirectionSets.fibonacci(30)
        return try! Acquisition(bValues: [0, 0] + Array(repeating: 1000, count: 30), directions: [SIMD3(0, 0, 0), SIMD3(0, 0, 0)] + g)
    }()

    /// An untrained network: the engine's book-keeping does not depend on what the weights know.
    static let file: NetworkFile = {
        var c = NetworkConfiguration()
        c.width = 16; c.heads = 2; c.latents = 4; c.blocksPerReading = 1; c.structureBlocks = 1
        c.parameterWidth = 16; c.parameterHeads = 2; c.parameterBlocks = 1
        let network = Network(FamilyShape(BallSticks()), c)
        let origin = NetworkOrigin(
            name: "untrained", family: "ball-sticks", recipe: "", simulations: 0, steps: 0, structureLoss: 0, parameterLoss: 0)
        return NetworkFile(network: network, weights: network.initialWeights(seed: 1), origin: origin)
    }()

    /// 100 voxels from the prior, scaled to scanner units; some spoilt.
    static let signals: [Float] = {
        let family = BallSticks(), m = acquisition.count
        var all = [Float](repeating: 0, count: 100 * m)
        for v in 0..<100 {
            var random = RandomSource(seed: 4, stream: UInt64(v)), theta = [Double](repeating: 0, count: 16)
            let z = family.structureSpace.structures[v % 16]
            family.drawParameters(z, acquisition, using: &random, into: &theta)
            all.withUnsafeMutableBufferPointer { family.simulate(&theta, z, acquisition, using: &random, into: $0.baseAddress! + v * m) }
            for i in 0..<m { all[v * m + i] *= 500 }
        }
        all[10 * m + 3] = .nan
        for i in 0..<m { all[20 * m + i] = 0 }
        all[30 * m + 5] = -1
        return all
    }()

    private func folder() throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("prism-engine-\(UUID())").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    private func fit(threads: Int, into folder: String, block: Int = 32, stopAfter: Int = .max) throws -> Bool {
        var options = FitOptions()
        options.threads = threads
        options.samples = 6
        var recipe = try PrismRecipe(file: Self.file, path: "test", acquisition: Self.acquisition, options: options)
        recipe.solverSteps = 3
        let engine = FitEngine(recipe: recipe, acquisition: Self.acquisition, options: options, blockSize: block)
        let voxels = (0..<100).map { $0 * 2 }
        return try engine.run(
            voxels: voxels, signals: Self.signals, metadata: engine.metadata(grid: [20, 10, 1], voxelCount: 100), directory: folder,
            shouldStop: { stopAfter == 0 })
    }

    @Test func drawsAreKeptForEveryStructureThatMatters() {
        let space = BallSticks().structureSpace
        var random = RandomSource(seed: 5)
        for _ in 0..<100 {
            let log0 = StructureSpace.normalise(space.structures.map { _ in -20 * random.uniform() })
            let counts = DrawAllocation.counts(log0, lambda: 0.5, total: 64, space: space)
            #expect(counts.reduce(0, +) == 64 && counts.allSatisfy { $0 >= 0 })
            for lambda in [0, 0.5, 1, 1.5, 2, 3] {
                for (z, l) in space.reweight(log0, from: 0, to: lambda).enumerated() where exp(l) > 0.2 { #expect(counts[z] >= 2) }
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

    @Test func spoiltVoxelsAreFlaggedAndZero() throws {
        let f = try folder()
        defer { try? FileManager.default.removeItem(atPath: f) }
        #expect(try fit(threads: 2, into: f))
        let shard = try PosteriorShard(path: f + "/" + PosteriorShard.name(0))
        #expect(VoxelQuality(rawValue: shard.quality[10]) == [.nonFiniteSignal, .notFitted])
        #expect(VoxelQuality(rawValue: shard.quality[20]) == [.noBaseline, .notFitted])
        #expect(VoxelQuality(rawValue: shard.quality[30]).contains(.clampedSignal))
        #expect(!VoxelQuality(rawValue: shard.quality[30]).contains(.notFitted))
        let n = DrawAllocation.total(samples: 6) * DrawColumn.count
        for v in [10, 20] { #expect((0..<n).allSatisfy { shard.draws[v * n + $0] == 0 }) }
        #expect((0..<100 * n).allSatisfy { shard.draws[$0].isFinite })
        #expect(shard.draws[DrawColumn.snr] > 0)
    }

    /// Trackers need a direction in every fitted voxel, also where no draw has a fibre.
    @Test func everyFittedVoxelHasADirection() throws {
        // Signals of free diffusion, to which no engine gives a fibre, some with a slightly faster axis.
        let m = Self.acquisition.count, fast = SIMD3(0.6, 0, 0.8)
        var signals = [Float](repeating: 0, count: 10 * m)
        for v in 0..<10 {
            for i in 0..<m {
                let g = Self.acquisition.directions[i], along = (g * fast).sum()
                signals[v * m + i] = Float(500 * exp(-1e-3 * Self.acquisition.bValues[i] * (1 + 0.02 * along * along)))
            }
        }
        var options = FitOptions()
        options.samples = 6
        struct NoFibre: EngineRecipe {
            let name = "none", drawCount = 6, notes: [String: String] = [:]
            func makeEngine() -> any PosteriorEngine { Engine() }
            final class Engine: PosteriorEngine {
                func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64]) -> [VoxelPosterior] {
                    (0..<count).map { _ in
                        var theta = [Double](repeating: 0, count: BallSticks.Slot.count)
                        (theta[BallSticks.Slot.diffusivity], theta[BallSticks.Slot.snr], theta[BallSticks.Slot.s0]) = (1e-3, 20, 1)
                        return VoxelPosterior(
                            logProbability: (0..<16).map { $0 == 0 ? 0 : -.infinity }, structures: Array(repeating: 0, count: 6),
                            parameters: (0..<6).flatMap { _ in theta })
                    }
                }
            }
        }
        let f = try folder()
        defer { try? FileManager.default.removeItem(atPath: f) }
        let engine = FitEngine(recipe: NoFibre(), acquisition: Self.acquisition, options: options)
        #expect(try engine.run(
            voxels: Array(0..<10), signals: signals, metadata: engine.metadata(grid: [10, 1, 1], voxelCount: 10), directory: f))
        let shard = try PosteriorShard(path: f + "/" + PosteriorShard.name(0))
        for row in 0..<60 {
            let mu = (0..<3).map { Double(shard.draws[row * DrawColumn.count + DrawColumn.direction + $0]) }
            #expect(abs(mu[0] * fast.x + mu[1] * fast.y + mu[2] * fast.z) > 0.99 && shard.draws[row * DrawColumn.count + DrawColumn.fraction] == 0)
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
                #expect(Double(count) >= expected.rounded(.down) - 1e-9 && Double(count) <= expected.rounded(.up) + 1e-9)
            }
        }
    }

    @Test func crossingsAreMatchedOneToOne() {
        let x = SIMD3(1.0, 0, 0), y = SIMD3(0, 1.0, 0), tilted = SIMD3(cos(0.1), sin(0.1), 0)
        #expect(CrossingStudy.match([x, y], []).isEmpty)
        #expect(CrossingStudy.match([x, y], [-y]) == [0])
        let both = CrossingStudy.match([x, y], [y, tilted])
        #expect(abs(both[0] - 0.1 * 180 / .pi) < 1e-4 && both[1] < 1e-4)
        var random = RandomSource(seed: 2)
        for angle in [0.3, 1.0, 1.5] {
            let (a, b) = CrossingStudy.pair(angle, &random)
            #expect(abs((a * b).sum() - cos(angle)) < 1e-12 && abs((b * b).sum() - 1) < 1e-12)
        }
    }
}
