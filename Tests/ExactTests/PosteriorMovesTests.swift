import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Draws from the prior and observations of the test families, plainly.
enum TestPoints {
    static func simplex(_ layout: SignalLayout, using random: inout RandomSource) -> [Double] {
        let g = layout.components.map { _ in random.exponential() }, total = g.reduce(0, +)
        return zip(layout.components, g).map { $0.bound + (1 - layout.floors) * $1 / total }
    }

    static func unit(_ n: Int, using random: inout RandomSource) -> [Double] {
        let v = (0..<n).map { _ in random.normal() }, length = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return v.map { $0 / length }
    }

    /// A point of the prior, log s0 given.
    static func prior(_ layout: SignalLayout, scale: Double = 0, sigma: Double? = nil, using random: inout RandomSource) -> [Double] {
        let level = random.uniform(layout.noise.low, layout.noise.high)
        var x = layout.scalePlace == nil ? [level, 0] : [scale - level, scale]
        if let sigma { x[0] = log(sigma) }
        x += layout.weights == .simplex ? simplex(layout, using: &random) : layout.components.map { $0.bound * random.normal() }
        for s in layout.scalars { x.append(random.uniform(s.low, s.high)) }
        for _ in layout.axes { x += unit(3, using: &random) }
        for _ in layout.rotations { x += unit(4, using: &random) }
        x.withUnsafeMutableBufferPointer { layout.sort($0.baseAddress!) }
        return x
    }

    static func signals(_ kernels: any SignalKernels, _ layout: SignalLayout, _ x: [Double]) -> [Double] {
        let m = kernels.measurementCount, w = layout.componentCount
        var e = [Float](repeating: 0, count: w * m)
        kernels.attenuations(layout, at: x, into: &e)
        return (0..<m).map { i in exp(x[1]) * (0..<w).reduce(0) { $0 + x[2 + $1] * Double(e[$1 * m + i]) } }
    }

    static func observe(_ kernels: any SignalKernels, _ layout: SignalLayout, _ x: [Double], _ noise: NoiseLikelihood, using random: inout RandomSource) -> [Float] {
        let sigma = exp(x[0])
        return signals(kernels, layout, x).map { s in
            let real = s + sigma * random.normal()
            return Float(noise == .gaussian ? real : (real * real + pow(sigma * random.normal(), 2)).squareRoot())
        }
    }

    /// log p(y | x), plainly.
    static func logLikelihood(_ y: [Float], _ kernels: any SignalKernels, _ layout: SignalLayout, _ x: [Double], _ noise: NoiseLikelihood) -> Double {
        let sigma = exp(x[0])
        return zip(y, signals(kernels, layout, x)).reduce(0) { total, point in
            let v = Double(point.0), s = noise == .rician ? abs(point.1) : point.1, r = (v - s) / sigma
            guard noise == .rician else { return total - 0.5 * r * r - log(sigma) - 0.5 * log(2 * .pi) }
            return v > 0 ? total - 0.5 * r * r + log(v / (sigma * sigma)) + logScaledBessel(v * s / (sigma * sigma)) : -.infinity
        }
    }

    /// log(e^−x I₀(x)): series, then asymptotic.
    static func logScaledBessel(_ x: Double) -> Double {
        var term = 1.0, sum = 1.0
        for k in 1...(x > 20 ? 12 : 80) {
            term *= x > 20 ? pow(Double(2 * k - 1), 2) / (8 * x * Double(k)) : x * x / 4 / Double(k * k)
            sum += term
        }
        return x > 20 ? log(sum) - 0.5 * log(2 * .pi * x) : log(sum) - x
    }

    static let times = (0..<24).map { Double($0) / 8 }
    static let decays: [Decays.Measurement] = (0..<28).map { i in
        let z = 1 - (2 * Double(i) + 1) / 28, phi = 2.4 * Double(i), r = (1 - z * z).squareRoot()
        return Decays.Measurement(t: [0, 0.4, 1, 2][i % 4], g: SIMD3(r * cos(phi), r * sin(phi), z))
    }
}

