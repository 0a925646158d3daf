import Diffusion
import Foundation
import ModelSpace
import Tensors
import TestFixtures
import Testing

@testable import Inference

/// Residuals by shell and direction.
@Suite struct ShellResidualsTests {
    private let acquisition: Acquisition = {
        let g = DirectionSets.fibonacci(60)
        return try! Acquisition(
            bValues: [0, 0] + Array(repeating: 1000, count: 60) + Array(repeating: 2000, count: 60),
            directions: [.zero, .zero] + g + g)
    }()

    /// 300 voxels of one fibre along z, whose draws are the truth, and signals that miss it by −0.5 σ along and +0.8 σ
    /// across at b = 1000.
    private func make(_ directory: String) throws -> (shards: [PosteriorShard], signals: [Float]) {
        let m = acquisition.count, structures = BallSticks().structureSpace.structures, snr = 25.0, s0 = 400.0
        let z = structures.firstIndex {
            BallSticks.stickCount($0) == 1 && !BallSticks.hasSpread($0) && !BallSticks.isRician($0)
        }!
        var theta = [Double](repeating: 0, count: BallSticks.Slot.count)
        (theta[BallSticks.Slot.diffusivity], theta[BallSticks.Slot.snr], theta[BallSticks.Slot.s0]) = (1e-3, snr, 1)
        (theta[BallSticks.Slot.fraction], theta[BallSticks.Slot.axis + 2]) = (0.5, 1)
        var attenuations = [Float](repeating: 0, count: m)
        BallSticks().attenuations(theta, structures[z], acquisition, into: &attenuations)
        var random = RandomSource(seed: 9), signals: [Float] = []
        for _ in 0..<300 {
            for i in 0..<m {
                let c = abs(acquisition.directions[i].z),
                    bias = acquisition.bValues[i] != 1000 ? 0 : c > 0.8 ? -0.5 : c < 0.3 ? 0.8 : 0
                signals.append(Float(s0 * (Double(attenuations[i]) + (bias + random.normal()) / snr)))
            }
        }
        for (index, range) in [0..<200, 200..<300].enumerated() {
            let metadata = PosteriorMetadata(
                family: BallSticks.family, drawLambda: 0.5, referenceLambda: 0, drawCount: 4, grid: [300, 1, 1],
                seed: 1,
                shardCount: 2, voxelCount: 300)
            var batch = DenseBatch(voxels: range.map(Int32.init), drawCount: 4)
            for i in 0..<range.count where range.lowerBound + i != 5 {
                batch.quality[i] = 0
                batch.meanB0[i] = Float(s0)
                for j in structures.indices { batch.logProbability[i * structures.count + j] = j == z ? 0 : -.infinity }
                for d in 0..<4 {
                    batch.drawStructures[i * 4 + d] = UInt8(z)
                    for c in 0..<DrawColumn.count {
                        batch.draws[(i * 4 + d) * DrawColumn.count + c] = Float16(c == 0 ? 1 : theta[c])
                    }
                }
            }
            try PosteriorShard.write(
                batch.lists(metadata), metadata: metadata, index: index, first: range.lowerBound, directory: directory)
        }
        return (try PosteriorArchive.shards(in: directory), signals)
    }

