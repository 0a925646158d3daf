import Diffusion
import Foundation
import ModelSpace

/// The evidence of one structure and weighted draws of its parameters.
public struct StructureSample: Sendable {
    /// log p(y | z) over the family's prior, with log s0 flat (density 1), and its standard error (nats).
    public var logEvidence: Double, standardError: Double
    /// N × P parameters and their weights, of sum 1.
    public var parameters: [Double], weights: [Double]
    /// 1/Σw².
    public var effectiveCount: Double
}

/// Evidence and posterior of a structure by mixture importance sampling about modes, with exact likelihood.
///
/// Gauss–Newton climbs from given starts find modes; t components with the local information matrix make a first proposal; later generations centre
/// components on weighted samples of the earlier ones. All samples are weighted by target over the whole mixture (deterministic mixture weights),
///
///     w_i = p(y|θ_i) p(θ_i) / Σ_c (n_c/N) q_c(θ_i),    p(y|z) ≈ Σ w_i / N
///
/// which is unbiased given the components of the first generation.
///
/// - Source: Cornuet et al., "Adaptive multiple importance sampling", Scand. J. Statistics 39 (2012); Elvira et al., Statistical Science 34 (2019).
public final class EvidenceSampler {
    public struct Options: Sendable {
        /// Samples of each generation.
        public var generations = [128, 128]
        /// Components that later generations add.
        public var components = 4
        public var climbs = 12
        public init() {}
    }

    private let acquisition: Acquisition, family = BallSticks()
    private let rows: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    typealias Slot = BallSticks.Slot

    public init(acquisition: Acquisition) {
        self.acquisition = acquisition
        rows = .allocate(capacity: LocalGeometry.capacity * acquisition.count)
        scratch = .allocate(capacity: 3 * acquisition.count)
    }

    deinit {
        rows.deallocate()
        scratch.deallocate()
    }

    /// Precision that the prior's width lends to each coordinate: one over the variance of a uniform variable on its range, 3 for tangents.
    private func priorPrecision(_ g: LocalGeometry) -> [Double] {
        var p = [Double](repeating: 0, count: g.dimension)
        func uniform(_ range: (low: Double, high: Double)) -> Double { 12 / ((range.high - range.low) * (range.high - range.low)) }
        p[0] = uniform(BallSticks.logDiffusivity)
        if g.hasSpread { p[1] = uniform(BallSticks.logSpreadRatio) }
        p[g.s0Index] = 0.1
        for k in 0..<g.sticks { p[g.fractionIndex + k] = 12 }
        for k in 0..<2 * g.sticks { p[g.tangentIndex + k] = 3 }
        p[g.sigmaIndex] = uniform(BallSticks.logSNR)
        return p
    }

    /// Climbs from θ towards a mode and returns the component there.
    func climb(_ y: UnsafePointer<Float>, _ g: LocalGeometry, from start: [Double], steps: Int, constant: Double) -> ProposalComponent? {
        let d = g.dimension, prior = priorPrecision(g)
        var theta = start, tangents = [Double](repeating: 0, count: max(1, 6 * g.sticks))
        g.clamp(&theta)
        var gradient = [Double](repeating: 0, count: d), information = [Double](repeating: 0, count: d * d)
        func evaluate(_ theta: [Double], _ tangents: inout [Double]) -> Double {
            g.tangents(theta, into: &tangents)
            return g.likelihood(y, theta, tangents, acquisition, rows: rows, scratch: scratch, gradient: &gradient, information: &information)
        }
        var value = evaluate(theta, &tangents)
        guard value.isFinite else { return nil }
        var damping = 0.01
        var moved = theta
        for _ in 0..<steps {
            var precision = information
            var held = [Bool](repeating: false, count: d)
            for k in 0..<g.sticks where theta[Slot.fraction + k] <= BallSticks.fractionFloor + 1e-9 && gradient[g.fractionIndex + k] < 0 {
                held[g.fractionIndex + k] = true
            }
            for j in 0..<d {
                if held[j] {
                    for k in 0..<d { precision[j * d + k] = 0; precision[k * d + j] = 0 }
                    precision[j * d + j] = 1
                } else {
                    precision[j * d + j] = precision[j * d + j] * (1 + damping) + prior[j]
                }
            }
            var step = gradient
            for j in 0..<d where held[j] { step[j] = 0 }
            let ascent = step
            guard ProposalComponent.factorise(&precision, d) else { break }
            ProposalComponent.solve(precision, d, &step)
            let decrement = zip(ascent, step).reduce(0) { $0 + $1.0 * $1.1 }
            if decrement < 0.1 { break }
            for k in 0..<2 * g.sticks { step[g.tangentIndex + k] = max(-1, min(1, step[g.tangentIndex + k])) }
            g.move(theta, tangents, by: step, into: &moved)
            g.clamp(&moved)
            let oldGradient = gradient, oldInformation = information
            var newTangents = tangents
            let next = evaluate(moved, &newTangents)
            if next.isFinite && next > value {
                theta = moved
                tangents = newTangents
                let gain = next - value
                value = next
                damping = max(1e-4, damping * 0.2)
                if gain < 0.02 { break }
            } else {
                gradient = oldGradient
                information = oldInformation
                damping = max(1e-3, damping * 8)
                if damping > 1e4 { break }
            }
        }
        return component(g, theta, tangents, value + constant, gradient, information, prior)
    }

