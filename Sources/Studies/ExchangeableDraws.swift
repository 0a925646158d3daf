import Inference
import ModelSpace

/// Draws of a posterior that stand beside the truth on equal terms: L of them, exchangeable with it when the posterior
/// is exact.
///
/// Systematic resampling would spread draws over the structures more evenly than chance does, and ranks would then not
/// be quite uniform. So structures are drawn independently, each by what its draws count together, and each takes one
/// of its draws that is not taken yet. Of hundreds of structures too unlikely for a draw each, those that have one
/// stand for the others (`DrawWeights`): by their own probabilities alone the likely ones would be drawn too often.
struct ExchangeableDraws {
    /// Indices into the posterior's draws.
    var indices: [Int] = []
    /// How many of them had to be taken twice, their structure having no more.
    var repeated = 0

    /// - Parameter weights: for what each draw counts at λ, the same for all of a structure.
    init(_ posterior: VoxelPosterior, weights: [Float], count: Int, using random: inout RandomSource) {
        var pools = Self.pools(posterior)
        let shares = pools.map { $0.reduce(0) { $0 + Double(weights[$1]) } }, total = shares.reduce(0, +)
        var used = Array(repeating: 0, count: pools.count)
        guard let fallback = pools.indices.last(where: { !pools[$0].isEmpty }) else { return }
        for _ in 0..<count {
            var u = random.uniform() * total, z = fallback
            for (candidate, p) in shares.enumerated() where p > 0 {
                u -= p
                if u <= 0 { z = candidate; break }
            }
            let n = pools[z].count
            if used[z] < n {
                pools[z].swapAt(used[z], used[z] + random.index(below: n - used[z]))
                indices.append(pools[z][used[z]])
            } else {
                repeated += 1
                indices.append(pools[z][random.index(below: n)])
            }
            used[z] += 1
        }
    }

    /// `count` different draws of one structure, or nil when the posterior holds fewer.
    static func of(structure z: Int, _ posterior: VoxelPosterior, count: Int, using random: inout RandomSource)
        -> [Int]?
    {
        var pool = posterior.structures.indices.filter { posterior.structures[$0] == z }
        guard pool.count >= count else { return nil }
        for i in 0..<count { pool.swapAt(i, i + random.index(below: pool.count - i)) }
        return Array(pool[0..<count])
    }

    private static func pools(_ posterior: VoxelPosterior) -> [[Int]] {
        var pools = [[Int]](repeating: [], count: posterior.listed.count)
        for (d, z) in posterior.structures.enumerated() { pools[z].append(d) }
        return pools
    }
}
