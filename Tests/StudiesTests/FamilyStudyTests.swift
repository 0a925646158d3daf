import Diffusion
import Exact
import Foundation
import Inference
import ModelSpace
import Synchronization
import TestFixtures
import Testing

@testable import Studies

/// Hands on another engine's answers, right or distorted; remembers them, so that a test fits once.
final class Distorted: PosteriorEngine {
    final class Memory: Sendable { let answers = Mutex<[UInt64: VoxelPosterior]>([:]) }
    struct Recipe: EngineRecipe {
        var base: any EngineRecipe, memory: Memory, distort: @Sendable (VoxelPosterior) -> VoxelPosterior
        var diffusionFamily: any DiffusionFamily { base.diffusionFamily }
        var name: String { base.name }
        var drawCount: Int { base.drawCount }
        var notes: [String: String] { base.notes }
        var leastLogProbability: Double? { base.leastLogProbability }
        func makeEngine() -> any PosteriorEngine { Distorted(base.makeEngine(), self) }
        func adapted(to acquisition: Acquisition, noise: NoiseKinds) -> any EngineRecipe { self }
    }
    private let base: any PosteriorEngine, recipe: Recipe
    init(_ base: any PosteriorEngine, _ recipe: Recipe) { (self.base, self.recipe) = (base, recipe) }
    func restricted(to acquisition: Acquisition) -> any PosteriorEngine { self }

    func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64], sigma: [Double?]) -> [VoxelPosterior] {
        let known = recipe.memory.answers.withLock { all in keys.compactMap { all[$0] } }
        let answers = known.count == count ? known : base.posteriors(y, count: count, keys: keys, sigma: sigma)
        recipe.memory.answers.withLock { for (key, answer) in zip(keys, answers) { $0[key] = answer } }
        return answers.map(recipe.distort)
    }
}

@Suite struct FamilyStudyTests {
    static func family(_ yaml: String) throws -> CompartmentFamily {
        CompartmentFamily(try FamilyReader.read(try SettingsTree(yaml: yaml).taking("family").value!, place: "family"))
    }

    /// A ball and up to two sticks.
    static let small = """
        family:
          name: small
          components:
            ball: {presence: always, weight: 0.05, parameters: {d: log-uniform 1e-4 5e-3 in mm^2/s}, signal: ball}
            stick: {presence: up to 2, weight: 0.1, parameters: {mu: axis}, common: {d_par: log-uniform 3e-4 4e-3 in \
        mm^2/s}, fibre: mu, signal: {compartment: stick, d: d_par}}
          noise: {kinds: [gaussian], snr: log-uniform 5 80}
        """
    /// Bundles with water between their axons, of one kind or another; what the rest leave is free water.
    static let options = """
        family:
          name: options
          components:
            bundle:
              presence: up to 2
              weight: 0.1
              parameters: {mu: axis}
              common: {d_par: log-uniform 3e-4 4e-3 in mm^2/s}
              fibre: mu
              signal:
                - {compartment: bundle, when: [extra=free], f_in: extra.f_in, ratio: extra.ratio}
                - {compartment: bundle, when: [extra=tied], f_in: extra.f_in, ratio: 1 - extra.f_in}
                - {compartment: stick, d: d_par}
            extra: {presence: "one of none, tied, free", parameters: {f_in: "uniform 0.05 0.95 for tied, free", ratio: \
        uniform 0 1 for free}}
            water: {presence: always, weight: rest, signal: {compartment: ball, d: 3.0e-3}}
            dot: {weight: 0.05, signal: dot}
          rules: [extra needs bundle]
          noise: {kinds: [gaussian, rician], snr: log-uniform 5 80}
        """

    private static func acquisition() throws -> Acquisition {
        let none = Array(repeating: SIMD3(0.0, 0, 0), count: 3), shell = DirectionSets.fibonacci(20)
        let b =
            Array(repeating: 0.0, count: 3) + Array(repeating: 1000.0, count: 20) + Array(repeating: 2500.0, count: 20)
        return try Acquisition(bValues: b, directions: none + shell + shell)
    }

