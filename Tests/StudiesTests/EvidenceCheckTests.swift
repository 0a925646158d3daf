import Diffusion
import Inference
import Synchronization
import Testing

@testable import Studies

/// Structures' evidences against sequential Monte Carlo, one by one.
@Suite struct EvidenceCheckTests {
    private static func check(
        threads: Int = 2, distort: @escaping @Sendable (VoxelPosterior, StudyFamily) -> VoxelPosterior = { p, _ in p }
    ) throws -> EvidenceCheck {
        let family = try FamilyStudyTests.family(FamilyStudyTests.small), studied = StudyFamily(family)
        var study = SimulationStudy(), options = FitOptions()
        study.family = family
        study.acquisitions = .listed([
            try AcquisitionFile(
                yaml: "name: a\nunweighted: {count: 3}\nshells: [{b: 1000, directions: 12}, {b: 2500, directions: 16}]",
                path: "a"
            ).acquisition()
        ])
        (study.voxels, study.referenceVoxels) = (6, 6)
        study.evidenceCheck = .init(structures: 4, targetError: 0.3)
        (options.samples, options.seed, options.threads) = (50, 5, threads)
        let report = try #require(
            try study.run(options: options) { acquisition, options in
                let base = try FamilyEngineRecipe(
                    family: family, file: nil, path: "", acquisition: acquisition, options: options)
                return Distorted.Recipe(base: base, memory: .init()) { distort($0, studied) }
            })
        #expect(report.agreement == nil)
        return try #require(report.evidence)
    }

    @Test("Evidences agree with smc's to within both errors, on any number of threads")
    func agreement() throws {
        let one = try Self.check(), scatter = try #require(one.scatter), mean = try #require(one.mean)
        #expect(one.voxels == 6 && one.rows.count >= 8 && one.rows.reduce(0) { $0 + $1.draws } == 24)
        #expect(scatter < 0.35 && abs(mean) < 0.3 && one.fibres < 0.05)
        let same = try Self.check(threads: 1)
        #expect(same.rows.map(\.difference) == one.rows.map(\.difference) && same.fibres == one.fibres)
    }

    @Test("An engine that likes two sticks too much is found out by as many nats")
    func distorted() throws {
        let check = try Self.check { posterior, family in
            var other = posterior
            for z in other.logProbability.indices where family.fibreCount(other.listed[z]) == 2 {
                other.logProbability[z] += 1.5
            }
            return other
        }
        for voxel in Dictionary(grouping: check.rows, by: \.voxel).values {
            func mean(_ rows: [EvidenceCheck.Row]) -> Double {
                rows.reduce(0) { $0 + $1.difference } / Double(rows.count)
            }
            let two = voxel.filter { $0.fibres == 2 }, others = voxel.filter { $0.fibres != 2 }
            if !two.isEmpty, !others.isEmpty { #expect(abs(mean(two) - mean(others) - 1.5) < 0.8) }
        }
        #expect(try #require(check.scatter) > 0.3)
    }
}
