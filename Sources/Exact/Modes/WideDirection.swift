import CKernels
import Foundation
import ModelSpace

/// The distance s along ±v at which a log-density falls by ½ on average, about: looked for in at most three rounds.
package struct WideDirection {
    package private(set) var s = 1.0, isDone = false
    private let square: Double
    private var rounds = 0

    /// - Parameter square: the prior's precision along v.
    package init(square: Double) { self.square = square }

    /// Takes in what a round found.
    /// - Parameter falls: by how much the log-density falls from the mode to s v and to −s v; nil outside the support.
    package mutating func update(_ falls: (Double?, Double?)) {
        rounds += 1
        var sum = 0.0, sides = 0.0
        func take(_ fall: Double?) {
            guard let fall else { return }
            sum += fall
            sides += 1
        }
        take(falls.0)
        take(falls.1)
        let mean = sum / sides
        if sides > 0, mean > 1 {
            s *= max(0.2, pow(0.5 / mean, 0.33))
        } else if sides > 0, mean < 0.2 && s * s * square < 1 {
            s *= 1.4
        } else {
            isDone = true
        }
        if rounds == 3 { isDone = true }
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

    /// s where points are looked at one by one.
    package static func scale(_ square: Double, drop: (Double) -> Double?) -> Double {
        var direction = WideDirection(square: square)
        while !direction.isDone { direction.update((drop(direction.s), drop(-direction.s))) }
        return direction.s
    }
}

extension ModeClimber {
    /// A direction v that is wide beside the prior, row i of U, and by how much the log-density falls on its two sides.
    private struct Wide {
        let index: Int, v: UnsafeMutablePointer<Double>
        var direction: WideDirection, falls: (Double?, Double?) = (nil, nil)
    }

    /// Brings the precision along wide directions to what the posterior does at that distance, where the second
    /// derivative misleads (two members that nearly coincide have no first-order information on their difference).
    ///
    /// Where the log-density falls by ½ at s v_i rather than at v_i (`WideDirection.conjugate`), row i of U is divided
    /// by s.
    func calibrate(_ task: Task, _ value: Double) {
        let d = task.dimension, row = task.stride, u = other
        u.update(from: precision, count: d * row)
        guard pk_system_factorise(d, row, u) != 0 else { return }
        withUnsafeTemporaryAllocation(of: Wide.self, capacity: d) { room in
            var count = 0
            for i in 0..<d where i != task.weights.count || task.logSigma == nil {
                let v = vectors + count * row,
                    square = WideDirection.conjugate(i, d, u, row: row, prior: prior, into: v)
                // Narrow beside the prior: the second derivative will do.
                if square < 1.0 / 300 { continue }
                (room.baseAddress! + count).initialize(
                    to: Wide(index: i, v: v, direction: WideDirection(square: square)))
                count += 1
            }
            let wide = UnsafeMutableBufferPointer(rebasing: room[..<count])
            while wide.contains(where: { !$0.direction.isDone }) {
                findFalls(task, wide, value)
                for k in wide.indices where !wide[k].direction.isDone { wide[k].direction.update(wide[k].falls) }
            }
            for k in wide.indices where wide[k].direction.s != 1 {
                let i = wide[k].index, change = 1 / (wide[k].direction.s * wide[k].direction.s) - 1
                for a in i..<d { for b in i..<d { precision[a * row + b] += change * u[i * row + a] * u[i * row + b] } }
            }
        }
    }

    /// One round: of all directions that are still looked along, by how much the log-density falls from the point to
    /// s v and to −s v; nil where weights leave the prior's support. Sixteen points cost hardly more than one.
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
            for k in wide.indices where !wide[k].direction.isDone {
                wide[k].falls = (nil, nil)
                for side in 0..<2 {
                    let s = side == 0 ? wide[k].direction.s : -wide[k].direction.s
                    for j in 0..<task.dimension { step[j] = s * wide[k].v[j] }
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
