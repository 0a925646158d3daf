import Foundation
import ModelSpace

/// How well numbers are known, given the formula that a series was made with: from draws of one method, whatever it is.
struct NumberCheck: Sendable {
    /// Where the truth stands among draws, from 0 to 1: uniform where the draws are of the posterior.
    var ranks: [NumberKind: [Double]] = [:]
    /// Continuous ranked probability score of each coordinate.
    var scores: [Double] = []
    /// log q(θ | z, y) of the truth.
    var logDensity: Double?

    /// - Parameters:
    ///   - truth: coordinates.
    ///   - draws: coordinates of the same structure.
    init(
        _ family: RegressionFamily, _ z: Structure, truth: [Float], draws: [[Float]], using random: inout RandomSource
    ) {
        if draws.isEmpty { return }
        let mask = family.coordinateMask(z), width = family.coordinateCount, n = Double(draws.count)
        for i in mask.indices where mask[i] != 0 {
            let kind: NumberKind =
                i / width == family.terms.count ? .sigma : i % width == 0 ? .amplitude : .inner
            let values = draws.map { Double($0[i]) }.sorted(), t = Double(truth[i])
            let below = values.count { $0 < t }, same = values.count { $0 == t }
            ranks[kind, default: []].append((Double(below) + random.uniform() * Double(same + 1)) / (n + 1))
            let apart = values.enumerated().reduce(0) { $0 + (2 * Double($1.offset) + 1 - n) * $1.element } / (n * n)
            scores.append(values.reduce(0) { $0 + abs($1 - t) } / n - apart)
        }
    }
}

public enum NumberKind: String, CaseIterable, Codable, Sendable { case amplitude, inner, sigma }

/// Ranks of many numbers: their distance from uniform ones.
public struct RankScores: Codable, Sendable {
    public var count: Int, mean: Double
    /// The largest distance between their distribution and the uniform one, and what chance exceeds in one of twenty
    /// where they are independent.
    public var distance: Double, chance: Double

    init(_ ranks: [Double]) {
        let sorted = ranks.sorted(), n = Double(max(1, ranks.count))
        count = ranks.count
        mean = ranks.reduce(0, +) / n
        distance = sorted.enumerated().reduce(0) {
            max($0, $1.element - Double($1.offset) / n, Double($1.offset + 1) / n - $1.element)
        }
        chance = 1.358 / n.squareRoot()
    }
}

/// Scores of numbers over series.
public struct NumberScores: Codable, Sendable {
    public var ranks: [String: RankScores]
    /// Mean over coordinates, whose prior has standard deviation 1.
    public var rankedProbabilityScore: Double
    /// Mean over series of log q(θ | z, y), and its standard error.
    public var logDensity: Double?, logDensityError: Double?

    init?(_ checks: [NumberCheck]) {
        let scores = checks.flatMap(\.scores)
        if scores.isEmpty { return nil }
        rankedProbabilityScore = scores.reduce(0, +) / Double(scores.count)
        ranks = [:]
        for kind in NumberKind.allCases {
            let all = checks.flatMap { $0.ranks[kind] ?? [] }
            if !all.isEmpty { ranks[kind.rawValue] = RankScores(all) }
        }
        let logs = checks.compactMap(\.logDensity)
        if logs.count == checks.count {
            let n = Double(logs.count), mean = logs.reduce(0, +) / n
            logDensity = mean
            logDensityError = (logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, n - 1) / n).squareRoot()
        }
    }
}

/// Predictions beyond the observations, of the curve without noise.
public struct BeyondScores: Codable, Sendable {
    /// √ of the mean over series of the squared error, and the median over series of its root.
    public var rms: Double, median: Double

    /// - Parameter squares: a mean squared error for each series.
    init?(_ squares: [Double]) {
        if squares.isEmpty { return nil }
        let sorted = squares.sorted()
        rms = (squares.reduce(0, +) / Double(squares.count)).squareRoot()
        median = (0.5 * (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2])).squareRoot()
    }

    /// Where predictions are asked for: the observations lie on [0, 10].
    static let places = (1...8).map { 10 + 0.25 * Double($0) }

    /// Mean squared distance of a curve from the true one at these places.
    static func square(_ curve: [Double], _ truth: [Double]) -> Double {
        zip(curve, truth).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / Double(truth.count)
    }
}
