import CKernels
import Diffusion
import Foundation
import ModelSpace

/// Weighted samples of a structure's parameters for both kinds of noise, and the evidences.
public struct StructureSample {
    public struct Noise {
        /// log p(y | z) over the family's prior, log s0 flat (density 1), and its standard error (nats).
        public var logEvidence = -Double.infinity, standardError = Double.infinity
        /// Normalised importance weights.
        public var weights: [Double] = []
        /// 1/Σw².
        public var effectiveCount = 0.0
    }
    public var gaussian = Noise(), rician = Noise()
    /// N samples as rows of N: log d, log(s/d), log snr, log s0, fractions, axes.
    public var rows: [Float] = []
    public var count = 0

    /// Sample i as θ.
    public func parameters(_ i: Int, hasSpread: Bool, into theta: UnsafeMutablePointer<Double>) {
        func row(_ k: Int) -> Double { Double(rows[k * count + i]) }
        theta.update(repeating: 0, count: BallSticks.Slot.count)
        let d = exp(row(0))
        theta[BallSticks.Slot.diffusivity] = d
        theta[BallSticks.Slot.spread] = hasSpread ? d * exp(row(1)) : 0
        theta[BallSticks.Slot.snr] = exp(row(2))
        theta[BallSticks.Slot.s0] = exp(row(3))
        for k in 0..<12 { theta[BallSticks.Slot.fraction + k] = row(4 + k) }
    }
}

/// Evidence and posterior of structures by mixture importance sampling about modes, with the exact likelihood.
///
/// Gauss–Newton climbs from given starts find modes; truncated normals with the local information matrix make a first proposal; later generations centre
/// components on weighted samples of the earlier ones. Samples are weighted by target over the whole mixture (deterministic mixture weights),
///
///     w_i = p(y|θ_i) p(θ_i) / Σ_c (n_c/N) q_c(θ_i),    p(y|z) ≈ Σ w_i / N
///
/// Points are a randomly shifted Kronecker sequence. Gaussian and Rician noise share the samples.
///
/// - Source: Cornuet et al., "Adaptive multiple importance sampling", Scand. J. Statistics 39 (2012); Elvira et al., Statistical Science 34 (2019).
public final class EvidenceSampler {
    public struct Options: Sendable {
        /// Samples of each generation.
        public var generations = [128, 128]
        /// Components that later generations add, each.
        public var components = 4
        /// Gauss–Newton steps from a start to a mode.
        public var climbs = 12
        /// Standard deviations of the components about each mode, relative to the local normal's: the wide one guards the tails.
        public var scales = [1.0, 1.6]
        public init() {}
        public init(generations: [Int], components: Int) {
            self.generations = generations
            self.components = components
        }
    }

    /// Modes of the structures that differ by noise only.
    public struct Modes {
        let geometry: LocalGeometry
        let constant: Double
        var components: [ProposalComponent]
        /// log Σ of the modes' Laplace approximations to the evidence: rough.
        public var laplace: Double
        /// θ at the best mode.
        var best: [Double] { components.max { $0.laplace < $1.laplace }!.centre }
    }

    private let acquisition: Acquisition, family = BallSticks(), finder: ModeFinder
    private var work: [Float]
    private typealias Slot = BallSticks.Slot

    public init(acquisition: Acquisition) {
        self.acquisition = acquisition
        finder = ModeFinder(acquisition: acquisition)
        work = []
    }

    /// Finds the modes near some starts.
    ///
    /// - Parameters:
    ///   - y: M normalised signals.
    ///   - starts: structures of one number of sticks and spread, and θ of each.
    /// - Returns: nil when the likelihood vanishes at all starts.
    public func modes(_ y: UnsafePointer<Float>, starts: [(Structure, [Double])], options: Options) -> Modes? {
        guard let first = starts.first else { return nil }
        let g = LocalGeometry(first.0)
        // The prior's density is constant on its support; axes count on the half-sphere.
        var inside = first.1
        g.clamp(&inside)
        let constant = family.logPrior(inside, first.0) + Double(g.sticks) * log(2)
        var modes: [ProposalComponent] = []
        for (z, start) in starts {
            guard let c = finder.climb(y, LocalGeometry(z), from: start, steps: options.climbs, constant: constant) else { continue }
            if modes.contains(where: { $0.isNear(c) }) { continue }
            modes.append(c)
        }
        guard let best = modes.map(\.laplace).max() else { return nil }
        modes.removeAll { $0.laplace < best - 8 }
        if g.hasSpread { modes = ladders(y, modes, constant, options) }
        if Self.RE > 0 { modes += modes.flatMap { $0.relabelled(reach: Self.RE) } }
        let top = modes.map(\.laplace).max()!
        return Modes(
            geometry: g, constant: constant, components: modes, laplace: top + log(modes.reduce(0) { $0 + exp($1.laplace - top) }))
    }

