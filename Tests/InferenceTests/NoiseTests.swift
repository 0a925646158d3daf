import Diffusion
import Foundation
import ModelSpace
import Tensors
import TestFixtures
import Testing

@testable import Inference

/// What is known of a scan's noise besides the fit.
@Suite struct NoiseTests {
    /// V voxels of a grid, each a mixture of `rank` courses over M volumes, with noise of σ(voxel).
    private func scan(
        grid: [Int], voxels: [Int], volumes m: Int, rank: Int = 5, level: Double = 500, isMagnitude: Bool = false,
        sigma: (Int) -> Double
    ) -> [Float] {
        var random = RandomSource(seed: 7), signals = [Float](repeating: 0, count: voxels.count * m)
        let courses = (0..<rank).map { _ in (0..<m).map { _ in level * random.uniform() } }
        for (v, voxel) in voxels.enumerated() {
            let x = Double(voxel % grid[0]), rest = Double(voxel / grid[0]), a = sigma(voxel)
            var weights: [Double] = []
            for k in 0..<rank {
                let wave: Double = sin(Double(k + 1) * x / 4)
                weights.append(1 + 0.5 * wave + 0.3 * cos(rest / 20) + 0.2 * random.uniform())
            }
            for i in 0..<m {
                var signal = 0.0
                for k in 0..<rank { signal += courses[k][i] * weights[k] }
                let real = signal + a * random.normal(), imaginary = a * random.normal()
                signals[v * m + i] = Float(isMagnitude ? (real * real + imaginary * imaginary).squareRoot() : real)
            }
        }
        return signals
    }

