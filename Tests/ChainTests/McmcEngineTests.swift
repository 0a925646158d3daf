import Diffusion
import Foundation
import Inference
import ModelSpace
import TestFixtures
import Testing

@testable import Chain

@Suite struct McmcEngineTests {
    private static func chain(_ change: (inout ChainOptions) -> Void = { _ in }) -> ChainOptions {
        var chain = ChainOptions()
        chain.burnIn = 200
        chain.jumps = 250
        change(&chain)
        return chain
    }

    private func answers(_ chain: ChainOptions) -> [VoxelPosterior] {
        let recipe = McmcRecipe(acquisition: TestScan.acquisition, chain: chain, options: FitOptions())
        let m = TestScan.acquisition.count, y = TestScan.signals[0..<6 * m].map { $0 / 500 }
        return recipe.makeEngine().posteriors(y, count: 6, keys: (0..<6).map { UInt64($0) })
    }

    /// A draw's structure is its number of fibres above the floor, present fibres come first, and probabilities are
    /// shares of draws.
    @Test(arguments: [1, 2, 3], [false, true]) func drawsSayTheirStructure(fibres: Int, spread: Bool) {
        let structures = BallSticks().structureSpace.structures
        for answer in answers(
            Self.chain {
                $0.fibres = fibres; $0.hasSpread = spread
            })
        {
            #expect(answer.structures.count == 10 && answer.parameters.count == 160)
            for d in 0..<10 {
                let z = structures[answer.structures[d]], n = BallSticks.stickCount(z),
                    f = answer.parameters[d * 16 + 4..<d * 16 + 7].map { $0 }
                #expect(n <= fibres && BallSticks.hasSpread(z) == spread && !BallSticks.isRician(z))
                let presentFirst =
                    f.prefix(n).allSatisfy { $0 > 0.05 } && f.dropFirst(n).allSatisfy { $0 == 0 }
                    && f.sorted(by: >) == f
                // But for the first: a draw without any fibre says where the largest lay.
                let absentHaveNoAxis = answer.parameters[d * 16 + 7 + 3 * max(n, 1)..<d * 16 + 16].allSatisfy {
                    $0 == 0
                }
                let firstHasAxis =
                    abs(answer.parameters[d * 16 + 7..<d * 16 + 10].reduce(0) { $0 + $1 * $1 } - 1) < 1e-9
                #expect(presentFirst && absentHaveNoAxis && firstHasAxis)
            }
            for z in structures.indices {
                let share = Double(answer.structures.filter { $0 == z }.count) / 10
                #expect(abs(exp(answer.logProbability[z]) - share) < 1e-12)
            }
        }
    }

    /// A whole fit, spoilt voxels included: its archive reads back, and draws come out in their order with equal
    /// weights.
    @Test func fillsAnArchive() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("prism-mcmc-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var options = FitOptions()
        options.lambda = 0
        options.samples = 10
        options.threads = 2
        let recipe = McmcRecipe(acquisition: TestScan.acquisition, chain: Self.chain(), options: options)
        let engine = FitEngine(recipe: recipe, acquisition: TestScan.acquisition, options: options)
        let metadata = engine.metadata(grid: [20, 10, 1], voxelCount: 100)
        #expect(metadata.notes["engine"] == "mcmc" && metadata.notes["model"] == "1" && metadata.drawCount == 10)
        #expect(
            try engine.run(
                voxels: (0..<100).map { $0 * 2 }, signals: TestScan.signals, metadata: metadata, directory: folder))
        let summary = try PosteriorSummary(PosteriorArchive(directory: folder), lambda: 0, threads: 1)
        for v in 0..<100 where v != 10 && v != 20 { for s in 0..<10 { #expect(summary.draw(v, s) == s) } }
        let isFinite = summary.misfit.allSatisfy { $0.isFinite }
        #expect(isFinite)
    }
}
