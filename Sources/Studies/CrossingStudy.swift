import Diffusion
import Foundation
import Inference
import ModelSpace

/// How well two crossing fibres are told apart: angular error and recall by crossing angle, on simulations, through the
/// whole fitting path.
///
/// Each voxel holds two sticks of given fractions at a given angle, or two zeppelins (bundles with water around their
/// axons, which no stick is), and a ball of the same diffusivity; randomly oriented, Rician noise. A fit's fibres are
/// those that peaks and fixels would list: present in the posterior with mean fraction ≥ 0.05. They are matched one to
/// one to the true ones so that the summed angle is least. A true fibre counts as recalled when its match lies within
/// `tolerance` = min(20°, half the crossing angle). Error: mean angle of recalled pairs.
public struct CrossingStudy: Sendable {
    public struct Row: Codable, Sendable {
        /// Degrees.
        public var angle: Double
        public var voxels: Int
        /// Mean angle between true and matched fibres (degrees), of recalled ones, and share of true fibres recalled.
        public var error: Double, recall: Double
        /// Mean number of fibres found, and share of voxels with exactly two.
        public var fibresFound: Double, exactlyTwo: Double
        /// Mean posterior probability of two fibres, over voxels.
        public var probabilityOfTwo: Double
    }

    public var angles: [Double] = [20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90]
    /// Voxels an angle.
    public var voxels = 500
    public var snr = 30.0
    public var fractions = (0.4, 0.35)
    /// mm²/s.
    public var diffusivity = 1.7e-3
    /// Diffusivity across the fibres over that along them: 0 makes sticks.
    public var ratio = 0.0
    public var lambda = 0.0

    public init() {}

