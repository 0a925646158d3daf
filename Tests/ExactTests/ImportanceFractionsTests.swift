import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Evidences of fractions on the simplex against plain importance sampling in other coordinates, and from the plain
/// density.
@Suite struct ImportanceFractionsTests {
    typealias Base = ImportanceSamplerTests
    static let axis = SIMD3(0.36, 0.48, 0.8), across = (SIMD3(0.8, -0.6, 0.0), SIMD3(0.48, 0.64, -0.6))
    static let design: [Decays.Measurement] = {
        let golden = Double.pi * (3 - 5.0.squareRoot())
        return (0..<30).map { i in
            let z = 1 - (Double(i % 15) + 0.5) / 15, r = (1 - z * z).squareRoot(), phi = Double(i % 15) * golden
            return Decays.Measurement(t: i < 15 ? 0.2 + 0.12 * Double(i) : 1.5, g: SIMD3(r * cos(phi), r * sin(phi), z))
        }
    }()

    /// Coordinates of a point in which its density falls smoothly everywhere: log s0 (if there is a scale), logits of
    /// what has bounds (σ unless known, free fractions one after another, scalars), axes about a pole in polar
    /// coordinates, angles about a frame; and back, with the log of the volume element.
    struct Chart {
        var layout: SignalLayout, knownSigma: Double?
        var reference: [Double]
        var free: Int { layout.componentCount - 1 }

        private func logit(_ x: Double, _ low: Double, _ high: Double) -> Double {
            let s = max(1e-6, min(1 - 1e-6, (x - low) / (high - low)))
            return log(s / (1 - s))
        }
        private func unlogit(_ t: Double, _ low: Double, _ high: Double, _ volume: inout Double) -> Double {
            let s = 1 / (1 + exp(-t))
            volume += log((high - low) * s) - (t > 0 ? t + log1p(exp(-t)) : log1p(exp(t)))
            return low + (high - low) * s
        }

        func coordinates(_ x: [Double]) -> [Double] {
            var out = layout.scalePlace == nil ? [] : [x[1]], rest = 1 - layout.floors
            if knownSigma == nil {
                out.append(logit(layout.scalePlace == nil ? x[0] : x[1] - x[0], layout.noise.low, layout.noise.high))
            }
            for k in 1..<1 + free {
                let g = x[2 + k] - layout.components[k].bound
                out.append(logit(g, 0, rest))
                rest -= g
            }
            for (k, s) in layout.scalars.enumerated() { out.append(logit(x[layout.firstScalar + k], s.low, s.high)) }
            for a in layout.axes.indices {
                let at = layout.firstAxis + 3 * a, raw = SIMD3(x[at], x[at + 1], x[at + 2]),
                    v = (raw * axis).sum() < 0 ? -raw : raw
                let r = acos(min(1, (v * axis).sum())), s = r < 1e-9 ? 1 : r / sin(r)
                out += [s * (v * across.0).sum(), s * (v * across.1).sum()]
            }
            var w = [0.0, 0, 0]
            for r in layout.rotations.indices {
                let at = layout.firstRotation + 4 * r
                RotationChart.coordinates(of: Array(x[at..<at + 4]), about: Array(reference[at..<at + 4]), into: &w)
                out += w
            }
            return out
        }

        func move(_ c: [Double], _ x: inout [Double]) -> Double {
            var i = 0, volume = 0.0
            func next() -> Double { defer { i += 1 }; return c[i] }
            x[1] = layout.scalePlace == nil ? 0 : next()
            if let knownSigma {
                x[0] = log(knownSigma)
            } else {
                let level = unlogit(next(), layout.noise.low, layout.noise.high, &volume)
                x[0] = layout.scalePlace == nil ? level : x[1] - level
            }
            var rest = 1 - layout.floors
            for k in 1..<1 + free {
                let g = unlogit(next(), 0, rest, &volume)
                x[2 + k] = layout.components[k].bound + g
                rest -= g
            }
            x[2] = rest
            for (k, s) in layout.scalars.enumerated() {
                x[layout.firstScalar + k] = unlogit(next(), s.low, s.high, &volume)
            }
            for a in layout.axes.indices {
                let u = (next(), next()), r = (u.0 * u.0 + u.1 * u.1).squareRoot(), s = r < 1e-9 ? 1 : sin(r) / r
                let v = cos(r) * axis + s * (u.0 * across.0 + u.1 * across.1)
                for c in 0..<3 { x[layout.firstAxis + 3 * a + c] = v[c] }
                volume += log(s)
            }
            for r in layout.rotations.indices {
                let w = [next(), next(), next()], at = layout.firstRotation + 4 * r,
                    angle = (w[0] * w[0] + w[1] * w[1] + w[2] * w[2]).squareRoot()
                var q = [0.0, 0, 0, 0]
                RotationChart.move(Array(reference[at..<at + 4]), by: w, into: &q)
                for c in 0..<4 { x[at + c] = q[c] }
                if angle > 1e-6 { volume += 2 * log(sin(angle / 2) / (angle / 2)) }
            }
            return volume
        }
    }

