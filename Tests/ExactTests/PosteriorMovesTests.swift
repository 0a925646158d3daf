import Foundation
import ModelSpace
import Testing

@testable import Exact

@Suite struct PosteriorMovesTests {
    static var waves: any SignalKernels { QuickKernels(TestPoints.times) }
    static var decays: any SignalKernels { QuickKernels(TestPoints.decays) }
    static var frames: any SignalKernels { Frames().kernels(TestPoints.decays.map(\.g)) }

    struct Case: Sendable, CustomStringConvertible {
        var family: String, bits: UInt64, noise: NoiseLikelihood, knows = false
        var description: String { "\(family) \(bits) \(noise)\(knows ? ", σ known" : "")" }
        var layout: SignalLayout {
            family == "waves"
                ? Waves.layout(Structure(bits: bits))
                : family == "frames" ? Frames.layout : Decays.layout(Structure(bits: bits))
        }
        var kernels: any SignalKernels {
            family == "waves"
                ? PosteriorMovesTests.waves
                : family == "frames" ? PosteriorMovesTests.frames : PosteriorMovesTests.decays
        }
    }
    static let cases = [
        Case(family: "waves", bits: 7, noise: .gaussian), Case(family: "waves", bits: 2, noise: .gaussian, knows: true),
        Case(family: "waves", bits: 3, noise: .rician), Case(family: "decays", bits: 0, noise: .gaussian),
        Case(family: "decays", bits: 1, noise: .rician), Case(family: "decays", bits: 15, noise: .gaussian),
        Case(family: "decays", bits: 13, noise: .rician), Case(family: "decays", bits: 4, noise: .gaussian),
        Case(family: "frames", bits: 0, noise: .gaussian),
    ]

