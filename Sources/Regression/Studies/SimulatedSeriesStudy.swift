import Foundation
import ModelSpace
import Parallel

/// How well formulas are told on simulations of the prior: the search with exact evidences, the network alone, and the
/// reference sampler.
public struct SimulatedSeriesStudy: Sendable {
    public var family: RegressionFamily
    public var lambda = 1.0, seriesCount = 20, subspace = 200, seed: UInt64 = 1, threads = 1
    /// Sweeps of the reference sampler; 0 for none.
    public var sweeps = 0
    /// Whether there is a search at all, or the network alone is judged.
    public var searches = true
    public var options = SearchOptions()

    public init(_ family: RegressionFamily) { self.family = family }

    /// What one way of working out the posterior gave.
    struct Answer: Sendable {
        /// Probability of each bit; log-probability of the truth; its rank in the subspace (0 first).
        var bits: [Double], logTruth: Double, rank: Int
        var seconds: Double
        /// Numbers of the true formula; mean squared error of the curve's mean beyond the observations.
        var numbers: NumberCheck?, beyond: Double?
    }

    struct Outcome: Sendable {
        var truth: Structure
        var search: Answer? = nil, network: Answer? = nil, sampler: Answer? = nil
        /// ½ Σ |p − p'| of listed structures, and all others as one, against the sampler's visits; the share of these
        /// on the list; and ln p(truth | y) by evidences and that share.
        var distance: Double?, covered: Double?, logTruthByShare: Double?
        var beyondWithFormula: Double?
    }

    public struct Scores: Codable, Sendable {
        public var top1: Double?, top5: Double?, macroF1: Double, calibrationError: Double
        /// What probabilities as good as they claim would show on so few series, on average.
        public var calibrationErrorIfPerfect: Double
        public var logTruth: Double, logTruthError: Double, secondsPerSeries: Double
        public var numbers: NumberScores?, beyond: BeyondScores?
    }

    public struct Report: Codable, Sendable {
        public var terms: Int, lambda: Double, series: Int, subspace: Int, sweeps: Int, seed: UInt64
        public var search: Scores?, network: Scores?, sampler: Scores?
        /// Of the search where it is told the formula.
        public var beyondWithFormula: BeyondScores?
        /// Mean over series.
        public var distanceToSampler: Double?, coveredOfSampler: Double?
        /// ln p(truth | y) by the evidences of the search and the sampler's share of the list, and how far the search's
        /// own is above it; means over series and their standard errors.
        public var logTruthByShare: Double?, aboveShare: Double?, aboveShareError: Double?
    }

    public func run(network: (@Sendable () throws -> any FormulaReader)? = nil) throws -> Report {
        nonisolated(unsafe) var outcomes = [Outcome?](repeating: nil, count: seriesCount)
        let lock = NSLock()
        try forEachInParallel(seriesCount, threads: threads) { i in
            let outcome = try one(simulate(i), try network?())
            lock.withLock { outcomes[i] = outcome }
        }
        let all = outcomes.compactMap { $0 }
        func mean(_ v: [Double]) -> Double? { v.isEmpty ? nil : v.reduce(0, +) / Double(v.count) }
        func scores(_ answer: (Outcome) -> Answer?, isRanked: Bool = true) -> Scores? {
            let list = all.compactMap { o in answer(o).map { (o.truth, $0) } }
            return list.isEmpty ? nil : self.scores(list, isRanked: isRanked)
        }
        let above = all.compactMap { o in o.logTruthByShare.flatMap { t in o.search.map { $0.logTruth - t } } }
        let error = mean(above).map { m in
            let n = Double(above.count)
            return (above.reduce(0) { $0 + ($1 - m) * ($1 - m) } / max(1, n - 1) / n).squareRoot()
        }
        return Report(
            terms: family.terms.count, lambda: lambda, series: seriesCount, subspace: subspace, sweeps: sweeps,
            seed: seed, search: scores(\.search), network: scores(\.network),
            sampler: scores(\.sampler, isRanked: false),
            beyondWithFormula: BeyondScores(all.compactMap(\.beyondWithFormula)),
            distanceToSampler: mean(all.compactMap(\.distance)), coveredOfSampler: mean(all.compactMap(\.covered)),
            logTruthByShare: mean(all.compactMap(\.logTruthByShare)), aboveShare: mean(above), aboveShareError: error)
    }

    /// Series `i` of the study.
    func simulate(_ i: Int) -> SimulatedSeries {
        var random = RandomSource(seed: seed, stream: UInt64(i), substream: 0x5354_5544)
        let x = RegressionFamily.drawPlaces(using: &random), z = family.drawStructure(lambda: lambda, using: &random)
        var theta = [Double](repeating: 0, count: family.parameterNames.count)
        family.drawParameters(z, x, using: &random, into: &theta)
        let series = Series(x: x, y: family.draw(theta, z, at: x, using: &random))
        var others: Set<Structure> = [z], list = [z]
        // Small families have fewer.
        for _ in 0..<20 * subspace where list.count < subspace {
            let other = family.drawStructure(lambda: lambda, using: &random)
            if others.insert(other).inserted { list.append(other) }
        }
        let point =
            [NoiseModel.level.score(theta[family.places[family.terms.count]])]
            + family.active(z).flatMap { t in
                family.terms[t].inner.enumerated().map { $1.score(theta[family.places[t] + 1 + $0]) }
            }
        return SimulatedSeries(
            family: family, lambda: lambda, seed: seed &+ UInt64(i), series: series, truth: z, theta: theta,
            point: point,
            subspace: list)
    }

    private func one(_ simulated: SimulatedSeries, _ reader: (any FormulaReader)?) throws -> Outcome {
        var outcome = Outcome(truth: simulated.truth), starts: [Structure] = []
        if let reader { (outcome.network, starts) = simulated.answer(of: reader) }
        guard searches || sweeps > 0 else { return outcome }
        var listed: [Structure: Double] = [:], logTruth: ((Double) -> Double)?
        if searches {
            var options = options
            options.seed = simulated.seed
            let found = simulated.search(options, starts: starts)
            (outcome.search, outcome.beyondWithFormula) = (found.answer, found.beyondWithFormula)
            (listed, logTruth) = (found.listed, found.logTruth)
        }
        if sweeps > 0 {
            let (answer, sampled) = simulated.sample(sweeps: sweeps)
            outcome.sampler = answer
            guard searches else { return outcome }
            // In one order: a sum is the same each time.
            let inside = listed.sorted { $0.key < $1.key }.reduce((visits: 0, own: 0.0, apart: 0.0)) { sum, entry in
                let visits = sampled.visits[entry.key] ?? 0, p = Double(visits) / Double(sampled.count)
                return (sum.visits + visits, sum.own + entry.value, sum.apart + abs(p - entry.value))
            }
            let covered = Double(inside.visits) / Double(sampled.count)
            outcome.distance = 0.5 * (inside.apart + abs(covered - inside.own))
            outcome.covered = covered
            outcome.logTruthByShare = logTruth.map { $0(max(covered, 0.5 / Double(sampled.count))) }
        }
        return outcome
    }
}
