import Foundation
import ModelSpace

/// What a long run of the reference sampler found.
public struct SampledPosterior: Sendable {
    /// How often each structure was visited, of `count` recorded states.
    public var visits: [Structure: Int] = [:]
    public var count = 0
    /// Of each structure the last state: scores of σ and of the inner parameters, terms rising.
    public var points: [Structure: [Double]] = [:]
    /// Share of the states with each bit.
    public func bits(_ number: Int) -> [Double] {
        (0..<number).map { b in
            Double(visits.reduce(0) { $0 + ($1.key[b] ? $1.value : 0) }) / Double(max(1, count))
        }
    }
    public func probability(_ z: Structure) -> Double { Double(visits[z] ?? 0) / Double(max(1, count)) }
}

/// The yardstick: a Markov chain over structures and their numbers with the amplitudes integrated out, exact in the
/// long run.
///
/// A sweep: terms are added and removed (each by several tries at once), exchanged, their inner parameters and σ moved,
/// and the noise chosen anew given amplitudes drawn for the purpose; under heavy tails each error's precision is drawn
/// too, given which all is normal.
///
/// Adding takes M draws from the prior of the term's inner parameters with weights w = p(y | …), keeps one in
/// proportion, and is accepted with mean(w)/p(y | without) · exp(−λ Δk); removing draws M − 1 beside the present one:
/// multiple-try Metropolis with independent tries.
/// - Source: Liu, Liang, Wong, JASA 95 (2000) 121; Green, Biometrika 82 (1995) 711.
public final class CollapsedSampler {
    public let family: RegressionFamily, series: Series, lambda: Double
    private let density: CollapsedDensity
    private var level = 0.0, value = 0.0
    private var precisions: [Double]?
    private var random: RandomSource
    private let tries = 12

    public init(_ family: RegressionFamily, _ series: Series, lambda: Double, seed: UInt64) {
        (self.family, self.series, self.lambda) = (family, series, lambda)
        density = CollapsedDensity(family, series)
        random = RandomSource(seed: seed, stream: 0x4348_4149)
        value = density.logDensity(level)
    }

    public var structure: Structure { density.structure }
    private var point: [Double] {
        [level] + density.terms.indices.sorted { density.terms[$0] < density.terms[$1] }.flatMap { density.inner[$0] }
    }

