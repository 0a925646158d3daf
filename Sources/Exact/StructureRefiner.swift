import Diffusion
import Foundation
import ModelSpace

/// Structure posterior and draws of one voxel from the exact likelihood, given rough starts: evidence of every structure that could matter by importance
/// sampling (`EvidenceSampler`), of the others by Laplace's approximation.
public final class StructureRefiner {
    public struct Options: Sendable {
        public var sampling = EvidenceSampler.Options()
        /// Generations that each pair of structures gets first: those less than 3 nats below the best at some λ in [0, 3], by Laplace's approximation or by the
        /// amortised estimate, by their number of sticks (more dimensions, more to learn), and the others.
        public var likely = [1, 2, 3, 4], unlikely = 1
        /// Generations given after that, one at a time to the pair with the largest product of probability and standard error, while it exceeds `tolerance`.
        public var further = 3, tolerance = 0.01
        /// Pairs this many nats below the best at every λ in [0, 3], by Laplace's approximation or by the amortised estimate, are not sampled.
        public var horizon = 14.0, amortisedHorizon = 12.0
        /// Starts made from modes with one stick fewer.
        public var births = 2, partings = 1
        public init() {}
        /// Slow and finer.
        public static var exact: Options {
            var options = Options()
            (options.sampling.generation, options.sampling.components) = (384, 12)
            (options.likely, options.unlikely, options.further, options.tolerance) = ([6, 6, 6, 6], 3, 6, 0.004)
            (options.births, options.partings) = (4, 3)
            return options
        }
        /// What the answers depend on, in a line.
        public var summary: String {
            "\(sampling.summary); \(likely.map(String.init).joined(separator: ","))/\(unlikely)+\(further) to \(tolerance), horizons \(horizon)/\(amortisedHorizon), \(births) births, \(partings) partings"
        }
    }

    public struct Result {
        /// log p(y|z) for each structure up to a common constant, and its standard error (nats; 0 where rough).
        public var logEvidence: [Double], standardError: [Double]
        /// Samples of each pair of structures that differ by noise only; nil for those that do not matter.
        public var samples: [StructureSample?]
        /// θ at the best mode of each pair; nil where the likelihood vanishes.
        public var modes: [[Double]?]
    }

    /// Number of pairs (sticks, spread): pair p holds structures 2p (Gaussian) and 2p + 1 (Rician).
    public static let pairCount = 8

    private let sampler: EvidenceSampler, options: Options, counts: [Int], births: StickBirths, measurementCount: Int

    public init(acquisition: Acquisition, options: Options) {
        sampler = EvidenceSampler(acquisition: acquisition)
        births = StickBirths(acquisition: acquisition)
        self.options = options
        measurementCount = acquisition.count
        counts = (0..<Self.pairCount).map { BallSticks().structureSpace.parameterCounts[2 * $0] }
    }

    /// Structure log-probabilities from evidences and an amortised estimate, weighted by their variances.
    ///
    ///     log p(z) = (l_z/e_z² + a_z/τ²) / (1/e_z² + 1/τ²) + const
    ///
    /// l: log-evidence with error e = `errorScale` · standard error (what importance sampling says of itself errs on the small side); a: the amortised
    /// log-probability, brought to l's level where the posterior is, with error τ = `amortisedError`. As samples are added e → 0 and the amortised estimate
    /// loses its say. Both constants were chosen by the log score of held-out simulations on four acquisitions.
    public static func combine(_ refined: Result, amortised: [Double]) -> [Double] {
        let l = StructureSpace.normalise(refined.logEvidence)
        var shift = 0.0, total = 0.0
        for z in l.indices where refined.samples[z / 2] != nil && l[z] > -20 {
            shift += exp(l[z]) * (l[z] - amortised[z])
            total += exp(l[z])
        }
        guard total > 0 else { return l }
        shift /= total
        return StructureSpace.normalise(l.indices.map { z in
            // Not sampled: Laplace's approximation may lack nats, the amortised estimate has a floor.
            guard refined.samples[z / 2] != nil, l[z].isFinite, refined.standardError[z].isFinite else { return min(l[z], amortised[z] + shift) }
            let e = errorScale * refined.standardError[z], weight = amortisedError * amortisedError / (amortisedError * amortisedError + e * e)
            return weight * l[z] + (1 - weight) * (amortised[z] + shift)
        })
    }
    static let errorScale = 3.5, amortisedError = 0.5

