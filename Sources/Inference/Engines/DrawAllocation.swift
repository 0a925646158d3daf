import Foundation
import ModelSpace

/// How many draws a voxel keeps, and of which structures.
///
/// A structure can expect
///
///     E[n_z] = D · s_z / Σ s,   s_z = p(z|λ) + ½ max over λ′ in [0, 3] of p(z|λ′)
///
/// draws, the λ′ a quarter apart: most where λ says, and some for those that matter at another λ only. n_z is one of
/// the two whole numbers beside that, by systematic sampling: of many structures too unlikely for a draw each, some
/// get one, in proportion, and stand for the others. They are gone through by their number of fibres, so that of each
/// number there are as many draws as it should have, less or more than one.
public enum DrawAllocation {
    /// λ at which a finished fit may be read again.
    public static let range = 0.0...3.0
    private static let grid = Array(stride(from: range.lowerBound, through: range.upperBound, by: 0.25))

    /// D for S requested draws: room for structures that matter at other λ only.
    public static func total(samples: Int) -> Int { samples + (samples * 28 + 99) / 100 }

    /// E[n_z] of each structure; 0 of those whose probability is.
    /// - Parameters:
    ///   - logProbability: of a family's structures, or of those that a voxel lists, at λ = `reference`; need not be
    ///   normalised. Where none has any, all count alike.
    ///   - parameterCounts: k(z) of each.
    ///   - lambda: λ that most draws are for.
    ///   - total: D.
    static func expected(
        _ logProbability: [Double], parameterCounts: [Int], reference: Double = 0, lambda: Double, total: Int
    ) -> [Double] {
        let peak = logProbability.max() ?? 0
        guard peak.isFinite else {
            let n = logProbability.count
            return Array(repeating: Double(total) / Double(n), count: n)
        }
        // Whatever λ is, structures of as many parameters are to each other as they were: their mass at λ = 0, by
        // count, says all.
        let most = parameterCounts.max()!,
            zero = logProbability.indices.map {
                logProbability[$0] - peak + reference * Double(parameterCounts[$0])
            }
        var peaks = [Double](repeating: -.infinity, count: most + 1), masses = [Double](repeating: 0, count: most + 1)
        for (l, k) in zip(zero, parameterCounts) { peaks[k] = max(peaks[k], l) }
        let part = zip(zero, parameterCounts).map { l, k in l > -.infinity ? exp(l - peaks[k]) : 0 }
        for (x, k) in zip(part, parameterCounts) { masses[k] += x }
        /// p(all of k parameters | λ) / `masses`[k].
        func scale(_ lambda: Double) -> [Double] {
            let logs = peaks.indices.map { peaks[$0] - lambda * Double($0) }, top = logs.max()!
            let whole = zip(logs, masses).reduce(0) { $0 + ($1.1 > 0 ? exp($1.0 - top) * $1.1 : 0) }
            return logs.map { exp($0 - top) / whole }
        }
        var best = [Double](repeating: 0, count: most + 1)
        for other in Self.grid { for (k, x) in scale(other).enumerated() { best[k] = max(best[k], x) } }
        let each = zip(scale(lambda), best).map { $0 + 0.5 * $1 }
        let sum = zip(each, masses).reduce(0) { $0 + $1.0 * $1.1 }
        return zip(part, parameterCounts).map { x, k in x * each[k] / sum * Double(total) }
    }

    /// n_z with Σ n_z = D.
    /// - Parameters:
    ///   - fibreCounts: of each structure.
    ///   - offset: u in [0, 1), uniform and the observation's own: z gets one draw for each whole number between
    ///   Σ E + u of those before it and the same with its own.
    public static func counts(
        _ logProbability: [Double], parameterCounts: [Int], fibreCounts: [Int], lambda: Double, total: Int,
        offset u: Double
    ) -> [Int] {
        let expected = expected(logProbability, parameterCounts: parameterCounts, lambda: lambda, total: total)
        var counts = [Int](repeating: 0, count: expected.count)
        let order = (0...(fibreCounts.max() ?? 0)).flatMap { n in
            expected.indices.filter { fibreCounts[$0] == n && expected[$0] > 0 }
        }
        var sum = 0.0, given = 0
        for z in order {
            sum += expected[z]
            // The last has what is left: sums are rounded.
            let through = z == order.last ? total : min(total, Int(sum + u))
            counts[z] = through - given
            given = through
        }
        return counts
    }

    /// Which of an ensemble become draws where fewer are wanted: evenly, and each as likely as any other. (They stand
    /// in an order that means something: samples about the middle of the best mode first.)
    /// - Parameter u: uniform in [0, 1).
    public static func evenly(_ count: Int, of whole: Int, offset u: Double) -> [Int] {
        (0..<count).map { min(whole - 1, Int((Double($0) + u) * Double(whole) / Double(count))) }
    }
}
