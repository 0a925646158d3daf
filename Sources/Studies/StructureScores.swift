import Foundation
import ModelSpace

/// One bin of a reliability curve: of all events given about `predicted`, `observed` came true.
public struct ReliabilityBin: Codable, Sendable, Equatable {
    public var predicted: Double, observed: Double, standardError: Double
    /// Number of (voxel, event) pairs.
    public var count: Int
}

/// How good discrete probabilities are, judged by what was true.
public struct ProbabilityScores: Codable, Sendable {
    public var voxels: Int
    /// Share of voxels whose truth is the most probable alternative, and among the five most probable.
    public var top1: Double, top5: Double, top1Error: Double
    /// Mean of −log p(truth), nats, and its standard error.
    public var logScore: Double, logScoreError: Double
    /// Mean over voxels of Σ (p − 1[true])².
    public var brier: Double
    /// Expected calibration error: Σ over equally full bins of all (voxel, alternative) pairs, (bin's share) · |mean p
    /// − share that came true|.
    public var calibrationError: Double
    /// What a perfectly calibrated engine that gives the same probabilities would show on so few voxels, on average.
    public var calibrationErrorIfPerfect: Double
    public var reliability: [ReliabilityBin]

    static let binCount = 20
    private static let replicates = 20

    /// - Parameters:
    ///   - probabilities: one row a voxel, each of sum 1.
    ///   - truth: the true alternative of each.
    ///   - seed: of the simulations behind `calibrationErrorIfPerfect`.
    ///   - least: what a truth of less probability scores as if it had.
    public init(_ probabilities: [[Double]], truth: [Int], seed: UInt64, least: Double = 1e-300) {
        self.init(lists: probabilities, rest: probabilities.map { _ in 0 }, truth: truth, seed: seed, least: least)
    }

    /// - Parameters:
    ///   - probabilities: of the alternatives that each voxel lists, as many as it has.
    ///   - rest: the mass of those that are not listed: with it each list sums to 1.
    ///   - truth: the place of the true alternative in each list; nil where it is not listed, which scores as if it had
    ///   all of the rest.
    ///   - seed: of the simulations behind `calibrationErrorIfPerfect`.
    ///   - least: what a truth of less probability scores as if it had.
    public init(lists probabilities: [[Double]], rest: [Double], truth: [Int?], seed: UInt64, least: Double = 1e-300) {
        precondition(probabilities.count == truth.count && rest.count == truth.count && !truth.isEmpty)
        let n = Double(truth.count)
        voxels = truth.count
        var first = 0, five = 0, scores: [Double] = []
        brier = 0
        for (v, p) in probabilities.enumerated() {
            guard let t = truth[v] else {
                scores.append(-log(max(rest[v], least)))
                brier += p.reduce(1) { $0 + $1 * $1 } / n
                continue
            }
            let better = p.indices.count { p[$0] > p[t] || (p[$0] == p[t] && $0 < t) }
            first += better == 0 ? 1 : 0
            five += better < 5 ? 1 : 0
            scores.append(-log(max(p[t], least)))
            brier += p.indices.reduce(0) { $0 + (p[$1] - ($1 == t ? 1 : 0)) * (p[$1] - ($1 == t ? 1 : 0)) } / n
        }
        top1 = Double(first) / n
        top5 = Double(five) / n
        top1Error = CalibrationStatistics.binomialError(top1, count: voxels)
        let spread = Spread(scores)
        (logScore, logScoreError) = (spread.mean, spread.standardError)
        // All pairs of a voxel and an alternative. Bins are those of the probabilities alone, so they serve the
        // replicates too.
        let pairs = probabilities.enumerated().flatMap { v, p in
            p.enumerated().map { Pair(voxel: v, place: $0, probability: $1) }
        }
        let order = pairs.indices.sorted { (pairs[$0].probability, $0) < (pairs[$1].probability, $1) }.map { pairs[$0] }
        let bins = Self.bins(order, truth)
        reliability = bins
        calibrationError = Self.error(bins)
        var random = RandomSource(seed: seed, stream: 0, substream: 0x4543_4542), perfect = 0.0
        for _ in 0..<Self.replicates {
            let drawn = zip(probabilities, rest).map { p, rest -> Int? in
                var u = random.uniform() * (p.reduce(0, +) + rest)
                return p.firstIndex {
                    u -= $0; return u <= 0
                } ?? (rest > 0 ? nil : p.count - 1)
            }
            perfect += Self.error(Self.bins(order, drawn)) / Double(Self.replicates)
        }
        calibrationErrorIfPerfect = perfect
    }

    private struct Pair { var voxel: Int, place: Int, probability: Double }

    private static func bins(_ order: [Pair], _ truth: [Int?]) -> [ReliabilityBin] {
        let count = min(binCount, order.count)
        return (0..<count).map { b in
            let part = order[b * order.count / count..<(b + 1) * order.count / count], n = Double(part.count)
            var sum = 0.0, hits = 0
            for pair in part {
                sum += pair.probability
                hits += truth[pair.voxel] == pair.place ? 1 : 0
            }
            return ReliabilityBin(
                predicted: sum / n, observed: Double(hits) / n,
                standardError: CalibrationStatistics.binomialError(sum / n, count: part.count),
                count: part.count)
        }
    }

    private static func error(_ bins: [ReliabilityBin]) -> Double {
        let total = Double(bins.reduce(0) { $0 + $1.count })
        return bins.reduce(0) { $0 + Double($1.count) / total * abs($1.predicted - $1.observed) }
    }
}
