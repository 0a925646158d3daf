import Diffusion
import Foundation
import ModelSpace
import Networks
import TestFixtures
import Testing

@testable import Inference

/// What two halves of a scan say of λ.
@Suite struct LambdaStudyTests {
    private static let acquisition = TestAcquisition.shells([1000, 2500], unweighted: 6, directions: 40)
    private static let halves = VolumeHalves(acquisition)!

    /// Voxels whose structures come about with p(z | λ), in raw units.
    private static func signals(_ count: Int, lambda: Double) -> [Float] {
        let family = BallSticks(), space = family.structureSpace, m = acquisition.count
        var theta = [Double](repeating: 0, count: family.parameterNames.count), all: [Float] = []
        for v in 0..<count {
            var random = RandomSource(seed: 11, stream: UInt64(v)), y = [Float](repeating: 0, count: m)
            let z = space.structures[space.draw(lambda: lambda, using: &random)]
            family.drawParameters(z, acquisition, using: &random, into: &theta)
            theta[BallSticks.Slot.snr] = 25
            family.simulate(&theta, z, acquisition, using: &random, into: &y)
            all += y.map { 800 * $0 }
        }
        return all
    }

    private static func taking(_ signals: [Float], _ volumes: [Int]) -> [Float] {
        let m = acquisition.count
        return (0..<signals.count / m).flatMap { v in volumes.map { signals[v * m + $0] } }
    }

    private static func fit(_ signals: [Float], _ half: Int, into folder: String) throws -> PosteriorArchive {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let own = acquisition.taking(halves.kept[half]), count = signals.count / acquisition.count
        var options = FitOptions()
        options.threads = 2
        let recipe = try PrismRecipe(
            file: NetworkFile.standard(), path: "", acquisition: own, options: options, preset: .fast)
        let fitter = FitEngine(recipe: recipe, acquisition: own, options: options)
        _ = try fitter.run(
            voxels: (0..<count).map { 3 * $0 }, signals: taking(signals, halves.kept[half]),
            metadata: fitter.metadata(grid: [3 * count, 1, 1], voxelCount: count), directory: folder)
        return try PosteriorArchive(directory: folder)
    }

    private static func study(_ count: Int, lambda: Double, threads: Int = 2) throws -> LambdaStudy {
        let root = NSTemporaryDirectory() + "lambda-\(UUID().uuidString)", signals = signals(count, lambda: lambda)
        defer { try? FileManager.default.removeItem(atPath: root) }
        let archives = try (0..<2).map { try fit(signals, $0, into: root + "/\($0)") }
        let held = halves.heldOut.map {
            LambdaStudy.HeldOut(acquisition: acquisition.taking($0), signals: taking(signals, $0))
        }
        return try LambdaStudy((archives[0], archives[1]), family: BallSticks(), heldOut: held, threads: threads)!
    }

