import Inference
import ModelSpace

/// Draws of a posterior that stand beside the truth on equal terms: L of them, exchangeable with it when the posterior
/// is exact.
///
/// Systematic resampling would spread draws over the structures more evenly than chance does, and ranks would then not
/// be quite uniform. So structures are drawn independently, z ~ p(z | y, λ), and each takes one of its draws that is
/// not taken yet.
struct ExchangeableDraws {
    /// Indices into the posterior's draws.
    var indices: [Int] = []
    /// How many of them had to be taken twice, their structure having no more.
    var repeated = 0

    /// - Parameters:
    ///   - probability: p(z | y, λ), Z values; structures without draws are left out and the rest made to sum to 1.
    init(_ posterior: VoxelPosterior, probability: [Double], count: Int, using random: inout RandomSource) {
        var pools = Self.pools(posterior, structureCount: probability.count)
        let usable = probability.indices.map { pools[$0].isEmpty ? 0 : probability[$0] }, total = usable.reduce(0, +)
        var used = Array(repeating: 0, count: pools.count)
        guard let fallback = pools.indices.last(where: { !pools[$0].isEmpty }) else { return }
        for _ in 0..<count {
            var u = random.uniform() * total, z = fallback
            for (candidate, p) in usable.enumerated() where p > 0 {
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

    private static func pools(_ posterior: VoxelPosterior, structureCount: Int) -> [[Int]] {
        var pools = [[Int]](repeating: [], count: structureCount)
        for (d, z) in posterior.structures.enumerated() { pools[z].append(d) }
        return pools
    }
}