/// `Frames`, with a rotation: S/s0 = f_0 + f_1 exp(−Σ_c λ_c (g·e_c)²), e_c the axes of a frame.
struct Frames: LinearFamily {
    static let description = try! FamilyDescription(
        "frames", shared: [],
        groups: [
            ComponentGroup("rest", .always, takesRest: true),
            ComponentGroup(
                "frame", .always,
                [Parameter("f", "", .weight(floor: 0.2)), Parameter("size", "", .logUniform(low: 0.5, high: 2)), Parameter("turn", "", .rotation)]),
        ],
        noise: ComponentGroup("noise", .oneOf(["gaussian"]), [Parameter("snr", "", .logUniform(low: 3, high: 150)), Parameter("s0", "", .scale)]))
    static let layout = SignalLayout(description, ThetaLayout(description), StructureRule(description), Structure())
    var description: FamilyDescription { Self.description }
    func measurementCount(_ design: [SIMD3<Double>]) -> Int { design.count }
    func noise(_ z: Structure) -> NoiseLikelihood { .gaussian }
    func kernels(_ design: [SIMD3<Double>]) -> any SignalKernels { FrameKernels(design) }

    static func axes(_ q: (Double, Double, Double, Double)) -> [SIMD3<Double>] {
        let (w, x, y, z) = q
        return [
            SIMD3(1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)), SIMD3(2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)),
            SIMD3(2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)),
        ]
    }
}

final class FrameKernels: SignalKernels {
    let design: [SIMD3<Double>], measurementCount: Int
    init(_ design: [SIMD3<Double>]) { (self.design, measurementCount) = (design, design.count) }

    private func values(size: Double, _ q: (Double, Double, Double, Double), _ put: (Int, Float) -> Void) {
        let e = Frames.axes(q), s = exp(size)
        for i in design.indices {
            let a = (design[i] * e[0]).sum(), b = (design[i] * e[1]).sum(), c = (design[i] * e[2]).sum()
            put(i, Float(exp(-s * (0.2 * a * a + b * b + 2.5 * c * c))))
        }
    }

    func attenuations(_ layout: SignalLayout, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>) {
        for k in 0..<2 { attenuations(layout, of: k, rows: rows, stride: stride, into: e) }
    }
    func attenuations(_ layout: SignalLayout, of k: Int, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>) {
        for lane in 0..<16 {
            func x(_ c: Int) -> Double { Double(rows[c * stride + lane]) }
            let r = layout.firstRotation
            if k == 0 { for i in design.indices { e[i * 32 + lane] = 1 } } else {
                values(size: x(layout.firstScalar), (x(r), x(r + 1), x(r + 2), x(r + 3))) { i, value in e[i * 32 + 16 + lane] = value }
            }
        }
    }
    func attenuations(_ layout: SignalLayout, at x: UnsafePointer<Double>, into e: UnsafeMutablePointer<Float>) {
        let r = x + layout.firstRotation
        for i in design.indices { e[i] = 1 }
        values(size: x[layout.firstScalar], (r[0], r[1], r[2], r[3])) { i, value in e[design.count + i] = value }
    }
    func derivatives(
        _ layout: SignalLayout, _ x: UnsafePointer<Double>, attenuations: UnsafeMutablePointer<Float>, rows: UnsafeMutablePointer<Float>
    ) { preconditionFailure("nobody asks") }
}

/// The lanes of `Waves` and `Decays` in loops that need no lists, for tests that ask for millions; single points as those families have them.
final class QuickKernels: SignalKernels {
    private let plain: any SignalKernels, t: [Float], g: [SIMD3<Float>]
    var measurementCount: Int { t.count }
    init(_ times: [Double]) { (plain, t, g) = (Waves().kernels(times), times.map { Float($0) }, []) }
    init(_ design: [Decays.Measurement]) { (plain, t, g) = (Decays().kernels(design), design.map { Float($0.t) }, design.map { SIMD3<Float>($0.g) }) }

    func attenuations(_ layout: SignalLayout, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>) {
        for k in 0..<layout.componentCount { attenuations(layout, of: k, rows: rows, stride: stride, into: e) }
    }

