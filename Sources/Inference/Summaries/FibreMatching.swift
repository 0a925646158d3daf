import Diffusion
import Foundation

/// Finds the fibres of a voxel in its draws, so that fibre k is the same fibre in every draw.
///
/// Sticks sorted by fraction exchange places from draw to draw whenever fractions are alike. Here each of K = 3 fibres
/// has an axis m, a concentration κ, an occupancy π and a mean fraction f̄, and a draw's sticks are given to distinct
/// fibres so as to maximise
///
///     Σ over its sticks of  log π/(1−π) + log(1+2κ) + κ((μ·m)² − 1) − (f − f̄)²/2s²,      s = 0.15
///
/// (a Watson density with its normaliser to leading order; axes, not arrows). Assignments and fibres are updated in
/// turn, ten times at most, from the draw that agrees best with the others; then two fibres that never occur together
/// are joined if one explains them as well. Occupancies keep a rare third stick from splitting a fibre that most draws
/// have whole; the cap on κ keeps draws with fewer sticks, whose directions are compromises, with the fibre that they
/// stand for. The fibres found are ordered by falling mean fraction (absent = 0). Deterministic.
public struct FibreMatcher {
    private static let slots = DrawColumn.fibreCount
    private static let fractionPrecision: Float = 1 / (2 * 0.15 * 0.15)
    private static let largestConcentration: Float = 100

    /// The state of the K fibres, one lane each.
    private struct Fibres {
        var x = SIMD4<Float>(), y = SIMD4<Float>(), z = SIMD4<Float>()
        var concentration = SIMD4<Float>()
        var fraction = SIMD4<Float>(repeating: 0.1)
        /// log π/(1−π) + log(1+2κ) − κ
        var offset = SIMD4<Float>()
        /// log(1−π)
        var absence = SIMD4<Float>()

        mutating func setOffset(_ k: Int, occupancy: Float) {
            absence[k] = log(1 - occupancy)
            offset[k] = log(occupancy / (1 - occupancy)) + log(1 + 2 * concentration[k]) - concentration[k]
        }
    }

    /// The present sticks of one draw.
    private struct Sticks {
        var count = 0
        /// Column indices of the sticks in the draw (the first `count` count).
        var index = SIMD4<UInt8>(repeating: 3)
        var weight: Float = 0
    }

    private var sticks: [Sticks] = []
    private var codes: [FibreAssignment] = []

    public init() {}

    /// Matches the draws of one voxel.
    /// - Parameters:
    ///   - draws: S × P values, `DrawColumn` order.
    ///   - weights: S values ≥ 0.
    ///   - assignments: receives S assignments.
    public mutating func match(
        _ draws: UnsafePointer<Float>, weights: UnsafePointer<Float>, count s: Int,
        into assignments: UnsafeMutablePointer<FibreAssignment>
    ) {
        let total = (0..<s).reduce(Float(0)) { $0 + weights[$1] }
        let scale = total > 0 ? Float(s) / total : 0
        var tail = SIMD4<Float>()  // draws with at least 1, 2, 3 sticks, as a share
        sticks.removeAll(keepingCapacity: true)
        for i in 0..<s {
            var entry = Sticks()
            entry.weight = weights[i] * scale
            for j in 0..<Self.slots where draws[i * DrawColumn.count + DrawColumn.fraction + j] > 0 {
                entry.index[entry.count] = UInt8(j)
                tail[entry.count] += entry.weight / Float(s)
                entry.count += 1
            }
            sticks.append(entry)
            assignments[i] = .none
        }
        let started = sticks.map(\.count).max() ?? 0
        guard started > 0 else { return }
        var initial = 1
        while initial < started && tail[initial] >= 0.1 { initial += 1 }
        var fibres = medoid(draws, sticksPerDraw: initial, tail: tail)
        for round in 0..<10 {
            var changed = false
            for i in 0..<s where sticks[i].count > 0 {
                let best = assign(draws + i * DrawColumn.count, sticks[i], fibres).assignment
                if best != assignments[i] { assignments[i] = best; changed = true }
            }
            if !changed && round > 0 { break }
            fibres = update(draws, assignments)
        }
        merge(draws, assignments, fibres)
        order(draws, assignments)
    }