    /// Goes on from a structure with normal noise, at a point as the search has them.
    func start(_ z: Structure, at point: [Double]) {
        _ = StructureDensity(density, z, at: point)
        level = point[0]
        chooseNoise()
    }

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
        }
        return result
    }

    private func cost(_ t: Int) -> Double { lambda * Double(1 + family.terms[t].inner.count) }
    private func prior(_ t: Int) -> [Double] { family.terms[t].inner.map { _ in random.normal() } }
    private func accepts(_ logRatio: Double) -> Bool { logRatio >= 0 || log(random.uniform()) < logRatio }

    func sweep() {
        for _ in 0..<family.terms.count {
            let t = random.index(below: family.terms.count)
            if let c = density.terms.firstIndex(of: t) { remove(c) } else { add(t) }
        }
        for _ in 0..<4 { exchange() }
        for _ in 0..<2 {
            for c in density.terms.indices where !density.inner[c].isEmpty { moveInner(c) }
            moveLevel()
        }
        chooseNoise()
    }

    private func logMean(_ logs: [Double]) -> Double {
        let peak = logs.max()!
        return peak == -.infinity ? peak : peak + log(logs.reduce(0) { $0 + exp($1 - peak) } / Double(logs.count))
    }

    private func pick(_ logs: [Double]) -> Int {
        let peak = logs.max()!, weights = logs.map { exp($0 - peak) }
        var u = random.uniform() * weights.reduce(0, +)
        for (i, w) in weights.enumerated() { u -= w; if u <= 0 { return i } }
        return weights.count - 1
    }

    /// Tries for a term whose column is the last: their log-densities.
    private func weigh(_ c: Int, _ candidates: [[Double]], first known: Double? = nil) -> [Double] {
        candidates.enumerated().map { i, scores in
            if i == 0, let known { return known }
            density.setInner(c, scores)
            return density.logDensity(level)
        }
    }

    private func count(_ t: Int) -> Int { family.terms[t].inner.isEmpty ? 1 : tries }

    private func add(_ t: Int) {
        let candidates = (0..<count(t)).map { _ in prior(t) }
        density.append(t, candidates[0])
        let c = density.size - 1, logs = weigh(c, candidates)
        if accepts(logMean(logs) - value - cost(t)) {
            let i = pick(logs)
            density.setInner(c, candidates[i])
            value = logs[i]
        } else {
            density.removeColumn(c)
        }
    }

    private func remove(_ c: Int) {
        let t = density.terms[c], own = density.inner[c]
        let candidates = [own] + (1..<count(t)).map { _ in prior(t) }
        let with = weigh(c, candidates, first: value)
        density.removeColumn(c)
        let without = density.logDensity(level)
        if accepts(without - logMean(with) + cost(t)) {
            value = without
        } else {
            density.append(t, own)
        }
    }

    /// A term gives its place to one that is not there.
    private func exchange() {
        let k = density.size
        guard k > 0, k < family.terms.count else { return }
        let c = random.index(below: k), old = density.terms[c], own = density.inner[c]
        var t = random.index(below: family.terms.count)
        while density.terms.contains(t) { t = random.index(below: family.terms.count) }
        let back = [own] + (1..<count(old)).map { _ in prior(old) }, with = weigh(c, back, first: value)
        density.removeColumn(c)
        let candidates = (0..<count(t)).map { _ in prior(t) }
        density.append(t, candidates[0])
        let last = density.size - 1, logs = weigh(last, candidates)
        if accepts(logMean(logs) - logMean(with) - cost(t) + cost(old)) {
            let i = pick(logs)
            density.setInner(last, candidates[i])
            value = logs[i]
        } else {
            density.removeColumn(last)
            density.append(old, own)
        }
    }

    private func moveInner(_ c: Int) {
        // Steps of very different sizes: what suits a narrow density and what leaves it.
        for size in [0.01, 0.1, 0.6] {
            let old = density.inner[c], new = old.map { $0 + size * random.normal() }
            density.setInner(c, new)
            let other = density.logDensity(level)
            let prior = 0.5 * (old.reduce(0) { $0 + $1 * $1 } - new.reduce(0) { $0 + $1 * $1 })
            if accepts(other - value + prior) { value = other } else { density.setInner(c, old) }
        }
    }

    private func moveLevel() {
        for size in [0.1, 0.5] {
            let new = level + size * random.normal(), other = density.logDensity(new)
            if abs(new) < 8, accepts(other - value + 0.5 * (level * level - new * new)) {
                (level, value) = (new, other)
            }
        }
    }

    /// The noise and σ given amplitudes drawn for the purpose; then each error's precision, if it has one.
    private func chooseNoise() {
        let a = density.amplitudes(level, using: &random), nu = NoiseModel.degrees
        func logDensity(_ sigma: Double) -> Double {
            density.residuals(a).reduce(-density.logDeterminant - Double(density.n) * log(sigma)) {
                $0 + family.noises[density.noise].logDensity($1 / sigma)
            }
        }
        let old = density.noise
        if precisions != nil { density.setNoise(old, precisions: nil) }
        let now = logDensity(NoiseModel.level.value(level))
        if family.noises.count > 1 {
            var other = random.index(below: family.noises.count - 1)
            if other >= old { other += 1 }
            let newLevel = level + 0.5 * random.normal()
            density.setNoise(other, precisions: nil)
            let then = logDensity(NoiseModel.level.value(newLevel))
            if abs(newLevel) < 8, accepts(then - now + 0.5 * (level * level - newLevel * newLevel)) {
                level = newLevel
            } else {
                density.setNoise(old, precisions: nil)
            }
        }
        precisions = nil
        if density.isHeavy {
            let sigma = NoiseModel.level.value(level)
            precisions = density.residuals(a).map { r in
                gamma(shape: (nu + 1) / 2) / ((nu + r * r / (sigma * sigma)) / 2)
            }
            density.setNoise(density.noise, precisions: precisions)
        }
        value = density.logDensity(level)
    }

    /// Marsaglia and Tsang's, shape ≥ 1.
    private func gamma(shape: Double) -> Double {
        let d = shape - 1.0 / 3, c = 1 / (9 * d).squareRoot()
        while true {
            let x = random.normal(), v = pow(1 + c * x, 3)
            guard v > 0 else { continue }
            if log(random.uniform()) < 0.5 * x * x + d - d * v + d * log(v) { return d * v }
        }
    }
}
