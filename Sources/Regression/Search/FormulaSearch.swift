import Foundation
import ModelSpace

/// A structure that was looked at.
public struct FoundStructure: Sendable {
    public let structure: Structure
    /// k(z).
    public let parameters: Int
    /// log p(y | z): Laplace's about the modes, until sampled.
    public var logEvidence: Double
    public var evidence: RegressionEvidence?
    var modes: [Mode]
}

/// How far to look.
public struct SearchOptions: Sendable {
    /// Structures that are expanded, at most; and the distance below the best, in nats, at which expanding ends.
    public var expansions = 40
    public var cutoff = 6.0
    /// Structures whose evidence is sampled: those within so many nats of the best at λ, at most `sampled`; draws each.
    public var sampledWithin = 9.0
    public var sampled = 200
    public var draws = 400
    /// Draws that are kept of each.
    public var keep = 64
    public var seed: UInt64 = 1
    public init() {}
}

/// Which structures explain a series: from some starts by adding, removing and exchanging terms and noises, best first,
/// with the evidence of each.
///
/// Everything is drawn from `seed`: the same series gives the same list.
public final class FormulaSearch {
    public let family: RegressionFamily, series: Series, lambda: Double, options: SearchOptions
    public private(set) var found: [Structure: FoundStructure] = [:]
    /// Whether expanding ended by number while structures near the best were still open.
    public private(set) var isCutShort = false
    private let density: CollapsedDensity
    private var expanded: Set<Structure> = []
    private var random: RandomSource
    /// Scores of inner parameters to try, by how many a term has.
    private let trials: [[[Double]]]

    public init(_ family: RegressionFamily, _ series: Series, lambda: Double, options: SearchOptions = SearchOptions())
    {
        (self.family, self.series, self.lambda, self.options) = (family, series, lambda, options)
        density = CollapsedDensity(family, series)
        random = RandomSource(seed: options.seed, stream: 0x5345_4152)
        // Kronecker's points: evenly spread whatever their number.
        trials = [1, 48, 128, 256].enumerated().map { d, count in
            (1...count).map { i in
                [0.618033988749895, 0.754877666246693, 0.819172513396164].prefix(d).enumerated().map { j, a in
                    let step = d == 1 ? a : pow(a, Double(j + 1))
                    return NormalScore.score((0.5 + step * Double(i)).truncatingRemainder(dividingBy: 1) * 0.998 + 0.001)
                }
            }
        }
    }

    public func score(_ f: FoundStructure) -> Double { f.logEvidence - lambda * Double(f.parameters) }

    /// - Parameter starts: structures to begin with, for instance a network's draws; the empty one is always added.
    /// - Parameter isStopped: asked between expansions.
    public func run(starts: [Structure] = [], isStopped: () -> Bool = { false }) {
        for index in family.noises.indices.prefix(1) { visit(family.with(Structure(), noise: index), from: nil) }
        for z in starts { build(z) }
        var count = 0
        isCutShort = true
        while count < options.expansions, !isStopped() {
            let best = found.values.map(score).max()!
            let next = found.values.filter { !expanded.contains($0.structure) }
                .max { (score($0), $1.structure) < (score($1), $0.structure) }
            guard let next, score(next) > best - options.cutoff else { isCutShort = false; break }
            expand(next)
            count += 1
        }
        sample()
    }

    /// Scores by term of a mode's point, and σ's.
    private func parts(_ z: Structure, _ point: [Double]) -> (level: Double, inner: [Int: [Double]]) {
        var at = 1, inner: [Int: [Double]] = [:]
        for t in family.active(z) {
            let n = family.terms[t].inner.count
            inner[t] = Array(point[at..<at + n])
            at += n
        }
        return (point[0], inner)
    }

    private func point(_ z: Structure, _ level: Double, _ inner: [Int: [Double]]) -> [Double] {
        [level] + family.active(z).flatMap { inner[$0] ?? family.terms[$0].inner.map { _ in 0 } }
    }

