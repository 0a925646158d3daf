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

/// Which structures explain a series: from some starts by adding, removing and exchanging terms and noises, best first,
/// with the evidence of each.
///
/// Everything is drawn from `seed`: the same series gives the same list.
public final class FormulaSearch {
    public let family: RegressionFamily, series: Series, lambda: Double, options: SearchOptions
    public internal(set) var found: [Structure: FoundStructure] = [:]
    /// A run of the reference sampler in which the list had no part, to see how complete that is; nil where it was not
    /// asked.
    public internal(set) var check: SampledPosterior?
    let density: CollapsedDensity
    private lazy var mover = CollapsedSampler(family, series, lambda: lambda, seed: options.seed, chain: .max)
    var expanded: Set<Structure> = []
    private var random: RandomSource
    /// Scores of inner parameters to try, by how many a term has.
    let trials: [[[Double]]]

    public init(_ family: RegressionFamily, _ series: Series, lambda: Double, options: SearchOptions = SearchOptions())
    {
        (self.family, self.series, self.lambda, self.options) = (family, series, lambda, options)
        density = CollapsedDensity(family, series)
        random = RandomSource(seed: options.seed, stream: 0x5345_4152)
        // Kronecker's points: evenly spread whatever their number.
        trials = [1, 48, 128, 256].enumerated().map { d, count in
            let root = [0, 0.618033988749895, 0.754877666246693, 0.819172513396164][d]
            return (1...count).map { i in
                (0..<d).map { j in
                    let place = (0.5 + pow(root, Double(j + 1)) * Double(i)).truncatingRemainder(dividingBy: 1)
                    return NormalScore.score(0.001 + 0.998 * place)
                }
            }
        }
    }

    public func score(_ f: FoundStructure) -> Double { f.logEvidence - lambda * Double(f.parameters) }

    /// Of the structures found.
    var bestScore: Double { found.values.map(score).max()! }

    /// - Parameter starts: structures to begin with, for instance a network's draws; the empty one is always added.
    /// - Parameter isStopped: asked between expansions.
    public func run(starts: [Structure] = [], isStopped: () -> Bool = { false }) {
        for index in family.noises.indices.prefix(1) { visit(family.with(Structure(), noise: index), from: nil) }
        for z in starts { build(z) }
        expandBest(options.expansions, isStopped)
        if options.sweeps > 0, !isStopped() { complete(isStopped) }
        sample()
    }

    func expandBest(_ most: Int, _ isStopped: () -> Bool) {
        for _ in 0..<most where !isStopped() {
            let best = bestScore
            let next = found.values.filter { !expanded.contains($0.structure) }
                .max { (score($0), $1.structure) < (score($1), $0.structure) }
            guard let next, score(next) > best - options.cutoff else { return }
            expand(next)
        }
    }

    /// Scores by term of a mode's point, and σ's.
    func parts(_ z: Structure, _ point: [Double]) -> (level: Double, inner: [Int: [Double]]) {
        var at = 1, inner: [Int: [Double]] = [:]
        for t in family.active(z) {
            let n = family.terms[t].inner.count
            inner[t] = Array(point[at..<at + n])
            at += n
        }
        return (point[0], inner)
    }

    func point(_ z: Structure, _ level: Double, _ inner: [Int: [Double]]) -> [Double] {
        [level] + family.active(z).flatMap { inner[$0] ?? family.terms[$0].inner.map { _ in 0 } }
    }

    /// Climbs from a point that a neighbour or the sampler came by, unless the structure is known to have a mode there,
    /// or far better ones. (A structure that was first met by a poor mode would otherwise keep it whatever its
    /// neighbours find.)
    func offer(_ z: Structure, _ start: [Double]) {
        if found[z]?.modes.contains(where: { $0.isNear(start) }) == true { return }
        let target = StructureDensity(density, z, at: start), levelled = target.levelled(start)
        if let best = found[z]?.modes.map(\.logDensity).max(), target.value(levelled) < best - Self.promising {
            return
        }
        keep(target.climb(levelled), of: z)
    }

