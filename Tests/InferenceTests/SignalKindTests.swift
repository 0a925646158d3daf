import Chain
import Diffusion
import Exact
import Foundation
import ModelSpace
import Networks
import TestFixtures
import Testing

@testable import Inference

/// Signals that are negative, and signals that are not there.
@Suite struct SignalKindTests {
    /// Three shells and five b=0 volumes.
    static let acquisition: Acquisition = {
        let g = DirectionSets.fibonacci(24), b = [1000.0, 2000, 3000]
        return try! Acquisition(
            bValues: Array(repeating: 0, count: 5) + b.flatMap { Array(repeating: $0, count: 24) },
            directions: Array(repeating: .zero, count: 5) + g + g + g)
    }()
    static let m = acquisition.count, structures = BallSticks().structureSpace.structures

    /// Voxels of free water in scanner units: no fibres, d = 3e-3 mm²/s, Gaussian noise of zero mean.
    static func freeWater(_ count: Int, snr: Double, seed: UInt64 = 1) -> [Float] {
        var random = RandomSource(seed: seed)
        return (0..<count).flatMap { _ in
            (0..<m).map { i in Float(700 * (exp(-acquisition.bValues[i] * 3e-3) + random.normal() / snr)) }
        }
    }

    enum Engine: String, CaseIterable { case fast, balanced, mcmc }

    static func recipe(_ engine: Engine, _ acquisition: Acquisition, _ options: FitOptions) throws -> any EngineRecipe {
        if engine == .mcmc {
            var chain = ChainOptions()
            (chain.burnIn, chain.jumps, chain.fibres) = (300, 1250, 1)
            return McmcRecipe(acquisition: acquisition, chain: chain, options: options)
        }
        var prism = try PrismRecipe(
            file: NetworkFile.standard(), path: "test", acquisition: acquisition, options: options)
        if engine == .fast {
            (prism.solverSteps, prism.correctionSweeps, prism.threeStickSweeps) = (1, 2, 6)
            prism.refinement = .fast
        }
        return prism
    }

    /// Fits raw signals as `fit` does.
    static func fit(
        _ signals: [Float], _ engine: Engine, noise: NoiseKinds = .either, acquisition: Acquisition = acquisition,
        voxels: [Int]? = nil, block: Int = 32
    ) throws -> PosteriorShard {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("prism-signals-\(UUID())").path,
            count = signals.count / acquisition.count
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var options = FitOptions()
        (options.threads, options.samples) = (2, 50)
        if engine == .mcmc { options.lambda = 0 }
        options.rules = SignalSurvey(signals, measurements: acquisition.count, areIntegers: false).rules()
        let made = try recipe(engine, acquisition, options).adapted(to: acquisition, noise: noise)
        let fitter = FitEngine(recipe: made, acquisition: acquisition, options: options, blockSize: block)
        _ = try fitter.run(
            voxels: voxels ?? Array(0..<count), signals: signals,
            metadata: fitter.metadata(grid: [1000, 1, 1], voxelCount: count), directory: folder)
        return try PosteriorShard(path: folder + "/" + PosteriorShard.name(0))
    }

    /// Posterior over the fit's λ of voxel v: P(no fibre), P(Rician), and quantiles of d (10⁻³ mm²/s).
    static func summary(_ shard: PosteriorShard, _ v: Int, lambda: Double) -> (
        none: Double, rician: Double, low: Float, median: Float, high: Float
    ) {
        let d = shard.metadata.drawCount
        var posterior = ListedPosterior(), probability: [Double] = []
        var weights = [Float](repeating: 0, count: d), chosen = [UInt16](repeating: 0, count: 200)
        shard.read(v, into: &posterior)
        DrawWeights(shard.metadata, target: lambda).update(
            posterior, probability: &probability, weights: &weights)
        DrawWeights.resample(weights, drawCount: d, samples: 200, into: &chosen)
        let all = chosen.map { posterior.draws[Int($0) * DrawColumn.count] }.sorted()
        let rows = posterior.rows.map { shard.metadata.structures.rows[$0] }
        return (
            probability.indices.reduce(0) { $0 + (rows[$1].fibreCount == 0 ? probability[$1] : 0) },
            probability.indices.reduce(0) { $0 + (rows[$1].isRician ? probability[$1] : 0) }, all[10], all[100],
            all[190]
        )
    }

    /// Raised to a small positive value, as they once were, negative signals made d half as large again, intervals that
    /// covered it in a few voxels in a hundred, and fibres.
    @Test(arguments: Engine.allCases) func negativeSignalsOfFreeWaterAreSignals(_ engine: Engine) throws {
        let count = 40, shard = try Self.fit(Self.freeWater(count, snr: 25), engine)
        var covered = 0, fibres = 0, mean: Float = 0
        for v in 0..<count {
            let s = Self.summary(shard, v, lambda: engine == .mcmc ? 0 : 0.5)
            #expect(VoxelQuality(rawValue: shard.quality[v]) == .negativeSignal)
            #expect(s.rician == 0)
            if s.low < 3 && s.high > 3 { covered += 1 }
            if s.none < 0.5 { fibres += 1 }
            mean += s.median / Float(count)
        }
        // 36 ± 1.9 expected; of the chain 28 ± 3: it always has a weak fibre, which the ball's diffusivity makes up
        // for. It was 11.
        #expect(covered >= (engine == .mcmc ? 20 : 30))
        #expect(fibres <= 2)
        // Where diffusivities may be spread, their mean is a little larger.
        #expect(abs(mean - 3) < (engine == .mcmc ? 0.4 : 0.2))
    }

