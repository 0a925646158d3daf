import Diffusion
import Foundation
import ModelSpace
import TestFixtures
import Testing

@testable import Inference

/// Bayes factors of two fits of one scan, on one scale.
@Suite struct FitComparisonTests {
    private static let acquisition = TestAcquisition.shells([1000, 2500], unweighted: 4, directions: 20)

    /// Signals of ball and sticks, some raw units.
    private static func signals(_ structures: [Int]) -> [Float] {
        let family = BallSticks(), space = family.structureSpace, m = acquisition.count
        var theta = [Double](repeating: 0, count: family.parameterNames.count), all: [Float] = []
        for (v, z) in structures.enumerated() {
            var random = RandomSource(seed: 5, stream: UInt64(v)), y = [Float](repeating: 0, count: m)
            family.drawParameters(space.structures[z], acquisition, using: &random, into: &theta)
            theta[BallSticks.Slot.snr] = 30
            family.simulate(&theta, space.structures[z], acquisition, using: &random, into: &y)
            all += y.map { 1000 * $0 }
        }
        return all
    }

    private static func fit(
        _ recipe: any EngineRecipe, _ options: FitOptions, _ structures: [Int], into directory: String,
        notes: [String: String] = ["dwi_digest": "a"]
    ) throws -> PosteriorArchive {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let fitter = FitEngine(recipe: recipe, acquisition: acquisition, options: options)
        let voxels = Array(structures.indices)
        let metadata = fitter.metadata(grid: [structures.count, 1, 1], voxelCount: voxels.count, notes: notes)
        _ = try fitter.run(
            voxels: voxels, signals: signals(structures), metadata: metadata, directory: directory)
        return try PosteriorArchive(directory: directory)
    }

    /// Ball and sticks by its own sampler, and composed as any family by the general search: one evidence, so that what
    /// both leave out is the same.
    @Test func familiesThatAreOneHaveOneEvidence() throws {
        let root = NSTemporaryDirectory() + "compare-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: root) }
        // No stick, and one with spread.
        let structures = [0, 6]
        var options = FitOptions()
        options.samples = 10
        let own = try Self.fit(
            SmcRecipe(acquisition: Self.acquisition, options: options), options, structures, into: root + "/a")
        let composed = ComposedFamily.ballSticks
        let general = try Self.fit(
            FamilyEngineRecipe(
                family: composed, file: nil, path: "", acquisition: Self.acquisition, options: options, preset: .exact),
            options, structures, into: root + "/b")
        for lambda in [0, 1.0] {
            let comparison = try FitComparison(own, general, lambda: lambda)
            #expect(comparison.isCompared.allSatisfy { $0 } && comparison.omissions == .init())
            for k in comparison.logBayesFactor {
                #expect(abs(k) < 0.25, "\(comparison.logBayesFactor) at λ = \(lambda)")
            }
            let back = try FitComparison(general, own, lambda: lambda)
            #expect(back.logBayesFactor == comparison.logBayesFactor.map { -$0 })
        }
        // With other data, noise, or no evidence, they are not compared.
        let other = try Self.fit(
            FamilyEngineRecipe(
                family: composed, file: nil, path: "", acquisition: Self.acquisition, options: options),
            options, structures, into: root + "/c", notes: ["dwi_digest": "b"])
        #expect { _ = try FitComparison(own, other, lambda: 0) } throws: { "\($0)".contains("different scans") }
        let bare = root + "/d"
        try FileManager.default.createDirectory(atPath: bare, withIntermediateDirectories: true)
        for shard in general.shards {
            var batch = PosteriorBatch(shard)
            for i in batch.records.indices { batch.records[i]?.logEvidence = -.infinity }
            try PosteriorShard.write(
                batch, metadata: shard.metadata.inCurrentFormat, index: shard.index, first: shard.first, directory: bare
            )
        }
        // As files of earlier versions have none, these have no such tensor.
        let text = try Data(contentsOf: URL(fileURLWithPath: bare + "/" + PosteriorShard.name(0)))
        #expect(text.range(of: Data("log_evidence".utf8)) == nil)
        #expect {
            _ = try FitComparison(own, PosteriorArchive(directory: bare), lambda: 0)
        } throws: { "\($0)".contains("holds no evidence") }
    }

    /// The evidence of a family is the mean over structures under its prior, by the definition.
    @Test func evidenceIsThatOfTheProbabilities() {
        let l = [-3.0, -1, -2], total = log(l.reduce(0) { $0 + exp($1) })
        let found = VoxelPosterior.logEvidence(l.map { $0 - total }, l) { $0 != 1 }
        #expect(abs(found - total) < 1e-12)
        #expect(VoxelPosterior.logEvidence([0], [-5]) { _ in false } == -.infinity)
    }
}
