import Baselines
import Diffusion
import Foundation
import ModelSpace
import Networks
import TestFixtures
import Testing
import Training

@testable import Studies

/// Networks alone, of both methods.
@Suite final class NetworkStudyTests {
    private let folder: String
    private static let sizes: NetworkConfiguration = {
        var c = NetworkConfiguration()
        (c.width, c.heads, c.latents, c.blocksPerReading, c.structureBlocks) = (8, 2, 2, 1, 1)
        (c.parameterWidth, c.parameterHeads, c.parameterBlocks) = (8, 2, 1)
        return c
    }()

    init() throws {
        folder = NSTemporaryDirectory() + "networks-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private static func origin<F: DiffusionFamily>(_ family: F) -> NetworkOrigin {
        NetworkOrigin(
            name: "a", family: family.name, familyDefinition: family.definition, recipe: "", simulations: 7, steps: 1,
            structureLoss: nil, parameterLoss: nil)
    }

    /// SBMI after a few steps; the losses before and after.
    private func sbmi<F: DiffusionFamily>(_ family: F, steps: Int, lambda: Double, _ name: String) throws
        -> (network: StudiedNetwork, first: Double, last: Double)
    {
        var plan = TrainingPlan()
        (plan.network, plan.batch, plan.chunk, plan.warmup, plan.noiseDraws) = (Self.sizes, 64, 16, 10, 1)
        (plan.rate, plan.averageSteps) = (5e-3, 10)
        plan.parameterWeight = family.meanCoordinateCount
        let sbmi = SBMIConfiguration(
            lambda: lambda, masks: family.structureList!.structures.map(family.coordinateMask),
            blur: NoiseLevel.lowest)
        let network = SBMINetwork(FamilyShape(family), plan.network, sbmi)
        let trainer = Trainer(network, family: family, plan: plan, threads: 1, lambda: lambda) { _ in
            TestScan.acquisition
        }
        let losses = (0..<steps).map { _ in
            let loss = trainer.step()
            return loss.structure + family.meanCoordinateCount * loss.parameter
        }
        let path = folder + "/" + name
        try SBMIFile(network: network, weights: trainer.state.average, origin: Self.origin(family)).write(to: path)
        func mean(_ x: ArraySlice<Double>) -> Double { x.reduce(0, +) / Double(x.count) }
        return (try StudiedNetwork(path: path), mean(losses.prefix(5)), mean(losses.suffix(5)))
    }

    private func prism<F: DiffusionFamily>(_ family: F, _ name: String) throws -> StudiedNetwork {
        let network = Network(FamilyShape(family), Self.sizes), path = folder + "/" + name
        try NetworkFile(network: network, weights: network.initialWeights(seed: 2), origin: Self.origin(family))
            .write(to: path)
        return try StudiedNetwork(path: path)
    }

    /// Trains, comes back from its file, is asked beside PRISM; all but the time is the same on any number of threads.
    @Test func bothMethodsFromTheirFiles() throws {
        let family = BallSticks()
        let trained = try sbmi(family, steps: 60, lambda: 1, "s"), other = try prism(family, "p")
        #expect(trained.last < trained.first - 2)
        var study = NetworkStudy()
        (study.voxels, study.lambdas, study.acquisitions) = (120, [0, 1], .listed([TestScan.acquisition]))
        func run(_ threads: Int) throws -> NetworkReport {
            study.threads = threads
            return try #require(try study.run([trained.network, other]))
        }
        let report = try run(1), again = try run(2)
        func text(_ report: NetworkReport) throws -> String {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            let lines = String(decoding: try encoder.encode(report), as: UTF8.self).split(separator: "\n")
            return lines.filter { !$0.contains("\"milliseconds\"") }.joined(separator: "\n")
        }
        #expect(try text(report) == text(again))
        #expect(report.networks.map(\.method) == ["sbmi", "prism"] && report.networks.map(\.lambda) == [1, nil])

        // At its own λ an answer is not brought anywhere.
        let rows = report.structures.map { "\($0.network) \($0.lambda) \($0.isReweighted)" }
        #expect(rows == ["0 0.0 false", "0 0.0 true", "1 0.0 false", "0 1.0 false", "1 1.0 false", "1 1.0 true"])
        let own = report.structures.filter { $0.network == 0 && !$0.isReweighted }
        // Few steps from anywhere, much of it lies on bits that are no structure; PRISM's decoder knows none.
        #expect(own.allSatisfy { $0.lost > 0.001 && $0.lost < 0.9 })
        #expect(report.structures.allSatisfy { $0.lost < 1e-6 || $0.network == 0 && !$0.isReweighted })
        // At λ = 1 few of its simulations had sticks: told to answer at 0, it does better than by its own prior.
        #expect(report.structures[1].structures.logScore < report.structures[0].structures.logScore)

        // Differences, voxel by voxel, are those of the scores.
        for own in report.structures {
            let first = report.structures.first { $0.lambda == own.lambda && $0.network == 0 }!
            #expect(abs(own.aboveFirst.mean - own.structures.logScore + first.structures.logScore) < 1e-9)
        }
        for own in report.parameters {
            let first = report.parameters.first { $0.lambda == own.lambda }!
            #expect(abs(own.numbersAboveFirst.mean - own.numbers.mean + first.numbers.mean) < 1e-9)
            #expect(abs(own.axesAboveFirst.mean - own.axes.mean + first.axes.mean) < 1e-9)
            #expect(own.numbers.count == 120 && own.axes.count + own.logDensity.count == 120)
            #expect(own.logDensity.count > (own.lambda == 0 ? 10 : 90))
            #expect(own.numbers.mean > 0.1 && own.numbers.mean < 1 && own.milliseconds > 0)
            #expect(own.logDensity.mean.isFinite && own.ranks.allSatisfy { $0.draws == NetworkStudy.draws })
            if own.lambda == 0 { #expect(own.axes.mean > 0.1 && own.axes.mean < 0.6) }
        }
        // A voxel without fibres has its own level of noise, its diffusivity and perhaps a spread.
        let density = report.parameters.first { $0.network == 0 && $0.lambda == 1 }!.logDensity
        #expect(density.mean > -8)
    }

    @Test func stops() throws {
        var study = NetworkStudy()
        (study.voxels, study.acquisitions) = (40, .listed([TestScan.acquisition]))
        #expect(try study.run([try prism(BallSticks(), "p")], shouldStop: { true }) == nil)
    }

    /// Sizes of another family are refused before anything is asked, and so are families without a list.
    @Test func refusals() throws {
        var study = NetworkStudy()
        let other = try prism(ComposedFamily.ballSticks, "c"), tissue = BuiltInFamilies.family("tissue")!
        study.family = tissue
        #expect(throws: NetworkFileError.self) { try study.run([other]) }
        study.family = BallSticks()
        let few = try sbmi(BallSticks(), steps: 1, lambda: 0, "s").network
        study.family = ComposedFamily.ballSticks
        if FamilyShape(BallSticks()) != FamilyShape(ComposedFamily.ballSticks) {
            #expect(throws: NetworkFileError.self) { try study.run([few]) }
        }
        study.family = BuiltInFamilies.family("microstructure")!
        #expect(throws: StructuresNotListed.self) { try study.run([other]) }
    }
}