    @Test func smcKnowsNegativeSignals() throws {
        let y = Self.freeWater(1, snr: 25).map { $0 / 700 }, acquisition = Self.acquisition
        let mean = acquisition.unweightedIndices.reduce(0) { $0 + y[$1] } / Float(acquisition.unweightedCount)
        var options = FitOptions()
        options.samples = 20
        var recipe = SmcRecipe(acquisition: acquisition, options: options)
        (recipe.settings.pilotParticles, recipe.settings.particles, recipe.settings.maximumRuns) = (64, 128, 2)
        (recipe.settings.minimumRuns, recipe.settings.minimumCrossingRuns) = (1, 1)
        let answer = recipe.makeEngine().posteriors(y.map { $0 / mean }, count: 1, keys: [1])[0]
        let d = stride(from: 0, to: answer.parameters.count, by: BallSticks.Slot.count).map { answer.parameters[$0] }
        #expect(
            zip(Self.structures, answer.logProbability).allSatisfy { BallSticks.isRician($0) == ($1 == -.infinity) })
        #expect(d.min()! > 2e-3 && d.max()! < 4.5e-3)
    }

    /// In a real-valued scan voxels without a negative signal have Gaussian noise, too.
    @Test func gaussianScansHaveNoRicianVoxel() throws {
        let signals = Self.freeWater(8, snr: 25).map { abs($0) + 1 },
            shard = try Self.fit(signals, .fast, noise: .gaussian)
        for v in 0..<8 { #expect(Self.summary(shard, v, lambda: 0.5).rician == 0) }
        let either = try Self.fit(signals, .fast)
        #expect((0..<8).contains { Self.summary(either, $0, lambda: 0.5).rician > 0.5 })
    }

    /// A voxel that lacks volumes has the answer of a scan that never had them, whatever stands beside it.
    @Test(arguments: Engine.allCases) func missingMeasurementsAreLeftOut(_ engine: Engine) throws {
        let m = Self.m, whole = Self.freeWater(12, snr: 40).map { abs($0) + 2 }
        let patterns = [[1, 7, 30], [1, 7, 30, 31, 32], Array(40..<m)]
        var signals = whole
        for (v, gaps) in [3: 0, 4: 0, 5: 1, 9: 2] { for i in patterns[gaps] { signals[v * m + i] = 0 } }
        let shard = try Self.fit(signals, engine), a = shard.dense, b = try Self.fit(signals, engine, block: 5).dense
        #expect(
            a.draws.elementsEqual(b.draws) && a.logProbability.elementsEqual(b.logProbability)
                && a.misfit.elementsEqual(b.misfit))
        let d = a.drawCount * DrawColumn.count, z = shard.metadata.structures.count
        for (v, gaps) in [3: 0, 4: 0, 5: 1, 9: 2] {
            let kept = (0..<m).filter { !patterns[gaps].contains($0) }, part = Self.acquisition.keeping(kept)!
            let alone = try Self.fit(kept.map { whole[v * m + $0] }, engine, acquisition: part, voxels: [v]).dense
            #expect(alone.draws.elementsEqual(a.draws[v * d..<(v + 1) * d]))
            #expect(alone.logProbability.elementsEqual(a.logProbability[v * z..<(v + 1) * z]))
            #expect(alone.misfit[0] == a.misfit[v] && alone.meanB0[0] == a.meanB0[v])
            #expect(VoxelQuality(rawValue: a.quality[v]) == .missingSignal)
        }
        // The others have the answers of a scan in which nothing is missing.
        let clean = try Self.fit(whole, engine).dense
        for v in [0, 1, 2, 6, 7, 8, 10, 11] {
            #expect(clean.draws[v * d..<(v + 1) * d].elementsEqual(a.draws[v * d..<(v + 1) * d]))
        }
    }

    @Test func whatIsLeftMustSuffice() throws {
        let m = Self.m, whole = Self.freeWater(3, snr: 40).map { abs($0) + 2 }
        var signals = whole
        for i in 0..<5 { signals[i] = 0 }
        for i in 9..<m { signals[m + i] = 0 }
        let shard = try Self.fit(signals, .fast)
        #expect(VoxelQuality(rawValue: shard.quality[0]) == [.missingSignal, .noBaseline, .notFitted])
        #expect(VoxelQuality(rawValue: shard.quality[1]) == [.missingSignal, .tooFewMeasurements, .notFitted])
        #expect(shard.quality[2] == 0 && shard.meanB0[1] == 0)
        let a = Self.acquisition
        #expect(a.keeping([0, 5, 6, 7, 8, 9, 10])?.bValues == [0, 1000, 1000, 1000, 1000, 1000, 1000])
        // The same direction in three shells is one.
        #expect(a.keeping([0, 5, 6, 29, 30, 53, 54, 55]) == nil)
        #expect(a.keeping(Array(5..<m)) == nil)
    }

    /// Shell by shell they are the same volumes, however few directions there are.
    @Test func shellsComeTogether() throws {
        let g = [SIMD3<Double>(1, 0, 0), SIMD3(0, 1, 0), SIMD3(0, 0, 1)]
        let a = try Acquisition(
            bValues: [1000, 0, 2000, 1000, 0, 2000], directions: [g[0], .zero, g[1], g[2], .zero, g[0]])
        #expect(a.shellOrder == [0, 3, 1, 4, 2, 5])
        let sorted = a.taking(a.shellOrder)
        #expect(sorted.bValues == [1000, 1000, 0, 0, 2000, 2000] && sorted.unweightedIndices == [2, 3])
        #expect(sorted.directions == [g[0], g[2], .zero, .zero, g[1], g[0]])
    }

    @Test func scansAreTakenForWhatTheyAre() {
        let m = Self.m, water = Self.freeWater(10, snr: 25)
        let magnitudes = Self.freeWater(990, snr: 25, seed: 2).map { abs($0) + 1 }
        func survey(_ values: [Float], integers: Bool = false) -> SignalSurvey {
            SignalSurvey(values, measurements: m, areIntegers: integers)
        }
        for integers in [false, true] {
            #expect(survey(magnitudes, integers: integers).warnings(noise: .either).isEmpty)
        }
        // Ten voxels of 1000 often negative: real-valued. Two negative signals a voxel are not often.
        #expect(survey(water + magnitudes).isRealValued && survey(water + magnitudes).negative == 10)
        var few = magnitudes
        for v in 0..<500 { few[v * m + 9] = -1; few[v * m + 20] = -2 }
        #expect(
            !survey(few).isRealValued && survey(few).negative == 500
                && survey(few).warnings(noise: .either)[0].contains("500 of 990"))

        // Zeros among negative whole numbers, or as many ones, are numbers; not where they are many, in one volume
        // throughout, or among fractions.
        var whole = water.map { ($0 / 8).rounded() }
        let zeros = (0..<10).map { v in (0..<m).count { whole[v * m + $0] == 0 } }
        #expect(zeros.contains { $0 > 0 } && survey(whole).incomplete == 0)
        for i in 30..<m { whole[i] = 0 }
        #expect(survey(whole).incomplete == 1)
        for v in 0..<10 { whole[v * m + 12] = 0 }
        #expect(survey(whole).emptyVolumes == [12])
        var out = [Float](repeating: 0, count: m)
        let rules = survey(whole).rules(),
            kept = (1..<10).map { v in
                whole.withUnsafeBufferPointer {
                    VoxelNormalisation.normalise(
                        UnsafeBufferPointer(rebasing: $0[v * m..<(v + 1) * m]), Self.acquisition, rules, into: &out
                    ).kept
                }
            }
        #expect(kept.allSatisfy { $0 == (0..<m).filter { $0 != 12 } })
        var dark = (0..<2 * m).map { Float($0 % m < 5 ? 300 : 50) }
        for (i, x) in [Float(1), 0, 1, 1, 0].enumerated() { dark[60 + i] = x }
        dark[m + 70] = 0
        let darkRules = survey(dark).rules()
        dark.withUnsafeBufferPointer {
            let voxel = VoxelNormalisation.normalise(
                UnsafeBufferPointer(rebasing: $0[0..<m]), Self.acquisition, darkRules, into: &out)
            #expect(
                voxel.quality == [] && voxel.kept == nil && out[61] == Float(0.125 / 300.0)
                    && out[60] == Float(1 / 300.0))
        }
        #expect(survey(dark).incomplete == 1 && survey(dark).missing == 1)

        var fractions = water
        fractions[40] = 0
        fractions[2 * m + 41] = .infinity
        let found = survey(fractions)
        #expect(found.incomplete == 1 && found.missing == 1 && found.warnings(noise: .gaussian).count == 2)
    }

    /// Training has seen negative signals, and nothing beyond what it says.
    @Test func theTrainedRangeIsWhatSimulationsSpan() {
        let range = BallSticks().simulatedRange(of: Self.acquisition)
        #expect(range.lowerBound < -0.5 && range.upperBound > 1.5 && range.upperBound < 10)
        #expect(range == BallSticks().simulatedRange(of: Self.acquisition))
        var signal = (0..<Self.m).map { i in Float(exp(-Self.acquisition.bValues[i] * 1e-3)) }, out = signal
        var rules = SignalRules()
        rules.trained = range
        func quality() -> VoxelQuality {
            signal.withUnsafeBufferPointer {
                VoxelNormalisation.normalise($0, Self.acquisition, rules, into: &out).quality
            }
        }
        #expect(quality() == [])
        signal[20] = range.upperBound * 1.01
        #expect(quality() == .outsideTraining)
        signal[20] = range.lowerBound * 1.01
        #expect(quality() == [.outsideTraining, .negativeSignal])
    }
}
