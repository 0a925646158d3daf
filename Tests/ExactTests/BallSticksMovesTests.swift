import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Ball and sticks through the moves of any family, against those made for it.
@Suite struct BallSticksMovesTests {
    static let family = BallSticks()
    static let acquisition: Acquisition = {
        let zero = SIMD3<Double>(0, 0, 0), g = DirectionSets.fibonacci(20)
        return try! Acquisition(
            bValues: [0, 0, 0] + Array(repeating: 1000, count: 20) + Array(repeating: 2500, count: 20),
            directions: [zero, zero, zero] + g + g)
    }()

    static func voxel(_ z: Structure, snr: Double, seed: UInt64) -> (theta: [Double], y: [Float]) {
        var random = RandomSource(seed: seed), theta = [Double](repeating: 0, count: 16)
        var y = [Float](repeating: 0, count: acquisition.count)
        family.drawParameters(z, acquisition, using: &random, into: &theta)
        theta[BallSticks.Slot.snr] = snr
        family.simulate(&theta, z, acquisition, using: &random, into: &y)
        return (theta, y)
    }

    /// From the same draws, moves reach the same distribution: means of what the sticks are, of independent ensembles.
    @Test(arguments: [Structure(0, 1), Structure(0, 4)])
    func movesReachTheSameDistribution(_ z: Structure) {
        let (theta, y) = Self.voxel(z, snr: 20, seed: 9), layout = BallSticks.signalLayout(z), count = 48, rounds = 60
        let special = EnsembleMoves(acquisition: Self.acquisition)
        let general = PosteriorMoves(Self.family.kernels(Self.acquisition))
        var random = RandomSource(seed: 3), one = (0..<count).flatMap { _ in theta }
        var two = [Double](repeating: 0, count: count * layout.count)
        special.run(
            y, &one, structures: Array(repeating: z, count: count), sweeps: 400, turn: 0.1, using: &random)
        for i in 0..<count {
            one.withUnsafeBufferPointer { from in
                two.withUnsafeMutableBufferPointer {
                    layout.pack(from.baseAddress! + 16 * i, into: $0.baseAddress! + i * layout.count)
                }
            }
        }
        // Means of each round's ensemble, which scatter about the posterior's.
        var means = [[[Double]]](repeating: [], count: 2), other = [Double](repeating: 0, count: 16)
        for _ in 0..<rounds {
            special.run(y, &one, structures: Array(repeating: z, count: count), sweeps: 20, using: &random)
            general.run(y, points: &two, layout, Self.family.noise(z), sweeps: 20, using: &random)
            var sums = [[Double]](repeating: [Double](repeating: 0, count: 5), count: 2)
            for i in 0..<count {
                layout.unpack(Array(two[i * layout.count..<(i + 1) * layout.count]), into: &other)
                for (k, t) in [Array(one[16 * i..<16 * (i + 1)]), other].enumerated() {
                    let values = [log(t[0]), log(t[2]), log(t[3]), t[4], t[7] * t[7]]
                    for c in values.indices { sums[k][c] += values[c] / Double(count) }
                }
            }
            for k in 0...1 { means[k].append(sums[k]) }
        }
        for c in 0..<5 {
            func summary(_ k: Int) -> (mean: Double, square: Double) {
                let x = means[k].map { $0[c] }, mean = x.reduce(0, +) / Double(rounds)
                return (mean, x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(rounds))
            }
            let (a, b) = (summary(0), summary(1))
            // Rounds of 20 sweeps hang together: as if a third of them were independent.
            let error = ((a.square + b.square) * 3 / Double(rounds)).squareRoot()
            #expect(abs(a.mean - b.mean) < 4.2 * error, "statistic \(c): \(a.mean), \(b.mean) ± \(error)")
        }
    }
}