    func attenuations(_ layout: SignalLayout, of k: Int, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>) {
        let c = layout.components[k], w = layout.componentCount, n = layout.components[..<k].count { $0.group == c.group }
        let decays = layout.components.count { $0.group == "decay" }, scalar = layout.firstScalar + n + (c.group == "rod" ? decays : 0)
        let axis = layout.firstAxis + 3 * n
        for lane in 0..<16 {
            func fill(_ value: (Int) -> Float) { for i in t.indices { e[(i * w + k) * 16 + lane] = value(i) } }
            switch c.group {
            case "slope": fill { t[$0] }
            case "wave":
                let omega = rows[scalar * stride + lane]
                fill { cos(omega * t[$0]) }
            case "decay":
                let r = exp(rows[scalar * stride + lane])
                fill { exp(-r * t[$0]) }
            case "rod":
                let r = exp(rows[scalar * stride + lane])
                let mu = SIMD3(rows[axis * stride + lane], rows[(axis + 1) * stride + lane], rows[(axis + 2) * stride + lane])
                fill { i in
                    let cosine = (g[i] * mu).sum()
                    return exp(-r * t[i] * cosine * cosine)
                }
            default: fill { _ in 1 }
            }
        }
    }

    func attenuations(_ layout: SignalLayout, at x: UnsafePointer<Double>, into e: UnsafeMutablePointer<Float>) { plain.attenuations(layout, at: x, into: e) }
    func derivatives(
        _ layout: SignalLayout, _ x: UnsafePointer<Double>, attenuations: UnsafeMutablePointer<Float>, rows: UnsafeMutablePointer<Float>
    ) { plain.derivatives(layout, x, attenuations: attenuations, rows: rows) }
}

@Suite struct PosteriorMovesTests {
    static var waves: any SignalKernels { QuickKernels(TestPoints.times) }
    static var decays: any SignalKernels { QuickKernels(TestPoints.decays) }
    static var frames: any SignalKernels { Frames().kernels(TestPoints.decays.map(\.g)) }

    struct Case: Sendable, CustomStringConvertible {
        var family: String, bits: UInt64, noise: NoiseLikelihood, knows = false
        var description: String { "\(family) \(bits) \(noise)\(knows ? ", σ known" : "")" }
        var layout: SignalLayout {
            family == "waves" ? Waves.layout(Structure(bits: bits)) : family == "frames" ? Frames.layout : Decays.layout(Structure(bits: bits))
        }
        var kernels: any SignalKernels {
            family == "waves" ? PosteriorMovesTests.waves : family == "frames" ? PosteriorMovesTests.frames : PosteriorMovesTests.decays
        }
    }
    static let cases = [
        Case(family: "waves", bits: 7, noise: .gaussian), Case(family: "waves", bits: 2, noise: .gaussian, knows: true),
        Case(family: "waves", bits: 3, noise: .rician), Case(family: "decays", bits: 0, noise: .gaussian),
        Case(family: "decays", bits: 1, noise: .rician), Case(family: "decays", bits: 15, noise: .gaussian),
        Case(family: "decays", bits: 13, noise: .rician), Case(family: "decays", bits: 4, noise: .gaussian),
        Case(family: "frames", bits: 0, noise: .gaussian),
    ]

