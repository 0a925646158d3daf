import CKernels
import Foundation
import ModelSpace

package enum WideDirections {
    /// The distance s along ±v at which a log-density falls by ½ on average, about.
    /// - Parameters:
    ///   - square: the prior's precision along v.
    ///   - drop: by how much it falls from the mode to s v; nil outside the support.
    package static func scale(_ square: Double, drop: (Double) -> Double?) -> Double {
        var s = 1.0
        for _ in 0..<3 {
            var sum = 0.0, sides = 0.0
            for sign in [s, -s] {
                guard let fall = drop(sign) else { continue }
                sum += fall
                sides += 1
            }
            if sides == 0 { break }
            let mean = sum / sides
            if mean > 1 {
                s *= max(0.2, pow(0.5 / mean, 0.33))
            } else if mean < 0.2 && s * s * square < 1 {
                s *= 1.4
            } else {
                break
            }
        }
        return s
    }
}

extension ModeClimber {
    /// Brings the precision along wide directions to what the posterior does at that distance, where the second
    /// derivative misleads (two members that nearly coincide have no first-order information on their difference).
    ///
    /// With Λ = Uᵀ U the directions v_i = U⁻¹ e_i are conjugate, v_iᵀ Λ v_j = δ_ij; where the log-density falls by ½ at
    /// s v_i rather than at v_i, row i of U is divided by s.
    func calibrate(_ task: Task, _ value: Double) {
        let d = task.dimension, row = task.stride, u = other, v = vector
        u.update(from: precision, count: d * row)
        guard pk_system_factorise(d, row, u) != 0 else { return }
        for i in 0..<d {
            if i == task.weights.count && task.logSigma != nil { continue }
            var square = 0.0
            for j in (0...i).reversed() {
                var x = j == i ? 1.0 : 0
                for k in j + 1..<max(i + 1, j + 1) { x -= u[j * row + k] * v[k] }
                v[j] = x / u[j * row + j]
                square += v[j] * v[j] * prior[j]
            }
            // Narrow beside the prior: the second derivative will do.
            if square < 1.0 / 300 { continue }
            for j in i + 1..<max(d, i + 1) { v[j] = 0 }
            let s = WideDirections.scale(square) { drop(task, v, $0, value) }
            if s == 1 { continue }
            let change = 1 / (s * s) - 1
            for a in i..<d { for b in i..<d { precision[a * row + b] += change * u[i * row + a] * u[i * row + b] } }
        }
    }

    /// By how much the log-density falls from the point to s v; nil where weights leave the prior's support.
    private func drop(_ task: Task, _ v: UnsafePointer<Double>, _ s: Double, _ value: Double) -> Double? {
        for j in 0..<task.dimension { step[j] = s * v[j] }
        if task.weights.areFractions { for k in 0..<task.weights.count where u[k] + step[k] < 0 { return nil } }
        move(task, by: step)
        return max(-1, value - evaluate(task, trial))
    }
}
