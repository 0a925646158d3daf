import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Chain

/// The chain's long-run averages against importance sampling from the prior, S0 and σ integrated in closed form: few,
/// noisy data, so that draws of the prior represent the posterior.
@Suite struct ChainInvarianceTests {
    static let acquisition: Acquisition = {
        let g = DirectionSets.fibonacci(14)
        return try! Acquisition(
            bValues: [0, 0] + (0..<14).map { $0 % 2 == 0 ? 1000 : 2500 },
            directions: [SIMD3(0, 0, 0), SIMD3(0, 0, 0)] + g)
    }()

    struct Case: CustomTestStringConvertible {
        var fibres: Int, spread: Bool, weight: Double, first: Bool
        var testDescription: String {
            "\(fibres) fibres, spread \(spread), relevance \(weight)\(first ? " on all" : "")"
        }
        var options: ChainOptions {
            var o = ChainOptions()
            (o.fibres, o.hasSpread, o.relevanceWeight, o.relevanceOnFirst, o.fractionFloor) = (
                fibres, spread, weight, first, 1e-2
            )
            return o
        }
    }

    static func statistics(_ d: Double, _ s: Double, _ s0: Double, _ w: SIMD4<Double>, _ axes: [SIMD3<Double>])
        -> [Double]
    {
        var result = [1e3 * d, 1e6 * d * d, s > 0 ? log(s) : 0, s0]
        for (k, v) in axes.enumerated() {
            result += [w[k + 1], w[k + 1] > 0.1 ? 1 : 0, v.x * v.x, v.z * v.z, w[k + 1] * v.x * v.y]
        }
        if axes.count > 1 { let c = (axes[0] * axes[1]).sum(); result.append(c * c) }
        return result
    }

    @Test(arguments: [
        Case(fibres: 1, spread: false, weight: 0, first: false),
        Case(fibres: 1, spread: true, weight: 0.5, first: true),
        Case(fibres: 2, spread: false, weight: 1, first: false), Case(fibres: 3, spread: true, weight: 1, first: false),
    ])
    func agreesWithImportanceSampling(_ c: Case) {
        let options = c.options, design = ChainDesign(Self.acquisition), n = design.padded, m = Self.acquisition.count
        var random = RandomSource(seed: 77), theta = [Double](repeating: 0, count: 16),
            y = [Float](repeating: 0, count: m)
        theta[0] = 1.5e-3; theta[2] = 2.5; theta[4] = 0.5; theta[7] = 0.8; theta[8] = 0.6
        BallSticks().simulate(&theta, Structure(bits: 1), Self.acquisition, using: &random, into: &y)

        // Importance sampling.
        let rows = UnsafeMutablePointer<Double>.allocate(capacity: 4 * n)
        defer { rows.deallocate() }
        var weights: [Double] = [], values: [[Double]] = []
        let square = y.reduce(0.0) { $0 + Double($1) * Double($1) }, low = options.fractionFloor
        while weights.count < 150_000 {
            let d = random.uniform(ChainOptions.diffusivity.low, ChainOptions.diffusivity.high)
            let s = c.spread ? exp(random.uniform(log(ChainOptions.spread.low), log(ChainOptions.spread.high))) : 0
            var w = SIMD4<Double>(), logWeight = 0.0, axes: [SIMD3<Double>] = []
            for k in 1...c.fibres {
                // Uniform, or log-uniform with the rest of f^(−ω) as a weight.
                let omega = options.weight(k - 1)
                w[k] = omega == 0 ? random.uniform(low, 1) : exp(log(low) * random.uniform())
                if omega > 0 { logWeight += (1 - omega) * log(w[k]) }
                axes.append(DirectionSets.uniform(using: &random))
            }
            w[0] = 1 - w.sum()
            guard w[0] >= 0 else { continue }
            for k in 0...c.fibres {
                design.fill(rows + k * n, diffusivity: d, spread: s, axis: k == 0 ? nil : axes[k - 1])
            }
            var ay = 0.0, aa = 0.0
            for i in 0..<m {
                var a = 0.0
                for k in 0...c.fibres { a += w[k] * rows[k * n + i] }
                ay += a * Double(y[i])
                aa += a * a
            }
            // ∫ SSE^(−M/2) dS0 ∝ (a·a)^(−1/2) RSS^(−(M−1)/2)
            weights.append(logWeight - 0.5 * log(aa) - 0.5 * Double(m - 1) * log(square - ay * ay / aa))
            values.append(Self.statistics(d, s, ay / aa, w, axes))
        }
        let peak = weights.max()!, p = weights.map { exp($0 - peak) }, total = p.reduce(0, +)
        let effective = total * total / p.reduce(0) { $0 + $1 * $1 }
        #expect(effective > 300)

        // Chains, with the labels that they have (their exchange is a move of the same target).
        let chain = BallSticksChain(acquisition: Self.acquisition, options: options), runs = 24, sweeps = 6000
        var means: [[Double]] = []
        for run in 0..<runs {
            var walk = chain.open(y, RandomSource(seed: 5, stream: UInt64(run)))
            chain.place(&walk)
            walk.begin()
            for sweep in 0..<400 { walk.sweep(); if sweep % 40 == 39 { walk.adapt() } }
            var sum = [Double](repeating: 0, count: values[0].count)
            for _ in 0..<sweeps {
                walk.sweep()
                if run % 2 == 1 { walk.exchange() }
                let x = Self.statistics(
                    walk.diffusivity, walk.spread, walk.s0, walk.w, (1...c.fibres).map { walk.axis($0) })
                for j in x.indices { sum[j] += x[j] / Double(sweeps) }
            }
            means.append(sum)
        }
        for j in values[0].indices {
            let expected = zip(p, values).reduce(0) { $0 + $1.0 * $1.1[j] } / total
            let error =
                zip(p, values).reduce(0) { $0 + $1.0 * $1.0 * ($1.1[j] - expected) * ($1.1[j] - expected) }.squareRoot()
                / total
            let mean = means.reduce(0) { $0 + $1[j] } / Double(runs)
            let scatter = (means.reduce(0) { $0 + ($1[j] - mean) * ($1[j] - mean) } / Double(runs * (runs - 1)))
                .squareRoot()
            let bound = 4.5 * (error * error + scatter * scatter).squareRoot() + 1e-12
            #expect(
                abs(mean - expected) <= bound,
                "statistic \(j): chain \(mean) ± \(scatter), importance sampling \(expected) ± \(error)")
        }
    }

    /// σ² = SSE/χ²: mean and variance of the gamma variates behind it.
    @Test(arguments: [0.5, 1, 8, 51.5]) func gammaVariates(shape: Double) {
        var random = RandomSource(seed: 9), sum = 0.0, square = 0.0
        let n = 40_000
        for _ in 0..<n { let x = random.gamma(shape: shape); sum += x; square += x * x }
        let mean = sum / Double(n), variance = square / Double(n) - mean * mean
        #expect(abs(mean - shape) < 5 * (shape / Double(n)).squareRoot())
        #expect(abs(variance / shape - 1) < 0.15)
    }
}
