import Diffusion
import Foundation
import ModelSpace

/// The part of a reference that adds a stick to densities fitted for one stick fewer.
///
///     births(x) = Σ_k g(x without stick k) · h(f_k) / 4π,    h(f) = ½ Σ_{τ = 0.02, 0.1} exp(−(f − 0.05)/τ) / τ
///
/// x without stick k keeps all else, so no Jacobian enters: the sum runs over which stick may have been the added one.
extension BallSticksPopulation {
    private static let birthScales = (0.02, 0.1)

    func addStick(_ x: UnsafeMutablePointer<Double>, using random: inout RandomSource) -> Bool {
        let k = sticks - 1, o = Slot.axis + 3 * k
        let scale = random.uniform() < 0.5 ? Self.birthScales.0 : Self.birthScales.1
        x[Slot.fraction + k] = BallSticks.fractionFloor + scale * random.exponential()
        let z = random.uniform(-1, 1), phi = random.uniform(0, 2 * Double.pi), r = (1 - z * z).squareRoot()
        x[o] = r * cos(phi)
        x[o + 1] = r * sin(phi)
        x[o + 2] = z
        BallSticks.sortSticks(x, count: sticks)
        return true
    }

    /// log of the births' share of q₀ at x, a point of the support.
    func birthDensity(_ x: UnsafePointer<Double>) -> Double {
        var total = -Double.infinity
        let n = sticks
        for c in 0..<Slot.fraction { fewer[c] = x[c] }
        for k in 0..<n {
            var to = 0
            for s in 0..<n where s != k {
                fewer[Slot.fraction + to] = x[Slot.fraction + s]
                for c in 0..<3 { fewer[Slot.axis + 3 * to + c] = x[Slot.axis + 3 * s + c] }
                to += 1
            }
            let e = x[Slot.fraction + k] - BallSticks.fractionFloor
            let scales = Self.birthScales
            let h = 0.5 * (exp(-e / scales.0) / scales.0 + exp(-e / scales.1) / scales.1)
            for (j, g) in births.enumerated() {
                total = logSum(total, birthShares[j] + g.logDensity(fewer) + log(h / (4 * Double.pi)))
            }
        }
        return total
    }
}
