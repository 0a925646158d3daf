import Foundation
import ModelSpace
import Testing

@testable import Diffusion

@Suite struct LikelihoodTests {
    let design = try! Acquisition(
        bValues: [0, 0, 1000, 1000, 2500, 3000],
        directions: [
            .zero, .zero, SIMD3(1, 0, 0), SIMD3(0.6, 0.8, 0), SIMD3(0, 0, 1), SIMD3(2.0 / 3, 1.0 / 3, 2.0 / 3),
        ])
    let y: [Float] = [1.02, 0.98, 0.25, 0.4, 0.3, 0.125]

    func theta(snr: Double, spread: Bool) -> [Double] {
        [1.5e-3, spread ? 0.6e-3 : 0, snr, 1.01, 0.5, 0.2, 0, 1, 0, 0, 0, 0.6, 0.8, 0, 0, 0]
    }

    /// Golden values: scipy 1.17 in Python, `stats.norm.logpdf(y, S, s0/snr).sum()` and `stats.rice.logpdf(y, S/sigma,
    /// scale=sigma).sum()` with S written out from the formulas of §3, y in float32; at snr 150 `rice` through
    /// `scipy.special.i0e`.
    @Test(
        "Gaussian and Rician values equal scipy's",
        arguments: [
            (12.0, false, 3.4175814614432642, 3.09606102938966), (12, true, 1.9853927631595398, 1.3868217354003),
            (150, false, -900.2790921912838, -900.7362768265386), (150, true, -1124.0585762981157, -1124.7563868983016),
        ])
    func golden(_ snr: Double, _ spread: Bool, _ gaussian: Double, _ rician: Double) {
        var z = Structure(0, 1)
        z[3] = spread
        let t = theta(snr: snr, spread: spread)
        #expect(abs(family.logLikelihood(y, t, z, design) - gaussian) < 1e-9)
        z[4] = true
        #expect(abs(family.logLikelihood(y, t, z, design) - rician) < 1e-9)
    }

    @Test("The density of one volume integrates to one over y", arguments: [3.0, 12, 150])
    func normalised(_ snr: Double) {
        // All volumes but the last stay; the ratio of the integral to the density without the last volume must be 1.
        let shorter = try! Acquisition(
            bValues: Array(design.bValues.prefix(5)), directions: Array(design.directions.prefix(5)))
        for rician in [false, true] {
            var z = Structure(0, 1)
            z[4] = rician
            let t = theta(snr: snr, spread: false), base = family.logLikelihood(y, t, z, shorter)
            let low = rician ? 0.0 : -3.5, high = 3.5, n = 140_000
            var values = y, total = 0.0
            for k in 0..<n {
                let x = low + (high - low) * (Double(k) + 0.5) / Double(n)
                values[5] = Float(x)
                total += exp(family.logLikelihood(values, t, z, design) - base) * (high - low) / Double(n)
            }
            #expect(abs(total - 1) < 1e-4)
        }
    }

    @Test("At high SNR the Rician density nears the Gaussian; not at low SNR")
    func limits() {
        let one: [Float] = [1, 1, 1, 1, 1, 1]
        var t = theta(snr: 150, spread: false)
        t[0] = 1e-4
        let high =
            family.logLikelihood(one, t, Structure(0, 1, 4), design)
            - family.logLikelihood(one, t, Structure(0, 1), design)
        t[2] = 3
        let low =
            family.logLikelihood(one, t, Structure(0, 1, 4), design)
            - family.logLikelihood(one, t, Structure(0, 1), design)
        #expect(abs(high) < 0.5 && abs(low) > 0.05 && high != 0)
    }

    @Test("Impossible data have log-likelihood −∞, never a number that is not one")
    func impossible() {
        let t = theta(snr: 20, spread: false)
        var bad = y
        bad[3] = 0
        #expect(family.logLikelihood(bad, t, Structure(0, 1, 4), design) == -.infinity)
        bad[3] = -0.1
        #expect(family.logLikelihood(bad, t, Structure(0, 1, 4), design) == -.infinity)
        #expect(family.logLikelihood(bad, t, Structure(0, 1), design).isFinite)
        bad[3] = .nan
        #expect(family.logLikelihood(bad, t, Structure(0, 1), design) == -.infinity)
        var broken = t
        broken[2] = 0
        #expect(family.logLikelihood(y, broken, Structure(0, 1), design) == -.infinity)
    }

    /// Golden values: mpmath, 40 digits, log(besseli(0, x) exp(−x)).
    @Test(
        "log of the scaled Bessel function",
        arguments: [
            (0.0, 0.0), (0.1, -0.0975015607661237619), (1, -0.764085641492821351), (7.9, -1.93537677138787526),
            (8, -1.94189574457218605),
            (8.1, -1.94833040910518692), (50, -2.87242449812819542), (1e4, -5.524096218567699),
        ])
    func bessel(_ x: Double, _ value: Double) {
        #expect(abs(logScaledBesselI0(x) - value) <= 4e-15 * max(1, abs(value)))
    }

    @Test("Φ and Φ⁻¹ are inverse to each other and hit known quantiles")
    func quantile() {
        #expect(abs(normalQuantile(0.975) - 1.959963984540054) < 1e-14 && normalQuantile(0.5) == 0)
        #expect(abs(normalQuantile(1e-6) + 4.753424308822899) < 1e-13)
        #expect(abs(normalQuantile(1e-20) + 9.262340089798408) < 1e-13)
        for k in 1..<1000 { let u = Double(k) / 1000; #expect(abs(normalCDF(normalQuantile(u)) - u) < 1e-14) }
    }
}