    /// Climbs from a point; keeps a few modes of a structure.
    private func visit(_ z: Structure, from start: [Double]?) {
        let start = start ?? point(z, 0, [:])
        if let known = found[z] {
            guard known.modes.count < Self.mostModes else { return }
        }
        let mode = StructureDensity(density, z, at: start).climb(start)
        guard mode.logDensity > -1e200 else { return }
        var f = found[z]
            ?? FoundStructure(
                structure: z, parameters: family.rule.parameterCount(z), logEvidence: -.infinity, evidence: nil,
                modes: [])
        let isNew = f.modes.allSatisfy { other in
            let d = other.point.count
            return (0..<d).contains { i in
                let sd = (0...i).reduce(0) { $0 + other.spread[i * d + $1] * other.spread[i * d + $1] }.squareRoot()
                return abs(other.point[i] - mode.point[i]) > 2 * sd
            }
        }
        guard isNew else { return }
        f.modes.append(mode)
        let peak = f.modes.map(\.logMass).max()!
        f.logEvidence = peak + log(f.modes.reduce(0) { $0 + exp($1.logMass - peak) })
        found[z] = f
    }

    /// Prepares the density at a point and its explained part; returns σ²/s².
    private func prepare(_ z: Structure, _ p: [Double]) -> Double {
        _ = StructureDensity(density, z, at: p)
        let sigma = NoiseModel.level.value(p[0]), ratio = sigma * sigma
        _ = density.solve(ratio)
        return ratio
    }

    /// A start's inner parameters, a term at a time: each where it explains most.
    private func build(_ z: Structure) {
        guard found[z] == nil, family.rule.allows(z) else { return }
        var now = family.with(Structure(), noise: family.noiseIndex(z)), inner: [Int: [Double]] = [:]
        var open = Set(family.active(z))
        while !open.isEmpty {
            let ratio = prepare(now, point(now, -0.5, inner))
            var best: (gain: Double, term: Int, scores: [Double])?
            for t in open.sorted() {
                let candidates = trials[family.terms[t].inner.count]
                for (g, s) in zip(density.gains(t, candidates, ratio: ratio), candidates) where g > best?.gain ?? -.infinity
                { best = (g, t, s) }
            }
            guard let best else { break }
            now[best.term] = true
            inner[best.term] = best.scores
            open.remove(best.term)
        }
        visit(z, from: point(z, -0.5, inner))
    }

    private func expand(_ f: FoundStructure) {
        expanded.insert(f.structure)
        let z = f.structure, mode = f.modes.max { $0.logMass < $1.logMass }!
        let (level, inner) = parts(z, mode.point)
        add(to: z, level, inner, most: 4)
        for t in family.active(z) {
            var less = z
            less[t] = false
            var own = inner
            own[t] = nil
            if found[less] == nil { visit(less, from: point(less, level, own)) }
        }
        // What one term gives up another may do better.
        let weakest = family.active(z).compactMap { t -> FoundStructure? in
            var less = z
            less[t] = false
            return found[less]
        }.sorted { (score($1), $0.structure) < (score($0), $1.structure) }.prefix(3)
        for less in weakest where !expanded.contains(less.structure) {
            let mode = less.modes.max { $0.logMass < $1.logMass }!, (level, inner) = parts(less.structure, mode.point)
            add(to: less.structure, level, inner, most: 3)
        }
        for index in family.noises.indices where index != family.noiseIndex(z) {
            let other = family.with(z, noise: index)
            if found[other] == nil { visit(other, from: point(other, level, inner)) }
        }
    }