    /// Checks evidences of repeated samples, whose stated errors are to be below a bound, against the integral about
    /// them, known but for a blur; the members' order cuts it.
    static func check(
        _ y: [Float], _ kernels: any SignalKernels, _ layout: SignalLayout, _ truth: [Double], _ noise: NoiseLikelihood,
        sigma: Double? = nil, bound: Double = 0.08, blur: Double = 0.05,
        count: Int = 12_000, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let wide = try #require(
            Base.sample(
                y, kernels, layout, starts: [(noise, truth)], noises: [.gaussian, noise], sigma: sigma, generations: 8,
                options: Base.effort(1000, 12), seed: 99))
        let chart = Chart(layout: layout, knownSigma: sigma, reference: truth),
            (points, weights) = Base.weighted(wide, noise)
        let lattice = Lattice.spread(points.map(chart.coordinates), weights: weights)
        var x = truth
        let (exact, error) = Lattice.sample(mean: lattice.mean, factor: lattice.factor, count: count, seed: 5) { c in
            let volume = chart.move(c, &x)
            for members in layout.exchangeable {
                for (a, b) in zip(members, members.dropFirst()) where x[2 + a.component] < x[2 + b.component] {
                    return -.infinity
                }
            }
            return volume + Base.logDensity(y, kernels, layout, x, noise, knowsNoise: sigma != nil)
        }
        var start = truth
        if sigma == nil { start[0] += 0.4 }
        for seed in 1...3 {
            let found = try #require(
                Base.sample(
                    y, kernels, layout, starts: [(noise, start)], noises: [.gaussian, noise], sigma: sigma,
                    seed: UInt64(seed)))
            let evidence = try #require(found.evidence[noise])
            #expect(evidence.standardError < bound, "\(evidence)", sourceLocation: sourceLocation)
            #expect(
                abs(evidence.logEvidence - exact) < 4 * (evidence.standardError + error) + 0.005,
                "\(evidence), exact \(exact), \(found.count) samples",
                sourceLocation: sourceLocation)
            for p in Base.weighted(found, noise).points {
                #expect(layout.supports(p, knowsNoise: sigma != nil))
            }
        }
        let best = try #require(wide.evidence[noise])
        #expect(
            error < blur && best.standardError < bound / 2
                && abs(best.logEvidence - exact) < 4 * (best.standardError + error) + 0.002,
            "\(best), exact \(exact) ± \(error)", sourceLocation: sourceLocation)
    }

    static func simulated(
        _ layout: SignalLayout, _ noise: NoiseLikelihood, sigma: Double, weights: [Double], rates: [Double],
        axes: [SIMD3<Double>] = [], seed: UInt64
    ) -> (truth: [Double], y: [Float], kernels: any SignalKernels) {
        let kernels = Decays().kernels(design)
        let truth = Base.point(
            layout, sigma: sigma, s0: 1.3, weights: weights, scalars: rates.map { log($0) }, axes: axes)
        return (truth, Base.simulate(kernels, layout, truth, noise, seed: seed), kernels)
    }

    @Test(arguments: [NoiseLikelihood.gaussian, .rician], [false, true])
    func oneDecay(_ noise: NoiseLikelihood, _ isKnown: Bool) throws {
        let layout = Decays.layout(Structure(bits: 1)), sigma = noise == .gaussian ? 0.08 : 0.2
        let (truth, y, kernels) = Self.simulated(
            layout, noise, sigma: sigma, weights: [0.2, 0.8], rates: [1.5], seed: 3)
        // Signals down to σ, Rician: the normals that weights are drawn from are rough there.
        try Self.check(
            y, kernels, layout, truth, noise, sigma: isKnown ? sigma : nil, bound: noise == .rician ? 0.15 : 0.08)
    }

    /// The rate near its bound, and the fraction at its floor.
    @Test(arguments: [(0.21, 0.6), (4.9, 0.5), (1.0, 0.052)])
    func nearBounds(_ rate: Double, _ fraction: Double) throws {
        let layout = Decays.layout(Structure(bits: 1))
        let (truth, y, kernels) = Self.simulated(
            layout, .gaussian, sigma: 0.06, weights: [1 - fraction, fraction], rates: [rate], seed: 4)
        try Self.check(y, kernels, layout, truth, .gaussian)
    }

    @Test(arguments: [NoiseLikelihood.gaussian, .rician])
    func oneRod(_ noise: NoiseLikelihood) throws {
        let layout = Decays.layout(Structure(bits: 4))
        let (truth, y, kernels) = Self.simulated(
            layout, noise, sigma: 0.1, weights: [0.3, 0.7], rates: [2.5], axes: [Self.axis], seed: 5)
        try Self.check(y, kernels, layout, truth, noise)
    }

    /// Two decays may change places. Their rates and fractions lie along bends, which plain sampling covers poorly; a
    /// labelling too many would be off by log 2.
    @Test func twoDecays() throws {
        let layout = Decays.layout(Structure(bits: 3))
        let (truth, y, kernels) = Self.simulated(
            layout, .gaussian, sigma: 0.008, weights: [0.1, 0.55, 0.35], rates: [4, 0.4], seed: 6)
        try Self.check(y, kernels, layout, truth, .gaussian, blur: 0.12, count: 60_000)
    }

    /// Two rods of nearly the same weight, each way round about as likely: repeats from starts with either first agree,
    /// and with longer runs.
    @Test func labelledCopiesCountOnce() throws {
        let layout = Decays.layout(Structure(bits: 12)), other = SIMD3(0.8, -0.6, 0.0)
        let (truth, y, kernels) = Self.simulated(
            layout, .gaussian, sigma: 0.05, weights: [0.2, 0.401, 0.399], rates: [3, 2.5], axes: [Self.axis, other],
            seed: 8)
        var swapped = truth
        layout.exchange(layout.exchangeable[0][0], layout.exchangeable[0][1], &swapped)
        (swapped[3], swapped[4]) = (truth[3], truth[4])
        let sampler = ImportanceSampler(kernels), options = Base.effort(512, 8)
        let one = try #require(sampler.modes(y, layout, starts: [(.gaussian, truth)], options: options))
        let both = try #require(
            sampler.modes(
                y, layout, starts: [(.gaussian, truth), (.gaussian, swapped), (.gaussian, truth)], options: options))
        #expect(abs(one.laplace - both.laplace) < 0.02, "\(one.laplace), \(both.laplace)")
        func evidence(_ starts: [[Double]], _ seed: UInt64, _ options: ImportanceSampler.Options) throws
            -> SignalSample.Evidence
        {
            let found = Base.sample(
                y, kernels, layout, starts: starts.map { (.gaussian, $0) }, noises: [.gaussian], options: options,
                seed: seed)
            return try #require(found?.evidence[.gaussian])
        }
        let long = try evidence([truth, swapped], 50, Base.effort(4000, 16))
        for (i, starts) in [[truth], [swapped], [truth, swapped]].enumerated() {
            let found = try evidence(starts, UInt64(i + 1), options)
            #expect(
                abs(found.logEvidence - long.logEvidence) < 4 * (found.standardError + long.standardError)
                    && found.standardError < 0.1, "\(found), \(long)")
        }
    }

    /// Estimates of the evidence have the right mean over repetitions, however few the samples.
    @Test func repeatsScatterAsStated() throws {
        let layout = Decays.layout(Structure(bits: 4)), n = 60
        let (truth, y, kernels) = Self.simulated(
            layout, .rician, sigma: 0.15, weights: [0.4, 0.6], rates: [2.5], axes: [Self.axis], seed: 9)
        let sampler = ImportanceSampler(kernels)
        func evidence(_ seed: Int, _ options: ImportanceSampler.Options, _ generations: Int) throws
            -> SignalSample.Evidence
        {
            let found = Base.sample(
                y, kernels, layout, starts: [(.rician, truth)], noises: [.gaussian, .rician], generations: generations,
                options: options, seed: UInt64(seed),
                with: sampler)
            return try #require(found?.evidence[.rician])
        }
        let long = try evidence(1000, Base.effort(4000, 12), 8),
            runs = try (0..<n).map { try evidence($0, Base.effort(96, 4), 2) }
        let ratios = runs.map { exp($0.logEvidence - long.logEvidence) }, mean = ratios.reduce(0, +) / Double(n)
        let scatter = (ratios.reduce(0) { $0 + pow($1 - mean, 2) } / Double(n - 1)).squareRoot()
        let stated = (runs.reduce(0) { $0 + pow($1.standardError, 2) } / Double(n)).squareRoot()
        #expect(
            abs(mean - 1) < 4 * scatter / Double(n).squareRoot() + 4 * long.standardError, "\(mean), scatter \(scatter)"
        )
        #expect(scatter / stated > 0.3 && scatter / stated < 3, "scatter \(scatter), stated \(stated)")
    }

    /// The same voxel and streams give the same samples to the bit, whatever the sampler did before and in however many
    /// goes.
    @Test func sameStreamsSameAnswer() throws {
        let layout = Decays.layout(Structure(bits: 13)), small = Decays.layout(Structure(bits: 1)),
            options = Base.effort(200, 4)
        let (truth, y, kernels) = Self.simulated(
            layout, .gaussian, sigma: 0.05, weights: [0.1, 0.3, 0.4, 0.2], rates: [0.5, 3, 2.5],
            axes: [Self.axis, Self.across.0], seed: 8)
        let other = Self.simulated(small, .gaussian, sigma: 0.1, weights: [0.1, 0.9], rates: [1], seed: 2),
            sampler = ImportanceSampler(kernels)
        func bits(_ s: SignalSample) -> [UInt64] {
            Base.weighted(s, .gaussian).points.flatMap { $0.map(\.bitPattern) } + s.weights(.rician).map(\.bitPattern)
        }
        func run(_ sampler: ImportanceSampler, _ goes: [Int]) throws -> SignalSample {
            let modes = try #require(sampler.modes(y, layout, starts: [(.gaussian, truth)], options: options))
            var run = sampler.start(y, modes, generations: 4, options: options, noises: [.gaussian, .rician])
            for n in goes {
                sampler.advance(&run, y, generations: n, options: options) {
                    RandomSource(seed: 3, stream: 4, substream: UInt64($0))
                }
            }
            return run.sample
        }
        let first = try run(sampler, [4])
        _ = Base.sample(
            other.y, kernels, small, starts: [(.gaussian, other.truth)], noises: [.gaussian],
            options: Base.effort(900, 9), with: sampler)
        #expect(bits(first) == bits(try run(sampler, [1, 2, 1])))
        #expect(bits(first) == bits(try run(ImportanceSampler(kernels), [4])))
    }

    @Test func signalsThatRicianNoiseCannotGive() throws {
        let layout = Decays.layout(Structure(bits: 1))
        var (truth, y, kernels) = Self.simulated(
            layout, .gaussian, sigma: 0.1, weights: [0.2, 0.8], rates: [1.5], seed: 3)
        y[5] = 0
        let found = try #require(
            Base.sample(y, kernels, layout, starts: [(.gaussian, truth)], noises: [.gaussian, .rician]))
        #expect(
            found.evidence[.gaussian]!.logEvidence.isFinite && found.evidence[.rician] == nil
                && found.weights(.rician).isEmpty)
        #expect(Base.sample(y, kernels, layout, starts: [(.rician, truth)], noises: [.rician]) == nil)
    }

    /// Fractions without a scale: S0 = 1.
    @Test(arguments: [Structure(bits: 1), Structure(bits: 3)])
    func withoutAScale(_ z: Structure) throws {
        var family = Decays.description
        family.noise = ComponentGroup(
            "noise", .oneOf(["gaussian"]), [Parameter("sigma", "", .logUniform(low: 0.01, high: 1))])
        let layout = SignalLayout(family, ThetaLayout(family), StructureRule(family), z),
            kernels = Decays().kernels(Self.design)
        #expect(layout.scalePlace == nil)
        let two = z.count == 2
        let truth = Base.point(
            layout, sigma: 0.03, weights: two ? [0.12, 0.55, 0.33] : [0.07, 0.93],
            scalars: two ? [log(4), log(0.4)] : [log(1.5)])
        let y = Base.simulate(kernels, layout, truth, .gaussian, seed: 11)
        try Self.check(y, kernels, layout, truth, .gaussian, blur: two ? 0.12 : 0.05, count: two ? 60_000 : 12_000)
    }

    /// A frame: S/s0 = f_0 + f_1 exp(−r t ((g·e_1)² + 0.3 (g·e_2)²)).
    @Test(arguments: [0.03, 0.12])
    func frames(_ sigma: Double) throws {
        let family = try FamilyDescription(
            "frames", shared: [],
            groups: [
                ComponentGroup("rest", .always, takesRest: true),
                ComponentGroup(
                    "plate", .always,
                    [
                        Parameter("f", "", .weight(floor: 0.05)), Parameter("r", "", .logUniform(low: 0.2, high: 8)),
                        Parameter("frame", "", .rotation),
                    ]),
            ],
            noise: ComponentGroup(
                "noise", .oneOf(["gaussian"]),
                [Parameter("snr", "", .logUniform(low: 3, high: 150)), Parameter("s0", "", .scale)]))
        let layout = SignalLayout(family, ThetaLayout(family), StructureRule(family), Structure())
        let kernels = FrameKernels(Self.design), q = [0.8, 0.36, -0.48, 0.0]
        let truth = Base.point(layout, sigma: sigma, weights: [0.2, 0.8], scalars: [log(2.5)], rotations: [q])
        let y = Base.simulate(kernels, layout, truth, .gaussian, seed: 12)
        try Self.check(y, kernels, layout, truth, .gaussian)
    }
}

