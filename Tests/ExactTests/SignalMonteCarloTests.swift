import Foundation
import ModelSpace
import Testing

@testable import Exact

/// The tempered sampler of any family: evidences against closed forms and plain sampling, judged by their own stated
/// errors.
@Suite struct SignalMonteCarloTests {
    static let times = TestPoints.times

    /// One run's evidence and population of each of several seeds.
    static func runs(
        _ kernels: any SignalKernels, _ y: [Float], _ layout: SignalLayout, _ noise: NoiseLikelihood,
        sigma: Double? = nil, particles: Int = 512,
        retention: Double = 0.8, seeds: ClosedRange<UInt64>
    ) -> (estimates: [TemperedEstimate], points: [[Double]]) {
        let population = SignalPopulation(kernels, layout)
        var all: (estimates: [TemperedEstimate], points: [[Double]]) = ([], [])
        for seed in seeds {
            var random = RandomSource(seed: seed, stream: UInt64(layout.structure.bits))
            population.prepare(y, layout, noise, sigma: sigma, count: particles, using: &random)
            all.estimates.append(TemperedSampler(retention: retention).run(population, using: &random))
            all.points.append(population.points())
        }
        return all
    }

    /// Waves of up to one frequency against the closed form: errors are what they say.
    @Test func wavesAgreeWithTheClosedForm() {
        var scores: [Double] = []
        for trial in 0..<24 {
            let z = Structure(bits: [0, 1, 2, 3][trial % 4]), layout = Waves.layout(z)
            var random = RandomSource(seed: 2, stream: UInt64(trial))
            let sigma = trial % 3 == 0 ? 0.12 : nil, truth = TestPoints.prior(layout, sigma: sigma, using: &random)
            let kernels = PosteriorMovesTests.waves,
                y = TestPoints.observe(kernels, layout, truth, .gaussian, using: &random)
            let found = EvidenceAverage.combine(
                Self.runs(kernels, y, layout, .gaussian, sigma: sigma, seeds: 1...3).estimates)
            let exact = Waves.logEvidence(y.map(Double.init), Self.times, z, sigma: sigma)
            // Nothing is left to chance where σ is known and there is no frequency.
            if sigma != nil && layout.scalars.isEmpty {
                #expect(abs(found.logEvidence - exact) < 1e-3)
            } else {
                #expect(found.standardError < 0.3)
                scores.append((found.logEvidence - exact) / found.standardError)
            }
        }
        let rms = (scores.reduce(0) { $0 + $1 * $1 } / Double(scores.count)).squareRoot()
        #expect(rms > 0.4 && rms < 1.5 && scores.allSatisfy { abs($0) < 4 }, "rms \(rms), \(scores)")
    }