    /// Sweeps leave lanes with the log-likelihood of their points, after moves of every kind; so do known noises, to
    /// the last digit.
    @Test(arguments: cases, [1, 5, 16, 50])
    func keptLogLikelihoodsEqualThePlainOnes(_ c: Case, _ count: Int) {
        let layout = c.layout, kernels = c.kernels, moves = PosteriorMoves(kernels)
        var random = RandomSource(seed: 3, stream: c.bits, substream: UInt64(count))
        let sigma = c.knows ? 0.137 : nil, truth = TestPoints.prior(layout, sigma: sigma, using: &random)
        let y = TestPoints.observe(kernels, layout, truth, c.noise, using: &random)
        var points = (0..<count).flatMap { _ in
            TestPoints.prior(layout, scale: 0.1 * random.normal(), sigma: sigma, using: &random)
        }
        for sweeps in [1, 12] {
            let before = points
            moves.run(y, points: &points, layout, c.noise, sigma: sigma, sweeps: sweeps, using: &random)
            if sweeps == 12 { #expect(points != before) }
            let kept = moves.logLikelihoods
            for i in 0..<count {
                let x = Array(points[i * layout.count..<(i + 1) * layout.count])
                #expect(layout.supports(x, knowsNoise: c.knows))
                if let sigma { #expect(x[0] == log(sigma)) }
                if layout.weights == .simplex {
                    let total: Double = x[2..<2 + layout.componentCount].reduce(0, +)
                    #expect(abs(total - 1) < 1e-12)
                    for set in layout.exchangeable {
                        let weights = set.map { x[2 + $0.component] }
                        #expect(weights == weights.sorted(by: >))
                    }
                }
                let scale = exp(x[0]), bound = 4e-6 * y.reduce(0) { $0 + 1 + pow(Double($1) / scale, 2) }
                let exact: Double
                if layout.weights == .normal && c.noise == .gaussian {
                    let m = y.count
                    var e = [Float](repeating: 0, count: m * layout.componentCount)
                    kernels.attenuations(layout, at: x, into: &e)
                    let columns = layout.components.indices.map { k in (0..<m).map { Double(e[k * m + $0]) } }
                    exact = Waves.logMarginal(
                        y.map(Double.init), columns, sds: layout.components.map(\.bound), sigma: scale)
                } else {
                    exact = TestPoints.logLikelihood(y, kernels, layout, x, c.noise)
                }
                if exact == -.infinity {
                    #expect(kept[i] == exact)
                } else {
                    #expect(abs(kept[i] - exact) <= bound, "\(kept[i]) \(exact), draw \(i)")
                }
            }
        }
    }

    /// Numbers of a point that tell apart any two of its distributions, log s0 aside.
    static func statistics(_ layout: SignalLayout, _ x: ArraySlice<Double>) -> [Double] {
        let x = Array(x)
        var all = [layout.scalePlace == nil ? x[0] : x[1] - x[0]] + x[2..<layout.firstAxis]
        for a in layout.axes.indices {
            let v = Array(x[layout.firstAxis + 3 * a..<layout.firstAxis + 3 * a + 3])
            all += [v[0] * v[0], v[0] * v[1], v[2] * v[2]]
        }
        for r in layout.rotations.indices {
            let q = Array(x[layout.firstRotation + 4 * r..<layout.firstRotation + 4 * r + 4]),
                e = Frames.axes((q[0], q[1], q[2], q[3]))
            all += [e[0].x * e[0].x, e[0].y * e[0].z, e[2].z * e[2].z, e[1].x * e[1].y]
        }
        return all + all.indices.dropLast().map { all[$0] * all[$0 + 1] }
    }

    /// Geweke's joint test: x from the prior and y from the likelihood make x a posterior draw given y; moved any
    /// number of times it is still distributed as the prior. One draw walks; an ensemble of one such draw among others
    /// that do not move with it must not, so ensembles have a test of their own.
    @Test(arguments: cases)
    func leavesTheJointDistributionInvariant(_ c: Case) {
        let layout = c.layout, kernels = c.kernels, moves = PosteriorMoves(kernels), n = 2500,
            sigma = c.knows ? 0.1 : nil
        var before: [[Double]] = [], after: [[Double]] = [], moved = 0.0
        for i in 0..<n {
            var random = RandomSource(seed: 21, stream: UInt64(i), substream: c.bits)
            var x = TestPoints.prior(layout, sigma: sigma, using: &random)
            let y = TestPoints.observe(kernels, layout, x, c.noise, using: &random)
            // Rician data of coefficients know |S| only; s0 is flat in the target, which by scale invariance makes no
            // difference.
            before.append(Self.statistics(layout, x[...]))
            moved += moves.run(y, points: &x, layout, c.noise, sigma: sigma, sweeps: 4, turn: 0.1, using: &random)
            after.append(Self.statistics(layout, x[...]))
        }
        #expect(moved / Double(n) > 0.1)
        Self.expectAlike(before, after)
    }

    /// Means of statistics before and after, paired.
    static func expectAlike(_ before: [[Double]], _ after: [[Double]]) {
        let n = Double(before.count)
        for c in before[0].indices {
            let d = zip(before, after).map { $1[c] - $0[c] }, mean = d.reduce(0, +) / n,
                square = d.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
            #expect(
                abs(mean) <= 4.2 * (square / n).squareRoot() + 1e-12,
                "statistic \(c): \(mean / (square / n).squareRoot()) standard errors")
        }
    }

    /// The same of ensembles: all members are exact posterior draws of one y, made by long chains, then moved with one
    /// another.
    @Test(arguments: [cases[0], cases[3], cases[6]], [7, 40])
    func ensemblesKeepTheirDistribution(_ c: Case, _ count: Int) {
        let layout = c.layout, kernels = c.kernels, moves = PosteriorMoves(kernels), n = count == 7 ? 400 : 120
        var before: [[Double]] = [], after: [[Double]] = []
        for i in 0..<n {
            var random = RandomSource(seed: 5, stream: UInt64(i), substream: c.bits)
            let truth = TestPoints.prior(layout, using: &random),
                y = TestPoints.observe(kernels, layout, truth, c.noise, using: &random)
            // All start at the truth, and walk apart before any is another's partner.
            var points: [Double] = []
            for _ in 0..<count {
                var one = truth
                moves.run(y, points: &one, layout, c.noise, sweeps: 60, turn: 0.3, using: &random)
                points += one
            }
            moves.run(y, points: &points, layout, c.noise, sweeps: 40, using: &random)
            before.append(Self.statistics(layout, truth[...]))
            let all = (0..<count).map { Self.statistics(layout, points[$0 * layout.count..<($0 + 1) * layout.count]) }
            after.append(before[i].indices.map { k in all.reduce(0) { $0 + $1[k] } / Double(count) })
        }
        Self.expectAlike(before, after)
    }

    /// Posterior moments of a wave by its closed form given ω and σ on a grid.
    @Test func exactMomentsOfAWave() {
        let z = Structure(bits: 3), layout = Waves.layout(z), t = TestPoints.times, count = 64
        var random = RandomSource(seed: 8)
        let truth = [log(0.3), 0, 0.6, -0.4, 0.9, 3.3],
            y = TestPoints.observe(Self.waves, layout, truth, .gaussian, using: &random), v = y.map(Double.init)
        var weights: [Double] = [], values: [(omega: Double, sigma: Double)] = []
        for n in 0..<500 {
            let omega = 1 + 5 * (Double(n) + 0.5) / 500, columns = [t.map { _ in 1.0 }, t, t.map { cos(omega * $0) }]
            for l in 0..<100 {
                let sigma = layout.noise.low + (layout.noise.high - layout.noise.low) * (Double(l) + 0.5) / 100
                weights.append(Waves.logMarginal(v, columns, sds: [1, 0.5, 1], sigma: exp(sigma)))
                values.append((omega, sigma))
            }
        }
        let peak = weights.max()!, w = weights.map { exp($0 - peak) }, total = w.reduce(0, +)
        func exact(_ f: ((omega: Double, sigma: Double)) -> Double) -> (mean: Double, sd: Double) {
            let mean = zip(w, values).reduce(0) { $0 + $1.0 * f($1.1) } / total
            return (mean, (zip(w, values).reduce(0) { $0 + $1.0 * pow(f($1.1) - mean, 2) } / total).squareRoot())
        }
        let moves = PosteriorMoves(Self.waves)
        var points = (0..<count).flatMap { _ in TestPoints.prior(layout, using: &random) },
            found: [(omega: Double, sigma: Double, c: Double)] = []
        for round in 0..<120 {
            moves.run(y, points: &points, layout, .gaussian, sweeps: 5, using: &random)
            if round >= 40 {
                for i in 0..<count { found.append((points[i * 6 + 5], points[i * 6], points[i * 6 + 4])) }
            }
        }
        for (expected, got) in [(exact(\.omega), found.map(\.omega)), (exact(\.sigma), found.map(\.sigma))] {
            let mean = got.reduce(0, +) / Double(got.count),
                sd = (got.reduce(0) { $0 + pow($1 - mean, 2) } / Double(got.count)).squareRoot()
            #expect(
                abs(mean - expected.mean) < 0.1 * expected.sd && abs(sd / expected.sd - 1) < 0.1,
                "\(mean) ± \(sd), exact \(expected)")
        }
        let c = found.reduce(0.0) { $0 + $1.c } / Double(found.count)
        #expect(abs(c - 0.9) < 0.4)
    }