    @Test(arguments: [([12, 12, 10], 30), ([12, 12, 10], 65), ([30, 30, 2], 100), ([2, 2, 80], 180)])
    func patchesFindTheNoise(grid: [Int], volumes: Int) throws {
        let voxels = Array(0..<grid.reduce(1, *))
        let signals = scan(grid: grid, voxels: voxels, volumes: volumes) { _ in 12 }
        let noise = try #require(
            PatchNoise(voxels: voxels, grid: grid, signals: signals, measurements: volumes, threads: 2))
        let median = noise.values.sorted()[voxels.count / 2]
        #expect(abs(median / 12 - 1) < 0.06 && noise.values.allSatisfy { $0 > 9 && $0 < 15 })
    }

    @Test func noiseMayVaryOverTheScanAndTheMaskMayHaveHoles() throws {
        let grid = [24, 16, 12], m = 40, voxels = (0..<grid.reduce(1, *)).filter { $0 % 7 != 3 && $0 / 24 % 16 > 1 }
        func sigma(_ voxel: Int) -> Double { 5 + 0.5 * Double(voxel % 24) }
        var signals = scan(grid: grid, voxels: voxels, volumes: m, sigma: sigma)
        signals[1000 * m + 3] = .nan
        let one = try #require(PatchNoise(voxels: voxels, grid: grid, signals: signals, measurements: m, threads: 1))
        let errors = zip(one.values, voxels).map { abs(Double($0) / sigma($1) - 1) }
        #expect(errors.reduce(0, +) / Double(errors.count) < 0.06)
        for threads in [2, 5] {
            #expect(
                PatchNoise(voxels: voxels, grid: grid, signals: signals, measurements: m, threads: threads)?.values
                    == one.values)
        }
    }

    @Test func magnitudesAtTheFloorScatterLess() throws {
        let grid = [10, 10, 10], voxels = Array(0..<1000), m = 40
        for (isMagnitude, level) in [(true, 0.0), (true, 8), (false, 0)] {
            let signals = scan(grid: grid, voxels: voxels, volumes: m, rank: 2, level: level, isMagnitude: isMagnitude)
            { _ in 12 }
            let noise = try #require(
                PatchNoise(voxels: voxels, grid: grid, signals: signals, measurements: m, threads: 2))
            // Left alone, magnitudes of nothing would be 34 % too low.
            #expect(abs(noise.values.sorted()[500] / 12 - 1) < (isMagnitude ? 0.1 : 0.05))
        }
    }

    @Test func tooLittleDataGiveNoEstimate() {
        let grid = [6, 6, 1]
        let few = scan(grid: grid, voxels: Array(0..<36), volumes: 6) { _ in 3 }
        #expect(PatchNoise(voxels: Array(0..<36), grid: grid, signals: few, measurements: 6, threads: 1) == nil)
        let small = scan(grid: grid, voxels: Array(0..<12), volumes: 40) { _ in 3 }
        #expect(PatchNoise(voxels: Array(0..<12), grid: grid, signals: small, measurements: 40, threads: 1) == nil)
        let constant = [Float](repeating: 100, count: 36 * 40)
        #expect(
            PatchNoise(voxels: Array(0..<36), grid: grid, signals: constant, measurements: 40, threads: 1).map {
                $0.values.allSatisfy { $0 < 0.01 }
            } ?? true)
        let stopped = PatchNoise(
            voxels: Array(0..<36), grid: grid, signals: constant, measurements: 40, threads: 1, shouldStop: { true })
        #expect(stopped == nil)
    }

    @Test func repeatedVolumesScatterByTheNoise() throws {
        let g = DirectionSets.fibonacci(6), b = [0.0, 1000, 5, 0, 1000, 0, 1000, 1000, 1000, 1000]
        var next = 0
        let directions = b.map { x in
            if x < 100 { return SIMD3<Double>.zero }
            next += 1
            return g[next - 1]
        }
        let acquisition = try Acquisition(bValues: b, directions: directions), voxels = Array(0..<3000)
        var random = RandomSource(seed: 3), signals = [Float](repeating: 0, count: 3000 * 10)
        for v in voxels {
            for i in 0..<10 { signals[v * 10 + i] = Float((b[i] < 100 ? 800 : 300) + 9 * random.normal()) }
        }
        #expect(abs(try #require(IndependentNoise.scatterOfRepeats(signals, acquisition)) / 9 - 1) < 0.05)
        let few = try Acquisition(bValues: [0, 0, 1000, 1000], directions: [.zero, .zero, g[0], g[1]])
        #expect(IndependentNoise.scatterOfRepeats(signals, few) == nil)
    }

    @Test func singularValuesOfAKnownMatrix() throws {
        // Orthogonal columns of lengths 3, 2, 1, and the same the other way round.
        let tall: [Double] = [3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]
        let spectrum = GramSpectrum(limit: 4)
        let a = try #require(spectrum.squaredSingularValues(tall, rows: 4, columns: 3))
        #expect(zip(a, [1, 4, 9]).allSatisfy { abs($0 - $1) < 1e-12 })
        let wide: [Double] = [3, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0]
        let b = try #require(spectrum.squaredSingularValues(wide, rows: 3, columns: 4))
        #expect(zip(b, [1, 4, 9]).allSatisfy { abs($0 - $1) < 1e-12 })
        #expect(spectrum.squaredSingularValues([.nan, 1, 1, 1], rows: 2, columns: 2) == nil)
    }

    /// Values by scipy.stats.rice.
    @Test(arguments: [
        (0, 1.2533141373155, 0.655136377562), (0.5, 1.330447340611, 0.692755277), (1, 1.548572460551, 0.775837183),
        (2, 2.272383428, 0.914479937), (5, 5.101069639, 0.989489026), (11.9, 11.942091787, 0.998220287),
        (20, 20.025, 0.99937),
    ])
    func magnitudesHaveTheirMoments(a: Double, mean: Double, sd: Double) {
        let (m, s) = RicianMoments.shared(a)
        #expect(abs(m - mean) < 5e-4 && abs(s - sd) < 1e-3)
    }

    /// The unit of the misfit is the scatter that the model predicts, at the noise floor too.
    @Test func misfitIsOneWhereNothingIsLeftOfTheSignal() throws {
        let acquisition = TestScan.acquisition, m = acquisition.count,
            structures = BallSticks().structureSpace.structures
        let z = try #require(
            structures.firstIndex {
                BallSticks.stickCount($0) == 0 && !BallSticks.hasSpread($0) && BallSticks.isRician($0)
            })
        var theta = [Double](repeating: 0, count: BallSticks.Slot.count), total = 0.0
        (theta[BallSticks.Slot.diffusivity], theta[BallSticks.Slot.snr], theta[BallSticks.Slot.s0]) = (5e-3, 20, 1)
        for v in 0..<200 {
            var random = RandomSource(seed: 5, stream: UInt64(v)), y = [Float](repeating: 0, count: m), own = theta
            BallSticks().simulate(&own, structures[z], acquisition, using: &random, into: &y)
            let posterior = VoxelPosterior(logProbability: [], structures: [z], parameters: own)
            total += pow(PredictiveMisfit(acquisition: acquisition).value(y, posterior, draws: [0]), 2) / 200
        }
        #expect(abs(total.squareRoot() - 1) < 0.03)
    }
}

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
        let whole = ShellResiduals(shards, lambda: 0.5, signals: signals, acquisition: acquisition, threads: 2)
        #expect(
            whole.oneFibre.voxels == 299 && whole.anyFibre == whole.oneFibre
                && whole.oneFibre.shells.map(\.bValue) == [1000, 2000])
        let shell = whole.oneFibre.shells
        #expect(abs(shell[0].along.residual + 0.5) < 0.06 && abs(shell[0].across.residual - 0.8) < 0.06)
        #expect(abs(shell[1].along.residual) < 0.06 && abs(shell[1].across.residual) < 0.06)
        #expect(ShellResiduals(shards, lambda: 0.5, signals: signals, acquisition: acquisition, threads: 1) == whole)
        // Parts of a fit add up; without one of them nothing is said.
        let parts = shards.map {
            ShellResiduals([$0], lambda: 0.5, signals: signals, acquisition: acquisition, threads: 2)
        }
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
            ResidualSurvey(
                shards, lambda: 0.5, mask: Array(0..<300), signals: signals, acquisition: acquisition, threads: threads)
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
