import Diffusion
import Foundation
import Inference
import ModelSpace
import Synchronization
import TestFixtures
import Testing

@testable import Studies

/// Engines whose faults are known: they answer with the prior, whatever the data, or with a distortion of it.
final class PriorEngine: PosteriorEngine {
    enum Fault { case none, narrowDiffusivity, favouriteStructure, tiltedDirection }
    private let recipe: PriorRecipe, family = BallSticks()
    init(_ recipe: PriorRecipe) { self.recipe = recipe }

    func restricted(to acquisition: Acquisition) -> any PosteriorEngine {
        recipe.adapted(to: acquisition, noise: .either).makeEngine()
    }

    func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64], sigma: [Double?]) -> [VoxelPosterior] {
        keys.map { key in
            var random = RandomSource(seed: recipe.seed, stream: key, substream: 99)
            let space = family.structureSpace, p = BallSticks.Slot.count
            var log0 = space.logPrior(lambda: 0)
            if recipe.fault == .favouriteStructure { log0[5] += 2; log0 = StructureSpace.normalise(log0) }
            let structures = (0..<recipe.drawCount).map { $0 % space.structures.count }.sorted()
            var parameters = [Double](repeating: 0, count: structures.count * p)
            for (d, z) in structures.enumerated() {
                parameters.withUnsafeMutableBufferPointer {
                    family.drawParameters(
                        space.structures[z], recipe.acquisition, using: &random, into: $0.baseAddress! + d * p)
                }
                if recipe.fault == .narrowDiffusivity {
                    parameters[d * p] = 1e-3 * (parameters[d * p] / 1e-3).squareRoot()
                }
                // Directions drawn towards the x axis.
                if recipe.fault == .tiltedDirection, BallSticks.stickCount(space.structures[z]) > 0 {
                    var v = SIMD3(4 * parameters[d * p + 7], parameters[d * p + 8], parameters[d * p + 9])
                    v /= (v * v).sum().squareRoot()
                    for c in 0..<3 { parameters[d * p + 7 + c] = v[c] }
                }
            }
            return VoxelPosterior(
                of: space.structures, logProbability: log0, structures: structures, parameters: parameters,
                logEvidenceError: recipe.error.map { Array(repeating: $0, count: 16) } ?? [])
        }
    }
}

struct PriorRecipe: EngineRecipe {
    var acquisition: Acquisition, fault = PriorEngine.Fault.none, seed: UInt64 = 1, error: Double? = nil
    var name = "prior", drawCount = 16 * 40, notes: [String: String] = [:]
    func makeEngine() -> any PosteriorEngine { PriorEngine(self) }
    func adapted(to acquisition: Acquisition, noise: NoiseKinds) -> any EngineRecipe {
        var recipe = self
        recipe.acquisition = acquisition
        return recipe
    }
}

@Suite struct StudyTests {
    private func study(_ fault: PriorEngine.Fault, voxels: Int = 1200, threads: Int = 2) throws -> SimulationReport {
        var study = SimulationStudy(), options = FitOptions()
        study.acquisitions = .listed([TestScan.acquisition])
        study.voxels = voxels
        options.threads = threads
        return try study.run(
            options: options, engine: { acquisition, _ in PriorRecipe(acquisition: acquisition, fault: fault) })!
    }

    /// Averaged over data the prior is calibrated for whatever does not ask the data: a study that failed it would
    /// itself be wrong. (S0 and the log-likelihood do ask: s0 is 1 over the mean of the noisy b=0 volumes, which the
    /// prior's draws leave at 1.)
    private let askTheData = ["s0", "loglik"]

    @Test func thePriorPassesWhereItMust() throws {
        let report = try study(.none)
        for test in report.joint + report.conditional where !askTheData.contains(test.name) {
            #expect(test.pValue > 2e-4, "\(test.name): \(test.binned)")
        }
        #expect(report.joint.last { $0.name == "loglik" }!.pValue < 1e-10)
        #expect(report.structures.calibrationError < 2 * report.structures.calibrationErrorIfPerfect + 1e-9)
        #expect(report.repeatedShare == 0)
        #expect(abs(report.structures.logScore - log(16)) < 1e-9)
    }

    @Test func faultsAreFoundWhereTheyAre() throws {
        func failed(_ fault: PriorEngine.Fault) throws -> Set<String> {
            Set(try study(fault).failures.map(\.name)).subtracting(askTheData)
        }
        #expect(try failed(.narrowDiffusivity).contains("d"))
        #expect(try failed(.favouriteStructure).isSuperset(of: ["fibres", "rician"]))
        let tilted = try failed(.tiltedDirection)
        #expect(tilted.contains("mu1_cone") && tilted.isSubset(of: ["mu1", "mu1_cone"]), "\(tilted)")
    }

