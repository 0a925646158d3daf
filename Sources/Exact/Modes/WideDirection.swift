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
        for case let fall? in [falls.0, falls.1] {
            sum += fall
            sides += 1
        }
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
    /// Brings the precision along wide directions to what the posterior does at that distance, where the second
    /// derivative misleads (two members that nearly coincide have no first-order information on their difference).
    ///
    /// Where the log-density falls by ½ at s v_i rather than at v_i (`WideDirection.conjugate`), row i of U is divided
    /// by s.
    func calibrate(_ task: Task, _ value: Double) {
        let d = task.dimension, row = task.stride, u = other
        u.update(from: precision, count: d * row)
        guard pk_system_factorise(d, row, u) != 0 else { return }
        var wide: [(index: Int, v: UnsafeMutablePointer<Double>, direction: WideDirection)] = []
        for i in 0..<d where i != task.weights.count || task.logSigma == nil {
            let v = vectors + wide.count * row,
                square = WideDirection.conjugate(i, d, u, row: row, prior: prior, into: v)
            // Narrow beside the prior: the second derivative will do.
            if square < 1.0 / 300 { continue }
            wide.append((i, v, WideDirection(square: square)))
        }
        // Round by round, the points of all directions that still look together: sixteen cost hardly more than one.
        while true {
            let open = wide.indices.filter { !wide[$0].direction.isDone }
            if open.isEmpty { break }
            let steps = open.flatMap { i in [wide[i].direction.s, -wide[i].direction.s].map { (wide[i].v, $0) } }
            let falls = drops(task, steps, value)
            for (place, i) in open.enumerated() {
                wide[i].direction.update((falls[2 * place], falls[2 * place + 1]))
            }
        }
        for (i, _, direction) in wide where direction.s != 1 {
            let change = 1 / (direction.s * direction.s) - 1
            for a in i..<d { for b in i..<d { precision[a * row + b] += change * u[i * row + a] * u[i * row + b] } }
        }
    }

    /// By how much the log-density falls from the point to each s v; nil where weights leave the prior's support.
    private func drops(_ task: Task, _ steps: [(v: UnsafeMutablePointer<Double>, s: Double)], _ value: Double)
        -> [Double?]
    {
        var falls = [Double?](repeating: nil, count: steps.count), lane = 0, places: [Int] = []
        func evaluate() {
            guard lane > 0 else { return }
            for (k, there) in lanes.values(task, count: lane, kernels).enumerated() {
                falls[places[k]] = max(-1, value - there)
            }
            places.removeAll(keepingCapacity: true)
            lane = 0
        }
        for (place, (v, s)) in steps.enumerated() {
            for j in 0..<task.dimension { step[j] = s * v[j] }
            if task.weights.areFractions, (0..<task.weights.count).contains(where: { u[$0] + step[$0] < 0 }) {
                continue
            }
            move(task, by: step)
            lanes.set(task, trial, at: lane)
            places.append(place)
            lane += 1
            if lane == PointLanes.size { evaluate() }
        }
        evaluate()
        return falls
    }
}
