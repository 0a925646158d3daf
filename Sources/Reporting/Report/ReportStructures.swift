import Foundation
import Inference
import Parallel

/// The structures of a fit as the report shows them: variants that differ in their noise alone are one, and of families
/// with too many structures for a row each all with the same number of fibres and of parameters.
struct ReportStructures: Sendable {
    struct Group: Equatable, Sendable {
        var fibreCount: Int, hasSpread: Bool, parameterCount: Int

        var name: String {
            let fibres = fibreCount == 0 ? "no fibre" : fibreCount == 1 ? "1 fibre" : "\(fibreCount) fibres"
            return hasSpread ? fibres + ", distributed diffusivity" : fibres
        }
    }

    let groups: [Group]
    /// Which group each structure of the fit belongs to.
    let membership: [Int]

    /// - Parameter isWhole: whether the table has a row for each structure.
    init(_ table: StructureTable, isWhole: Bool = true) {
        var groups: [Group] = []
        membership = table.rows.map { row in
            let group = Group(
                fibreCount: row.fibreCount, hasSpread: isWhole && row.hasSpread, parameterCount: row.parameterCount)
            if let known = groups.firstIndex(of: group) { return known }
            groups.append(group)
            return groups.count - 1
        }
        self.groups = groups
    }

    /// Log-probabilities are stored as whole multiples of this below the voxel's largest, as 16-bit numbers: an error
    /// of at most half of it.
    static let logStep = 1.0 / 1024

    /// V × G probabilities at the summary's λ, voxel after voxel.
    func probabilities(_ summary: PosteriorSummary) -> [Float] {
        var result = [Float](repeating: 0, count: summary.count * groups.count)
        for (z, group) in membership.enumerated() {
            for (v, p) in summary.column(.structure(z)).enumerated() { result[v * groups.count + group] += p }
        }
        return result
    }

    /// The codes of one voxel's G probabilities; what is smaller than e⁻⁶⁴ of the largest counts as that small.
    static func encode(_ probabilities: ArraySlice<Float>) -> [UInt16] {
        let peak = log(Double(max(probabilities.max() ?? 1, .leastNormalMagnitude)))
        return probabilities.map { p in
            let below = p > 0 ? (peak - log(Double(p))) / logStep : .infinity
            return UInt16(min(65535, max(0, below.rounded())))
        }
    }

    /// The same in less than a byte, for scans of many voxels, at a λ in the middle of what is asked for: x below the
    /// largest is stored as asinh(x/2) in steps of 1/20, to within 0.05 for small x and 2.5 % of large ones. What has
    /// less than 0.4 % at every λ from 0 to 3 counts as nothing.
    func encodeShort(_ probabilities: ArraySlice<Float>, at lambda: Double) -> [UInt8] {
        let logs = zip(probabilities, groups).map { p, group in
            p > 0 ? log(Double(p)) - (Self.shortReference - lambda) * Double(group.parameterCount) : -.infinity
        }
        let peak = logs.max() ?? 0
        guard peak.isFinite else { return logs.map { _ in 0 } }
        var largest = [Double](repeating: 0, count: logs.count), weights = largest
        for node in [0, 0.5, 1, 1.5, 2, 2.5, 3] {
            for z in logs.indices {
                weights[z] = exp(logs[z] - peak - (node - Self.shortReference) * Double(groups[z].parameterCount))
            }
            let sum = weights.reduce(0, +)
            for z in logs.indices { largest[z] = max(largest[z], weights[z] / sum) }
        }
        return logs.indices.map { z in
            largest[z] < 0.004 ? 255 : UInt8(min(254, (asinh((peak - logs[z]) / 2) * Self.shortScale).rounded()))
        }
    }

    static let shortScale = 20.0, shortReference = 1.5

    /// What the whole fit looks like at one λ.
    struct AtLambda: Sendable {
        var lambda: Double
        /// G: mean probability, and share of voxels in which the group is the most probable.
        var mean: [Double], called: [Double]
        /// 0…K: share of voxels in which that number of fibres is the most probable (the smaller on a tie).
        var calledFibres: [Double]
        /// Posterior mean of k(z), averaged over voxels.
        var parameters: Double
    }

    /// The whole fit at many λ: p(z|λ′) ∝ p(z|λ) exp(−(λ′ − λ) k(z)).
    func sweep(_ probabilities: [Float], fitted: [Int], at lambda: Double, over nodes: [Double], threads: Int)
        -> [AtLambda]
    {
        let g = groups.count, k = groups.map { Double($0.parameterCount) }, fibres = groups.map(\.fibreCount),
            block = 4096
        let blocks = max(1, (fitted.count + block - 1) / block), width = 2 * g + DrawColumn.fibreCount + 1
        var partial = [Double](repeating: 0, count: blocks * nodes.count * width)
        partial.withUnsafeMutableBufferPointer { buffer in
            nonisolated(unsafe) let sums = buffer.baseAddress!
            try! forEachInParallel(blocks, threads: threads) { b in
                var p = [Double](repeating: 0, count: g),
                    byCount = [Double](repeating: 0, count: DrawColumn.fibreCount + 1)
                for (n, node) in nodes.enumerated() {
                    let factor = k.map { exp(-(node - lambda) * $0) }, sum = sums + (b * nodes.count + n) * width
                    for v in fitted[(b * block)..<min(fitted.count, (b + 1) * block)] {
                        var total = 0.0, best = 0
                        for i in 0..<g {
                            p[i] = Double(probabilities[v * g + i]) * factor[i]
                            total += p[i]
                            if p[i] > p[best] { best = i }
                        }
                        guard total > 0 else { continue }
                        for i in byCount.indices { byCount[i] = 0 }
                        for i in 0..<g {
                            sum[i] += p[i] / total
                            byCount[fibres[i]] += p[i]
                        }
                        sum[g + best] += 1
                        sum[
                            2 * g + byCount.indices.max {
                                byCount[$0] < byCount[$1] || (byCount[$0] == byCount[$1] && $0 > $1)
                            }!] += 1
                    }
                }
            }
        }
        return nodes.enumerated().map { n, node in
            let total = (0..<width).map { c in
                (0..<blocks).reduce(0) { $0 + partial[($1 * nodes.count + n) * width + c] }
                    / Double(max(1, fitted.count))
            }
            let mean = Array(total[0..<g])
            return AtLambda(
                lambda: node, mean: mean, called: Array(total[g..<(2 * g)]), calledFibres: Array(total[(2 * g)...]),
                parameters: zip(mean, k).reduce(0) { $0 + $1.0 * $1.1 })
        }
    }
}
