import Diffusion

/// Gives the fibres of one voxel's draws names that last: a chain's second and third fibre exchange roles now and then.
///
/// Each fibre of a draw is the tensor f μμᵀ; each draw's fibres are permuted so that Σ over draws and k of ‖f_k μ_k
/// μ_kᵀ − mean_k‖² is least, means and permutations updated in turn (k-means with one member a draw), ten times at
/// most. Then fibres are ordered by falling mean fraction. Deterministic.
enum FibreLabels {
    private typealias Slot = BallSticks.Slot
    private static let permutations = [[0, 1, 2], [1, 0, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0], [2, 0, 1]]

    /// Six elements of a symmetric tensor, off-diagonals times √2 so that the dot product is Frobenius's; two lanes
    /// unused.
    private typealias Tensor = SIMD8<Double>

    /// - Parameter theta: S × P draws, reordered in place.
    static func unify(_ theta: UnsafeMutablePointer<Double>, draws: Int, fibres: Int) {
        guard fibres > 1, draws > 0 else { return }
        var means = [Tensor](repeating: .zero, count: 3)
        let allowed = permutations.filter { fibres == 3 || $0[2] == 2 }
        for round in 0..<10 {
            means = (0..<3).map { k in
                var sum = Tensor.zero
                for i in 0..<draws { sum += tensor(theta + i * Slot.count, k) }
                return sum / Double(draws)
            }
            var changed = false
            for i in 0..<draws {
                let row = theta + i * Slot.count, own = (0..<3).map { tensor(row, $0) }
                var best = 0, bestScore = -Double.infinity
                for (p, order) in allowed.enumerated() {
                    var score = 0.0
                    for k in 0..<fibres { score += (own[order[k]] * means[k]).sum() }
                    if score > bestScore * (1 + 1e-12) + 1e-300 { best = p; bestScore = score }
                }
                if best > 0 { permute(row, allowed[best]); changed = true }
            }
            if !changed && round > 0 { break }
        }
        let fractions = (0..<3).map { k in (0..<draws).reduce(0) { $0 + theta[$1 * Slot.count + Slot.fraction + k] } }
        let order = (0..<3).sorted { fractions[$0] != fractions[$1] ? fractions[$0] > fractions[$1] : $0 < $1 }
        if order != [0, 1, 2] { for i in 0..<draws { permute(theta + i * Slot.count, order) } }
    }

    private static func tensor(_ row: UnsafePointer<Double>, _ k: Int) -> Tensor {
        let f = row[Slot.fraction + k], a = row + Slot.axis + 3 * k, off = 2.0.squareRoot()
        return f
            * Tensor(
                a[0] * a[0], a[1] * a[1], a[2] * a[2], off * a[0] * a[1], off * a[0] * a[2], off * a[1] * a[2], 0, 0)
    }

    /// Fibre k becomes what fibre order[k] was.
    private static func permute(_ row: UnsafeMutablePointer<Double>, _ order: [Int]) {
        let old = (0..<Slot.count).map { row[$0] }
        for (k, from) in order.enumerated() {
            row[Slot.fraction + k] = old[Slot.fraction + from]
            for c in 0..<3 { row[Slot.axis + 3 * k + c] = old[Slot.axis + 3 * from + c] }
        }
    }
}