/// Kernels of a family with one frame, by plain loops; derivatives by differences.
final class FrameKernels: SignalKernels {
    let design: [Decays.Measurement]
    var measurementCount: Int { design.count }
    init(_ design: [Decays.Measurement]) { self.design = design }

    private func signal(_ k: Int, _ i: Int, _ layout: SignalLayout, _ x: (Int) -> Double) -> Double {
        guard k == 1 else { return 1 }
        let at = layout.firstRotation, (w, a, b, c) = (x(at), x(at + 1), x(at + 2), x(at + 3)), g = design[i].g
        let e1 = SIMD3(1 - 2 * (b * b + c * c), 2 * (a * b + w * c), 2 * (a * c - w * b)),
            e2 = SIMD3(2 * (a * b - w * c), 1 - 2 * (a * a + c * c), 2 * (b * c + w * a))
        let p = (g * e1).sum(), q = (g * e2).sum()
        return exp(-exp(x(layout.firstScalar)) * design[i].t * (p * p + 0.3 * q * q))
    }

    func attenuations(
        _ layout: SignalLayout, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        for k in 0..<2 { attenuations(layout, of: k, rows: rows, stride: stride, into: e) }
    }

    func attenuations(
        _ layout: SignalLayout, of k: Int, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        for i in design.indices {
            for lane in 0..<16 {
                e[(i * 2 + k) * 16 + lane] = Float(signal(k, i, layout) { Double(rows[$0 * stride + lane]) })
            }
        }
    }

    func attenuations(_ layout: SignalLayout, at x: UnsafePointer<Double>, into e: UnsafeMutablePointer<Float>) {
        for k in 0..<2 { for i in design.indices { e[k * design.count + i] = Float(signal(k, i, layout) { x[$0] }) } }
    }

    func derivatives(
        _ layout: SignalLayout, _ x: UnsafePointer<Double>, attenuations: UnsafeMutablePointer<Float>,
        rows: UnsafeMutablePointer<Float>
    ) {
        self.attenuations(layout, at: x, into: attenuations)
        var u = [0.0, 0, 0, 0], p = [Double](repeating: 0, count: layout.count), q = p
        for j in 0..<4 {
            u[j] = 1e-4
            layout.moveShape(x, by: u, into: &p)
            u[j] = -1e-4
            layout.moveShape(x, by: u, into: &q)
            u[j] = 0
            for i in design.indices {
                rows[j * design.count + i] = Float(
                    x[3] * (signal(1, i, layout) { p[$0] } - signal(1, i, layout) { q[$0] }) / 2e-4)
            }
        }
    }
}