    /// The best assignment of a draw's sticks to distinct fibres, and its score.
    @inline(__always)
    private func assign(_ draw: UnsafePointer<Float>, _ sticks: Sticks, _ fibres: Fibres) -> (
        assignment: FibreAssignment, score: Float
    ) {
        @inline(__always) func scores(_ position: Int) -> SIMD4<Float> {
            let j = Int(sticks.index[position])
            let mu = draw + DrawColumn.direction + 3 * j
            let dot = fibres.x * mu[0] + fibres.y * mu[1] + fibres.z * mu[2]
            let off = fibres.fraction - draw[DrawColumn.fraction + j]
            return fibres.offset + fibres.concentration * (dot * dot) - off * off * Self.fractionPrecision
        }
        var result = FibreAssignment.none
        var best = -Float.infinity
        let a = scores(0)
        if sticks.count == 1 {
            var slot = 0
            for k in 0..<3 where a[k] > best { best = a[k]; slot = k }
            result.set(slot, Int(sticks.index[0]))
            return (result, best)
        }
        let b = scores(1), c = sticks.count == 3 ? scores(2) : SIMD4<Float>()
        var first = 0, second = 1
        for i in 0..<3 {
            for j in 0..<3 where j != i {
                let score = a[i] + b[j] + c[3 - i - j]
                if score > best { best = score; first = i; second = j }
            }
        }
        result.set(first, Int(sticks.index[0]))
        result.set(second, Int(sticks.index[1]))
        if sticks.count == 3 { result.set(3 - first - second, Int(sticks.index[2])) }
        return (result, best)
    }

    /// Fibres as in the one draw, of up to six with the given number of sticks, with which all draws agree best.
    private func medoid(_ draws: UnsafePointer<Float>, sticksPerDraw n: Int, tail: SIMD4<Float>) -> Fibres {
        let candidates = sticks.indices.filter { sticks[$0].count == n }
        let stride = max(1, candidates.count / 6)
        var best = Fibres(), bestScore = -Float.infinity
        for c in Swift.stride(from: 0, to: candidates.count, by: stride).prefix(6) {
            let draw = draws + candidates[c] * DrawColumn.count
            var fibres = Fibres()
            for k in 0..<Self.slots {
                if k < n {
                    let j = Int(sticks[candidates[c]].index[k])
                    let mu = draw + DrawColumn.direction + 3 * j
                    (fibres.x[k], fibres.y[k], fibres.z[k]) = (mu[0], mu[1], mu[2])
                    fibres.concentration[k] = 20
                    fibres.fraction[k] = draw[DrawColumn.fraction + j]
                }
                fibres.setOffset(k, occupancy: min(max(tail[k], 0.02), 0.98))
            }
            var score: Float = 0
            for i in sticks.indices where sticks[i].count > 0 && sticks[i].weight > 0 {
                score += sticks[i].weight * assign(draws + i * DrawColumn.count, sticks[i], fibres).score
            }
            if score > bestScore { (best, bestScore) = (fibres, score) }
        }
        return best
    }

    /// Axis, concentration, occupancy and mean fraction of each fibre from the sticks given to it.
    private func update(_ draws: UnsafePointer<Float>, _ assignments: UnsafePointer<FibreAssignment>) -> Fibres {
        var fibres = Fibres()
        let total = Float(sticks.count)
        for k in 0..<Self.slots {
            var dyad = SymmetricMatrix3()
            var weight: Float = 0, fraction: Float = 0
            for i in sticks.indices {
                guard let j = assignments[i].stick(k) else { continue }
                let draw = draws + i * DrawColumn.count, mu = draw + DrawColumn.direction + 3 * j
                dyad.add(SIMD3(Double(mu[0]), Double(mu[1]), Double(mu[2])), weight: Double(sticks[i].weight))
                weight += sticks[i].weight
                fraction += sticks[i].weight * draw[DrawColumn.fraction + j]
            }
            if weight > 0 {
                let (value, axis) = dyad.largest()
                (fibres.x[k], fibres.y[k], fibres.z[k]) = (Float(axis.x), Float(axis.y), Float(axis.z))
                // ⟨sin²⟩ with one imaginary stick of unknown direction among them; ≈ 1/κ when small, 2/3 when κ = 0.
                let spread = (max(0, weight - Float(value)) + 2 / 3) / (weight + 1)
                fibres.concentration[k] = min(Self.largestConcentration, max(0, 1 / spread - 1.5))
                fibres.fraction[k] = fraction / weight
            }
            fibres.setOffset(k, occupancy: (weight + 0.5) / (total + 1))
        }
        return fibres
    }

