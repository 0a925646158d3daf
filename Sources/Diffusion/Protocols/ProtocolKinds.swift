import Foundation
import ModelSpace

/// The kinds of acquisition of a `ProtocolMixture`.
extension ProtocolMixture {
    func logUniform(_ low: Double, _ high: Double, _ random: inout RandomSource) -> Double {
        exp(random.uniform(log(low), log(high)))
    }

    /// A log-uniform count.
    func count(_ low: Int, _ high: Int, _ random: inout RandomSource) -> Int {
        min(high, Int(logUniform(Double(low), Double(high) + 1, &random)))
    }

    /// A b-value as people type it: rounded to 100 or 50 half of the time.
    func tidy(_ b: Double, _ random: inout RandomSource) -> Double {
        let u = random.uniform()
        let value = u < 0.3 ? (b / 100).rounded() * 100 : u < 0.5 ? (b / 50).rounded() * 50 : b
        return max(smallestB, min(largestB, value))
    }

    /// n directions: a rotated half-sphere lattice with jitter (relaxed when n ≤ 40), sometimes plainly random; signs
    /// as they come, or at random.
    func set(_ n: Int, _ random: inout RandomSource) -> [SIMD3<Double>] {
        var directions: [SIMD3<Double>]
        if random.uniform() < 0.06 {
            directions = (0..<n).map { _ in DirectionSets.uniform(using: &random) }
        } else {
            let turn = DirectionSets.rotation(using: &random)
            let spread = random.uniform(0, 0.4) * (2 * Double.pi / Double(n)).squareRoot()
            directions = DirectionSets.fibonacci(n).map { v in
                let shift = spread * SIMD3(random.normal(), random.normal(), random.normal())
                return DirectionSets.unit(DirectionSets.rotate(v + shift, by: turn))
            }
            if n <= 40 { DirectionSets.repel(&directions, steps: n <= 20 ? 20 : 10) }
        }
        if random.uniform() < 0.7 { for i in 0..<n where random.uniform() < 0.5 { directions[i] = -directions[i] } }
        return directions
    }

    /// Directions for shells of given sizes: independent sets, one common set, or one big set dealt out at random.
    private func sets(_ sizes: [Int], _ random: inout RandomSource) -> [[SIMD3<Double>]] {
        let u = random.uniform()
        if u < 0.35 { return sizes.map { set($0, &random) } }
        if u < 0.6 {
            let common = set(sizes.max()!, &random)
            return sizes.map { n in n == common.count ? common : shuffled(common, &random).prefix(n).map { $0 } }
        }
        let all = shuffled(set(sizes.reduce(0, +), &random), &random)
        var start = 0
        return sizes.map { n in
            defer { start += n }; return Array(all[start..<start + n])
        }
    }

    private func shuffled(_ list: [SIMD3<Double>], _ random: inout RandomSource) -> [SIMD3<Double>] {
        var list = list
        for i in stride(from: list.count - 1, to: 0, by: -1) { list.swapAt(i, random.index(below: i + 1)) }
        return list
    }

    private func assemble(_ levels: [Double], _ sizes: [Int], _ random: inout RandomSource) -> [Shell] {
        zip(levels, sets(sizes, &random)).map { Shell(b: $0, directions: $1) }
    }

    /// 2–5 shells at least 250 apart, sizes equal or growing with b.
    func drawShells(_ random: inout RandomSource) -> [Shell] {
        let u = random.uniform()
        var n = u < 0.42 ? 2 : u < 0.78 ? 3 : u < 0.92 ? 4 : 5, tries = 0
        var levels: [Double] = []
        while levels.count < n {
            // A narrow range of b may have no room for so many.
            tries += 1
            if tries > 2000 { (levels, n, tries) = ([], n - 1, 0) }
            let v = random.uniform()
            let b = tidy(
                v < 0.3
                    ? random.uniform(500, 1300)
                    : v < 0.85 ? random.uniform(1000, 3300) : logUniform(smallestB, largestB, &random), &random)
            if levels.allSatisfy({ abs($0 - b) >= 250 }) { levels.append(b) }
        }
        levels.sort()
        let total = Double(count(20, 300, &random)), slope = random.uniform() < 0.4 ? 0 : random.uniform(0, 1.5)
        var weights = levels.map { pow($0, slope) * exp(0.25 * random.normal()) }
        if slope == 0 { weights = levels.map { _ in 1 } }
        let sum = weights.reduce(0, +)
        return assemble(levels, weights.map { max(3, Int((total * $0 / sum).rounded())) }, &random)
    }

    /// Protocols that many studies share, with their own numbers of b≈0 volumes.
    func drawKnown(_ random: inout RandomSource, unweighted n0: inout Int) -> [Shell] {
        let table: [(b: [Double], n: [Int], unweighted: Int)] = [
            ([500, 1000, 2000, 3000], [6, 15, 15, 60], 7),  // ABCD
            ([1000, 2000, 3000], [90, 90, 90], 18),  // HCP
            ([1000, 2000], [64, 64], 15),  // HCP 7 T
            ([1500, 3000], [93, 92], 14),  // HCP Lifespan
            ([1000, 2000], [50, 50], 5),  // UK Biobank
            ([1000, 2000, 3000], [30, 30, 30], 9),
            ([1000, 2000, 3000], [20, 32, 60], 8),
            ([1000, 2000, 4000], [60, 60, 60], 6),
            ([700, 1200, 2800], [16, 30, 50], 8),
            ([700, 2000], [30, 60], 8),  // NODDI
            ([1200, 2500], [32, 61], 12),
            ([500, 1000, 2000, 3000], [10, 10, 10, 10], 5),
            ([1000], [64], 1),
            ([1000], [64], 7),
            ([3000], [60], 6),
        ]
        let choice = table[random.index(below: table.count)]
        if random.uniform() < 0.7 { n0 = min(choice.unweighted, largestUnweightedCount) }
        return assemble(choice.b.map { max(smallestB, min(largestB, $0)) }, choice.n, &random)
    }

    /// A Cartesian grid: lattice points in a ball (or half of it, or a random part), b ∝ |q|².
    func drawGrid(_ random: inout RandomSource) -> ([Double], [SIMD3<Double>]) {
        let radius2 = [9, 13, 16, 25, 25][random.index(below: 5)], top = random.uniform(4000, largestGridB)
        let half = random.uniform() < 0.7, keep = half && random.uniform() < 0.5 ? random.uniform(0.3, 0.9) : 1
        let reach = Int(Double(radius2).squareRoot())
        let turn = random.uniform() < 0.5 ? DirectionSets.rotation(using: &random) : [1, 0, 0, 0, 1, 0, 0, 0, 1]
        var b: [Double] = [], g: [SIMD3<Double>] = []
        for x in -reach...reach {
            for y in -reach...reach {
                for z in -reach...reach {
                    let q2 = x * x + y * y + z * z
                    guard q2 > 0, q2 <= radius2 else { continue }
                    if half && (x < 0 || x == 0 && (y < 0 || y == 0 && z < 0)) { continue }
                    if keep < 1 && random.uniform() > keep { continue }
                    let level = top * Double(q2) / Double(radius2)
                    guard level > 1.2 * Acquisition.defaultThreshold else { continue }
                    b.append(level)
                    g.append(DirectionSets.rotate(DirectionSets.unit(SIMD3(Double(x), Double(y), Double(z))), by: turn))
                }
            }
        }
        return (b, g)
    }
}
