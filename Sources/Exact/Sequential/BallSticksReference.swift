import Diffusion
import Foundation
import ModelSpace

/// Support, likelihood and reference density of a particle, and draws from the reference.
extension BallSticksPopulation {
    /// Whether x lies in the prior's support.
    func supports(_ x: UnsafePointer<Double>) -> Bool {
        guard x[0] >= BallSticks.logDiffusivity.low, x[0] <= BallSticks.logDiffusivity.high,
            logSigma != nil || (x[2] >= BallSticks.logSNR.low && x[2] <= BallSticks.logSNR.high), abs(x[3]) < 20
        else { return false }
        if spread && !(x[1] >= BallSticks.logSpreadRatio.low && x[1] <= BallSticks.logSpreadRatio.high) { return false }
        var previous = 1.0, total = 0.0
        for k in 0..<sticks {
            let f = x[Slot.fraction + k]
            guard f >= BallSticks.fractionFloor, f <= previous else { return false }
            previous = f
            total += f
        }
        return total <= 1
    }

    /// log L(x), leaving the attenuations in `scratch`.
    func likelihood(_ x: UnsafePointer<Double>) -> Double {
        natural(x)
        family.attenuations(theta, structure, acquisition, into: scratch)
        return family.logLikelihood(y, attenuations: scratch, theta, structure, acquisition)
    }

    /// log L(x) where only s0 and snr differ from what `a` was predicted with.
    func likelihood(_ x: UnsafePointer<Double>, attenuations a: UnsafePointer<Float>) -> Double {
        theta[Slot.snr] = exp(x[2])
        theta[Slot.s0] = exp(x[3])
        return family.logLikelihood(y, attenuations: a, theta, structure, acquisition)
    }

    /// θ of x, in `theta`.
    func natural(_ x: UnsafePointer<Double>) {
        theta[Slot.diffusivity] = exp(x[0])
        theta[Slot.spread] = spread ? exp(x[0] + x[1]) : 0
        theta[Slot.snr] = exp(x[2])
        theta[Slot.s0] = exp(x[3])
        for c in Slot.fraction..<Self.width { theta[c] = x[c] }
    }

    /// log q₀(x).
    func referenceDensity(_ x: UnsafePointer<Double>) -> Double {
        let prior = logPrior + scaleDensity(x)
        guard hasReference else { return prior }
        var total = prior + log(Self.defence)
        for (j, g) in reference.enumerated() {
            let other = g.logDensity(x) + shares[j], peak = max(total, other)
            total = peak + log1p(exp(min(total, other) - peak))
        }
        guard !births.isEmpty else { return total }
        let other = birthDensity(x), peak = max(total, other)
        return peak + log1p(exp(min(total, other) - peak))
    }

    /// A draw from the fitted part of the reference; false when it falls outside a chart.
    func drawFitted(_ x: UnsafeMutablePointer<Double>, using random: inout RandomSource) -> Bool {
        var u = random.uniform() * (1 - Self.defence)
        for (j, g) in births.enumerated() {
            u -= exp(birthShares[j])
            if u <= 0 { return g.draw(into: x, using: &random) && addStick(x, using: &random) }
        }
        for j in 0..<reference.count - 1 {
            u -= exp(shares[j])
            if u <= 0 { return reference[j].draw(into: x, using: &random) }
        }
        return reference[reference.count - 1].draw(into: x, using: &random)
    }

    /// Centre and width of the reference for log s0: about 1, by which y is normalised, as far as noise and weighting
    /// of the b≈0 volumes reach.
    private func scaleWindow(_ x: UnsafePointer<Double>) -> (centre: Double, width: Double) {
        let decay = 0.5 * meanUnweightedB * exp(x[0]),
            noise = 1.5 * (sigma ?? exp(-x[2])) / Double(acquisition.unweightedCount).squareRoot()
        return (decay, (noise * noise + decay * decay + 1e-4).squareRoot())
    }

    static let scaleNormaliser =
        lgamma(0.5 * (scaleFreedom + 1)) - lgamma(0.5 * scaleFreedom) - 0.5 * log(scaleFreedom * Double.pi)

    private func scaleDensity(_ x: UnsafePointer<Double>) -> Double {
        let window = scaleWindow(x), t = (x[3] - window.centre) / window.width
        return Self.scaleNormaliser - log(window.width) - 0.5 * (Self.scaleFreedom + 1)
            * log1p(t * t / Self.scaleFreedom)
    }

    /// θ as a particle: what `natural` undoes.
    static func particle(_ theta: UnsafePointer<Double>, hasSpread: Bool, into x: UnsafeMutablePointer<Double>) {
        x[0] = log(theta[Slot.diffusivity])
        x[1] = hasSpread ? log(theta[Slot.spread] / theta[Slot.diffusivity]) : 0
        x[2] = log(theta[Slot.snr])
        x[3] = log(theta[Slot.s0])
        for c in Slot.fraction..<Self.width { x[c] = theta[c] }
    }

    /// A particle from the prior, log s0 from its window.
    func drawFromPrior(_ x: UnsafeMutablePointer<Double>, using random: inout RandomSource) {
        family.drawParameters(structure, acquisition, using: &random, into: theta)
        Self.particle(theta, hasSpread: spread, into: x)
        let window = scaleWindow(x)
        let chi = 2 * (random.exponential() + random.exponential())
        x[3] = window.centre + window.width * random.normal() * (Self.scaleFreedom / chi).squareRoot()
        holdNoise(x)
    }

    /// Gives log snr what a known σ makes it.
    @inline(__always)
    func holdNoise(_ x: UnsafeMutablePointer<Double>) {
        if let logSigma { x[2] = x[3] - logSigma }
    }
}
