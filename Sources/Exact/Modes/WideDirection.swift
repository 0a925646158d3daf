import CKernels
import Foundation
import ModelSpace

/// Directions in which a posterior is wide beside the prior: how wide, the second derivative at a mode does not tell.
package enum WideDirection {
    /// What to multiply s with, so that a log-density falls by ½ on average at ±s v; 1 where s will do.
    /// - Parameters:
    ///   - falls: by how much the log-density falls from the mode to s v and to −s v; nil outside the support.
    ///   - square: the prior's precision along v.
    package static func factor(_ falls: (Double?, Double?), at s: Double, _ square: Double) -> Double {
        let mean: Double
        switch falls {
        case (nil, nil): return 1
        case (let one?, let other?): mean = (one + other) / 2
        case (let one, let other): mean = one ?? other!
        }
        if mean > 1 { return max(0.2, pow(0.5 / mean, 0.33)) }
        return mean < 0.2 && s * s * square < 1 ? 1.4 : 1
    }

    /// s after at most three looks.
    package static func scale(_ square: Double, drop: (Double) -> Double?) -> Double {
        var s = 1.0
        for _ in 0..<3 {
            let factor = factor((drop(s), drop(-s)), at: s, square)
            if factor == 1 { break }
            s *= factor
        }
        return s
    }

    /// Writes v_i = U⁻¹ e_i into d numbers, Λ = Uᵀ U: such directions are conjugate, v_iᵀ Λ v_j = δ_ij. Returns the
    /// prior's precision along it.
    /// - Parameters:
    ///   - u: rows `row` numbers apart.
    ///   - prior: the prior's precision of each coordinate.
    package static func conjugate(
        _ i: Int, _ d: Int, _ u: UnsafePointer<Double>, row: Int, prior: UnsafePointer<Double>,
        into v: UnsafeMutablePointer<Double>
    ) -> Double {
        var square = 0.0
        for j in (0...i).reversed() {
            var x = j == i ? 1.0 : 0
            for k in j + 1..<max(i + 1, j + 1) { x -= u[j * row + k] * v[k] }
            v[j] = x / u[j * row + j]
            square += v[j] * v[j] * prior[j]
        }
        for j in i + 1..<max(d, i + 1) { v[j] = 0 }
        return square
    }
}

extension ModeClimber {
    /// A direction v_i that is wide beside the prior (column i of `vectors`, row i of U), the prior's precision along
    /// it, and by how much the log-density falls from the mode to s v and to −s v.
    private struct Wide {
        let index: Int, square: Double
        var s = 1.0, isDone = false, falls: (Double?, Double?) = (nil, nil)
    }

    /// Brings the precision along wide directions to what the posterior does at that distance, where the second
    /// derivative misleads (two members that nearly coincide have no first-order information on their difference).
    ///
    /// Where the log-density falls by ½ at s v_i rather than at v_i (`WideDirection.conjugate`), row i of U is divided
    /// by s.
    ///
    /// - Parameter looks: how often s is looked for at most. One makes evidences as good; with three, a twenty-fifth of
    ///   a fit's time, cones of second directions that should hold half hold 48.0 % (mean of four runs) instead of 46.7
    ///   (of three).
    /// - Returns: Σ log s, by which the normal's mass grows.
    func calibrate(_ task: Task, _ value: Double, looks: Int) -> Double {
        let d = task.dimension, row = task.stride, u = other
        u.update(from: precision, count: d * row)
        guard pk_system_factorise(d, row, u) != 0 else { return 0 }
        pk_system_directions(d, row, u, prior, vectors, squares)
        return withUnsafeTemporaryAllocation(of: Wide.self, capacity: d) { room in
            var count = 0
            for i in 0..<d where i != task.weights.count || task.logSigma == nil {
                // Narrow beside the prior: the second derivative will do.
                if squares[i] < 1.0 / 300 { continue }
                (room.baseAddress! + count).initialize(to: Wide(index: i, square: squares[i]))
                count += 1
            }
            let wide = UnsafeMutableBufferPointer(rebasing: room[..<count])
            for _ in 0..<looks where wide.contains(where: { !$0.isDone }) {
                findFalls(task, wide, value)
                for k in wide.indices where !wide[k].isDone {
                    let factor = WideDirection.factor(wide[k].falls, at: wide[k].s, wide[k].square)
                    wide[k].s *= factor
                    wide[k].isDone = factor == 1
                }
            }
            var stretch = 0.0
            for direction in wide where direction.s != 1 {
                let s = direction.s
                stretch += log(s)
                let i = direction.index, change = 1 / (s * s) - 1
                for a in i..<d { for b in i..<d { precision[a * row + b] += change * u[i * row + a] * u[i * row + b] } }
            }
            return stretch
        }
    }

    /// Of all directions that are still looked along, by how much the log-density falls from the point to s v and to
    /// −s v; nil where weights leave the prior's support. Sixteen points cost hardly more than one.
    private func findFalls(_ task: Task, _ wide: UnsafeMutableBufferPointer<Wide>, _ value: Double) {
        withUnsafeTemporaryAllocation(of: Int.self, capacity: PointLanes.size) { places in
            var lane = 0
            func evaluate() {
                guard lane > 0 else { return }
                let there = lanes.values(task, count: lane, kernels)
                for k in 0..<lane {
                    let fall = max(-1, value - there[k]), place = places[k] / 2
                    if places[k] % 2 == 0 { wide[place].falls.0 = fall } else { wide[place].falls.1 = fall }
                }
                lane = 0
            }
            for k in wide.indices where !wide[k].isDone {
                let v = vectors + wide[k].index
                wide[k].falls = (nil, nil)
                for side in 0..<2 {
                    let s = side == 0 ? wide[k].s : -wide[k].s
                    for j in 0..<task.dimension { step[j] = s * v[j * task.stride] }
                    if task.weights.areFractions, (0..<task.weights.count).contains(where: { u[$0] + step[$0] < 0 }) {
                        continue
                    }
                    move(task, by: step)
                    lanes.set(task, trial, at: lane)
                    places[lane] = 2 * k + side
                    lane += 1
                    if lane == PointLanes.size { evaluate() }
                }
            }
            evaluate()
        }
    }
}