    /// From a wrong start to the normal posterior of a linear-Gaussian signal, mean and covariance: a + b t, σ known.
    @Test func exactCovarianceOfALine() {
        let layout = Waves.layout(Structure(bits: 1)), t = TestPoints.times, sigma = 0.3, count = 4096
        var random = RandomSource(seed: 18)
        let truth = [log(sigma), 0, 0.6, -0.4]
        let y: [Float] = TestPoints.observe(Self.waves, layout, truth, .gaussian, using: &random)
        var points: [Double] = (0..<count).flatMap { _ -> [Double] in [log(sigma), 0, 5, -3] }
        PosteriorMoves(Self.waves).run(y, points: &points, layout, .gaussian, sigma: sigma, sweeps: 3, using: &random)
        // A = ΦᵀΦ/σ² + diag(1, 1/0.25), mean A⁻¹Φᵀy/σ².
        let s2 = sigma * sigma, a = Double(t.count) / s2 + 1, b = t.reduce(0, +) / s2,
            c = t.reduce(0) { $0 + $1 * $1 } / s2 + 4, determinant = a * c - b * b
        let p = y.reduce(0) { $0 + Double($1) } / s2, q = zip(t, y).reduce(0) { $0 + $1.0 * Double($1.1) } / s2
        let mean = [(c * p - b * q) / determinant, (a * q - b * p) / determinant]
        let covariance = [c, -b, a].map { $0 / determinant }
        let u = (0..<count).map { points[4 * $0 + 2] - mean[0] }, v = (0..<count).map { points[4 * $0 + 3] - mean[1] }
        let n = Double(count)
        for (x, variance) in [(u, covariance[0]), (v, covariance[2])] {
            #expect(abs(x.reduce(0, +) / n) < 4.5 * (variance / n).squareRoot())
            #expect(abs(x.reduce(0) { $0 + $1 * $1 } / n / variance - 1) < 4.5 * (2 / n).squareRoot())
        }
        let cross = zip(u, v).reduce(0) { $0 + $1.0 * $1.1 } / n
        let spread = (covariance[0] * covariance[2] + covariance[1] * covariance[1]).squareRoot()
        #expect(abs(cross - covariance[1]) < 4.5 * spread / n.squareRoot())
    }

