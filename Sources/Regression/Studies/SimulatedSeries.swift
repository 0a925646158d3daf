import Foundation
import ModelSpace

/// A series with what it was made with, and answers about it by several methods.
struct SimulatedSeries {
    let family: RegressionFamily, lambda: Double, seed: UInt64
    let series: Series, truth: Structure, theta: [Double]
    /// Scores of the true numbers, as a search takes them.
    let point: [Double]
    /// Structures to rank the truth among, itself first.
    let subspace: [Structure]

    typealias Answer = SimulatedSeriesStudy.Answer
    private typealias Draw = (structure: Structure, coordinates: [Float], weight: Double)

    /// Draws of a network: structures, those of them with numbers, and numbers of the true formula.
    private static let structureDraws = 512, numbersEvery = 4, numberDraws = 127

    private func seconds(_ start: ContinuousClock.Instant) -> Double { (ContinuousClock.now - start) / .seconds(1) }

    private func rank(_ logs: [Double]) -> Int { logs.dropFirst().count { $0 >= logs[0] } }

    private var numbers: [Float] {
        var x = [Float](repeating: 0, count: family.tokenCount * family.coordinateCount)
        family.encode(theta, truth, series.x, (), into: &x)
        return x
    }

    private func check(_ draws: [[Float]], _ logDensity: Double) -> NumberCheck {
        var random = RandomSource(seed: seed, stream: 7)
        var check = NumberCheck(family, truth, truth: numbers, draws: draws, using: &random)
        check.logDensity = logDensity
        return check
    }

    /// Mean squared distance of the draws' mean curve from the true one beyond the observations.
    private func beyond(_ draws: [Draw]) -> Double? {
        let total = draws.reduce(0) { $0 + $1.weight }, places = BeyondScores.places
        if total <= 0 { return nil }
        var mean = [Double](repeating: 0, count: places.count)
        for (z, x, w) in draws {
            for (k, v) in family.curve(x, z, at: places).enumerated() { mean[k] += w / total * v }
        }
        return BeyondScores.square(mean, family.curve(theta, truth, at: places))
    }

    /// A network's word, and the structures that it names most.
    func answer(of reader: any FormulaReader) -> (Answer, [Structure]) {
        let start = ContinuousClock.now
        let draws = reader.draws(series, lambda: lambda, count: Self.structureDraws, seed: seed), time = seconds(start)
        let logs = reader.logProbabilities(series, of: subspace, lambda: lambda)
        let all = draws.flatMap { Array(repeating: $0.structure, count: $0.count) },
            some = stride(from: 0, to: all.count, by: Self.numbersEvery).map { all[$0] }
        let joint = reader.coordinates(series, of: some, seed: seed)
        let told = reader.coordinates(series, of: Array(repeating: truth, count: Self.numberDraws), seed: seed)
        let answer = Answer(
            bits: (0..<family.description.bitCount).map { b in
                Double(all.count { $0[b] }) / Double(max(1, all.count))
            },
            logTruth: logs[0], rank: rank(logs), seconds: time,
            numbers: check(told, reader.logDensity(series, of: numbers, truth)),
            beyond: beyond(zip(some, joint).map { ($0, $1, 1) }))
        return (answer, draws.prefix(12).map(\.structure))
    }

    /// A search's word, what it predicts where it is told the formula, and its list with probabilities, which sum to
    /// the share of the posterior that it holds by its own short run of the sampler.
    /// - Returns: and ln p(truth | y) by all evidences, the truth's too where the search missed it, and a share of the
    ///   list that is better known.
    func search(_ options: SearchOptions, starts: [Structure]) -> (
        answer: Answer, beyondWithFormula: Double?, listed: [Structure: Double], logTruth: (_ share: Double) -> Double
    ) {
        let start = ContinuousClock.now, search = FormulaSearch(family, series, lambda: lambda, options: options)
        search.run(starts: starts)
        let time = seconds(start), list = search.ranked, top = list.map(search.score).max()!
        let weights = list.map { exp(search.score($0) - top) }, total = weights.reduce(0, +)
        let coverage = search.check.map { ListCoverage($0, of: list.map(\.structure), lambda: lambda, family.rule) }
        let share = coverage?.share(lambda: lambda) ?? 1
        let listed = Dictionary(uniqueKeysWithValues: zip(list.map(\.structure), weights.map { $0 / total * share }))
        var bits =
            coverage?.bits(family.description.bitCount, lambda: lambda).map { $0 * (1 - share) }
            ?? Array(repeating: 0, count: family.description.bitCount)
        for (f, p) in zip(list, weights) {
            for b in bits.indices where f.structure[b] { bits[b] += p / total * share }
        }
        func score(_ z: Structure, _ evidence: Double) -> Double {
            evidence - lambda * Double(family.rule.parameterCount(z))
        }
        var place = 0
        if subspace.count > 1 {
            place = rank(zip(subspace, search.evidences(of: subspace, within: 6)).map(score))
        }
        // Its evidence is an integral wherever the search for its modes begins: also at the truth, once it is ranked.
        let evidence = search.evidence(of: truth, from: point), own = score(truth, evidence) - top
        let ofTruth = listed[truth].map { $0 / share }
        // What it says of the truth itself: of a list without it no more than the list leaves, half a visit at least.
        let left = max(1 - share, 0.5 / Double(max(1, search.check?.count ?? 1))),
            said = listed[truth].map { log($0) } ?? min(own - log(total / share), log(left))
        func logTruth(_ share: Double) -> Double {
            let inside = ofTruth.map { total * (1 - $0) + exp(own) } ?? total, outside = inside / share - inside
            // A truth that is not listed is part of the rest.
            return own - log(inside + (ofTruth == nil ? max(outside, exp(own)) : outside))
        }
        let known = (search.found[truth]?.evidence?.draws ?? []).map { family.coordinates($0, truth) }
        // log p(θ|z,y) = log p(y|θ,z) + log p(θ|z) − log p(y|z).
        let density = family.logLikelihood(series, theta, truth) + family.logPrior(numbers, truth) - evidence
        let draws = list.flatMap { f -> [Draw] in
            let draws = f.evidence?.draws ?? [], p = listed[f.structure]! / share / Double(max(1, draws.count))
            return draws.map { (f.structure, family.coordinates($0, f.structure), p) }
        }
        return (
            Answer(
                bits: bits, logTruth: said, rank: place, seconds: time, numbers: check(known, density),
                beyond: beyond(draws)), beyond(known.map { (truth, $0, 1) }), listed, logTruth
        )
    }

    /// The reference sampler's word, and its visits.
    func sample(sweeps: Int) -> (Answer, SampledPosterior) {
        let start = ContinuousClock.now
        // Not the steps of the search's own runs.
        let sampler = CollapsedSampler(family, series, lambda: lambda, seed: seed ^ 0x4C4F_4E47)
        sampler.cool(sweeps: sweeps / 4)
        let sampled = sampler.run(sweeps: sweeps, discard: sweeps / 20)
        let answer = Answer(
            bits: sampled.bits(family.description.bitCount),
            logTruth: log(max(sampled.probability(truth), 0.5 / Double(sampled.count))), rank: 0,
            seconds: seconds(start))
        return (answer, sampled)
    }
}