    /// Joins two fibres that no draw has both of, where one broad fibre explains their sticks nearly as well as two
    /// narrow ones: at a loss of no more than ½ · 4 · log S nats for the four parameters saved (Schwarz's criterion).
    private func merge(
        _ draws: UnsafePointer<Float>, _ assignments: UnsafeMutablePointer<FibreAssignment>, _ fibres: Fibres
    ) {
        var joined = [FibreAssignment](repeating: .none, count: sticks.count)
        for a in 0..<Self.slots {
            for b in 0..<a {
                var together: Float = 0, onlyA: Float = 0, onlyB: Float = 0
                for i in sticks.indices {
                    let hasA = assignments[i].stick(a) != nil, hasB = assignments[i].stick(b) != nil
                    if hasA && hasB { together += sticks[i].weight }
                    if hasA && !hasB { onlyA += sticks[i].weight }
                    if hasB && !hasA { onlyB += sticks[i].weight }
                }
                guard together == 0, onlyA > 0, onlyB > 0 else { continue }
                for i in sticks.indices {
                    joined[i] = assignments[i]
                    if let j = joined[i].stick(a) {
                        joined[i].set(a, 3)
                        joined[i].set(b, j)
                    }
                }
                let penalty = 2 * log(Float(sticks.count))
                guard objective(draws, joined, update(draws, joined)) + penalty >= objective(draws, assignments, fibres)
                else { continue }
                for i in sticks.indices { assignments[i] = joined[i] }
                return
            }
        }
    }

    /// The log-likelihood of the sticks under the fibres, with given assignments and up to a constant.
    private func objective(
        _ draws: UnsafePointer<Float>, _ assignments: UnsafePointer<FibreAssignment>, _ fibres: Fibres
    ) -> Float {
        var total: Float = 0
        for i in sticks.indices {
            var score = fibres.absence[0] + fibres.absence[1] + fibres.absence[2]
            for k in 0..<Self.slots {
                guard let j = assignments[i].stick(k) else { continue }
                let f = i * DrawColumn.count + DrawColumn.fraction + j,
                    mu = i * DrawColumn.count + DrawColumn.direction + 3 * j
                let dot = fibres.x[k] * draws[mu] + fibres.y[k] * draws[mu + 1] + fibres.z[k] * draws[mu + 2]
                let off = fibres.fraction[k] - draws[f]
                score += fibres.offset[k] + fibres.concentration[k] * (dot * dot) - off * off * Self.fractionPrecision
            }
            total += sticks[i].weight * score
        }
        return total
    }

    /// Renames fibres so that the mean fraction falls.
    private func order(_ draws: UnsafePointer<Float>, _ assignments: UnsafeMutablePointer<FibreAssignment>) {
        var mean = SIMD4<Float>()
        for i in sticks.indices {
            for k in 0..<Self.slots {
                if let j = assignments[i].stick(k) {
                    mean[k] += sticks[i].weight * draws[i * DrawColumn.count + DrawColumn.fraction + j]
                }
            }
        }
        let order = (0..<Self.slots).sorted { mean[$0] != mean[$1] ? mean[$0] > mean[$1] : $0 < $1 }
        guard order != [0, 1, 2] else { return }
        for i in sticks.indices {
            var renamed = FibreAssignment.none
            for k in 0..<Self.slots { renamed.set(k, assignments[i].stick(order[k]) ?? 3) }
            assignments[i] = renamed
        }
    }
}