    /// A proper score: unseen volumes are foretold best at the λ by which voxels came about.
    @Test(arguments: [(0.0, 0.0...0.5), (1.0, 0.5...1.75)])
    func unseenVolumesAreForetoldBestAtTheTruth(_ truth: Double, _ range: ClosedRange<Double>) throws {
        let study = try Self.study(1000, lambda: truth)
        let best = study.rows[try #require(study.likeliest)].lambda
        #expect(range.contains(best), "\(best): \(study.rows.map { $0.densityLoss!.value })")
        let atTruth = try #require(study.rows.first { $0.lambda == truth }?.densityLoss)
        #expect(atTruth.value <= 2.5 * atTruth.error)
        // The end of the range that is far from the truth is plainly worse.
        let far = try #require(truth == 0 ? study.rows.last?.densityLoss : study.rows[0].densityLoss)
        #expect(far.value > 3 * far.error, "\(far)")
        // What is found again decides first: of the λ at which that is about the most, one near the truth, if any is.
        #expect(study.plateau.contains(study.lambda))
        if study.plateau.contains(where: range.contains) {
            #expect(range.contains(study.lambda), "recommended \(study.lambda)")
        }
        #expect(study.voxels == 1000 && study.blocks > 10)
    }

    /// Densities as they are defined, by the family's own signals in double precision.
    @Test func densitiesAreThoseOfTheirDefinition() throws {
        let root = NSTemporaryDirectory() + "lambda-\(UUID().uuidString)", signals = Self.signals(12, lambda: 0.5)
        defer { try? FileManager.default.removeItem(atPath: root) }
        let archive = try Self.fit(signals, 0, into: root), held = Self.acquisition.taking(Self.halves.heldOut[0])
        let y = Self.taking(signals, Self.halves.heldOut[0]), family = BallSticks(), d = archive.metadata.drawCount
        let lambdas = [0, 1.5]
        let density = try HeldOutDensity(
            archive, family, lambdas: lambdas, acquisition: held, signals: y, threads: 2, shouldStop: { false })
        var posterior = ListedPosterior(), probability: [Double] = [], weights = [Float](repeating: 0, count: d)
        let layout = archive.metadata.layout, p = layout.count
        for v in 0..<12 {
            archive.shards[0].read(v, into: &posterior)
            for (k, lambda) in lambdas.enumerated() {
                DrawWeights(archive.metadata, target: lambda)
                    .update(posterior, probability: &probability, weights: &weights)
                var sum = 0.0
                for i in 0..<held.count {
                    var mixture = 0.0
                    for s in 0..<d {
                        let z = posterior.structures[Int(posterior.drawPlaces[s])]
                        let theta = (0..<p).map { Double(posterior.draws[s * p + $0]) / layout.scales[$0] }
                        let s0 = theta[BallSticks.Slot.s0], sigma = s0 / theta[BallSticks.Slot.snr]
                        let signal = s0 * BallSticks.attenuation(theta, z, b: held.bValues[i], g: held.directions[i])
                        let value = Double(y[v * held.count + i]) / Double(archive.shards[0].meanB0[v])
                        mixture +=
                            Double(weights[s]) * exp(family.noise(z).logDensity(value, signal: signal, sigma: sigma))
                    }
                    sum += log(mixture)
                }
                #expect(abs(density.sums[v * 2 + k] - sum) < 1e-3, "voxel \(v), λ \(lambda)")
            }
            #expect(density.counts[v] == held.count)
        }
    }

    @Test func lambdasAreThoseThatTheFamilyIsReadAt() {
        #expect(LambdaStudy.lambdas(from: 0).count == 11 && LambdaStudy.lambdas(from: 0).first == 0)
        #expect(LambdaStudy.lambdas(from: 0.5).first == 0.5 && LambdaStudy.lambdas(from: 0.3).first == 0.5)
    }

    private static func sums(_ voxels: [(Int, Int, found: Double, density: Double)]) -> LambdaStudy.Sums {
        var sums = LambdaStudy.Sums()
        for (a, b, found, density) in voxels {
            sums.voxels += 1
            sums.numbers[4 * a + b] += 1
            sums.called[0] += Double(a + b)
            sums.found[0] += found
            sums.net += found - Double(a + b) / 2
            sums.density += density
            sums.measurements += 1
        }
        return sums
    }

    @Test func theRuleIsAsItIsTold() throws {
        // Blocks of one voxel. At the first λ the second fibre is never found again, at the second the first always is,
        // at the third it is lost in half of the voxels.
        let n = 40
        func blocks(_ body: (Int) -> (Int, Int, found: Double, density: Double)) -> [LambdaStudy.Sums] {
            (0..<n).map { Self.sums([body($0)]) }
        }
        let study = LambdaStudy(
            [
                blocks { _ in (2, 2, found: 2, density: 1) }, blocks { _ in (1, 1, found: 2, density: 0.5) },
                blocks { $0 % 2 == 0 ? (1, 1, found: 2, density: 0) : (0, 0, found: 0, density: 0) },
            ], [0, 1, 2], voxels: n, hasDensity: true)
        #expect(study.rows.map(\.net) == [0, 1, 0.5])
        #expect(study.lambda == 1 && study.plateau == [1] && study.showsMisfit && study.rows[0].densityLoss?.value == 0)
        #expect(study.rows[1].densityLoss == .init(value: 0.5, error: 0))
        // Of a plateau, what foretells best; without densities what is nearest to the default, of equal ones the least.
        let level = (0..<2).map { k in blocks { _ in (1, 1, found: 2, density: Double(k)) } }
        #expect(LambdaStudy(level, [0, 1], voxels: n, hasDensity: true).lambda == 1)
        #expect(LambdaStudy(level, [0, 1], voxels: n, hasDensity: false).lambda == 0)
        // What foretells better at 0, but by no more than chance allows, is no misfit.
        let chancy = [
            blocks { ($0 % 2 == 0 ? (2, 2, found: 0, density: 1.1) : (2, 2, found: 0, density: 0)) },
            blocks { ($0 % 2 == 0 ? (1, 1, found: 2, density: 0) : (1, 1, found: 2, density: 1)) },
            blocks { _ in (1, 1, found: 2, density: 0.4) },
        ]
        let noMisfit = LambdaStudy(chancy, [0, 1, 2], voxels: n, hasDensity: true)
        #expect(noMisfit.likeliest == 0 && !noMisfit.showsMisfit && noMisfit.lambda == 1)
        // Where λ = 0 foretells best, the default stays as long as nothing speaks against it.
        let wrong = (0..<4).map { k in blocks { _ in (1, 1, found: 2, density: -Double(k)) } }
        let misfit = LambdaStudy(wrong, [0, 0.25, 0.5, 1], voxels: n, hasDensity: true)
        #expect(misfit.showsMisfit && misfit.lambda == 0.5 && misfit.plateau.count == 4)
        // Agreement by chance is none: two fits that call one and two fibres in half of the voxels each.
        let chance = LambdaStudy(
            [blocks { ($0 % 2 + 1, $0 / 2 % 2 + 1, found: 0, density: 0) }], [0], voxels: n, hasDensity: false)
        #expect(abs(chance.rows[0].kappa!) < 1e-12 && chance.rows[0].sameNumber == 0.5)
        #expect(LambdaStudy(level, [0, 1], voxels: n, hasDensity: false).rows[0].kappa == nil)
    }

    @Test func someVoxelsOfAFitAreAFit() throws {
        let root = NSTemporaryDirectory() + "lambda-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: root) }
        let whole = try Self.fit(Self.signals(12, lambda: 0.5), 0, into: root + "/whole")
        try FileManager.default.createDirectory(atPath: root + "/some", withIntermediateDirectories: true)
        let ranks = [1, 4, 11], some = try whole.taking(ranks, into: root + "/some")
        let all = PosteriorSummary(whole, lambda: 1, threads: 1), few = PosteriorSummary(some, lambda: 1, threads: 1)
        #expect(few.voxels == ranks.map { all.voxels[$0] })
        for column in [SummaryColumn.fibreCount(1), .direction(0, axis: 2), .statistic(.s0, .mean)] {
            #expect(Array(few.column(column)) == ranks.map { Array(all.column(column))[$0] })
        }
    }
}