    public static nonisolated(unsafe) var RE = 2.5, LC = 1, LSC = 1.0, J = 5, W = 0.6, SD = 0.25, STEPS = 3, TOP = 2
    /// Replaces modes at which log(s/d) is barely determined by a ladder of components at values spaced over its range: the other parameters follow it along a bend.
    private func ladders(_ y: UnsafePointer<Float>, _ modes: [ProposalComponent], _ constant: Double, _ options: Options) -> [ProposalComponent] {
        var result: [ProposalComponent] = []
        let range = BallSticks.logSpreadRatio, h = (range.high - range.low) / Double(max(1, Self.J))
        for (i, mode) in modes.sorted(by: { $0.laplace > $1.laplace }).enumerated() {
            guard Self.J > 0, i < Self.TOP, mode.deviation(of: mode.geometry.sticks) > Self.SD else { result.append(mode); continue }
            let here = log(mode.centre[Slot.spread] / mode.centre[Slot.diffusivity])
            var rungs: [ProposalComponent] = []
            // Outwards from the mode, each starting where its neighbour ended.
            let nearest = max(0, min(Self.J - 1, Int((here - range.low) / h)))
            for order in [Array(nearest..<Self.J), Array((0..<nearest).reversed())] {
                var theta = order.first == nearest || rungs.isEmpty ? mode.centre : rungs[0].centre
                for j in order {
                    theta[Slot.spread] = theta[Slot.diffusivity] * exp(range.low + (Double(j) + 0.5) * h)
                    guard let c = finder.climb(y, mode.geometry, from: theta, steps: Self.STEPS, constant: constant, rung: Self.W * h) else { break }
                    if c.laplace < mode.laplace - 8 { break }
                    rungs.append(c)
                    theta = c.centre
                }
            }
            result += rungs.isEmpty ? [mode] : rungs
        }
        return result
    }

    /// Samples about modes.
    /// - Returns: nil when no sample has a likelihood.
    public func sample(_ y: UnsafePointer<Float>, _ found: Modes, options: Options, using random: inout RandomSource) -> StructureSample? {
        let g = found.geometry, d = g.dimension, constant = found.constant, hasSpread = g.hasSpread, modes = found.components
        let best = modes.map(\.laplace).max()!
        let total = options.generations.reduce(0, +), m = acquisition.count
        let needed = 2 * (LocalGeometry.capacity + 6) * total + m
        if work.count < needed { work = Array(repeating: 0, count: needed) }
        var result = StructureSample()
        result.count = total
        result.rows = Array(repeating: 0, count: 16 * total)
        var logs = (gaussian: [Double](repeating: -.infinity, count: total), rician: [Double](repeating: -.infinity, count: total))
        var uniforms = [Float](repeating: 0, count: d * total), density = [Float](repeating: 0, count: total)
        // log Σ_c n_c q_c(θ_i)
        var mixture = [Float](repeating: -1e30, count: total)
        var components: [ProposalComponent] = [], done = 0
        var support = ProposalComponent.support
        let isPositive = (0..<m).allSatisfy { y[$0] > 0 }
        for (generation, count) in options.generations.enumerated() {
            var fresh: [ProposalComponent] = []
            if generation == 0 {
                let share = modes.map { exp($0.laplace - best) + 0.1 }, sum = share.reduce(0, +)
                for (c, s) in zip(modes, share) {
                    for scale in options.scales {
                        var c = scale == 1 ? c : c.scaled(scale)
                        c.count = Int(Double(count) * s / sum / Double(options.scales.count))
                        fresh.append(c)
                    }
                }
            } else {
                fresh = later(y, g, result, logs, mixture, done, options, constant, &random)
                guard !fresh.isEmpty else { break }
                for i in fresh.indices { fresh[i].count = count / fresh.count }
            }
            var left = count - fresh.reduce(0) { $0 + $1.count }, i = 0
            while left > 0 { fresh[i % fresh.count].count += 1; left -= 1; i += 1 }

            let start = done
            for c in fresh where c.count > 0 {
                kronecker(d, c.count, &uniforms, &random)
                result.rows.withUnsafeMutableBufferPointer { rows in
                    work.withUnsafeMutableBufferPointer {
                        pk_component_draw(
                            c.block, g.sticks, hasSpread ? 1 : 0, &support, uniforms, done, c.count, total, rows.baseAddress!, $0.baseAddress!)
                    }
                }
                done += c.count
            }
            logs.gaussian.withUnsafeMutableBufferPointer { gaussian in
                logs.rician.withUnsafeMutableBufferPointer { rician in
                    acquisition.batchLogLikelihood(
                        y, sticks: g.sticks, hasSpread: hasSpread, rows: result.rows, range: start..<done, stride: total,
                        gaussian: gaussian.baseAddress!, rician: isPositive ? rician.baseAddress! : nil, work: &work)
                }
            }
            func add(_ c: ProposalComponent, from i: Int, to end: Int) {
                result.rows.withUnsafeBufferPointer { rows in
                    work.withUnsafeMutableBufferPointer {
                        pk_component_log_density(
                            c.block, g.sticks, hasSpread ? 1 : 0, &support, rows.baseAddress! + i, total, end - i, &density, $0.baseAddress!)
                    }
                }
                mixture.withUnsafeMutableBufferPointer { pk_add_log(end - i, Float(log(Double(c.count))), density, $0.baseAddress! + i) }
            }
            for c in components { add(c, from: start, to: done) }
            for c in fresh where c.count > 0 { add(c, from: 0, to: done) }
            components += fresh
        }
        if done < total { return nil }
        result.gaussian = Self.noise(logs.gaussian, mixture, constant)
        if isPositive { result.rician = Self.noise(logs.rician, mixture, constant) }
        return result
    }

