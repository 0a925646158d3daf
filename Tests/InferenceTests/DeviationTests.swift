import Diffusion
import Exact
import Foundation
import ModelSpace
import Networks
import TestFixtures
import Testing

@testable import Inference

/// Fits whose gradients deviate from voxel to voxel.
@Suite struct DeviationTests {
    private static let acquisition = TestAcquisition.shells([1000, 2500], unweighted: 4, directions: 30)
    private static let count = 48
    /// Each voxel's L, smooth and large, not symmetric.
    private static let deviation = GradientDeviation(
        (0..<count).flatMap { v in
            let x = Float(v) / Float(count) - 0.5
            return (0..<9).map { k in (k % 4 == 0 ? 0.2 : 0.06) * x * (k == 8 ? -1 : 1) }
        }, frame: .identity)

    /// One fibre each, d = 1.7e-3 and f = 0.6, as the gradients really were; and each direction.
    private static let scan: (signals: [Float], axes: [SIMD3<Double>]) = {
        var all: [Float] = [], axes: [SIMD3<Double>] = []
        let z = Structure(bits: 1), m = acquisition.count
        for v in 0..<count {
            var random = RandomSource(seed: 8, stream: UInt64(v))
            let axis = DirectionSets.uniform(using: &random), own = deviation.acquisition(acquisition, at: v)
            var theta = [Double](repeating: 0, count: BallSticks.Slot.count)
            theta[BallSticks.Slot.diffusivity] = 1.7e-3
            theta[BallSticks.Slot.fraction] = 0.6
            for c in 0..<3 { theta[BallSticks.Slot.axis + c] = axis[c] }
            var y = [Float](repeating: 0, count: m)
            BallSticks().attenuations(theta, z, own, into: &y)
            all += y.map { 900 * ($0 + 0.02 * Float(random.normal())) }
            axes.append(axis)
        }
        return (all, axes)
    }()

    private static func fit(
        _ recipe: any EngineRecipe, _ options: FitOptions, deviation: GradientDeviation? = deviation, block: Int? = nil,
        voxels range: Range<Int> = 0..<count
    ) throws -> (archive: PosteriorArchive, bytes: Data) {
        let folder = NSTemporaryDirectory() + "deviation-\(UUID().uuidString)", m = acquisition.count
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let fitter = FitEngine(recipe: recipe, acquisition: acquisition, options: options, blockSize: block)
        _ = try fitter.run(
            voxels: Array(range), signals: Array(scan.signals[range.lowerBound * m..<range.upperBound * m]),
            deviation: deviation?.selecting(Array(range)),
            metadata: fitter.metadata(grid: [count, 1, 1], voxelCount: range.count), directory: folder)
        let archive = try PosteriorArchive(directory: folder)
        return (archive, try Data(contentsOf: URL(fileURLWithPath: archive.shards[0].path)))
    }

    private static func options(threads: Int = 1) -> FitOptions {
        var options = FitOptions()
        (options.samples, options.threads) = (20, threads)
        return options
    }

    private static func prism(_ options: FitOptions) throws -> PrismRecipe {
        try PrismRecipe(
            file: NetworkFile.standard(), path: "", acquisition: acquisition, options: options, preset: .fast)
    }

    /// Root mean square of ln d/d_true, and median angle to the truth, degrees.
    private static func errors(_ archive: PosteriorArchive) -> (d: Double, angle: Double) {
        let summary = PosteriorSummary(archive, lambda: 1, threads: 1)
        func column(_ c: SummaryColumn) -> [Double] { summary.column(c).map(Double.init) }
        let d = column(.statistic(.diffusivity, .mean)).map { pow(log($0 / 1.7e-3), 2) }
        let axes = (0..<3).map { column(.direction(0, axis: $0)) }
        var angles: [Double] = []
        for v in 0..<d.count {
            let axis = SIMD3(axes[0][v], axes[1][v], axes[2][v])
            angles.append(acos(min(1, abs((axis * scan.axes[v]).sum()))) * 180 / .pi)
        }
        angles.sort()
        return ((d.reduce(0, +) / Double(d.count)).squareRoot(), angles[angles.count / 2])
    }

    /// The truth comes back with the deviations, and does not without.
    @Test func eachVoxelIsFittedWithItsOwnGradients() throws {
        let with = Self.errors(try Self.fit(Self.prism(Self.options()), Self.options()).archive)
        let without = Self.errors(try Self.fit(Self.prism(Self.options()), Self.options(), deviation: nil).archive)
        #expect(with.d < 0.05 && without.d > 2 * with.d, "\(with), \(without)")
        #expect(without.angle > 1.3 * with.angle, "\(with), \(without)")
    }

    /// The same bytes whatever the threads and blocks, and whichever voxels are fitted together.
    @Test func answersDependOnTheVoxelAlone() throws {
        let one = try Self.fit(Self.prism(Self.options()), Self.options()).bytes
        #expect(try Self.fit(Self.prism(Self.options()), Self.options(threads: 2), block: 5).bytes == one)
        let composed = try FamilyEngineRecipe(
            family: ComposedFamily.ballSticks, file: nil, path: "", acquisition: Self.acquisition,
            options: Self.options(), preset: .fast)
        let few = try Self.fit(composed, Self.options(), voxels: 0..<6)
        #expect(try Self.fit(composed, Self.options(threads: 2), block: 1, voxels: 0..<6).bytes == few.bytes)
    }

    /// The general engine, whose kernels go on from design to design, and engines made for each voxel agree with ball
    /// and sticks' own.
    @Test func everyEngineTakesThemIn() throws {
        let composed = try FamilyEngineRecipe(
            family: ComposedFamily.ballSticks, file: nil, path: "", acquisition: Self.acquisition,
            options: Self.options(), preset: .fast)
        let general = try Self.fit(composed, Self.options(), voxels: 0..<8).archive
        let exact = try Self.fit(
            SmcRecipe(acquisition: Self.acquisition, options: Self.options()), Self.options(), voxels: 0..<2
        ).archive
        for archive in [general, exact] {
            let d = PosteriorSummary(archive, lambda: 1, threads: 1).column(
                archive.metadata.hasFibreColumns ? .statistic(.diffusivity, .mean) : .quantity(0, .mean))
            for value in d { #expect(abs(log(Double(value) / 1.7e-3)) < 0.15, "\(Array(d))") }
        }
    }
}
