import CKernels
import Diffusion
import Foundation

extension ProposalComponent {
    /// Components for the other orders of the sticks' fractions.
    ///
    /// Sticks are listed by falling fraction, so that a normal in which f_A may exceed f_B or the reverse is cut along f_A = f_B, and what lies beyond is to
    /// be found under exchanged labels. Of every order π the component stands where the normal is densest in it (on the cut, Lagrange multipliers μ):
    ///
    ///     min ½ uᵀΛu  with  f_π(k)(u) ≥ f_π(k+1)(u)
    ///
    /// and falls off from the cut with scale 1/μ.
    /// - Parameter reach: orders whose densest point lies more than this (nats) below the centre are left out.
    func relabelled(reach: Double) -> [ProposalComponent] {
        let n = geometry.sticks
        guard n > 1 else { return [] }
        let orders = n == 2 ? [[1, 0]] : [[1, 0, 2], [0, 2, 1], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
        // Σ e_k for each fraction.
        let d = geometry.dimension
        let covariance: [[Double]] = (0..<n).map { k in
            var e = [Double](repeating: 0, count: d)
            e[k] = 1
            Self.solve(factor, d, &e)
            return e
        }
        return orders.compactMap { relabelled($0, covariance, reach) }
    }

    private func relabelled(_ order: [Int], _ covariance: [[Double]], _ reach: Double) -> ProposalComponent? {
        let n = geometry.sticks, d = geometry.dimension
        typealias Slot = BallSticks.Slot
        // Constraint k: a_k·u ≥ −gap_k, a_k = e_π(k) − e_π(k+1).
        let pairs = (0..<n - 1).map { (order[$0], order[$0 + 1]) }
        let gaps = pairs.map { centre[Slot.fraction + $0.0] - centre[Slot.fraction + $0.1] }
        func product(_ p: (Int, Int), _ q: (Int, Int)) -> Double {
            covariance[p.0][q.0] - covariance[p.0][q.1] - covariance[p.1][q.0] + covariance[p.1][q.1]
        }
        /// Multipliers with some constraints active; nil where another is violated or a multiplier negative.
        func multipliers(_ active: [Int]) -> [Double]? {
            var mu = [Double](repeating: 0, count: n - 1)
            if active.count == 1 {
                mu[active[0]] = -gaps[active[0]] / product(pairs[active[0]], pairs[active[0]])
            } else {
                let a = product(pairs[0], pairs[0]), b = product(pairs[0], pairs[1]), c = product(pairs[1], pairs[1]), det = a * c - b * b
                guard det > 1e-12 * a * c else { return nil }
                mu[0] = (-gaps[0] * c + gaps[1] * b) / det
                mu[1] = (-gaps[1] * a + gaps[0] * b) / det
            }
            for k in mu.indices {
                let reached = gaps[k] + mu.indices.reduce(0) { $0 + mu[$1] * product(pairs[k], pairs[$1]) }
                if mu[k] < 0 || reached < -1e-9 { return nil }
            }
            return mu
        }
        guard let mu = [[0], [1], [0, 1]].filter({ $0.allSatisfy { $0 < n - 1 } }).lazy.compactMap(multipliers).first else { return nil }
        let drop = -0.5 * mu.indices.reduce(0) { $0 + mu[$1] * gaps[$1] }
        guard drop <= reach else { return nil }
        var u = [Double](repeating: 0, count: d)
        for k in mu.indices { for j in 0..<d { u[j] += mu[k] * (covariance[pairs[k].0][j] - covariance[pairs[k].1][j]) } }
        for j in 0..<2 * n where abs(u[geometry.tangentIndex + j]) > 1 { return nil }

        var precision = [Double](repeating: 0, count: d * d)
        for j in 0..<d { for k in 0...j { for l in 0...k { precision[j * d + k] += factor[j * d + l] * factor[k * d + l] } } }
        for j in 0..<d { for k in 0..<j { precision[k * d + j] = precision[j * d + k] } }
        for k in mu.indices where mu[k] > 0 {
            let (a, b) = pairs[k], square = mu[k] * mu[k]
            precision[a * d + a] += square
            precision[b * d + b] += square
            precision[a * d + b] -= square
            precision[b * d + a] -= square
        }
        var moved = [Double](repeating: 0, count: Slot.count), old = [Double](repeating: 0, count: 6 * n), tangents = old
        for k in old.indices { old[k] = Double(block[PK_COMPONENT_TANGENTS + k]) }
        geometry.move(centre, old, by: u, into: &moved)
        // Old place of each coordinate of the new order.
        var place = Array(0..<d), theta = moved
        for k in 0..<n {
            let from = order[k]
            place[k] = from
            place[geometry.tangentIndex + 2 * k] = geometry.tangentIndex + 2 * from
            place[geometry.tangentIndex + 2 * k + 1] = geometry.tangentIndex + 2 * from + 1
            theta[Slot.fraction + k] = moved[Slot.fraction + from]
            for c in 0..<3 { theta[Slot.axis + 3 * k + c] = moved[Slot.axis + 3 * from + c] }
            // The old tangents, brought into the new plane.
            let a = Slot.axis + 3 * from, v = SIMD3(moved[a], moved[a + 1], moved[a + 2])
            var e = SIMD3(old[6 * from], old[6 * from + 1], old[6 * from + 2])
            e -= (e * v).sum() * v
            e /= (e * e).sum().squareRoot()
            let f = SIMD3(v.y * e.z - v.z * e.y, v.z * e.x - v.x * e.z, v.x * e.y - v.y * e.x)
            for c in 0..<3 { tangents[6 * k + c] = e[c]; tangents[6 * k + 3 + c] = f[c] }
        }
        var permuted = precision
        for j in 0..<d { for k in 0..<d { permuted[j * d + k] = precision[place[j] * d + place[k]] } }
        return ProposalComponent(geometry, centre: theta, tangents: tangents, precision: permuted, logDensity: logDensity - drop)
    }
}
