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
            let run = sampler.start(y, modes, generations: 4, options: options, noises: [.gaussian, .rician])
            for n in goes {
                sampler.advance(run, y, generations: n, options: options) {
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
