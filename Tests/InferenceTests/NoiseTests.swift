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
            let posterior = VoxelPosterior(of: structures, logProbability: [], structures: [z], parameters: own)
            total += pow(PredictiveMisfit(acquisition: acquisition).value(y, posterior, draws: [0]), 2) / 200
        }
        #expect(abs(total.squareRoot() - 1) < 0.03)
    }
}