    /// Structures with one term more: the most promising are climbed.
    private func add(to z: Structure, _ level: Double, _ inner: [Int: [Double]], most: Int) {
        let ratio = prepare(z, point(z, level, inner))
        var list: [(score: Double, term: Int, starts: [[Double]])] = []
        for t in family.terms.indices where !z[t] {
            let candidates = trials[family.terms[t].inner.count], gains = density.gains(t, candidates, ratio: ratio)
            let peak = gains.max()!
            let mean = peak + log(gains.reduce(0) { $0 + exp($1 - peak) } / Double(gains.count))
            let order = gains.indices.sorted { (gains[$1], $0) < (gains[$0], $1) }
            var starts = [candidates[order[0]]]
            // A second place, if there is one elsewhere.
            if let second = order.first(where: { i in
                zip(candidates[i], starts[0]).contains { abs($0 - $1) > 0.3 } && gains[i] > peak - 6
            }) { starts.append(candidates[second]) }
            list.append((mean - lambda * Double(1 + family.terms[t].inner.count), t, starts))
        }
        list.sort { ($1.score, $0.term) < ($0.score, $1.term) }
        for candidate in list.prefix(most) where candidate.score > -7 {
            var more = z
            more[candidate.term] = true
            if found[more] != nil, found[more]!.modes.count > 1 { continue }
            for start in candidate.starts {
                var own = inner
                own[candidate.term] = start
                visit(more, from: point(more, level, own))
            }
        }
    }

    /// More modes of a structure: each term where else it explains nearly as much, the others as they are.
    private func widen(_ z: Structure) {
        guard let f = found[z], let mode = f.modes.max(by: { $0.logMass < $1.logMass }) else { return }
        let (level, inner) = parts(z, mode.point)
        for t in family.active(z) where !family.terms[t].inner.isEmpty && found[z]!.modes.count < Self.mostModes {
            var less = z, rest = inner
            less[t] = false
            rest[t] = nil
            let ratio = prepare(less, point(less, level, rest)), candidates = trials[family.terms[t].inner.count]
            let gains = density.gains(t, candidates, ratio: ratio), peak = gains.max()!
            let order = gains.indices.sorted { (gains[$1], $0) < (gains[$0], $1) }
            var seen = [inner[t]!]
            for i in order where gains[i] > peak - 4 && seen.count < 3 {
                guard seen.allSatisfy({ zip($0, candidates[i]).contains { abs($0 - $1) > 0.3 } }) else { continue }
                seen.append(candidates[i])
                var own = inner
                own[t] = candidates[i]
                visit(z, from: point(z, level, own))
            }
        }
    }

    private static let mostModes = 5

    /// Evidences by sampling, best first.
    private func sample() {
        let best = found.values.map(score).max()!
        let order = found.values.filter { score($0) > best - options.sampledWithin }
            .sorted { (score($1), $0.structure) < (score($0), $1.structure) }
        for f in order.prefix(options.sampled) {
            widen(f.structure)
            let e = EvidenceSampler.run(
                density, f.structure, found[f.structure]!.modes, draws: options.draws, keep: options.keep, using: &random)
            guard e.logEvidence > -.infinity else { continue }
            found[f.structure]!.evidence = e
            found[f.structure]!.logEvidence = e.logEvidence
        }
    }

    /// All that was found, best first at λ.
    public var ranked: [FoundStructure] {
        found.values.sorted { (score($1), $0.structure) < (score($0), $1.structure) }
    }

    /// log p(y | z) of structures that the search need not have met: Laplace's, and sampled for those within `within`
    /// of the best at λ.
    public func evidences(of structures: [Structure], within: Double) -> [Double] {
        for z in structures { build(z) }
        func total(_ z: Structure) -> Double { found[z].map(score) ?? -.infinity }
        let best = structures.map(total).max() ?? 0
        return structures.map { z in
            total(z) > best - within ? evidence(of: z) : found[z]?.logEvidence ?? -.infinity
        }
    }

    /// log p(y | z) of a structure that the search need not have met, sampled.
    public func evidence(of z: Structure) -> Double {
        if found[z] == nil { build(z) }
        guard let f = found[z] else { return -.infinity }
        if f.evidence == nil {
            widen(z)
            let e = EvidenceSampler.run(density, z, found[z]!.modes, draws: options.draws, keep: options.keep, using: &random)
            found[z]!.evidence = e
            found[z]!.logEvidence = e.logEvidence
        }
        return found[z]!.logEvidence
    }
}
