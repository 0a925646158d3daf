import CKernels
import Diffusion
import Exact
import Foundation

extension ModeFinder {
    /// Brings the precision along wide directions to what the likelihood does at that distance, where the second
    /// derivative misleads (two sticks that nearly coincide have no first-order information on their difference).
    ///
    /// Where the log-likelihood falls by ½ at s v_i rather than at v_i (`WideDirection.conjugate`), row i of U is
    /// divided by s.
    ///
    /// - Parameter value: log-likelihood at θ.
    func calibrate(_ y: UnsafePointer<Float>, _ g: LocalGeometry, _ value: Double) {
        let d = g.dimension, row = SmallMatrix.stride, u = other, v = vector
        u.update(from: precision, count: d * row)
        guard pk_factorise(d, u) != 0 else { return }
        for i in 0..<d {
            let square = WideDirection.conjugate(i, d, u, row: row, prior: prior, into: v)
            // Narrow beside the prior: the second derivative will do.
            if square < 1.0 / 300 || (i == g.snrIndex && g.sigma != nil) { continue }
            let s = WideDirection.scale(square) { drop(y, g, v, $0, value) }
            if s == 1 { continue }
            let change = 1 / (s * s) - 1
            for a in i..<d { for b in i..<d { precision[a * row + b] += change * u[i * row + a] * u[i * row + b] } }
        }
    }

    /// By how much the log-likelihood falls from θ to s v; nil where fractions leave the prior's support.
    private func drop(
        _ y: UnsafePointer<Float>, _ g: LocalGeometry, _ v: UnsafePointer<Double>, _ s: Double, _ value: Double
    ) -> Double? {
        for j in 0..<g.dimension { step[j] = s * v[j] }
        g.move(theta, tangents, by: step, into: trial)
        let f = trial + Slot.fraction, before = (f[0], f[1], f[2])
        g.clamp(trial)
        if before != (f[0], f[1], f[2]) { return nil }
        return max(-1, value - family.logLikelihood(y, trial, g.structure, acquisition, scratch: scratch))
    }
}