    /// What a report calls things is what programs look for.
    @Test func quantitiesHaveTheirNames() throws {
        let sticks = CalibrationQuantities(StudyFamily(BallSticks()))
        #expect(
            sticks.joint.map(\.name)
                == "fibres rician d s snr s0 f1 f2 f3 fsum loglik mu1 mu1_cone".split(separator: " ").map(String.init))
        #expect(
            sticks.joint.map(\.text).contains("spread of diffusivity s")
                && sticks.conditional.map(\.text).contains("direction 3, cone"))
        #expect(StudyFamily(BallSticks()).structures?.count == 16 && StudyFamily(BallSticks()).mostFibres == 3)
        #expect(
            PosteriorDigest.intervalNames(StudyFamily(BallSticks())) == ["d", "snr", "s0", "f1", "f2", "f3", "fsum"])
        let options = CalibrationQuantities(StudyFamily(try Self.family(Self.options)))
        #expect(
            options.joint.map(\.name) == [
                "fibres", "rician", "has_bundle1", "has_bundle2", "has_tied", "has_free", "has_dot", "fraction_bundle",
                "fraction_dot", "d_par", "f_in", "ratio", "snr",
                "s0", "bundle_f1", "bundle_f2", "fsum", "loglik", "mu1", "mu1_cone",
            ])
        #expect(
            options.conditional.map(\.name).contains("dot_f")
                && options.conditional.map(\.text).contains("fraction of bundle 2"))
        let gaussian = CalibrationQuantities(StudyFamily(try #require(BuiltInFamilies.family("gaussian"))))
        #expect(
            gaussian.conditional.contains { $0.name == "rotation2_3_cone" && $0.text == "last axis of tensor 2, cone" })
        #expect(
            Set(gaussian.joint.map(\.name)).count == gaussian.joint.count
                && Set(gaussian.conditional.map(\.name)).count == gaussian.conditional.count)
    }

    /// Truth and draws alike from the prior: every quantity's rank is uniform, whatever the family.
    @Test(arguments: ["tissue", "gaussian", "options"]) func ranksAreUniformUnderExchangeability(_ name: String) throws
    {
        let whole = try name == "options" ? Self.family(Self.options) : #require(BuiltInFamilies.family(name))
        let family = whole.untimed ?? whole, acquisition = try Self.acquisition(), space = family.structureList!,
            quantities = CalibrationQuantities(StudyFamily(family))
        var joint = [[Int]](repeating: [], count: quantities.joint.count),
            conditional = [[Int]](repeating: [], count: quantities.conditional.count)
        for v in 0..<800 {
            var random = RandomSource(seed: 3, stream: UInt64(v)), y = [Float](repeating: 0, count: acquisition.count)
            func item(_ z: Int) -> CalibrationQuantities.Item {
                var theta = [Double](repeating: 0, count: family.parameterNames.count)
                family.drawParameters(space.structures[z], acquisition, using: &random, into: &theta)
                return (theta, space.structures[z])
            }
            var other = item(v % space.structures.count)
            family.simulate(&other.theta, other.z, acquisition, using: &random, into: &y)
            let mixed = (0..<16).map { _ in item(space.draw(lambda: 0, using: &random)) }
            for (q, rank) in quantities.jointRanks(mixed, y, acquisition, using: &random).enumerated() {
                rank.map { joint[q].append($0) }
            }
            let same = (0..<8).map { _ in item(v % space.structures.count) }
            for (q, rank) in quantities.conditionalRanks(same, y, acquisition, using: &random).enumerated() {
                rank.map { conditional[q].append($0) }
            }
        }
        let bound = 1e-2 / Double(joint.count + conditional.count)
        for (labels, ranks, draws) in [(quantities.joint, joint, 15), (quantities.conditional, conditional, 7)] {
            for (label, list) in zip(labels, ranks) {
                let test = RankTest(name: label.name, label: label.text, draws: draws, ranks: list)
                #expect(test.pValue > bound && test.isTelling, "\(label.name): \(test.binned)")
            }
        }
    }

    /// A family known by rule alone is studied as one that is listed: what is not listed scores as the rest.
    @Test func aFamilyByRuleIsStudied() throws {
        let listed = try Self.family(Self.small), byRule = CompartmentFamily(listed.composition, mostListed: 0)
        func report(_ family: CompartmentFamily) throws -> SimulationReport {
            var study = SimulationStudy(), options = FitOptions()
            study.family = family
            study.acquisitions = .listed([try Self.acquisition()])
            (study.voxels, study.referenceVoxels, options.threads, options.samples) = (300, 4, 2, 50)
            return try study.run(
                options: options,
                engine: { try FamilyEngineRecipe(family: family, file: nil, path: "", acquisition: $0, options: $1) },
                reference: { acquisition, options in
                    var settings = StructureSampler.Options()
                    settings.mostListed = 0
                    settings.sampling.targetError = 0.2
                    return SequentialFamilyRecipe(
                        family: family, acquisition: acquisition, options: options, settings: settings)
                })!
        }
        let right = try report(listed), lists = try report(byRule), count = Double(right.structureNames.count)
        #expect(count == 3 && lists.structureNames.isEmpty)
        for test in lists.tested { #expect(test.pValue > 1e-3, "\(test.name): \(test.binned)") }
        #expect(abs(lists.structures.logScore - right.structures.logScore) < 5 * right.structures.logScoreError)
        #expect(lists.structures.top1 > 0.5 && lists.fibres.calibrationError < 0.1)
        let agreement = try #require(lists.agreement)
        #expect(agreement.structures.mean < 0.1 && agreement.perVoxel.allSatisfy { $0.structureNames!.count > 1 })
        #expect(agreement.scores!.logScore < 1.5 && agreement.perVoxel.allSatisfy { $0.trueFibres != nil })
    }

    /// What takes the rest of 1 is told from what does not: the only component of a structure has no fraction of its
    /// own to be tested.
    @Test func whatCannotVaryIsNotTested() throws {
        let family = try Self.family(Self.small), studied = StudyFamily(family),
            quantities = CalibrationQuantities(studied), acquisition = try Self.acquisition()
        var random = RandomSource(seed: 1), theta = [Double](repeating: 0, count: studied.count)
        let y = [Float](repeating: 1, count: acquisition.count),
            alone = family.structureList!.structures.first { studied.fibreCount($0) == 0 }!
        family.drawParameters(alone, acquisition, using: &random, into: &theta)
        let ranks = quantities.conditionalRanks(
            Array(repeating: (theta, alone), count: 8), y, acquisition, using: &random)
        let has = zip(quantities.conditional, ranks).filter { $1 != nil }.map(\.0.name)
        #expect(has == ["d", "snr", "s0", "loglik"])
        #expect(!quantities.joint.contains { $0.name == "fsum" })
    }

    /// The engine for any family is calibrated; the same answers with sharper probabilities, or with draws moved by a
    /// tenth, are found out.
    @Test(arguments: [small, options]) func aFamilysEngineIsCalibratedAndABrokenOneIsNot(_ yaml: String) throws {
        let family = try Self.family(yaml), memory = Distorted.Memory(), theta = ThetaLayout(family.description),
            width = theta.count
        let d = try #require(theta.offset(of: "d_par", in: family.description.groups.first { $0.most > 1 }!.name))
        func report(_ distort: @escaping @Sendable (VoxelPosterior) -> VoxelPosterior) throws -> SimulationReport {
            var study = SimulationStudy(), options = FitOptions()
            study.family = family
            study.acquisitions = .listed([try Self.acquisition()])
            study.voxels = 400
            options.threads = 2
            return try study.run(
                options: options,
                engine: { acquisition, options in
                    let base = try FamilyEngineRecipe(
                        family: family, file: nil, path: "", acquisition: acquisition, options: options)
                    return Distorted.Recipe(base: base, memory: memory, distort: distort)
                })!
        }
        let right = try report { $0 }
        for test in right.tested { #expect(test.pValue > 1e-3, "\(test.name): \(test.binned)") }
        #expect(
            right.components!.map(\.name) == StudyFamily(family).components.map(\.name) && right.family == family.name)
        #expect(right.unlisted! <= 2)
        #expect(right.structures.calibrationError < 2 * right.structures.calibrationErrorIfPerfect)
        let sharp = try report { answer in
            var answer = answer
            answer.logProbability = StructureSpace.normalise(answer.logProbability.map { 4 * $0 })
            return answer
        }
        #expect(sharp.structures.logScore > right.structures.logScore + 0.02)
        #expect(sharp.structures.calibrationError > 2 * sharp.structures.calibrationErrorIfPerfect)
        #expect(sharp.components!.contains { $0.scores.calibrationError > 2 * $0.scores.calibrationErrorIfPerfect })
        let moved = try report { answer in
            var answer = answer
            for i in answer.structures.indices { answer.parameters[i * width + d] *= 1.1 }
            return answer
        }
        #expect(
            moved.failures.contains { $0.name == "d_par" },
            "\(moved.tested.filter { $0.name == "d_par" }.map(\.pValue))")
    }

    /// An engine that takes the least probable structure for the most probable is as far off as these are apart.
    @Test func theGapOfTheMostProbableStructureIsFound() throws {
        let family = try Self.family(Self.options), acquisition = try Self.acquisition()
        func gaps(_ distort: @escaping @Sendable (VoxelPosterior) -> VoxelPosterior) throws -> [VoxelAgreement] {
            var study = SimulationStudy(), options = FitOptions()
            study.family = family
            (study.voxels, study.referenceVoxels, options.threads) = (8, 8, 2)
            study.acquisitions = .listed([acquisition])
            let engine: EngineMaker = {
                try FamilyEngineRecipe(family: family, file: nil, path: "", acquisition: $0, options: $1)
            }
            return try study.run(
                options: options,
                engine: { Distorted.Recipe(base: try engine($0, $1), memory: .init(), distort: distort) },
                reference: engine)!.agreement!.perVoxel
        }
        #expect(try gaps { $0 }.allSatisfy { $0.mostProbableGap == 0 })
        let turned = try gaps { answer in
            var answer = answer
            answer.logProbability = StructureSpace.normalise(
                answer.logProbability.map { $0.isFinite ? -0.01 * $0 : $0 })
            return answer
        }
        for voxel in turned {
            let p = voxel.referenceProbabilities.filter { $0 > 0 }
            #expect(abs(voxel.mostProbableGap! - log(p.max()! / p.min()!)) < 1e-9)
        }
    }

    /// Numbers of components are counted of families with several kinds of which there may be more than one.
    @Test func numbersOfEachKindAreCounted() throws {
        #expect(StudyFamily(try Self.family(Self.small)).kinds.isEmpty)
        let family = StudyFamily(try #require(BuiltInFamilies.family("gaussian"))), kinds = family.kinds
        #expect(kinds.map(\.name) == ["stick", "zeppelin", "tensor"])
        let list = try #require(family.structures)
        var random = RandomSource(seed: 5)
        let p = StructureSpace.normalise(list.map { _ in random.normal() }).map { exp($0) }
        let presence = family.componentProbabilities(p, list)
        for kind in kinds {
            let counts = family.countProbabilities(kind, p, list)
            #expect(counts.count == 4 && abs(counts.reduce(0, +) - 1) < 1e-12)
            for n in 1...3 {
                let place = family.components.firstIndex { $0.name == "\(kind.name)\(n)" }!
                #expect(abs(counts[n...].reduce(0, +) - presence[place]) < 1e-12)
            }
        }
    }

    @Test func agreementOfAFamilysEnginesIsThatOfAnyOther() throws {
        let family = try Self.family(Self.options), acquisition = try Self.acquisition()
        func report(_ threads: Int) throws -> SimulationReport {
            var study = SimulationStudy(), options = FitOptions()
            study.family = family
            (study.voxels, study.referenceVoxels, study.referenceStatement) = (8, 8, WideSearch.statement)
            study.acquisitions = .listed([acquisition])
            options.threads = threads
            let engine: EngineMaker = {
                try FamilyEngineRecipe(family: family, file: nil, path: "", acquisition: $0, options: $1)
            }
            return try study.run(options: options, engine: engine, reference: engine)!
        }
        let one = try report(1), agreement = one.agreement!, encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        #expect(try encoder.encode(one) == encoder.encode(try report(3)))
        // Against itself: the same probabilities, and draws as far apart as two sets of one engine's are.
        #expect(agreement.structures.mean < 1e-12 && agreement.components!.values.allSatisfy { $0.mean < 1e-12 })
        #expect(agreement.overlaps.values.allSatisfy { abs($0 - 1) < 1e-9 } && agreement.sameFibreCount == 1)
        #expect(
            abs(agreement.slicedWasserstein.mean - agreement.slicedWassersteinFloor.mean) < 0.1
                && agreement.slicedWassersteinFloor.mean > 0)
        #expect(
            agreement.intervalNames == [
                "snr", "s0", "f1", "f2", "f3", "fsum", "d_par", "f_in", "fraction_bundle", "fraction_dot",
                "fraction_water", "ratio",
            ])
        #expect(agreement.referenceStatement == WideSearch.statement)
        // What a truth without probability scores is the same there; probabilities have passed through single
        // precision.
        #expect(abs(agreement.scores!.logScore - one.structures.logScore) < 1e-5)
        #expect(abs(agreement.referenceFibreScores!.logScore - one.fibres.logScore) < 1e-5)
    }
}
