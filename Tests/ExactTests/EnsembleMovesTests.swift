import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

@Suite struct EnsembleMovesTests {
    static let acquisition: Acquisition = {
        let g = DirectionSets.fibonacci(20)
        let zero = SIMD3<Double>(0, 0, 0)
        return try! Acquisition(
            bValues: [0, 0, 0] + Array(repeating: 1000, count: 20) + Array(repeating: 2500, count: 20),
            directions: [zero, zero, zero] + g + g)
    }()

    /// The vectorised likelihood against the plain one, all structures, near and far from the truth.
    @Test func fastLikelihoodMatchesThePlainOne() {
        let family = BallSticks(), m = Self.acquisition.count
        var random = RandomSource(seed: 11), scratch = [Float](repeating: 0, count: m)
        for trial in 0..<400 {
            let z = family.structureSpace.structures[trial % 16]
            var theta = [Double](repeating: 0, count: 16), other = theta, y = [Float](repeating: 0, count: m)
            family.drawParameters(z, Self.acquisition, using: &random, into: &theta)
            family.simulate(&theta, z, Self.acquisition, using: &random, into: &y)
            family.drawParameters(z, Self.acquisition, using: &random, into: &other)
            other[BallSticks.Slot.s0] = theta[BallSticks.Slot.s0]
            for values in [theta, other] {
                let exact = family.logLikelihood(y, values, z, Self.acquisition)
                let fast = family.logLikelihood(y, values, z, Self.acquisition, scratch: &scratch)
                let sigma = values[BallSticks.Slot.s0] / values[BallSticks.Slot.snr]
                let bound = 2e-6 * y.reduce(0) { $0 + 1 + pow(Double($1) / sigma, 2) }
                if exact == -.infinity { #expect(fast == -.infinity) } else { #expect(abs(fast - exact) <= bound) }
            }
        }
    }

    /// Geweke's joint test. θ from the prior and y from the likelihood make θ an exact posterior draw given y;
    /// corrected any number of times it must still be distributed as the prior. Means and variances of each parameter
    /// over many such pairs, for walks and for ensembles of exact draws.
    @Test(arguments: [Structure(), Structure(0, 3), Structure(0, 1, 4), Structure(0, 1, 2, 3, 4)])
    func leavesTheJointDistributionInvariant(_ z: Structure) {
        let family = BallSticks(), m = Self.acquisition.count, n = 3000
        let moves = EnsembleMoves(acquisition: Self.acquisition)
        var before: [[Double]] = [], after: [[Double]] = [], y = [Float](repeating: 0, count: m), moved = 0.0
        func statistics(_ t: [Double]) -> [Double] {
            typealias S = BallSticks.Slot
            let a = Array(t[S.axis..<S.axis + 9])
            return [
                log(t[S.diffusivity]), BallSticks.hasSpread(z) ? log(t[S.spread] / t[S.diffusivity]) : 0, log(t[S.snr]),
                t[4], t[5], t[6],
                a[0] * a[0], a[2] * a[2], a[3] * a[3], a[7] * a[7], pow(a[0] * a[3] + a[1] * a[4] + a[2] * a[5], 2),
            ]
        }
        for i in 0..<n {
            var random = RandomSource(seed: 21, stream: UInt64(i)), theta = [Double](repeating: 0, count: 16)
            family.drawParameters(z, Self.acquisition, using: &random, into: &theta)
            family.simulate(&theta, z, Self.acquisition, using: &random, into: &y)
            // s0 is flat in the target but follows from the noise in the simulation: the pair is the same posterior
            // (scale invariance).
            before.append(statistics(theta))
            moved += moves.run(y, &theta, structures: [z], sweeps: 6, turn: 0.1, using: &random)
            after.append(statistics(theta))
        }
        #expect(moved / Double(n) > 0.1)  // it does move
        for c in 0..<before[0].count {
            let a = before.map { $0[c] }, b = after.map { $0[c] }
            func mean(_ x: [Double]) -> Double { x.reduce(0, +) / Double(x.count) }
            func variance(_ x: [Double]) -> Double { let m = mean(x); return mean(x.map { ($0 - m) * ($0 - m) }) }
            // Paired: the standard error is that of the differences.
            let d = zip(a, b).map { $1 - $0 }, error = (variance(d) / Double(n)).squareRoot()
            #expect(abs(mean(d)) <= 4 * error + 1e-12, "mean of statistic \(c)")
            let ma = mean(a), e = zip(a, b).map { ($1 - ma) * ($1 - ma) - ($0 - ma) * ($0 - ma) }
            #expect(abs(mean(e)) <= 4 * (variance(e) / Double(n)).squareRoot() + 1e-12, "variance of statistic \(c)")
        }
    }

    /// Started far too wide, an ensemble contracts to the exact posterior: ball only, where numerical integration gives
    /// it.
    @Test func reachesTheExactPosteriorOfABall() {
        let family = BallSticks(), z = Structure(), m = Self.acquisition.count
        var random = RandomSource(seed: 5), theta = [Double](repeating: 0, count: 16),
            y = [Float](repeating: 0, count: m)
        theta[0] = 1e-3; theta[2] = 20
        family.simulate(&theta, z, Self.acquisition, using: &random, into: &y)
        // Exact: integrate over log d with s0 and σ by quadrature on grids.
        var weights: [Double] = [], values: [Double] = []
        for a in 0..<160 {
            let d = 0.8e-3 + 0.4e-3 * (Double(a) + 0.5) / 160
            var logs: [Double] = []
            for s in 0..<60 {
                for q in 0..<60 {
                    var t = theta
                    t[0] = d
                    t[3] = theta[3] * exp(-0.15 + 0.3 * (Double(s) + 0.5) / 60)
                    t[2] = exp(log(8) + log(6.0) * (Double(q) + 0.5) / 60)
                    logs.append(family.logLikelihood(y, t, z, Self.acquisition))
                }
            }
            let peak = logs.max()!
            weights.append(peak + log(logs.reduce(0) { $0 + exp($1 - peak) }) - log(d))  // flat in log d
            values.append(d)
        }
        let peak = weights.max()!, w = weights.map { exp($0 - peak) }, total = w.reduce(0, +)
        let mean = zip(w, values).reduce(0) { $0 + $1.0 * $1.1 } / total
        let sd = (zip(w, values).reduce(0) { $0 + $1.0 * ($1.1 - mean) * ($1.1 - mean) } / total).squareRoot()

        let draws = 60
        var ensemble: [Double] = [], found: [Double] = []
        for _ in 0..<draws {
            var t = theta
            t[0] = exp(random.uniform(log(4e-4), log(2.5e-3)))
            t[2] = exp(random.uniform(log(5), log(80)))
            t[3] *= exp(0.1 * random.normal())
            ensemble += t
        }
        let moves = EnsembleMoves(acquisition: Self.acquisition)
        // The last of draws that start so far away may take some 200 sweeps to arrive, whatever the seed.
        for round in 0..<110 {
            moves.run(y, &ensemble, structures: Array(repeating: z, count: draws), sweeps: 5, using: &random)
            if round >= 60 { found += (0..<draws).map { ensemble[$0 * 16] } }
        }
        let far = (0..<draws).filter { abs(ensemble[$0 * 16] - mean) > 6 * sd }.map {
            Array(ensemble[$0 * 16..<$0 * 16 + 4])
        }
        #expect(far.isEmpty, "draws left behind: \(far)")
        let m1 = found.reduce(0, +) / Double(found.count)
        let s1 = (found.reduce(0) { $0 + ($1 - m1) * ($1 - m1) } / Double(found.count)).squareRoot()
        #expect(abs(m1 - mean) < 0.15 * sd)
        #expect(abs(s1 / sd - 1) < 0.1)
    }
}
