import Foundation

/// The ranks of true values among posterior draws, over many simulations: the outcome of simulation-based calibration
/// for one quantity.
///
/// If draws come from the exact posterior, the rank among L draws is uniform on 0…L.
/// - Source: Talts, Betancourt, Simpson, Vehtari, Gelman, arXiv 1804.06788; Cook, Gelman, Rubin, JCGS 15 (2006) 675.
public struct RankTest: Codable, Sendable {
    /// Observed share of true values inside an interval (or cone) that should hold `level` of them.
    public struct Coverage: Codable, Sendable, Equatable {
        public var level: Double, observed: Double, standardError: Double
    }

    public static let levels = [0.5, 0.8, 0.9, 0.95]

    /// Short name for programs, words for people.
    public let name: String, label: String
    /// Whether small ranks mean "close to the middle" (a cone of directions) instead of "low".
    public let isCone: Bool
    /// L.
    public let draws: Int
    /// How often each rank 0…L occurred.
    public private(set) var counts: [Int]
    /// Voxels counted, and the χ² test of uniformity over `binned`.
    public private(set) var voxels = 0, chiSquared = 0.0, pValue = 1.0
    public private(set) var coverage: [Coverage] = []

    public init(name: String, label: String, isCone: Bool = false, draws: Int, ranks: [Int]) {
        self.name = name
        self.label = label
        self.isCone = isCone
        self.draws = draws
        counts = Array(repeating: 0, count: draws + 1)
        for rank in ranks { counts[rank] += 1 }
        voxels = ranks.count
        (chiSquared, pValue) = CalibrationStatistics.uniformity(binned)
        coverage = Self.levels.map { level in
            let share = self.share(within: level)
            return Coverage(
                level: level, observed: share, standardError: CalibrationStatistics.binomialError(level, count: voxels))
        }
    }

    /// Whether there are voxels enough for a χ² test of two bins.
    public var isTelling: Bool { voxels >= 20 }

    /// The p below which one of some tests fails: 1 % shared among all (Bonferroni).
    static func threshold(_ tests: [RankTest]) -> Double { 0.01 / Double(max(1, tests.count)) }
    static func failures(_ tests: [RankTest]) -> [RankTest] { tests.filter { $0.pValue < threshold(tests) } }

    /// Counts of equally many ranks each: at most 16 bins, and ten voxels a bin or more where there are enough voxels
    /// for two bins.
    public var binned: [Int] {
        var bins = draws + 1
        while bins % 2 == 0 && bins > 2 && (bins > 16 || voxels < 10 * bins) { bins /= 2 }
        let width = (draws + 1) / bins
        return (0..<bins).map { b in counts[b * width..<(b + 1) * width].reduce(0, +) }
    }

    /// Share of true values inside the central interval (or cone) of a level, a rank r standing for all of [r,
    /// r+1]/(L+1): exactly the level on average when ranks are uniform.
    private func share(within level: Double) -> Double {
        guard voxels > 0 else { return level }
        let low = isCone ? 0 : (1 - level) / 2, high = isCone ? level : (1 + level) / 2, width = 1 / Double(draws + 1)
        var inside = 0.0
        for (r, n) in counts.enumerated() where n > 0 {
            let from = Double(r) * width
            inside += Double(n) * max(0, min(high, from + width) - max(low, from)) / width
        }
        return inside / Double(voxels)
    }
}