    /// Fits the simulations in a temporary folder and reads the summary back.
    ///
    /// - Parameters:
    ///   - maker: makes the engine, for the study's λ.
    ///   - progress: called with voxels done in all, from any thread, one at a time.
    ///   - shouldStop: asked between blocks of voxels.
    /// - Returns: a row an angle; nil when stopped.
    public func run(
        acquisition: Acquisition, options base: FitOptions, engine maker: EngineMaker,
        progress: @escaping @Sendable (Int) -> Void = { _ in },
        shouldStop: @escaping @Sendable () -> Bool = { false }
    ) throws -> [Row]? {
        let family = BallSticks(), m = acquisition.count, total = angles.count * voxels,
            z = family.structureSpace.structures.first {
                BallSticks.stickCount($0) == 2 && !BallSticks.hasSpread($0) && BallSticks.isRician($0)
            }!
        var signals = [Float](repeating: 0, count: total * m), truth: [(SIMD3<Double>, SIMD3<Double>)] = []
        for v in 0..<total {
            var random = RandomSource(seed: base.seed, stream: UInt64(v), substream: 0x4352_4F53)
            let angle = angles[v / voxels] * .pi / 180
            let (a, b) = Self.pair(angle, &random)
            truth.append((a, b))
            var theta = [Double](repeating: 0, count: BallSticks.Slot.count)
            theta[BallSticks.Slot.diffusivity] = diffusivity
            theta[BallSticks.Slot.snr] = snr
            theta[BallSticks.Slot.fraction] = fractions.0
            theta[BallSticks.Slot.fraction + 1] = fractions.1
            for c in 0..<3 {
                theta[BallSticks.Slot.axis + c] = a[c]
                theta[BallSticks.Slot.axis + 3 + c] = b[c]
            }
            signals.withUnsafeMutableBufferPointer {
                let y = $0.baseAddress! + v * m
                if ratio == 0 {
                    family.simulate(&theta, z, acquisition, using: &random, into: y)
                } else {
                    simulateZeppelins((a, b), acquisition, using: &random, into: y)
                }
            }
        }
        var options = base
        options.lambda = lambda
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("prism-crossings-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        // Small blocks: slow engines keep every thread busy.
        let engine = FitEngine(
            recipe: try maker(acquisition, options), acquisition: acquisition, options: options, blockSize: 8)
        guard
            try engine.run(
                voxels: Array(0..<total), signals: signals,
                metadata: engine.metadata(grid: [total, 1, 1], voxelCount: total), directory: folder,
                progress: progress, shouldStop: shouldStop)
        else { return nil }
        let summary = PosteriorSummary(
            try PosteriorArchive(directory: folder), lambda: lambda, threads: options.threads)
        return angles.indices.map { row(summary, truth, angle: angles[$0], range: $0 * voxels..<($0 + 1) * voxels) }
    }

    /// M signals of two zeppelins and a ball, S0 = 1.
    private func simulateZeppelins(
        _ axes: (SIMD3<Double>, SIMD3<Double>), _ acquisition: Acquisition, using random: inout RandomSource,
        into y: UnsafeMutablePointer<Float>
    ) {
        let zeppelin = Zeppelin(), sigma = 1 / snr
        for v in 0..<acquisition.count {
            let measured = DiffusionMeasurement(b: acquisition.bValues[v], g: acquisition.directions[v])
            func attenuation(_ axis: SIMD3<Double>) -> Double {
                zeppelin.attenuation([diffusivity, ratio, axis.x, axis.y, axis.z], measured)
            }
            let signal =
                fractions.0 * attenuation(axes.0) + fractions.1 * attenuation(axes.1)
                + (1 - fractions.0 - fractions.1) * Ball().attenuation([diffusivity], measured)
            let real = signal + sigma * random.normal(), imaginary = sigma * random.normal()
            y[v] = Float((real * real + imaginary * imaginary).squareRoot())
        }
    }

    /// Two unit vectors at an angle, the pair uniformly oriented.
    static func pair(_ angle: Double, _ random: inout RandomSource) -> (SIMD3<Double>, SIMD3<Double>) {
        func unit() -> SIMD3<Double> {
            let v = SIMD3(random.normal(), random.normal(), random.normal())
            return v / (v * v).sum().squareRoot()
        }
        let a = unit()
        var p = unit()
        p -= (a * p).sum() * a
        p /= (p * p).sum().squareRoot()
        return (a, cos(angle) * a + sin(angle) * p)
    }

    private func row(_ s: PosteriorSummary, _ truth: [(SIMD3<Double>, SIMD3<Double>)], angle: Double, range: Range<Int>)
        -> Row
    {
        func values(_ c: SummaryColumn) -> [Float] { Array(s.column(c)) }
        let fractions = (0..<3).map { values(.statistic(.fraction($0), .mean)) }
        let directions = (0..<3).map { k in (0..<3).map { values(.direction(k, axis: $0)) } }
        let two = values(.fibreCount(2)), tolerance = min(20, angle / 2)
        var row = Row(
            angle: angle, voxels: range.count, error: 0, recall: 0, fibresFound: 0, exactlyTwo: 0, probabilityOfTwo: 0)
        var recalled = 0
        for v in range {
            let found = (0..<3).filter { fractions[$0][v] >= Float(BallSticks.fractionFloor) }
                .map { k in SIMD3(Double(directions[k][0][v]), Double(directions[k][1][v]), Double(directions[k][2][v]))
                }
            row.fibresFound += Double(found.count)
            row.exactlyTwo += found.count == 2 ? 1 : 0
            row.probabilityOfTwo += Double(two[v])
            for e in Self.match([truth[v].0, truth[v].1], found) where e <= tolerance {
                recalled += 1
                row.error += e
            }
        }
        let n = Double(range.count)
        row.error = recalled > 0 ? row.error / Double(recalled) : 0
        row.recall = Double(recalled) / (2 * n)
        row.fibresFound /= n
        row.exactlyTwo /= n
        row.probabilityOfTwo /= n
        return row
    }

    /// Angles (degrees) of the one-to-one matching of two true fibres with the found ones that has the least sum; fewer
    /// found, fewer angles.
    static func match(_ truth: [SIMD3<Double>], _ found: [SIMD3<Double>]) -> [Double] {
        func angle(_ a: SIMD3<Double>, _ b: SIMD3<Double>) -> Double { acos(min(1, abs((a * b).sum()))) * 180 / .pi }
        if found.isEmpty { return [] }
        if found.count == 1 { return [min(angle(truth[0], found[0]), angle(truth[1], found[0]))] }
        var best: [Double] = [], least = Double.infinity
        for i in found.indices {
            for j in found.indices where j != i {
                let pair = [angle(truth[0], found[i]), angle(truth[1], found[j])]
                if pair[0] + pair[1] < least { least = pair[0] + pair[1]; best = pair }
            }
        }
        return best
    }
}