    @Test func theyShowWhatTheModelMisses() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("prism-residuals-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (shards, signals) = try make(folder)
        func residuals(_ shards: [PosteriorShard], mask: [Int]? = nil, threads: Int = 2) -> ShellResiduals {
            FitResiduals(
                shards, lambda: 0.5, mask: mask, signals: signals, acquisition: acquisition, threads: threads
            ).shells
        }
        let whole = residuals(shards)
        #expect(
            whole.oneFibre.voxels == 299 && whole.anyFibre == whole.oneFibre
                && whole.oneFibre.shells.map(\.bValue) == [1000, 2000])
        let shell = whole.oneFibre.shells
        #expect(abs(shell[0].along.residual + 0.5) < 0.06 && abs(shell[0].across.residual - 0.8) < 0.06)
        #expect(abs(shell[1].along.residual) < 0.06 && abs(shell[1].across.residual) < 0.06)
        #expect(residuals(shards, threads: 1) == whole)
        #expect(residuals(shards, mask: Array(0..<300)) == whole, "whether volumes are asked for or not")
        // Parts of a fit add up; without one of them nothing is said.
        let parts = shards.map { residuals([$0]) }
        let joined = try #require(ShellResiduals.joining(parts))
        #expect(
            joined.oneFibre.voxels == 299 && joined.oneFibre.shells[0].along.measurements == shell[0].along.measurements
        )
        #expect(abs(joined.oneFibre.shells[0].across.residual - shell[0].across.residual) < 1e-12)
        #expect(ShellResiduals.joining([parts[0], nil]) == nil)
    }

    /// By volume and slice, and of voxels with what the posterior predicts; the same from parts, and from the file.
    @Test func volumesThatStandOutAreSeen() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("prism-survey-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (shards, clean) = try make(folder), m = acquisition.count
        // Volume 100 (b = 2000) is damaged: three σ too bright.
        let signals = clean.enumerated().map { $0.offset % m == 100 ? $0.element + 3 * 16 : $0.element }
        func survey(_ shards: [PosteriorShard], threads: Int = 2) -> ResidualSurvey {
            FitResiduals(
                shards, lambda: 0.5, mask: Array(0..<300), signals: signals, acquisition: acquisition, threads: threads
            ).volumes!
        }
        let whole = survey(shards)
        #expect(whole.voxels == (0..<300).filter { $0 != 5 }.map(Int32.init), "few voxels are all kept")
        #expect(whole.counts.allSatisfy { $0 == 299 } && whole.sliceCount == 1 && whole.volumeCount == m)
        let rms = whole.squares.indices.map {
            (Double(whole.squares[$0]) / 65536 / Double(whole.counts[$0])).squareRoot()
        }
        #expect(rms.indices.max { rms[$0] < rms[$1] } == 100 && abs(rms[100] - 10.0.squareRoot()) < 0.3)
        #expect(abs(rms[0] - 1) < 0.15 && abs(rms[70] - 1) < 0.15)
        // Nine in ten measurements lie in the band of nine in ten; the draws are the truth, so it is all noise.
        var inside = 0, of = 0
        for v in 0..<whole.voxels.count {
            for j in 62..<m where j != 100 {
                let i = v * m + j
                of += 1
                if abs(whole.signals[i] - whole.means[i]) < 1.645 * whole.deviations[i] { inside += 1 }
            }
        }
        #expect(abs(Double(inside) / Double(of) - 0.9) < 0.01)
        #expect(survey(shards, threads: 1) == whole)
        let parts = shards.map { survey([$0]) }
        #expect(ResidualSurvey.joining([parts[1], parts[0]]) == whole, "parts add up in any order")
        #expect(ResidualSurvey.joining([parts[0], nil]) == nil)
        let path = folder + "/" + ResidualSurvey.fileName
        try whole.write(to: path)
        #expect(try ResidualSurvey(path: path, grid: [300, 1, 1]) == whole)
        #expect(throws: (any Error).self) { try ResidualSurvey(path: path, grid: [300, 1, 2]) }
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count - 5] ^= 1
        try bytes.write(to: URL(fileURLWithPath: path))
        #expect(throws: PosteriorArchiveError.self) { try ResidualSurvey(path: path, grid: [300, 1, 1]) }
    }

    /// Of many voxels those on a lattice are kept, of every slice of a thin image.
    @Test func aLatticeOfVoxelsIsKept() {
        let grid = [100, 100, 2], mask = Array(0..<20_000), kept = ResidualSurvey.choose(mask, grid: grid, volumes: 120)
        #expect(kept.count > 500 && kept.count <= 1000 && Set(kept.map { $0 / 10_000 }) == [0, 1])
        #expect(zip(kept, kept.dropFirst()).allSatisfy { $0 < $1 })
        #expect(ResidualSurvey.choose(mask, grid: grid, volumes: 4) == mask)
    }

    @Test func manyValuesOfBBecomeEightAtMost() throws {
        let g = DirectionSets.fibonacci(100)
        let a = try Acquisition(bValues: [0] + (0..<100).map { 300 + 57 * Double($0) }, directions: [.zero] + g)
        let (bValues, shell) = ShellResiduals.shells(a)
        #expect(
            bValues.count <= 8 && bValues == bValues.sorted() && shell[0] == nil
                && shell.dropFirst().allSatisfy { $0 != nil })
    }
}