    private static func noise(_ logs: [Double], _ mixture: [Float], _ constant: Double) -> StructureSample.Noise {
        // Samples outside every component, or that could not be drawn, weigh nothing.
        let values = zip(logs, mixture).map { $0.isFinite && $1 > -1e29 ? $0 - Double($1) : -.infinity }
        guard let peak = values.max(), peak.isFinite else { return .init() }
        // mixture is Σ n_c q_c = N × density, so the evidence is Σ w itself.
        let w = values.map { exp($0 - peak) }, sum = w.reduce(0, +), squares = w.reduce(0) { $0 + $1 * $1 }
        let variance = max(0, squares / (sum * sum) - 1 / Double(w.count))
        return .init(
            logEvidence: constant + peak + log(sum), standardError: variance.squareRoot(), weights: w.map { $0 / sum },
            effectiveCount: sum * sum / squares)
    }

    /// Fractional parts of the roots of the first primes.
    private static let kroneckerSteps = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41].map { Double($0).squareRoot().truncatingRemainder(dividingBy: 1) }

    /// Fills D rows of `count` uniforms: a Kronecker sequence with a random shift.
    private func kronecker(_ d: Int, _ count: Int, _ out: inout [Float], _ random: inout RandomSource) {
        for j in 0..<d {
            var x = random.uniform()
            let step = Self.kroneckerSteps[j]
            for i in 0..<count {
                out[j * count + i] = Float(min(1 - 1e-6, max(1e-6, x)))
                x += step
                if x >= 1 { x -= 1 }
            }
        }
    }

    /// Components about samples of earlier generations, chosen by weight.
    private func later(
        _ y: UnsafePointer<Float>, _ g: LocalGeometry, _ sample: StructureSample, _ logs: (gaussian: [Double], rician: [Double]),
        _ mixture: [Float], _ done: Int, _ options: Options, _ constant: Double, _ random: inout RandomSource
    ) -> [ProposalComponent] {
        let values = (0..<done).map { i in
            let l = max(logs.gaussian[i], logs.rician[i])
            return l.isFinite && mixture[i] > -1e29 ? l - Double(mixture[i]) : -.infinity
        }
        guard let peak = values.max(), peak.isFinite else { return [] }
        let w = values.map { exp($0 - peak) }
        var result: [ProposalComponent] = []
        var theta = [Double](repeating: 0, count: Slot.count)
        for i in systematicResample(w, count: options.components, offset: random.uniform()) {
            sample.parameters(i, hasSpread: g.hasSpread, into: &theta)
            if let c = finder.climb(y, g, from: theta, steps: Self.LC, constant: constant) { result.append(Self.LSC == 1 ? c : c.scaled(Self.LSC)) }
        }
        return result
    }
}
