import Foundation
import ModelSpace

/// The yardstick: a Markov chain over structures and their numbers with the amplitudes integrated out, exact in the
/// long run.
///
/// A sweep: terms are added and removed (each by several tries at once), places given to other terms, to those of
/// their kind at the numbers that they have, their inner parameters and σ moved, and the noise chosen anew, with σ
/// given the terms, and given amplitudes drawn for the purpose; under heavy tails each error's precision is drawn too,
/// given which all is normal.
///
/// Adding takes M draws from the prior of the term's inner parameters with weights w = p(y | …), keeps one in
/// proportion, and is accepted with mean(w)/p(y | without) · exp(−λ Δk); removing draws M − 1 beside the present one:
/// multiple-try Metropolis with independent tries.
/// - Source: Liu, Liang, Wong, JASA 95 (2000) 121; Green, Biometrika 82 (1995) 711.
public final class CollapsedSampler {
    public let family: RegressionFamily, series: Series, lambda: Double
    let density: CollapsedDensity, kin: [[Int]]
    /// What each term's inner parameters mean.
    let meanings: [[String]]
    /// Of the present state: σ's score, and what `logDensity` says there.
    var level = 0.0, value = 0.0
    var precisions: [Double]?
    var random: RandomSource
    /// The highest log of density times prior that a state of a run had, as `Mode.logDensity` less λ k; nil where tails
    /// have been heavy all the time.
    private(set) var top: Double?
    /// Power of p(y | …): 1 but while `cool` runs.
    private var power = 1.0
    /// Draws of a term's inner parameters where it is added or removed, and where it is one of all for a place.
    private let tries = 12, triesOfEach = 4

    public init(_ family: RegressionFamily, _ series: Series, lambda: Double, seed: UInt64, chain: UInt64 = 0) {
        (self.family, self.series, self.lambda) = (family, series, lambda)
        density = CollapsedDensity(family, series)
        meanings = family.terms.map(\.meanings)
        kin = Self.kin(family.terms)
        random = RandomSource(seed: seed, stream: 0x4348_4149, substream: chain)
        value = density.logDensity(level)
    }

    public var structure: Structure { density.structure }
    var point: [Double] {
        [level] + density.terms.indices.sorted { density.terms[$0] < density.terms[$1] }.flatMap { density.inner[$0] }
    }

    /// Goes on from a structure with normal noise, at a point as the search has them.
    func start(_ z: Structure, at point: [Double]) {
        _ = StructureDensity(density, z, at: point)
        level = point[0]
        chooseNoise()
    }

    /// Sweeps in which p(y | …) counts by a power that rises from 0.03 to 1, before a run: from no term a chain at once
    /// at 1 often stays in whatever explains much first, tens of nats below where it belongs. Without heavy tails,
    /// whose precisions have no such power; the run comes to them.
    public func cool(sweeps: Int, isStopped: () -> Bool = { false }) {
        if density.isHeavy {
            precisions = nil
            density.setNoise(0, precisions: nil)
        }
        for sweep in 0..<sweeps where !isStopped() {
            power = pow(0.03, 1 - Double(sweep + 1) / Double(sweeps))
            value = logDensity(level)
            self.sweep()
        }
        power = 1
        value = logDensity(level)
    }

    func logDensity(_ level: Double) -> Double { power * density.logDensity(level) }

    /// - Parameters:
    ///   - discard: sweeps before the first that counts.
    public func run(sweeps: Int, discard: Int, isStopped: () -> Bool = { false }) -> SampledPosterior {
        var result = SampledPosterior()
        for sweep in 0..<sweeps + discard {
            if isStopped() { break }
            self.sweep()
            guard sweep >= discard else { continue }
            let z = structure
            result.visits[z, default: 0] += 1
            result.points[z] = point
            result.count += 1
            if precisions == nil { top = max(top ?? -.infinity, logPosterior) }
        }
        return result
    }

    private var logPosterior: Double {
        let scores = density.inner.joined(), count = Double(1 + scores.count)
        let prior = scores.reduce(level * level) { $0 + $1 * $1 } + count * log(2 * .pi)
        return value - 0.5 * prior - density.terms.reduce(0) { $0 + cost($1) }
    }

    func cost(_ t: Int) -> Double { lambda * Double(1 + family.terms[t].inner.count) }
    private func prior(_ t: Int) -> [Double] { family.terms[t].inner.map { _ in random.normal() } }
    func accepts(_ logRatio: Double) -> Bool { logRatio >= 0 || log(random.uniform()) < logRatio }

