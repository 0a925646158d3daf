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
    public var options = SearchOptions()

    public init(_ family: RegressionFamily) { self.family = family }

    /// What one way of working out the posterior gave.
    struct Answer: Sendable {
        /// Probability of each bit; log-probability of the truth; its rank in the subspace (0 first).
        var bits: [Double], logTruth: Double, rank: Int
        var seconds: Double
    }

    struct Outcome: Sendable {
        var truth: Structure, search: Answer, network: Answer?, sampler: Answer?
        /// ½ Σ |p − p'| of listed structures against the sampler's visits, and the share of these on the list.
        var distance: Double?, covered: Double?
    }

    public struct Scores: Codable, Sendable {
        public var top1: Double?, top5: Double?, macroF1: Double, calibrationError: Double
        public var logTruth: Double, logTruthError: Double, secondsPerSeries: Double
    }

    public struct Report: Codable, Sendable {
        public var terms: Int, lambda: Double, series: Int, subspace: Int, sweeps: Int, seed: UInt64
        public var search: Scores, network: Scores?, sampler: Scores?
        /// Mean over series.
        public var distanceToSampler: Double?, coveredOfSampler: Double?
    }

    public func run(network: (@Sendable () throws -> SeriesReader)? = nil) throws -> Report {
        nonisolated(unsafe) var outcomes = [Outcome?](repeating: nil, count: seriesCount)
        let lock = NSLock()
        try forEachInParallel(seriesCount, threads: threads) { i in
            let outcome = try one(i, try network?())
            lock.withLock { outcomes[i] = outcome }
        }
        let all = outcomes.compactMap { $0 }
        func mean(_ v: [Double]) -> Double? { v.isEmpty ? nil : v.reduce(0, +) / Double(v.count) }
        let networks = all.compactMap { o in o.network.map { (o.truth, $0) } }
        let samplers = all.compactMap { o in o.sampler.map { (o.truth, $0) } }
        return Report(
            terms: family.terms.count, lambda: lambda, series: seriesCount, subspace: subspace, sweeps: sweeps,
            seed: seed, search: scores(all.map { ($0.truth, $0.search) }),
            network: networks.isEmpty ? nil : scores(networks),
            sampler: samplers.isEmpty ? nil : scores(samplers, isRanked: false),
            distanceToSampler: mean(all.compactMap(\.distance)), coveredOfSampler: mean(all.compactMap(\.covered)))
    }

    /// Series `i` of the study, the structure and the scores that it was made with, and structures to rank it among.
    func simulate(_ i: Int) -> (series: Series, truth: Structure, point: [Double], subspace: [Structure]) {
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
        return (series, z, point, list)
    }

    private func one(_ i: Int, _ reader: SeriesReader?) throws -> Outcome {
        let (series, truth, point, subspace) = simulate(i), clock = ContinuousClock(),
            count = family.description.bitCount
        func seconds(_ start: ContinuousClock.Instant) -> Double {
            Double((clock.now - start) / .nanoseconds(1)) * 1e-9
        }
        func rank(_ logs: [Double]) -> Int { logs.dropFirst().count { $0 >= logs[0] } }
        var network: Answer?, starts: [Structure] = []
        if let reader {
            let start = clock.now, draws = reader.draws(series, lambda: lambda, count: 512, seed: seed &+ UInt64(i))
            let time = seconds(start)
            starts = draws.prefix(12).map(\.structure)
            let logs = reader.logProbabilities(series, of: subspace, lambda: lambda)
            network = Answer(
                bits: (0..<count).map { b in draws.reduce(0) { $0 + ($1.structure[b] ? Double($1.count) : 0) } / 512 },
                logTruth: logs[0], rank: rank(logs), seconds: time)
        }
        let start = clock.now
        var options = options
        options.seed = seed &+ UInt64(i)
        let search = FormulaSearch(family, series, lambda: lambda, options: options)
        search.run(starts: starts)
        let time = seconds(start), list = search.ranked, top = list.map(search.score).max()!
        let weights = list.map { exp(search.score($0) - top) }, total = weights.reduce(0, +)
        let listed = Dictionary(uniqueKeysWithValues: zip(list.map(\.structure), weights.map { $0 / total }))
        var bits = [Double](repeating: 0, count: count)
        for (z, p) in listed { for b in 0..<count where z[b] { bits[b] += p } }
        var place = 0
        if self.subspace > 1 {
            let e = search.evidences(of: subspace, within: 6)
            place = rank(zip(subspace, e).map { $1 - lambda * Double(family.rule.parameterCount($0)) })
        }
        // Its evidence is an integral wherever the search for its modes begins: also at the truth, once it is ranked.
        // A truth that is not listed is added; what else is missing beside it is not: a bound from above.
        let own = search.evidence(of: truth, from: point) - lambda * Double(family.rule.parameterCount(truth)) - top
        let whole = total * (1 - (listed[truth] ?? 0)) + exp(own)
        var outcome = Outcome(
            truth: truth, search: Answer(bits: bits, logTruth: own - log(whole), rank: place, seconds: time),
            network: network, sampler: nil)
        if sweeps > 0 {
            let start = clock.now
            let sampled = CollapsedSampler(family, series, lambda: lambda, seed: seed &+ UInt64(i))
                .run(sweeps: sweeps, discard: sweeps / 4)
            outcome.sampler = Answer(
                bits: sampled.bits(count),
                logTruth: log(max(sampled.probability(truth), 0.5 / Double(sampled.count))), rank: 0,
                seconds: seconds(start))
            outcome.distance =
                0.5
                * Set(sampled.visits.keys).union(listed.keys).reduce(0) {
                    $0 + abs(sampled.probability($1) - (listed[$1] ?? 0))
                }
            outcome.covered = sampled.visits.reduce(0) {
                $0 + (listed[$1.key] == nil ? 0 : sampled.probability($1.key))
            }
        }
        return outcome
    }

    private func scores(_ list: [(truth: Structure, answer: Answer)], isRanked: Bool = true) -> Scores {
        let n = Double(list.count), terms = family.terms.count
        var f1: [Double] = []
        for b in 0..<terms {
            let hits = list.count { $0.truth[b] && $0.answer.bits[b] > 0.5 }
            let misses = list.count { $0.truth[b] != ($0.answer.bits[b] > 0.5) }
            if list.contains(where: { $0.truth[b] }) { f1.append(2 * Double(hits) / Double(2 * hits + misses)) }
        }
        var bins = [(count: Double, sum: Double, true: Double)](repeating: (0, 0, 0), count: 10)
        for (truth, answer) in list {
            for b in 0..<terms {
                let i = min(9, Int(10 * answer.bits[b]))
                bins[i] = (bins[i].count + 1, bins[i].sum + answer.bits[b], bins[i].true + (truth[b] ? 1 : 0))
            }
        }
        let logs = list.map(\.answer.logTruth), mean = logs.reduce(0, +) / n
        let variance = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, n - 1)
        let ranked = subspace > 1 && isRanked
        return Scores(
            top1: ranked ? Double(list.count { $0.answer.rank == 0 }) / n : nil,
            top5: ranked ? Double(list.count { $0.answer.rank < 5 }) / n : nil,
            macroF1: f1.reduce(0, +) / Double(max(1, f1.count)),
            calibrationError: bins.reduce(0) { $0 + abs($1.sum - $1.true) } / (n * Double(terms)),
            logTruth: mean, logTruthError: (variance / n).squareRoot(),
            secondsPerSeries: list.reduce(0) { $0 + $1.answer.seconds } / n)
    }
}
