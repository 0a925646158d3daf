import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Evidences of families without physics, by modes and importance sampling, against closed forms and dense numerical
/// integration.
@Suite struct ImportanceSamplerTests {
    /// A point of a layout, weights, scalars, axes and rotations in its order.
    static func point(
        _ layout: SignalLayout, sigma: Double, s0: Double = 1, weights: [Double], scalars: [Double] = [],
        axes: [SIMD3<Double>] = [], rotations: [[Double]] = []
    ) -> [Double] {
        [log(sigma), log(s0)] + weights + scalars + axes.flatMap { [$0.x, $0.y, $0.z] } + rotations.flatMap { $0 }
    }

    /// S at a point, and that with noise.
    static func simulate(
        _ kernels: any SignalKernels, _ layout: SignalLayout, _ x: [Double], _ noise: NoiseLikelihood, seed: UInt64
    ) -> [Float] {
        let m = kernels.measurementCount, w = layout.componentCount, sigma = exp(x[0]), s0 = exp(x[1])
        var e = [Float](repeating: 0, count: w * m), random = RandomSource(seed: seed, stream: 77)
        kernels.attenuations(layout, at: x, into: &e)
        return (0..<m).map { i in
            let signal = (0..<w).reduce(0) { $0 + s0 * x[2 + $1] * Double(e[$1 * m + i]) },
                real = signal + sigma * random.normal()
            return Float(noise == .gaussian ? real : (real * real + pow(sigma * random.normal(), 2)).squareRoot())
        }
    }

    /// log p(y | point) + log of the prior's density by (log σ, log s0, free fractions or coefficients, scalars, areas,
    /// angles), plainly.
    static func logDensity(
        _ y: [Float], _ kernels: any SignalKernels, _ layout: SignalLayout, _ x: [Double], _ noise: NoiseLikelihood,
        knowsNoise: Bool = false
    ) -> Double {
        guard layout.supports(x, knowsNoise: knowsNoise) else { return -.infinity }
        let m = kernels.measurementCount, w = layout.componentCount, sigma = exp(x[0]), s0 = exp(x[1])
        var e = [Float](repeating: 0, count: w * m),
            total = layout.logPriorDensity + (knowsNoise ? log(layout.noise.high - layout.noise.low) : 0)
        kernels.attenuations(layout, at: x, into: &e)
        if layout.weights == .normal {
            for (k, c) in layout.components.enumerated() {
                total -= 0.5 * pow(x[2 + k] / c.bound, 2) + log(c.bound) + 0.5 * log(2 * .pi)
            }
        }
        for i in 0..<m {
            let s = (0..<w).reduce(0) { $0 + s0 * x[2 + $1] * Double(e[$1 * m + i]) }, v = Double(y[i]),
                r = (v - s) / sigma
            total -= 0.5 * r * r + log(sigma)
            if noise == .gaussian {
                total -= 0.5 * log(2 * .pi)
            } else {
                total += log(v / sigma) + logScaledBessel(v * s / (sigma * sigma))
            }
        }
        return total
    }

    /// log(e^−x I₀(x)): series, then asymptotic.
    static func logScaledBessel(_ x: Double) -> Double {
        if x > 20 {
            var term = 1.0, sum = 1.0
            for k in 1...12 {
                term *= pow(Double(2 * k - 1), 2) / (8 * x * Double(k))
                sum += term
            }
            return log(sum) - 0.5 * log(2 * .pi * x)
        }
        var term = 1.0, sum = 1.0
        for k in 1...80 {
            term *= x * x / 4 / Double(k * k)
            sum += term
        }
        return log(sum) - x
    }

    static func effort(_ generation: Int, _ components: Int) -> ImportanceSampler.Options {
        var options = ImportanceSampler.Options()
        (options.generation, options.components) = (generation, components)
        return options
    }

    static func sample(
        _ y: [Float], _ kernels: any SignalKernels, _ layout: SignalLayout, starts: [(NoiseLikelihood, [Double])],
        noises: Set<NoiseLikelihood>,
        sigma: Double? = nil, generations: Int = 6, options: ImportanceSampler.Options = effort(512, 8),
        seed: UInt64 = 1, with sampler: ImportanceSampler? = nil
    ) -> SignalSample? {
        let sampler = sampler ?? ImportanceSampler(kernels)
        guard let modes = sampler.modes(y, layout, starts: starts, sigma: sigma, options: options) else { return nil }
        let run = sampler.start(y, modes, generations: generations, options: options, noises: noises, sigma: sigma)
        sampler.advance(run, y, generations: generations, options: options) {
            RandomSource(seed: seed, stream: UInt64(layout.structure.bits), substream: UInt64($0))
        }
        return run.sample
    }

    static func weighted(_ s: SignalSample, _ noise: NoiseLikelihood) -> (points: [[Double]], weights: [Double]) {
        var x = [Double](repeating: 0, count: s.layout.count)
        let weights = s.weights(noise)
        return (
            (0..<s.count).map { i in
                s.point(i, into: &x); return x
            }, weights
        )
    }

    // MARK: Waves

    static let times = (0..<24).map { Double($0) / 8 }
    struct WaveCase: Sendable, CustomStringConvertible {
        var bits: UInt64, omegas: [Double], sigma: Double, knows: Bool
        var description: String { "\(bits), ω \(omegas), σ \(sigma)\(knows ? " known" : "")" }
    }

