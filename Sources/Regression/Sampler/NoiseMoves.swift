import Foundation
import ModelSpace

/// Moves of the noise and its level σ.
extension CollapsedSampler {
    func moveLevel() {
        for size in [0.1, 0.5] {
            let new = level + size * random.normal(), other = logDensity(new)
            if abs(new) < 8, accepts(other - value + 0.5 * (level * level - new * new)) {
                (level, value) = (new, other)
            }
        }
    }

    /// Where a noise's σ lies given terms and inner parameters: the highest score, a standard deviation, and the log of
    /// Laplace's integral over it, the same constant aside.
    private struct LevelFit { var noise: Int, middle: Double, sd: Double, logMass: Double }

    private func levelFit(_ noise: Int) -> LevelFit {
        density.setNoise(noise, precisions: nil)
        func f(_ score: Double) -> Double { logDensity(score) - 0.5 * score * score }
        // A parabola about what golden section finds within 0.02.
        let h = 0.06, start = highest(from: -4, to: 4, steps: 12, f)
        let below = f(start.x - h), above = f(start.x + h), bend = max(h * h, 2 * start.value - below - above)
        let step = max(-h, min(h, 0.5 * h * (above - below) / bend)), sd = h / bend.squareRoot()
        return LevelFit(
            noise: noise, middle: start.x + step, sd: 1.1 * sd,
            logMass: start.value + 0.5 * bend * step * step / (h * h) + log(sd))
    }

    /// Noise and σ together, given terms and inner parameters, among the normal noises: drawn from
    ///
    ///     q(noise, score of σ) ∝ mass(noise) · t₅((score − middle(noise)) / sd(noise))
    ///
    /// which does not depend on the present ones, and accepted by Metropolis and Hastings. One noise's σ is far from
    /// another's (errors alike over long distances need one 2.4 times that of those alike over short ones), so that a
    /// step of the noise with σ about what it was is never accepted where there are many observations.
    func chooseNoiseAndLevel() {
        guard precisions == nil else { return }
        let old = density.noise, fits = family.noises.indices.filter { family.noises[$0] != .heavy }.map(levelFit)
        func logProposal(_ fit: LevelFit, _ score: Double) -> Double {
            let u = (score - fit.middle) / fit.sd
            return fit.logMass - log(fit.sd) - 3 * log1p(u * u / 5)
        }
        let fit = fits[pick(fits.map(\.logMass))]
        var square = 0.0
        for _ in 0..<5 { let e = random.normal(); square += e * e }
        let new = fit.middle + fit.sd * random.normal() / (square / 5).squareRoot()
        density.setNoise(fit.noise, precisions: nil)
        let other = logDensity(new), present = fits.first { $0.noise == old }!
        let proposals = logProposal(present, level) - logProposal(fit, new)
        if abs(new) < 8, accepts(other - value + 0.5 * (level * level - new * new) + proposals) {
            (level, value) = (new, other)
        } else {
            density.setNoise(old, precisions: nil)
        }
    }

    /// The noise and σ given amplitudes drawn for the purpose; then each error's precision, if it has one.
    func chooseNoise() {
        let a = density.amplitudes(level, using: &random)
        func logDensity(_ sigma: Double) -> Double {
            density.residuals(a).reduce(-density.logDeterminant - Double(density.n) * log(sigma)) {
                $0 + family.noises[density.noise].logDensity($1 / sigma)
            }
        }
        let old = density.noise
        if precisions != nil { density.setNoise(old, precisions: nil) }
        let now = logDensity(NoiseModel.level.value(level))
        if family.noises.count > 1 {
            var other = random.index(below: family.noises.count - 1)
            if other >= old { other += 1 }
            let newLevel = level + 0.5 * random.normal()
            density.setNoise(other, precisions: nil)
            let then = logDensity(NoiseModel.level.value(newLevel))
            if abs(newLevel) < 8, accepts(then - now + 0.5 * (level * level - newLevel * newLevel)) {
                level = newLevel
            } else {
                density.setNoise(old, precisions: nil)
            }
        }
        precisions = nil
        if density.isHeavy { choosePrecisions(a) } else { value = self.logDensity(level) }
    }

    /// Each error's precision under heavy tails, given amplitudes and σ; and what the density is with them.
    func choosePrecisions(_ amplitudes: [Double]) {
        let sigma = NoiseModel.level.value(level), nu = NoiseModel.degrees
        precisions = density.residuals(amplitudes).map { r in
            gamma(shape: (nu + 1) / 2) / ((nu + r * r / (sigma * sigma)) / 2)
        }
        density.setNoise(density.noise, precisions: precisions)
        value = logDensity(level)
    }

    /// Marsaglia and Tsang's, shape ≥ 1.
    private func gamma(shape: Double) -> Double {
        let d = shape - 1.0 / 3, c = 1 / (9 * d).squareRoot()
        while true {
            let x = random.normal(), v = pow(1 + c * x, 3)
            guard v > 0 else { continue }
            if log(random.uniform()) < 0.5 * x * x + d - d * v + d * log(v) { return d * v }
        }
    }
}