    /// Climbs from a point, whatever is known.
    func visit(_ z: Structure, from start: [Double]?) {
        let start = start ?? point(z, 0, [:]), target = StructureDensity(density, z, at: start)
        keep(target.climb(target.levelled(start)), of: z)
    }

    /// A few modes of a structure, the best.
    private func keep(_ mode: Mode, of z: Structure) {
        guard mode.logDensity > -1e200 else { return }
        var f =
            found[z]
            ?? FoundStructure(
                structure: z, parameters: family.rule.parameterCount(z), logEvidence: -.infinity, evidence: nil,
                modes: [])
        guard !f.modes.contains(where: { $0.isNear(mode.point) }) else { return }
        f.modes.append(mode)
        if f.modes.count > Self.mostModes {
            f.modes.remove(at: f.modes.indices.min { f.modes[$0].logMass < f.modes[$1].logMass }!)
        }
        let before = f.logEvidence
        f.logEvidence = logSum(f.modes.map(\.logMass))
        // Its neighbours are worth another look from there.
        if f.logEvidence > before + 1 { expanded.remove(z) }
        found[z] = f
    }

    /// Prepares the density at a point and its explained part; returns σ²/s².
    func prepare(_ z: Structure, _ p: [Double]) -> Double {
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
                for (g, s) in zip(density.gains(t, candidates, ratio: ratio), candidates)
                where g > best?.gain ?? -.infinity { best = (g, t, s) }
            }
            guard let best else { break }
            now[best.term] = true
            inner[best.term] = refine(best.term, best.scores, ratio: ratio)
            open.remove(best.term)
        }
        visit(z, from: point(z, -0.5, inner))
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
            }
            for start in seen.dropFirst().map({ refine(t, $0, ratio: ratio) }) {
                var own = inner
                own[t] = start
                visit(z, from: point(z, level, own))
            }
        }
    }

    private static let mostModes = 5
    /// Nats below a structure's best density from which a climb may lead above it.
    private static let promising = 10.0

    /// Evidences by sampling, best first.
    private func sample() {
        let best = bestScore
        let order = found.values.filter { score($0) > best - options.sampledWithin }
            .sorted { (score($1), $0.structure) < (score($0), $1.structure) }
        for f in order.prefix(options.sampled) {
            let e = sampled(f.structure)
            guard e.logEvidence > -.infinity else { continue }
            found[f.structure]!.evidence = e
            found[f.structure]!.logEvidence = e.logEvidence
        }
    }

    /// The evidence of a structure that is known, and draws of its numbers: where few of those that the evidence is of
    /// are effective, resampling has kept the same ones several times over, and they are moved apart.
    private func sampled(_ z: Structure) -> RegressionEvidence {
        widen(z)
        let modes = found[z]!.modes
        var e = EvidenceSampler.run(density, z, modes, draws: options.draws, keep: options.keep, using: &random)
        if e.effective < Double(options.keep) {
            let best = modes.max { $0.logMass < $1.logMass }!
            e.draws = mover.moved(e.draws, of: z, along: best.spread, sweeps: options.moves)
        }
        return e
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

    /// The same with another mode looked for from a point: σ's score, then each term's.
    func evidence(of z: Structure, from start: [Double]) -> Double {
        visit(z, from: start)
        found[z]?.evidence = nil
        return evidence(of: z)
    }

    /// log p(y | z) of a structure that the search need not have met, sampled.
    public func evidence(of z: Structure) -> Double {
        if found[z] == nil { build(z) }
        guard let f = found[z] else { return -.infinity }
        if f.evidence == nil {
            let e = sampled(z)
            found[z]!.evidence = e
            found[z]!.logEvidence = e.logEvidence
        }
        return found[z]!.logEvidence
    }
}
