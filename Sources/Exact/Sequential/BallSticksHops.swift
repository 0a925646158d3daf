import Diffusion
import Foundation
import ModelSpace

extension BallSticksPopulation {
    /// Spreads (tangent of the angle) of the directions in which a stick is set down about another.
    private static let nearScales = (0.12, 0.35)

    /// Proposes for a pair of sticks k, l: their summed fraction shared anew, uniformly; k's direction from the sphere
    /// or about l's.
    ///
    /// Densities by area, v·l = c: (1 + a(c, s₁) + a(c, s₂)) / 12π with a(c, s) = s⁻² (c² + (1 − c²)/s²)^(−3/2), the
    /// angular central Gaussian; the shares are uniform on the same range forth and back.
    func hop(_ i: Int, _ beta: Double, using random: inout RandomSource) {
        proposal.update(from: x + i * Self.width, count: Self.width)
        let k = random.index(below: sticks), l = (k + 1 + random.index(below: sticks - 1)) % sticks,
            f = proposal + Slot.fraction
        let total = f[k] + f[l],
            share = BallSticks.fractionFloor + (total - 2 * BallSticks.fractionFloor) * random.uniform()
        f[k] = share
        f[l] = total - share
        let v = proposal + Slot.axis + 3 * k, centre = proposal + Slot.axis + 3 * l
        func density() -> Double {
            let c = v[0] * centre[0] + v[1] * centre[1] + v[2] * centre[2], c2 = min(1, c * c)
            func about(_ s: Double) -> Double {
                let q = c2 + (1 - c2) / (s * s)
                return 1 / (s * s * q * q.squareRoot())
            }
            return 1 + about(Self.nearScales.0) + about(Self.nearScales.1)
        }
        let before = density()
        let choice = random.index(below: 3), s = choice == 0 ? 1 : choice == 1 ? Self.nearScales.0 : Self.nearScales.1
        // Variance 1 along the centre, s² across.
        var n = SIMD3(random.normal(), random.normal(), random.normal())
        let m = SIMD3(centre[0], centre[1], centre[2]), own = (n * m).sum()
        n = s * (n - own * m) + own * m
        let length = (n * n).sum().squareRoot()
        guard length > 1e-12 else { return }
        for c in 0..<3 { v[c] = n[c] / length }
        let ratio = log(before) - log(density())
        BallSticks.sortSticks(proposal, count: sticks)
        if supports(proposal) { _ = consider(i, beta, ratio, using: &random) }
    }
}