    private func component(
        _ g: LocalGeometry, _ theta: [Double], _ tangents: [Double], _ logDensity: Double, _ gradient: [Double], _ information: [Double], _ prior: [Double]
    ) -> ProposalComponent? {
        let d = g.dimension
        var precision = information
        for j in 0..<d { precision[j * d + j] += prior[j] }
        // Where the density falls off from a bound like exp(−|g| u), its scale is 1/|g|.
        for k in 0..<g.sticks where theta[Slot.fraction + k] <= BallSticks.fractionFloor + 1e-9 && gradient[g.fractionIndex + k] < 0 {
            let j = g.fractionIndex + k
            precision[j * d + j] += gradient[j] * gradient[j]
        }
        return ProposalComponent(g, centre: theta, tangents: tangents, precision: precision, logDensity: logDensity)
    }

    /// - Parameters:
    ///   - y: M normalised signals.
    ///   - starts: parameters near which to look for modes, in any order.
    /// - Returns: nil when the likelihood vanishes at all starts.
    public func sample(
        _ y: UnsafePointer<Float>, _ z: Structure, starts: [[Double]], options: Options, using random: inout RandomSource
    ) -> StructureSample? {
        let g = LocalGeometry(z), p = Slot.count
        guard let first = starts.first else { return nil }
        // The prior's density is constant on its support; axes count on the half-sphere.
        var inside = first
        g.clamp(&inside)
        let constant = family.logPrior(inside, z) + Double(g.sticks) * log(2)
        var modes: [ProposalComponent] = []
        for start in starts {
            guard let c = climb(y, g, from: start, steps: options.climbs, constant: constant) else { continue }
            if modes.contains(where: { $0.logDensity(c.centre).distance < 1 }) { continue }
            modes.append(c)
        }
        guard let best = modes.map(\.laplace).max() else { return nil }
        modes.removeAll { $0.laplace < best - 8 }

        let total = options.generations.reduce(0, +)
        var theta = [Double](repeating: 0, count: total * p), target = [Double](repeating: -.infinity, count: total)
        // Σ_c n_c q_c(θ_i), relative to exp(`shift`).
        var mixture = [Double](repeating: 0, count: total)
        var components: [ProposalComponent] = [], done = 0
        var shift = 0.0
        func weights(_ n: Int) -> (log: [Double], peak: Double) {
            let values = (0..<n).map { target[$0] - log(mixture[$0]) - shift }
            return (values, values.max()!)
        }
        for (generation, count) in options.generations.enumerated() {
            var fresh: [ProposalComponent]
            if generation == 0 {
                fresh = modes
                let share = fresh.map { exp($0.laplace - best) + 0.1 }, sum = share.reduce(0, +)
                allot(count, share.map { $0 / sum }, &fresh)
            } else {
                let (values, peak) = weights(done)
                guard peak.isFinite else { return nil }
                let w = values.map { exp($0 - peak) }
                fresh = later(y, g, theta, w, target, options.components, constant, &random)
                guard !fresh.isEmpty else { break }
                allot(count, fresh.map { _ in 1 / Double(fresh.count) }, &fresh)
            }
            if generation == 0 { shift = fresh[0].logDensity(fresh[0].centre).value }
            let start = done
            theta.withUnsafeMutableBufferPointer { theta in
                for c in fresh {
                    for _ in 0..<c.count {
                        let at = theta.baseAddress! + done * p
                        c.draw(&random, into: at)
                        if g.isInSupport(at) { target[done] = constant + family.logLikelihood(y, at, z, acquisition, scratch: scratch) }
                        done += 1
                    }
                }
                // Samples outside the support weigh nothing and need no density.
                for i in 0..<done where target[i] > -.infinity {
                    let at = theta.baseAddress! + i * p
                    if i >= start { for c in components { mixture[i] += Double(c.count) * exp(c.logDensity(at).value - shift) } }
                    for c in fresh { mixture[i] += Double(c.count) * exp(c.logDensity(at).value - shift) }
                }
            }
            for i in start..<done where target[i] == -.infinity { mixture[i] = 1 }
            components += fresh
        }
        let (values, peak) = weights(done)
        guard peak.isFinite else { return nil }
        // mixture holds Σ n_c q_c = N × (mixture density): Σ w_i is the evidence itself.
        let w = values.map { exp($0 - peak) }, sum = w.reduce(0, +), squares = w.reduce(0) { $0 + $1 * $1 }
        let n = Double(done), ess = sum * sum / squares
        let variance = max(0, squares / (sum * sum) - 1 / n)
        return StructureSample(
            logEvidence: peak + log(sum), standardError: variance.squareRoot(), parameters: Array(theta[0..<done * p]),
            weights: w.map { $0 / sum }, effectiveCount: ess)
    }

    /// Components about samples of earlier generations, chosen by weight.
    private func later(
        _ y: UnsafePointer<Float>, _ g: LocalGeometry, _ theta: [Double], _ w: [Double], _ target: [Double], _ count: Int, _ constant: Double,
        _ random: inout RandomSource
    ) -> [ProposalComponent] {
        let total = w.reduce(0, +)
        var result: [ProposalComponent] = [], i = 0, cumulative = w[0]
        let offset = random.uniform()
        for k in 0..<count {
            let goal = (Double(k) + offset) / Double(count) * total
            while cumulative < goal && i < w.count - 1 { i += 1; cumulative += w[i] }
            if let c = climb(y, g, from: Array(theta[i * Slot.count..<(i + 1) * Slot.count]), steps: laterSteps, constant: constant) { result.append(c) }
        }
        return result
    }
    public var laterSteps = 0

    /// Gives each component its part of `count`, by largest remainder.
    private func allot(_ count: Int, _ share: [Double], _ components: inout [ProposalComponent]) {
        var given = 0
        for i in components.indices {
            components[i].count = Int(share[i] * Double(count))
            given += components[i].count
        }
        var i = 0
        while given < count { components[i % components.count].count += 1; given += 1; i += 1 }
    }
}
