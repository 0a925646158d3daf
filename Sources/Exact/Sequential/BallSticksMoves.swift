import Diffusion
import Foundation
import ModelSpace

/// Markov moves that leave q₀ R^β invariant. Every move is accepted with probability min(1, ratio of target × ratio of
/// proposal densities).
///
/// - along a difference of two other particles, of scale and noise alone (no new attenuations) and of all but the
///   directions;
/// - a walk in the charts of a density fitted to the population, which knows how directions and fractions move
///   together, and independent draws from it (proposals adapt to the population as is usual in sequential Monte Carlo;
///   the bias this makes falls as 1/N);
/// - a stick lifted off and set down elsewhere or beside another, with which it shares their fraction anew: between
///   modes in which a surplus stick splits a true one and modes in which it is weak and far;
/// - each stick turned by the angle between the same stick of two other particles; two sticks exchanged; a stick drawn
///   anew on the sphere.
extension BallSticksPopulation {
    func move(at beta: Double, using random: inout RandomSource) {
        fit(walker, inflation: 1)
        keepEarly(beta)
        let tryIndependent = min(1, max(0.15, 4 * independentRate)), tryRedraw = min(0.5, max(0.05, 4 * redrawRate))
        var independent = (tried: 1, taken: 0), redrawn = (tried: 1, taken: 0)
        let walkScale = 2.38 / Double(walker.dimension).squareRoot()
        for i in 0..<count {
            let here = x + i * Self.width
            if random.uniform() < tryIndependent {
                independent.tried += 1
                if walker.draw(into: proposal, using: &random) && supports(proposal) {
                    let ratio = walker.logDensity(here) - walker.logDensity(proposal)
                    if consider(i, beta, ratio, using: &random) { independent.taken += 1 }
                }
            }
            let scale = walkScale * Self.pick(1, 0.5, 0.2, &random)
            if let ratio = walker.walk(here, scale: scale, into: proposal, using: &random), supports(proposal) {
                _ = consider(i, beta, ratio, using: &random)
            }
            evolve(i, beta, onlyNoise: true, using: &random)
            if sticks > 0 {
                evolve(i, beta, onlyNoise: false, using: &random)
                for k in 0..<sticks { turn(k, of: i, beta, using: &random) }
                if random.uniform() < tryRedraw {
                    redrawn.tried += 1
                    if relocate(i, beta, using: &random) { redrawn.taken += 1 }
                }
                if sticks > 1 {
                    if random.uniform() < 0.25 { exchange(i, beta, using: &random) }
                    hop(i, beta, using: &random)
                }
            }
        }
        independentRate = Double(independent.taken) / Double(independent.tried)
        redrawRate = Double(redrawn.taken) / Double(redrawn.tried)
    }

    /// Accepts or refuses `proposal` (within the support) for particle i.
    func consider(
        _ i: Int, _ beta: Double, _ proposalRatio: Double, sameShape: Bool = false, using random: inout RandomSource
    ) -> Bool {
        let likelihood = sameShape ? likelihood(proposal, attenuations: attenuations + i * m) : likelihood(proposal)
        guard likelihood > -.infinity else { return false }
        let reference = referenceDensity(proposal), ratio = logPrior + likelihood - reference
        let difference = reference - logReference[i] + beta * (ratio - logRatio[i]) + proposalRatio
        // A particle with R = 0 gives +∞: anything is better. NaN refuses.
        guard difference >= 0 || log(random.uniform()) < difference else { return false }
        (x + i * Self.width).update(from: proposal, count: Self.width)
        if !sameShape { (attenuations + i * m).update(from: scratch, count: m) }
        logLikelihood[i] = likelihood
        logReference[i] = reference
        logRatio[i] = ratio
        return true
    }

    private static func pick(_ a: Double, _ b: Double, _ c: Double, _ random: inout RandomSource) -> Double {
        switch random.index(below: 3) {
        case 0: return a
        case 1: return b
        default: return c
        }
    }

    /// Two different particles other than i.
    private func pair(_ i: Int, _ random: inout RandomSource) -> (Int, Int) {
        var j = random.index(below: count - 1)
        if j >= i { j += 1 }
        var k = i
        while k == i || k == j { k = random.index(below: count) }
        return (j, k)
    }

    private func start(_ i: Int) { proposal.update(from: x + i * Self.width, count: Self.width) }

    private func evolve(_ i: Int, _ beta: Double, onlyNoise: Bool, using random: inout RandomSource) {
        let (j, k) = pair(i, &random), a = x + j * Self.width, b = x + k * Self.width
        let dimension = (onlyNoise ? 2 : 3 + sticks + (spread ? 1 : 0)) - (logSigma == nil ? 0 : 1)
        let gamma = 2.38 / (2 * Double(dimension)).squareRoot() * Self.pick(1, 0.5, 0.15, &random)
        start(i)
        for c in (onlyNoise ? 2 : 0)..<(onlyNoise ? 4 : Slot.fraction + sticks) { proposal[c] += gamma * (a[c] - b[c]) }
        holdNoise(proposal)
        if supports(proposal) { _ = consider(i, beta, 0, sameShape: onlyNoise, using: &random) }
    }

    /// The angle's scale comes from two other particles and its direction from nowhere: symmetric on the sphere.
    private func turn(_ k: Int, of i: Int, _ beta: Double, using random: inout RandomSource) {
        let (j, l) = pair(i, &random), o = Slot.axis + 3 * k
        let a = x + j * Self.width + o, b = x + l * Self.width + o
        let cosine = min(1, abs(a[0] * b[0] + a[1] * b[1] + a[2] * b[2]))
        let scale = max(1e-4, acos(cosine)) * Self.pick(1, 0.4, 0.1, &random)
        start(i)
        let v = SIMD3(proposal[o], proposal[o + 1], proposal[o + 2])
        var t = SIMD3(random.normal(), random.normal(), random.normal())
        t -= (t * v).sum() * v
        let norm = (t * t).sum().squareRoot()
        guard norm > 1e-12 else { return }
        let angle = scale * norm, turned = cos(angle) * v + (sin(angle) / norm) * t
        let length = (turned * turned).sum().squareRoot()
        for c in 0..<3 { proposal[o + c] = turned[c] / length }
        _ = consider(i, beta, 0, using: &random)
    }

    private func relocate(_ i: Int, _ beta: Double, using random: inout RandomSource) -> Bool {
        start(i)
        let o = Slot.axis + 3 * random.index(below: sticks), z = random.uniform(-1, 1),
            phi = random.uniform(0, 2 * Double.pi)
        let r = (1 - z * z).squareRoot()
        proposal[o] = r * cos(phi)
        proposal[o + 1] = r * sin(phi)
        proposal[o + 2] = z
        return consider(i, beta, 0, using: &random)
    }

    private func exchange(_ i: Int, _ beta: Double, using random: inout RandomSource) {
        start(i)
        let first = random.index(below: sticks), second = (first + 1 + random.index(below: sticks - 1)) % sticks
        for c in 0..<3 { swap(&proposal[Slot.axis + 3 * first + c], &proposal[Slot.axis + 3 * second + c]) }
        _ = consider(i, beta, 0, using: &random)
    }
}