    /// Evidence of linear-Gaussian signals by the closed form, σ known or not, frequencies inside and near a bound.
    @Test(arguments: [
        WaveCase(bits: 0, omegas: [], sigma: 0.2, knows: true), WaveCase(bits: 0, omegas: [], sigma: 0.2, knows: false),
        WaveCase(bits: 1, omegas: [], sigma: 0.1, knows: false),
        WaveCase(bits: 1, omegas: [], sigma: 0.9, knows: false),
        WaveCase(bits: 2, omegas: [3.3], sigma: 0.2, knows: false),
        WaveCase(bits: 3, omegas: [3.3], sigma: 0.2, knows: true),
        WaveCase(bits: 3, omegas: [1.02], sigma: 0.1, knows: false),
        WaveCase(bits: 2, omegas: [5.99], sigma: 0.3, knows: true),
    ])
    func waves(_ c: WaveCase) throws {
        let layout = Waves.layout(Structure(bits: c.bits)), kernels = Waves().kernels(Self.times)
        let weights = [0.6] + (c.bits & 1 == 1 ? [-0.4] : []) + c.omegas.map { _ in 0.9 }
        let truth = Self.point(layout, sigma: c.sigma, weights: weights, scalars: c.omegas)
        let y = Self.simulate(kernels, layout, truth, .gaussian, seed: c.bits + 3)
        // Frequencies are known by nothing but a look at all of them.
        let starts =
            c.omegas.isEmpty ? [truth] : stride(from: 1.1, to: 6, by: 0.4).map { omega in truth.dropLast() + [omega] }
        let exact = Waves.logEvidence(y.map(Double.init), Self.times, layout.structure, sigma: c.knows ? c.sigma : nil)
        var logs: [Double] = []
        for seed in 1...3 {
            let found = try #require(
                Self.sample(
                    y, kernels, layout, starts: starts.map { (.gaussian, Array($0)) }, noises: [.gaussian],
                    sigma: c.knows ? c.sigma : nil, generations: 8,
                    options: Self.effort(1024, 12), seed: UInt64(seed)))
            let evidence = try #require(found.evidence[.gaussian])
            #expect(
                abs(evidence.logEvidence - exact) < 4 * evidence.standardError + 0.002,
                "\(evidence), exact \(exact), \(found.count) samples")
            #expect(evidence.standardError < 0.03)
            // Nothing is left to chance.
            if c.knows && c.omegas.isEmpty {
                #expect(evidence.standardError < 1e-3 && abs(evidence.effectiveCount / Double(found.count) - 1) < 1e-4)
            }
            logs.append(evidence.logEvidence)
        }
        let mean = logs.reduce(0, +) / 3
        #expect(abs(mean - exact) < 0.01, "\(logs), exact \(exact)")
    }

    /// Two waves may change places: they are counted once.
    @Test func twoWaves() throws {
        let layout = Waves.layout(Structure(bits: 6)), kernels = Waves().kernels(Self.times), sigma = 0.25
        let truth = Self.point(layout, sigma: sigma, weights: [0.3, 0.8, 0.7], scalars: [2.2, 4.5])
        let y = Self.simulate(kernels, layout, truth, .gaussian, seed: 5)
        let n = 160, nodes = (0..<n).map { 1 + 5 * (Double($0) + 0.5) / Double(n) },
            columns = nodes.map { omega in Self.times.map { cos(omega * $0) } }
        var terms: [Double] = []
        for a in 0..<n {
            for b in 0..<a {
                terms.append(
                    Waves.logMarginal(
                        y.map(Double.init), [Self.times.map { _ in 1 }, columns[a], columns[b]], sds: [1, 1, 1],
                        sigma: sigma) + log(2))
            }
            terms.append(
                Waves.logMarginal(
                    y.map(Double.init), [Self.times.map { _ in 1 }, columns[a], columns[a]], sds: [1, 1, 1],
                    sigma: sigma))
        }
        let peak = terms.max()!, exact = peak + log(terms.reduce(0) { $0 + exp($1 - peak) }) - 2 * log(Double(n))
        var starts: [(NoiseLikelihood, [Double])] = []
        for a in stride(from: 1.3, to: 6, by: 0.6) {
            for b in stride(from: a + 0.6, to: 6, by: 0.6) { starts.append((.gaussian, truth.dropLast(2) + [a, b])) }
        }
        // The same mode from either side, twice.
        starts += starts.map { ($0.0, $0.1.dropLast(2) + [$0.1.last!, $0.1[$0.1.count - 2]]) }
        let found = try #require(
            Self.sample(
                y, kernels, layout, starts: starts, noises: [.gaussian], sigma: sigma, generations: 8,
                options: Self.effort(1024, 12)))
        let evidence = try #require(found.evidence[.gaussian])
        #expect(
            abs(evidence.logEvidence - exact) < 4 * evidence.standardError + 0.002 && evidence.standardError < 0.03,
            "\(evidence), exact \(exact)")
        let (points, _) = Self.weighted(found, .gaussian)
        #expect(points.allSatisfy { $0[3] >= $0[4] })
    }
}
