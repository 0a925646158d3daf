import Diffusion
import Exact
import Foundation
import ModelSpace
import TestFixtures
import Testing

@testable import Inference

/// σ taken as known on its way from a map into every draw, and voxels that have none.
@Suite struct KnownNoiseFitTests {
    typealias Slot = BallSticks.Slot
    private static let acquisition = TestScan.acquisition, m = TestScan.acquisition.count, count = 24
    private static let signals = Array(TestScan.signals[..<(count * m)])
    /// Every third voxel has no value, and one of the others a senseless one.
    private static let sigma: [Float] = (0..<count).map {
        $0 % 3 == 0 ? [0, .nan, -5][$0 / 3 % 3] : $0 == 4 ? 1e-4 : 20 + Float($0)
    }
    private static func isKnown(_ v: Int) -> Bool { v % 3 != 0 && v != 4 }
    private static let given = KnownNoise(IndependentNoise(.init(.map), values: sigma))

    private static func recipe(_ engine: DeterminismTests.Engine) throws -> any EngineRecipe {
        var options = FitOptions()
        options.samples = 6
        return try engine.recipe(acquisition, options)
    }

    private static func fit(
        _ engine: DeterminismTests.Engine, noise: KnownNoise?, threads: Int = 2, block: Int = 5, voxels: Int = count
    ) throws -> DenseBatch {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("prism-known-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var options = FitOptions()
        (options.samples, options.threads) = (6, threads)
        let fitter = FitEngine(recipe: try recipe(engine), acquisition: acquisition, options: options, blockSize: block)
        let metadata = fitter.metadata(grid: [10, 10, 1], voxelCount: voxels, notes: noise?.notes ?? [:]),
            cut = noise.map {
                KnownNoise(IndependentNoise(.init($0.source), values: Array($0.values[..<voxels])))
            }
        #expect(
            try fitter.run(
                voxels: Array(0..<voxels), signals: Array(signals[..<(voxels * m)]), noise: cut, metadata: metadata,
                directory: folder.path))
        // Another map is another fit, and so is none.
        var other = metadata
        other.notes["known_noise_digest"] = "x"
        #expect(throws: FitEngineError.self) {
            try fitter.run(
                voxels: Array(0..<voxels), signals: Array(signals[..<(voxels * m)]), noise: cut, metadata: other,
                directory: folder.path)
        }
        return try PosteriorArchive(directory: folder.path).shards[0].dense
    }

    @Test(arguments: [DeterminismTests.Engine.fast, .balanced, .smc]) func aVoxelIsFittedWithItsOwnNoiseOrAsBefore(
        engine: DeterminismTests.Engine
    ) throws {
        let n = engine == .smc ? 5 : Self.count
        let with = try Self.fit(engine, noise: Self.given, voxels: n),
            without = try Self.fit(engine, noise: nil, voxels: n)
        #expect(try Self.fit(engine, noise: Self.given, threads: 1, block: 32, voxels: n).draws == with.draws)
        let z = 16, width = with.drawCount * DrawColumn.count
        for v in 0..<n where !VoxelQuality(rawValue: with.quality[v]).contains(.notFitted) {
            let isSame =
                with.logProbability[v * z..<(v + 1) * z].elementsEqual(without.logProbability[v * z..<(v + 1) * z])
                && with.draws[v * width..<(v + 1) * width].elementsEqual(without.draws[v * width..<(v + 1) * width])
            #expect(isSame == !Self.isKnown(v), "voxel \(v)")
            guard Self.isKnown(v) else { continue }
            for d in 0..<with.drawCount {
                let row = v * width + d * DrawColumn.count
                let sigma =
                    Float(with.draws[row + DrawColumn.scale]) * with.meanB0[v] / Float(with.draws[row + DrawColumn.snr])
                #expect(abs(sigma / Self.sigma[v] - 1) < 2e-3)
            }
        }
    }

    /// To the last digits, in every draw.
    @Test(arguments: [DeterminismTests.Engine.fast, .balanced, .exact, .smc]) func everyDrawHasTheNoiseGiven(
        engine: DeterminismTests.Engine
    ) throws {
        let y = (0..<3).flatMap { v -> [Float] in
            let raw = Array(Self.signals[(v + 1) * Self.m..<(v + 2) * Self.m]), mean = (raw[0] + raw[1]) / 2
            return raw.map { $0 / mean }
        }
        let sigma: [Double?] = [0.05, nil, 0.004]
        let answers = try Self.recipe(engine).makeEngine().posteriors(y, count: 3, keys: [1, 2, 3], sigma: sigma)
        for (answer, sigma) in zip(answers, sigma) {
            #expect(abs(answer.logProbability.reduce(0) { $0 + exp($1) } - 1) < 1e-9)
            guard let sigma else { continue }
            for d in answer.structures.indices {
                let theta = answer.parameters[16 * d..<16 * d + 16]
                #expect(abs(theta[16 * d + Slot.s0] / theta[16 * d + Slot.snr] / sigma - 1) < 1e-12)
            }
        }
        // An SNR of 250 is beyond what the prior allows an unknown noise.
        #expect(answers[2].parameters[Slot.snr] > 150)
    }

    @Test func whatHasNoUsableValueIsCountedBeforehand() {
        let survey = FitSurvey(Self.signals, Self.acquisition, SignalRules(), noise: Self.given)
        #expect(
            survey.unfitted == 2
                && survey.withoutNoise == (0..<Self.count).count { !Self.isKnown($0) && $0 != 10 && $0 != 20 })
        #expect(FitSurvey(Self.signals, Self.acquisition, SignalRules()).withoutNoise == 0)
    }
}