    /// Sweeps leave lanes with the log-likelihood of their points, after moves of every kind; so do known noises, to the last digit.
    @Test(arguments: cases, [1, 5, 16, 50])
    func keptLogLikelihoodsEqualThePlainOnes(_ c: Case, _ count: Int) {
        let layout = c.layout, kernels = c.kernels, moves = PosteriorMoves(kernels)
        var random = RandomSource(seed: 3, stream: c.bits, substream: UInt64(count))
        let sigma = c.knows ? 0.137 : nil, truth = TestPoints.prior(layout, sigma: sigma, using: &random)
        let y = TestPoints.observe(kernels, layout, truth, c.noise, using: &random)
        var points = (0..<count).flatMap { _ in TestPoints.prior(layout, scale: 0.1 * random.normal(), sigma: sigma, using: &random) }
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
                    exact = Waves.logMarginal(y.map(Double.init), columns, sds: layout.components.map(\.bound), sigma: scale)
                } else {
                    exact = TestPoints.logLikelihood(y, kernels, layout, x, c.noise)
                }
                if exact == -.infinity { #expect(kept[i] == exact) } else { #expect(abs(kept[i] - exact) <= bound, "\(kept[i]) \(exact), draw \(i)") }
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
            let q = Array(x[layout.firstRotation + 4 * r..<layout.firstRotation + 4 * r + 4]), e = Frames.axes((q[0], q[1], q[2], q[3]))
            all += [e[0].x * e[0].x, e[0].y * e[0].z, e[2].z * e[2].z, e[1].x * e[1].y]
        }
        return all + all.indices.dropLast().map { all[$0] * all[$0 + 1] }
    }

    /// Geweke's joint test: x from the prior and y from the likelihood make x a posterior draw given y; moved any number of times it is still distributed as
    /// the prior. One draw walks; an ensemble of one such draw among others that do not move with it must not, so ensembles have a test of their own.
    @Test(arguments: cases)
    func leavesTheJointDistributionInvariant(_ c: Case) {
        let layout = c.layout, kernels = c.kernels, moves = PosteriorMoves(kernels), n = 2500, sigma = c.knows ? 0.1 : nil
        var before: [[Double]] = [], after: [[Double]] = [], moved = 0.0
        for i in 0..<n {
            var random = RandomSource(seed: 21, stream: UInt64(i), substream: c.bits)
            var x = TestPoints.prior(layout, sigma: sigma, using: &random)
            let y = TestPoints.observe(kernels, layout, x, c.noise, using: &random)
            // Rician data of coefficients know |S| only; s0 is flat in the target, which by scale invariance makes no difference.
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
            let d = zip(before, after).map { $1[c] - $0[c] }, mean = d.reduce(0, +) / n, square = d.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
            #expect(abs(mean) <= 4.2 * (square / n).squareRoot() + 1e-12, "statistic \(c): \(mean / (square / n).squareRoot()) standard errors")
        }
    }

    /// The same of ensembles: all members are exact posterior draws of one y, made by long chains, then moved with one another.
    @Test(arguments: [cases[0], cases[3], cases[6]], [7, 40])
    func ensemblesKeepTheirDistribution(_ c: Case, _ count: Int) {
        let layout = c.layout, kernels = c.kernels, moves = PosteriorMoves(kernels), n = count == 7 ? 400 : 120
        var before: [[Double]] = [], after: [[Double]] = []
        for i in 0..<n {
            var random = RandomSource(seed: 5, stream: UInt64(i), substream: c.bits)
            let truth = TestPoints.prior(layout, using: &random), y = TestPoints.observe(kernels, layout, truth, c.noise, using: &random)
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
        let truth = [log(0.3), 0, 0.6, -0.4, 0.9, 3.3], y = TestPoints.observe(Self.waves, layout, truth, .gaussian, using: &random), v = y.map(Double.init)
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
        var points = (0..<count).flatMap { _ in TestPoints.prior(layout, using: &random) }, found: [(omega: Double, sigma: Double, c: Double)] = []
        for round in 0..<120 {
            moves.run(y, points: &points, layout, .gaussian, sweeps: 5, using: &random)
            if round >= 40 { for i in 0..<count { found.append((points[i * 6 + 5], points[i * 6], points[i * 6 + 4])) } }
        }
        for (expected, got) in [(exact(\.omega), found.map(\.omega)), (exact(\.sigma), found.map(\.sigma))] {
            let mean = got.reduce(0, +) / Double(got.count), sd = (got.reduce(0) { $0 + pow($1 - mean, 2) } / Double(got.count)).squareRoot()
            #expect(abs(mean - expected.mean) < 0.1 * expected.sd && abs(sd / expected.sd - 1) < 0.1, "\(mean) ± \(sd), exact \(expected)")
        }
        let c = found.reduce(0.0) { $0 + $1.c } / Double(found.count)
        #expect(abs(c - 0.9) < 0.4)
    }

    /// Draws do not depend on what an engine did before.
    @Test func answersDependOnArgumentsAlone() {
        let c = Self.cases[6], layout = c.layout, kernels = c.kernels, moves = PosteriorMoves(kernels)
        var random = RandomSource(seed: 9)
        let truth = TestPoints.prior(layout, using: &random), y = TestPoints.observe(kernels, layout, truth, c.noise, using: &random)
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
        let layout = Self.cases[3].layout, lanes = SignalLanes(Self.decays, layout), y = [Float](repeating: 1, count: Self.decays.measurementCount)
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

extension TestPoints {
    static func start(_ layout: SignalLayout) -> [Double] {
        var random = RandomSource(seed: 0)
        return prior(layout, using: &random)
    }
}
