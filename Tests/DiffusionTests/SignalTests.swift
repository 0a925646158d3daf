import Foundation
import ModelSpace
import Testing

@testable import Diffusion

@Suite struct SignalTests {
    /// θ with the given fractions and fixed directions.
    func theta(d: Double = 1.7e-3, s: Double = 0, snr: Double = 20, s0: Double = 1, fractions: [Double]) -> [Double] {
        var theta = [d, s, snr, s0] + fractions + Array(repeating: 0.0, count: 12 - fractions.count)
        let axes: [SIMD3<Double>] = [SIMD3(1, 0, 0), SIMD3(0.6, 0.8, 0), SIMD3(0, 0.28, 0.96)]
        for k in fractions.indices {
            theta[7 + 3 * k] = axes[k].x; theta[8 + 3 * k] = axes[k].y; theta[9 + 3 * k] = axes[k].z
        }
        return theta
    }

    @Test("The attenuation is the textbook sum of exponentials")
    func exponentials() {
        let t = theta(d: 2e-3, fractions: [0.5, 0.3]), g = DirectionSets.unit(SIMD3(1, 2, 2)), b = 1500.0
        let c1 = 1.0 / 3, c2 = (0.6 + 1.6) / 3
        let expected = 0.2 * exp(-3.0) + 0.5 * exp(-3 * c1 * c1) + 0.3 * exp(-3 * c2 * c2)
        #expect(abs(BallSticks.attenuation(t, Structure(0, 1), b: b, g: g) - expected) < 1e-14)
    }

    @Test("A gamma-distributed diffusivity gives the average of exponentials over it")
    func gammaAverage() {
        // ∫ Gamma(D; shape d²/s², scale s²/d) exp(−b D) dD by the midpoint rule.
        let d = 1.2e-3, s = 0.7e-3, b = 2000.0, shape = d * d / (s * s), scale = s * s / d
        var weight = 0.0, total = 0.0
        for k in 0..<200_000 {
            let x = (Double(k) + 0.5) * 1e-7
            let p = exp((shape - 1) * log(x / scale) - x / scale)
            weight += p
            total += p * exp(-b * x)
        }
        let value = BallSticks.attenuation(theta(d: d, s: s, fractions: []), Structure(3), b: b, g: SIMD3(0, 0, 1))
        #expect(abs(value - total / weight) < 1e-6)
    }

    @Test("Spread that vanishes leaves a single diffusivity")
    func smallSpread() {
        let t = theta(s: 1.7e-6, fractions: [0.5, 0.2, 0.1]), g = DirectionSets.unit(SIMD3(3, -1, 2))
        let with = BallSticks.attenuation(t, Structure(0, 1, 2, 3), b: 3000, g: g)
        let without = BallSticks.attenuation(t, Structure(0, 1, 2), b: 3000, g: g)
        #expect(abs(with - without) < 1e-5)
        #expect(with != without)
    }

    @Test("The fast signal equals the plain one within 2e-6 for every structure", arguments: 0..<16)
    func fastSignal(_ index: Int) throws {
        var random = RandomSource(seed: 3, stream: UInt64(index))
        let mixture = ProtocolMixture()
        var worst = 0.0
        for _ in 0..<200 {
            let design = mixture.draw(using: &random)
            var theta = [Double](repeating: 0, count: 16), out = [Float](repeating: 0, count: design.count)
            family.drawParameters(structures[index], design, using: &random, into: &theta)
            family.attenuations(theta, structures[index], design, into: &out)
            for i in 0..<design.count {
                let plain = BallSticks.attenuation(
                    theta, structures[index], b: design.bValues[i], g: design.directions[i])
                worst = max(worst, abs(plain - Double(out[i])))
            }
        }
        #expect(worst < 2e-6)
    }

    @Test("Simulated data have the model's mean and spread, after division by the noisy b≈0 mean")
    func gaussianMoments() {
        var random = RandomSource(seed: 5)
        let design = twoShells(n0: 9), z = Structure(0, 1)
        var moments = [Moments](repeating: Moments(), count: design.count), s0 = Moments(),
            y = [Float](repeating: 0, count: design.count)
        for _ in 0..<20_000 {
            var t = theta(fractions: [0.5, 0.3])
            family.simulate(&t, z, design, using: &random, into: &y)
            s0.add(log(t[3]))
            for i in 0..<design.count { moments[i].add(Double(y[i]) / t[3]) }
            var mean = 0.0
            for i in 0..<9 { mean += Double(y[i]) / 9 }
            #expect(abs(mean - 1) < 1e-5)
        }
        let t = theta(fractions: [0.5, 0.3])
        for i in 0..<design.count {
            let a = BallSticks.attenuation(t, z, b: design.bValues[i], g: design.directions[i])
            #expect(abs(moments[i].mean - a) < 5 * 0.05 / 20_000.0.squareRoot())
            #expect(abs(moments[i].sd - 0.05) < 5 * 0.05 / 40_000.0.squareRoot())
        }
        #expect(abs(s0.sd - 0.05 / 3) < 0.001)
    }

    @Test("Rician noise at low SNR has the Rician mean and second moment")
    func ricianMoments() {
        var random = RandomSource(seed: 6)
        let design = twoShells(n0: 4), z = Structure(4)
        var high = Moments(), square = Moments(), y = [Float](repeating: 0, count: design.count)
        for _ in 0..<4000 {
            var t = theta(d: 5e-3, snr: 3, fractions: [])
            family.simulate(&t, z, design, using: &random, into: &y)
            for i in 0..<design.count where design.bValues[i] == 2500 {
                high.add(Double(y[i]) / t[3])
                square.add(pow(Double(y[i]) / t[3], 2))
            }
        }
        // S = exp(−12.5) ≈ 0: Rayleigh, mean σ√(π/2), second moment 2σ².
        let sigma = 1.0 / 3
        #expect(abs(high.mean - sigma * (Double.pi / 2).squareRoot()) < 0.002)
        #expect(abs(square.mean - 2 * sigma * sigma) < 0.003)
    }
}
