import Chain
import Diffusion
import Exact
import Foundation
import Synchronization
import TestFixtures
import Testing

@testable import Inference

/// The files of a fit are the same however its work is cut: for every engine and preset.
@Suite struct DeterminismTests {
    enum Engine: String, CaseIterable, CustomTestStringConvertible {
        case fast, balanced, exact, mcmc, smc

        var testDescription: String { rawValue }
        /// Few where a voxel takes long; some of them spoilt where there are more than ten.
        var voxels: Int {
            switch self {
            case .fast, .balanced, .mcmc: 40
            case .exact: 6
            case .smc: 3
            }
        }
        /// So small that there are three files or more, the last of them shorter.
        var shardSize: Int { self == .smc ? 1 : voxels / 3 }

        func recipe(_ acquisition: Acquisition, _ options: FitOptions) throws -> any EngineRecipe {
            switch self {
            case .fast, .balanced, .exact:
                // Untrained, which here only makes the likelihood's work harder.
                var recipe = try PrismRecipe(
                    file: TestScan.file, path: "test", acquisition: acquisition, options: options)
                recipe.solverSteps = 2
                recipe.correctionSweeps = 2
                if self == .fast { recipe.refinement = .fast }
                if self == .exact { recipe.refinement = .exact }
                return recipe
            case .mcmc:
                var chain = ChainOptions()
                (chain.burnIn, chain.jumps) = (50, 50)
                return McmcRecipe(acquisition: acquisition, chain: chain, options: options)
            case .smc:
                var recipe = SmcRecipe(acquisition: acquisition, options: options)
                (recipe.settings.pilotParticles, recipe.settings.particles, recipe.settings.maximumRuns) = (32, 32, 2)
                (recipe.settings.minimumRuns, recipe.settings.minimumCrossingRuns) = (1, 1)
                return recipe
            }
        }
    }

    /// A fit's files by name. `parts` are fitted one after the other, as on different machines, into one folder.
    private func files(
        _ engine: Engine, threads: Int, block: Int = 32, parts: Int = 1, interruptedAfter: Int? = nil,
        pieces: Duration = .seconds(10)
    ) throws -> [String: Data] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("prism-same-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let acquisition = TestScan.acquisition, count = engine.voxels
        var options = FitOptions()
        (options.samples, options.threads) = (6, threads)
        let fitter = FitEngine(
            recipe: try engine.recipe(acquisition, options), acquisition: acquisition, options: options,
            blockSize: block, shardSize: engine.shardSize,
            pieceInterval: pieces)
        let metadata = fitter.metadata(grid: [10, 10, 1], voxelCount: count)
        func run(_ part: Int, of parts: Int, stop: @escaping @Sendable () -> Bool = { false }) throws -> Bool {
            try fitter.run(
                voxels: (0..<count).map { 2 * $0 }, signals: Array(TestScan.signals[..<(count * acquisition.count)]),
                metadata: metadata,
                directory: folder.path, part: (part, parts), shouldStop: stop)
        }
        for part in 0..<parts {
            if let interruptedAfter {
                let asked = Atomic<Int>(0)
                #expect(
                    try !run(part, of: parts, stop: { asked.add(1, ordering: .relaxed).newValue > interruptedAfter }))
            }
            #expect(try run(part, of: parts))
        }
        // Parts whose ends cut shards leave pieces; all of them are there.
        if parts > 1 { #expect(try run(0, of: 1)) }
        let archive = try PosteriorArchive(directory: folder.path)
        #expect(archive.voxelCount == count && archive.shards.count >= 3)
        // All files, so that a piece left behind is seen.
        return try Dictionary(
            uniqueKeysWithValues: FileManager.default.contentsOfDirectory(atPath: folder.path).map {
                ($0, try Data(contentsOf: folder.appendingPathComponent($0)))
            })
    }

    @Test(arguments: Engine.allCases) func sameBytesHoweverTheWorkIsCut(engine: Engine) throws {
        let whole = try files(engine, threads: 1)
        #expect(try files(engine, threads: 2, block: 5) == whole, "2 threads, blocks of 5")
        #expect(try files(engine, threads: 7, block: 1) == whole, "7 threads, blocks of 1")
        #expect(try files(engine, threads: 2, block: 100, parts: 3) == whole, "three parts")
        #expect(
            try files(engine, threads: 2, parts: 5) == whole,
            "five parts, of which some cut a shard and some may be empty")
        #expect(try files(engine, threads: 3, block: 2, interruptedAfter: 2) == whole, "interrupted and resumed")
        #expect(
            try files(engine, threads: 2, block: 1, interruptedAfter: 7, pieces: .zero) == whole,
            "a piece for every block, interrupted and resumed")
    }
}