    /// Draws do not depend on what an engine did before.
    @Test func answersDependOnArgumentsAlone() {
        let c = Self.cases[6], layout = c.layout, kernels = c.kernels, moves = PosteriorMoves(kernels)
        var random = RandomSource(seed: 9)
        let truth = TestPoints.prior(layout, using: &random),
            y = TestPoints.observe(kernels, layout, truth, c.noise, using: &random)
        let start = (0..<20).flatMap { _ in TestPoints.prior(layout, using: &random) }
        func moved(_ moves: PosteriorMoves) -> [Double] {
            var points = start, random = RandomSource(seed: 10)
            moves.run(y, points: &points, layout, c.noise, sweeps: 7, using: &random)
            return points
        }
        let first = moved(moves)
        var other = (0..<3).flatMap { _ in TestPoints.prior(Self.cases[3].layout, using: &random) }
        moves.run(y, points: &other, Self.cases[3].layout, .gaussian, sweeps: 2, using: &random)
        #expect(moved(moves) == first && moved(PosteriorMoves(kernels)) == first)
    }

    /// A point's partners do not move with it.
    @Test(arguments: [1, 2, 3, 4, 9, 16, 17, 22, 23, 40])
    func partnersNeverMoveTogether(_ count: Int) {
        var random = RandomSource(seed: 1)
        let layout = Self.cases[3].layout, lanes = SignalLanes(Self.decays, layout),
            y = [Float](repeating: 1, count: Self.decays.measurementCount)
        lanes.prepare(y, layout, .gaussian, sigma: nil, count: count, windowed: false, using: &random)
        for b in 0..<lanes.blockCount {
            for (half, range) in lanes.choices[b].enumerated() {
                let list = lanes.partners[range].map(Int.init)
                #expect(list.isEmpty || list.count >= SignalLanes.fewest)
                #expect(Set(list).count == list.count && list.allSatisfy { $0 < count })
                #expect(list.allSatisfy { $0 / 16 != b || (lanes.isHalved(b) && $0 & 1 != half) })
            }
            #expect(lanes.choices[b].count == (lanes.isHalved(b) ? 2 : 1))
        }
    }
}