    /// All structures of a linear-Gaussian family by the engine as it is, σ known, against closed forms: evidences
    /// within what it states and all but a few hundredths of a nat, and probabilities.
    @Test(arguments: [0, 3, 6]) func everyStructureOfWaves(_ truth: UInt64) throws {
        let sigma = 0.25, t = Self.times
        var random = RandomSource(seed: 15, stream: truth)
        let kernels = PosteriorMovesTests.waves, layout = Waves.layout(Structure(bits: UInt128(truth)))
        let y = TestPoints.observe(
            kernels, layout, TestPoints.prior(layout, sigma: sigma, using: &random), .gaussian, using: &random)
        var options = StructureSampler.Options(), exacts: [Double] = []
        (options.sampling.targetError, options.sampling.roughMargin, options.sampling.draws) = (0.02, 1e3, 10)
        let sampler = StructureSampler(QuickWaves(), design: t, options: options)
        let found = try sampler.posterior(y, sigma: sigma, seed: 1, voxel: truth), v = y.map(Double.init)
        #expect(found.evidences.map(\.structure) == Waves.rule.all()!)
        for e in found.evidences {
            let waves = Waves.layout(e.structure).scalars.count
            let exact =
                waves < 2
                ? Waves.logEvidence(v, t, e.structure, sigma: sigma)
                : Self.twoWaves(v, isSloping: e.structure[0], sigma: sigma)
            let off = abs(e.logEvidence - exact)
            #expect(
                off < 3.5 * e.standardError + 1e-3 && off < 0.05,
                "structure \(e.structure.bits): \(e.logEvidence) ± \(e.standardError), exact \(exact)")
            exacts.append(exact)
        }
        for (p, q) in zip(found.logProbabilities(lambda: 0), StructureSpace.normalise(exacts)) {
            #expect(abs(exp(p) - exp(q)) < 0.02, "\(exp(p)), exact \(exp(q))")
        }
    }

    /// Evidence of two waves with known σ by frequencies on a grid: a pair that may change places counts once.
    static func twoWaves(_ v: [Double], isSloping: Bool, sigma: Double) -> Double {
        let n = 160, t = times
        let columns = (0..<n).map { i in t.map { cos((1 + 5 * (Double(i) + 0.5) / Double(n)) * $0) } }
        let always = [t.map { _ in 1.0 }] + (isSloping ? [t] : []), sds = isSloping ? [1, 0.5, 1, 1] : [1, 1, 1]
        var terms: [Double] = []
        for a in 0..<n {
            for b in 0...a {
                terms.append(
                    Waves.logMarginal(v, always + [columns[a], columns[b]], sds: sds, sigma: sigma)
                        + (a == b ? 0 : log(2)))
            }
        }
        let peak = terms.max()!
        return peak + log(terms.reduce(0) { $0 + exp($1 - peak) }) - 2 * log(Double(n))
    }

    /// log evidence by sampling the prior, log s0 from its window in double precision: plain, and of known error.
    static func plain(
        _ kernels: any SignalKernels, _ y: [Float], _ layout: SignalLayout, _ noise: NoiseLikelihood, samples: Int,
        seed: UInt64
    ) -> (logEvidence: Double, standardError: Double) {
        var random = RandomSource(seed: seed), logs: [Double] = [], x = [Double](repeating: 0, count: layout.count)
        let square = y.reduce(0) { $0 + Double($1) * Double($1) }, v = y.map(Double.init)
        logs.reserveCapacity(samples)
        for _ in 0..<samples {
            layout.drawPrior(using: &random, into: &x)
            let level = -x[0], s = TestPoints.signals(kernels, layout, x), aa = s.reduce(0) { $0 + $1 * $1 }
            let centre = log(max(zip(s, v).reduce(0) { $0 + $1.0 * $1.1 }, 0.1 * (aa * square).squareRoot()) / aa),
                width = 0.05 + exp(-level)
            let chi = 2 * (random.exponential() + random.exponential()), t = random.normal() * (4 / chi).squareRoot()
            x[1] = centre + width * t
            x[0] = x[1] - level
            // t of four degrees of freedom: ⅜ (1 + t²/4)^(−5/2).
            logs.append(
                TestPoints.logLikelihood(y, kernels, layout, x, noise) - log(0.375 / width) + 2.5 * log1p(t * t / 4))
        }
        let peak = logs.max()!, w = logs.map { exp($0 - peak) }, mean = w.reduce(0, +) / Double(samples)
        let variance = w.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(samples)
        return (peak + log(mean), (variance / Double(samples)).squareRoot() / mean)
    }

    /// Decays and rods under either noise against plain sampling of the prior.
    @Test(arguments: [(0, 0), (1, 0), (1, 1), (3, 1), (4, 0), (4, 1), (5, 1), (12, 0)] as [(UInt64, Int)])
    func decaysAgreeWithSamplingThePrior(_ bits: UInt64, _ isRician: Int) {
        let layout = Decays.layout(Structure(bits: bits)), noise: NoiseLikelihood = isRician == 1 ? .rician : .gaussian
        let kernels: any SignalKernels = QuickKernels(Array(TestPoints.decays.prefix(12)))
        var random = RandomSource(seed: 6, stream: bits), truth = TestPoints.prior(layout, using: &random)
        truth[0] = -log(6)
        let y = TestPoints.observe(kernels, layout, truth, noise, using: &random)
        let exact = Self.plain(kernels, y, layout, noise, samples: 200_000, seed: 1)
        let found = EvidenceAverage.combine(Self.runs(kernels, y, layout, noise, seeds: 1...4).estimates)
        let error = (exact.standardError * exact.standardError + found.standardError * found.standardError).squareRoot()
        #expect(
            abs(found.logEvidence - exact.logEvidence) < 4 * error && found.standardError < 0.12
                && exact.standardError < 0.3, "\(found), plain \(exact)")
    }

    /// Structures of a family from one observation: probabilities by evidence, draws in the support, the same bytes
    /// whatever was asked before; λ.
    @Test func posteriorOfStructures() throws {
        let family = QuickDecays(), structures = [0, 1, 3, 4, 12, 5, 16, 17].map { Structure(bits: $0) }
        var options = SignalMonteCarlo.Options()
        (options.pilotParticles, options.particles, options.draws) = (128, 256, 60)
        (options.maximumRuns, options.mostSweeps) = (4, 24)
        var random = RandomSource(seed: 4)
        let truth = Decays.layout(Structure(bits: 1)), kernels = family.kernels(TestPoints.decays)
        let y = TestPoints.observe(kernels, truth, [-log(60), 0, 0.4, 0.6, log(1.5)], .gaussian, using: &random)
        let engine = SignalMonteCarlo(family, design: TestPoints.decays, options: options)
        let first = try engine.posterior(y, structures, seed: 3, voxel: 8)
        let reversed = try SignalMonteCarlo(family, design: TestPoints.decays, options: options).posterior(
            y, structures.reversed(), seed: 3, voxel: 8)
        #expect(first.evidences.map(\.logEvidence) == reversed.evidences.reversed().map(\.logEvidence))
        #expect(first.evidences.map(\.draws) == reversed.evidences.reversed().map(\.draws))
        let elsewhere = try engine.posterior(y, structures, seed: 3, voxel: 9)
        for (a, b) in zip(first.evidences, elsewhere.evidences) where !a.isRough && !b.isRough {
            let error = (a.standardError * a.standardError + b.standardError * b.standardError).squareRoot()
            #expect(
                a.logEvidence != b.logEvidence && abs(a.logEvidence - b.logEvidence) < 4.5 * error,
                "structure \(a.structure.bits): \(a.logEvidence), \(b.logEvidence) ± \(error)")
        }
        let p = first.logProbabilities(lambda: 0), q = first.logProbabilities(lambda: 0.5), rule = Decays.rule
        #expect(abs(p.reduce(0) { $0 + exp($1) } - 1) < 1e-9)
        let shifted = zip(structures, p).map { $1 - 0.5 * Double(rule.parameterCount($0)) }
        for (a, b) in zip(q, StructureSpace.normalise(shifted)) { #expect(abs(a - b) < 1e-9) }
        // What has no decay without an axis cannot be it.
        #expect([0, 3, 4, 6].reduce(0.0) { $0 + exp(p[$1]) } < 0.01, "\(p.map(exp))")
        for e in first.evidences where e.logEvidence > -.infinity {
            let layout = Decays.layout(e.structure), n = first.parameterCount
            var x = [Double](repeating: 0, count: layout.count)
            #expect(e.draws.count == 60 * n)
            for d in 0..<60 {
                Array(e.draws[d * n..<(d + 1) * n]).withUnsafeBufferPointer { layout.pack($0.baseAddress!, into: &x) }
                layout.clamp(&x)
                #expect(layout.supports(x))
            }
        }
        let draws = first.draw(400, lambda: 0.5, using: &random)
        #expect(draws.theta.count == 400 * first.parameterCount)
        for i in q.indices {
            #expect(abs(Double(draws.structures.count { $0 == i }) - 400 * exp(q[i])) <= 1 + 1e-6)
        }
        struct Stop: Error {}
        engine.check = { throw Stop() }
        #expect(throws: Stop.self) { try engine.posterior(y, structures, seed: 3, voxel: 8) }
        engine.check = {}
        #expect(throws: ExactError.self) { try engine.posterior([1], structures, seed: 3, voxel: 8) }
    }
}

/// `Waves` and `Decays` with quick kernels.
struct QuickWaves: LinearFamily {
    var description: FamilyDescription { Waves.description }
    func measurementCount(_ design: [Double]) -> Int { design.count }
    func noise(_ z: Structure) -> NoiseLikelihood { .gaussian }
    func kernels(_ design: [Double]) -> any SignalKernels { QuickKernels(design) }
}

struct QuickDecays: LinearFamily {
    var description: FamilyDescription { Decays.description }
    func measurementCount(_ design: [Decays.Measurement]) -> Int { design.count }
    func noise(_ z: Structure) -> NoiseLikelihood { Decays().noise(z) }
    func kernels(_ design: [Decays.Measurement]) -> any SignalKernels { QuickKernels(design) }
}