    /// - Parameters:
    ///   - y: M normalised signals.
    ///   - starts: for each pair, structures and θ near which to look.
    ///   - amortised: estimated structure log-probabilities at λ = 0.
    ///   - random: the voxel's stream for this purpose.
    public func refine(
        _ y: UnsafePointer<Float>, starts: [[(Structure, [Double])]], amortised: [Double], using random: inout RandomSource
    ) -> Result {
        let structures = BallSticks().structureSpace.structures, isPositive = (0..<measurementCount).allSatisfy { y[$0] > 0 }
        var modes: [EvidenceSampler.Modes?] = []
        for (p, given) in starts.enumerated() {
            // Rician noise has no likelihood where a signal is not positive.
            var all = isPositive ? given : given.map { (structures[2 * p], $0.1) }
            // Pairs go by number of sticks, two (without and with spread) of each.
            if p >= 2, let fewer = modes[p - 2]?.best.centre, let z = all.first?.0 {
                all += births.starts(y, from: fewer, to: z, births: options.births, partings: options.partings).map { (z, $0) }
            }
            modes.append(sampler.modes(y, starts: all, options: options.sampling))
        }
        let gap = gaps(modes.map { $0?.laplace ?? -.infinity })
        let amortisedGap = gaps((0..<Self.pairCount).map { p in
            let a = amortised[2 * p], b = amortised[2 * p + 1]
            return max(a, b) + log1p(exp(-abs(a - b)))
        })
        var result = Result(
            logEvidence: Array(repeating: -.infinity, count: 2 * Self.pairCount), standardError: Array(repeating: 0, count: 2 * Self.pairCount),
            samples: Array(repeating: nil, count: Self.pairCount), modes: modes.map { $0?.best.centre })
        var runs: [EvidenceSampler.Run?] = Array(repeating: nil, count: Self.pairCount)
        func note(_ p: Int) {
            guard let sample = runs[p]?.sample else { return }
            for (z, noise) in [(2 * p, sample.gaussian), (2 * p + 1, sample.rician)] {
                result.logEvidence[z] = noise.logEvidence
                result.standardError[z] = noise.standardError
            }
        }
        for (p, m) in modes.enumerated() {
            guard let m else { continue }
            result.logEvidence[2 * p] = m.laplace
            result.logEvidence[2 * p + 1] = isPositive ? m.laplace : -.infinity
            if gap[p] > options.horizon || amortisedGap[p] > options.amortisedHorizon { continue }
            let first = min(gap[p], amortisedGap[p]) < 3 ? options.likely[p / 2] : options.unlikely
            var run = sampler.start(y, m, generations: first + options.further, options: options.sampling)
            sampler.advance(&run, y, generations: first, options: options.sampling, using: &random)
            if run.sample.gaussian.logEvidence.isFinite || run.sample.rician.logEvidence.isFinite { runs[p] = run }
            note(p)
        }
        for _ in 0..<options.further {
            guard let p = mostUncertain(result, runs.map { $0 != nil && !$0!.isExhausted }) else { break }
            sampler.advance(&runs[p]!, y, options: options.sampling, using: &random)
            note(p)
        }
        result.samples = runs.map { $0?.sample }
        return result
    }

    /// The pair with the largest product of probability, at λ = 0 or 1, and standard error; nil when none exceeds the tolerance.
    private func mostUncertain(_ result: Result, _ canGo: [Bool]) -> Int? {
        var worst = options.tolerance, chosen: Int?
        for lambda in [0.0, 1] {
            let l = StructureSpace.normalise(result.logEvidence.indices.map { result.logEvidence[$0] - lambda * Double(counts[$0 / 2]) })
            for p in canGo.indices where canGo[p] {
                let value = [2 * p, 2 * p + 1].reduce(0) { $0 + (l[$1].isFinite ? exp(l[$1]) * min(1, result.standardError[$1]) : 0) }
                if value > worst { (worst, chosen) = (value, p) }
            }
        }
        return chosen
    }

    /// How far each pair stays below the best, at the λ in [0, 3] that favours it most.
    private func gaps(_ values: [Double]) -> [Double] {
        var gap = [Double](repeating: .infinity, count: values.count)
        for lambda in [0.0, 0.5, 1, 2, 3] {
            let here = values.enumerated().map { p, x in x - lambda * Double(counts[p]) }, best = here.max()!
            for p in gap.indices { gap[p] = min(gap[p], best - here[p]) }
        }
        return gap
    }
}