    func sweep() {
        for _ in 0..<family.terms.count {
            let t = random.index(below: family.terms.count)
            if let c = density.terms.firstIndex(of: t) { remove(c) } else { add(t) }
        }
        for _ in 0..<2 { chooseTerm() }
        for _ in 0..<40 { exchangeKin() }
        for _ in 0..<2 {
            for c in density.terms.indices where !density.inner[c].isEmpty { moveInner(c) }
            moveLevel()
        }
        chooseNoiseAndLevel()
        if power == 1 { chooseNoise() }
    }

    private func logMean(_ logs: [Double]) -> Double {
        let peak = logs.max()!
        return peak == -.infinity ? peak : peak + log(logs.reduce(0) { $0 + exp($1 - peak) } / Double(logs.count))
    }

    func pick(_ logs: [Double]) -> Int {
        let peak = logs.max()!, weights = logs.map { exp($0 - peak) }
        var u = random.uniform() * weights.reduce(0, +)
        for (i, w) in weights.enumerated() { u -= w; if u <= 0 { return i } }
        return weights.count - 1
    }

    private func count(_ t: Int) -> Int { family.terms[t].inner.isEmpty ? 1 : tries }
    private func draws(_ t: Int, beside known: Int = 0) -> [[Double]] { (known..<count(t)).map { _ in prior(t) } }

    /// Log-densities without and with a term that is not there, at each of some scores.
    private func weigh(_ t: Int, _ candidates: [[Double]]) -> (without: Double, with: [Double]) {
        let logs = density.additions(candidates.map { Candidate(term: t, scores: $0) }, level)
        return (power * logs.without, logs.with.map { power * $0 })
    }

    private func append(_ t: Int, _ scores: [Double]) {
        density.append(t, scores)
        value = logDensity(level)
    }

    private func add(_ t: Int) {
        let candidates = draws(t), logs = weigh(t, candidates).with
        if accepts(logMean(logs) - value - cost(t)) { append(t, candidates[pick(logs)]) }
    }

    private func remove(_ c: Int) {
        let t = density.terms[c], own = density.inner[c]
        density.removeColumn(c)
        let logs = weigh(t, draws(t, beside: 1))
        if accepts(logs.without - logMean([value] + logs.with) + cost(t)) {
            value = logs.without
        } else {
            density.append(t, own)
        }
    }

    /// A term's place is given anew, to any term that is not there or to the same: term t with numbers θ_tj, M_t draws
    /// of the prior each but that the present one is among its own, is drawn with probability
    ///
    ///     ∝ exp(−λ k_t) p(y | others, t, θ_tj) / M_t
    ///
    /// Gibbs on the posterior with the draws for all terms beside it, in which every draw of a term is alike; so none
    /// is rejected. Terms that span nearly the same curve change places without one having to be guessed among all.
    func chooseTerm() {
        guard density.size > 0 else { return }
        let c = random.index(below: density.size), old = density.terms[c], own = density.inner[c]
        density.removeColumn(c)
        let present = Set(density.terms)
        var candidates: [Candidate] = [], priors: [Double] = []
        for t in family.terms.indices where !present.contains(t) {
            let n = family.terms[t].inner.isEmpty ? 1 : triesOfEach
            for j in 0..<n {
                candidates.append(Candidate(term: t, scores: j == 0 && t == old ? own : prior(t)))
                priors.append(-cost(t) - log(Double(n)))
            }
        }
        let logs = density.additions(candidates, level).with.map { power * $0 }
        let chosen = pick(zip(logs, priors).map { $0 + $1 })
        density.append(candidates[chosen].term, candidates[chosen].scores)
        value = logs[chosen]
    }

    func moveInner(_ c: Int) {
        // Steps of very different sizes: what suits a narrow density and what leaves it.
        for size in [0.01, 0.1, 0.6] {
            let old = density.inner[c], new = old.map { $0 + size * random.normal() }
            density.replace(c, density.terms[c], new)
            let other = logDensity(level)
            let prior = 0.5 * (old.reduce(0) { $0 + $1 * $1 } - new.reduce(0) { $0 + $1 * $1 })
            if accepts(other - value + prior) { value = other } else { density.restore(c, density.terms[c], old) }
        }
    }
}