    @Test func sameReportOnAnyNumberOfThreads() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let one = try encoder.encode(study(.none, voxels: 100, threads: 1)),
            three = try encoder.encode(study(.none, voxels: 100, threads: 3))
        #expect(one == three)
    }

    /// However few voxels there are, each acquisition given has its share.
    @Test(arguments: [12, 40, 700])
    func allAcquisitionsAreMet(_ voxels: Int) throws {
        let zero = SIMD3<Double>(0, 0, 0),
            given = try (0..<12).map { i in
                try Acquisition(
                    bValues: [0] + Array(repeating: 1000, count: 6 + i),
                    directions: [zero] + DirectionSets.fibonacci(6 + i))
            }
        var study = SimulationStudy()
        study.voxels = voxels
        study.acquisitions = .listed(given)
        let met = Mutex<[Int: Int]>([:])
        let report = try study.run(
            options: FitOptions(),
            engine: { a, _ in
                met.withLock { $0[a.count, default: 0] += 1 }
                return PriorRecipe(acquisition: a)
            })
        // The first is asked once more, for the report.
        #expect(report != nil && met.withLock { Set($0.keys) } == Set(given.map(\.count)))
    }

    @Test func stopsWhenAsked() throws {
        var study = SimulationStudy()
        study.voxels = 40
        let report = try study.run(
            options: FitOptions(), engine: { a, _ in PriorRecipe(acquisition: a) }, shouldStop: { true })
        #expect(report == nil)
    }

    @Test func anEngineAgreesWithItselfAndNotWithAnother() throws {
        var study = SimulationStudy(), options = FitOptions()
        study.voxels = 40
        study.referenceVoxels = 40
        options.threads = 2
        let fixed = study, given = options
        func agreement(_ fault: PriorEngine.Fault) throws -> EngineAgreement {
            try fixed.run(
                options: given, engine: { a, _ in PriorRecipe(acquisition: a, fault: fault) },
                reference: { a, _ in PriorRecipe(acquisition: a, seed: 7, error: 0.1) })!.agreement!
        }
        let same = try agreement(.none), other = try agreement(.favouriteStructure)
        #expect(same.structures.mean < 1e-6 && same.voxels == 40)
        #expect(abs(same.slicedWasserstein.mean - same.slicedWassersteinFloor.mean) < 0.05)
        // 0.1 nats on sixteen equal probabilities: ½ · 16 · (1/16) · 0.1 · √(2/π) to first order.
        #expect(abs(same.referenceError!.mean - 0.0386) < 0.004)
        // One structure at e² times the weight of fifteen others: e²/(15 + e²) − 1/16.
        #expect(abs(other.structures.mean - (exp(2.0) / (15 + exp(2.0)) - 1.0 / 16)) < 1e-6)
        #expect(other.explainedShare! < 0.1)
        #expect(same.scores!.top1 == same.referenceScores!.top1)
    }

    @Test func distanceOfShiftedDrawsIsTheShift() {
        var random = RandomSource(seed: 1)
        let a = (0..<2000).map { _ in [random.normal()] }, b = (0..<2000).map { _ in [random.normal() + 1] },
            c = (0..<2000).map { _ in [random.normal()] }
        // One dimension: all projections are alike; the pooled deviation is √(1 + ¼).
        #expect(abs(SlicedWasserstein.distance(a, b, using: &random) - 1 / 1.25.squareRoot()) < 0.05)
        #expect(SlicedWasserstein.distance(a, c, using: &random) < 0.08)
        #expect(SlicedWasserstein.distance(a, a, using: &random) == 0)
    }

    @Test func intervalsAndAngles() {
        #expect(EngineComparer.overlap((0, 2), (1, 3)) == 1.0 / 3 && EngineComparer.overlap((0, 1), (2, 3)) == 0)
        #expect(EngineComparer.overlap((1, 1), (1, 1)) == 1 && EngineComparer.overlap((0, 1), (0, 1)) == 1)
        let x = SIMD3(1.0, 0, 0), y = SIMD3(0, 1.0, 0)
        #expect(EngineComparer.angles([], [x]).isEmpty && EngineComparer.angles([y, x], [x]) == [0])
        #expect(EngineComparer.angles([y, -x], [x, y]) == [0, 0])
    }

    @Test func aScanIsSampledWithoutRepetition() {
        let chosen = ScanStudy.choose(50, of: 1000, seed: 1)
        #expect(chosen.count == 50 && Set(chosen).count == 50 && chosen == chosen.sorted())
        #expect(ScanStudy.choose(50, of: 20, seed: 1) == Array(0..<20))
        #expect(chosen != ScanStudy.choose(50, of: 1000, seed: 2))
    }

    @Test func voxelsOfAScanThatCannotBeFittedAreLeftOut() throws {
        let m = TestScan.acquisition.count
        let report = try ScanStudy().run(
            voxels: Array(0..<40), signals: Array(TestScan.signals[0..<40 * m]), acquisition: TestScan.acquisition,
            options: FitOptions(),
            engine: { a, _ in PriorRecipe(acquisition: a) }, reference: { a, _ in PriorRecipe(acquisition: a, seed: 2) }
        )!
        #expect(report.voxels == 38 && report.notFitted == 2 && report.evidence == nil)
        let agreement = try #require(report.agreement)
        #expect(agreement.perVoxel.allSatisfy { $0.truth == nil })
        #expect(agreement.misfit.mean > 0 && agreement.scores == nil)
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

    @Test func studiesSayThatTheNoiseWasKnown() throws {
        var study = SimulationStudy(), options = FitOptions()
        study.acquisitions = .listed([TestScan.acquisition])
        (study.voxels, study.isNoiseKnown, options.threads) = (40, true, 2)
        let block = study.simulate(block: 0, seed: 1), truth = block.sigma(0, StudyFamily(study.family))
        #expect(abs(truth - block.theta[BallSticks.Slot.s0] / block.theta[BallSticks.Slot.snr]) < 1e-15)
        let report = try study.run(
            options: options,
            engine: { acquisition, options in
                var recipe = try PrismRecipe(
                    file: TestScan.file, path: "test", acquisition: acquisition, options: options)
                recipe.solverSteps = 1
                recipe.refinement = .fast
                return recipe
            })
        #expect(report?.notes["known_noise"] == "true sigma")
    }
}
