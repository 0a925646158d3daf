import Diffusion
import Foundation
import ModelSpace

/// Structure posterior and draws of one voxel from the exact likelihood, given rough starts: evidence of every
/// structure that could matter by importance sampling (`EvidenceSampler`), of the others by Laplace's approximation.
public final class StructureSearch {
    public struct Options: Sendable {
        public var sampling = EvidenceSampler.Options()
        /// Generations that each pair of structures gets first: those less than 3 nats below the best at some λ in [0,
        /// 3], by Laplace's approximation or by the amortised estimate, and the others.
        public var likely = 2, unlikely = 1
        /// Generations that a pair has by its number of sticks (more dimensions, more to learn) where it is as likely
        /// as not; where it is not, fewer (`share`).
        public var generations = [3, 5, 6, 8]
        /// Generations given after that, one at a time to the pair whose error most moves the posterior, while it moves
        /// it by more than `tolerance`.
        public var further = 5, tolerance = 0.01
        /// Cutoffs, nats: pairs this far below the best at every λ in [0, 3], by Laplace's approximation or by the
        /// amortised estimate, are not sampled.
        public var cutoff = 10.0, amortisedCutoff = 8.0
        /// Starts made from modes with one stick fewer, by adding a stick (a birth) or by dividing one in two (a
        /// split): for every pair, and in a second look for a pair whose modes fall more than `shortfall` nats short of
        /// what the amortised estimate leads one to expect (other diffusivities where there is no stick). Zeros: there
        /// is no second look.
        public var births = 2, splits = 1, secondBirths = 0, secondSplits = 0, shortfall = 2.0
        /// Whether every pair has its modes looked for, for Laplace's approximation, or only `candidates`.
        public var looksEverywhere = true
        /// Whether each voxel's evidences tell how far the amortised estimate errs there. A single generation is too
        /// rough for that.
        public var learnsAmortisedError = true
        public init() {}
        /// One generation for the pairs that the amortised estimate does not rule out, and up to three more, the more
        /// sticks the more, where it is open how probable they are: draws of one generation alone lie too close.
        public static var fast: Options {
            var options = Options()
            (options.sampling.generation, options.sampling.components, options.learnsAmortisedError) = (256, 6, false)
            (options.likely, options.generations, options.further, options.tolerance) = (1, [1, 2, 3, 4], 1, 0.15)
            (options.cutoff, options.amortisedCutoff) = (8, 3.5)
            (options.births, options.splits, options.secondBirths, options.secondSplits, options.looksEverywhere) = (
                0, 0, 2, 1, false
            )
            options.sampling.grid.steps = 2
            return options
        }
        /// Slow and finer.
        public static var exact: Options {
            var options = Options()
            (options.sampling.generation, options.sampling.components) = (384, 12)
            (options.likely, options.unlikely, options.generations, options.further, options.tolerance) = (
                6, 3, [6, 6, 6, 6], 8, 0.004
            )
            (options.births, options.splits) = (4, 3)
            return options
        }
        /// What the answers depend on, in a line. Fits are resumed by these words, so that they keep their old ones:
        /// "partings" are splits, "horizons" cutoffs, "ladders" grids.
        public var summary: String {
            let given = generations.map(String.init).joined(separator: ","),
                looks = "\(births)+\(secondBirths) births, \(splits)+\(secondSplits) partings"
            return
                """
                \(sampling.summary); \(likely)/\(unlikely) to \(given) generations+\(further) to \(tolerance), \
                horizons \(cutoff)/\(amortisedCutoff),\u{20}
                """
                    + looks + (learnsAmortisedError ? ", network weighed by voxel" : "")
        }
    }

    public struct Result {
        /// log p(y|z) for each structure up to a common constant, and its standard error (nats; 0 where rough). −∞
        /// where p(y|z) = 0 or `isSkipped`.
        public var logEvidence: [Double], standardError: [Double]
        /// Structures that were not looked at: the amortised estimate stands alone.
        public var isSkipped: [Bool]
        /// Samples of each pair of structures that differ by noise only; nil for those that do not matter.
        public var samples: [StructureSample?]
        /// θ at the best mode of each pair; nil where the likelihood vanishes.
        public var modes: [[Double]?]
    }

    /// Number of pairs (sticks, spread): pair p holds structures 2p (Gaussian) and 2p + 1 (Rician).
    public static let pairCount = 8

    let sampler: EvidenceSampler, options: Options, counts: [Int], births: StickBirths, measurementCount: Int
    private let structures = BallSticks().structureSpace.structures

    public init(acquisition: Acquisition, options: Options) {
        sampler = EvidenceSampler(acquisition: acquisition)
        births = StickBirths(acquisition: acquisition)
        self.options = options
        measurementCount = acquisition.count
        counts = (0..<Self.pairCount).map { BallSticks().structureSpace.parameterCounts[2 * $0] }
    }

    /// The pairs for which starts are wanted, given estimated structure log-probabilities at λ = 0: all, or those
    /// within the amortised cutoff and whatever is simpler than one of them. Others gain at no λ. Without an estimate,
    /// all.
    public func candidates(amortised: [Double]?) -> [Int] {
        guard let amortised else { return Array(0..<Self.pairCount) }
        let a = Self.pairwise(amortised), best = a.max()!,
            near = a.indices.filter { best - a[$0] <= options.amortisedCutoff }
        return a.indices.filter { p in options.looksEverywhere || near.contains { $0 == p || counts[$0] > counts[p] } }
    }

    /// Log-probability of each pair.
    private static func pairwise(_ amortised: [Double]) -> [Double] {
        (0..<pairCount).map { p in
            let a = amortised[2 * p], b = amortised[2 * p + 1]
            return max(a, b) + log1p(exp(-abs(a - b)))
        }
    }

    /// - Parameters:
    ///   - y: M normalised signals.
    ///   - starts: for each pair, structures and θ near which to look; none where it is not to be looked at.
    ///   - amortised: estimated structure log-probabilities at λ = 0; −∞ for Rician ones where the signals rule them
    ///   out. Nil where there is no estimate for this
    ///     very question, as one made without a known σ is none with it: no structure is ruled out beforehand.
    ///   - noise: the kinds of noise that are possible at all.
    ///   - sigma: the noise's standard deviation in units of y where it is known.
    ///   - random: the voxel's stream for this purpose.
    public func refine(
        _ y: UnsafePointer<Float>, starts: [[(Structure, [Double])]], amortised estimate: [Double]?,
        noise: NoiseKinds = .either, sigma: Double? = nil,
        using random: inout RandomSource
    ) -> Result {
        let canBeRician = noise.allowRician(y, count: measurementCount)
        let amortised =
            estimate
            ?? StructureSpace.normalise(structures.map { BallSticks.isRician($0) && !canBeRician ? -.infinity : 0 })
        var modes: [EvidenceSampler.Modes?] = []
        func look(_ p: Int, births b: Int, splits: Int, isSecondLook: Bool = false) -> EvidenceSampler.Modes? {
            var all = canBeRician ? starts[p] : starts[p].map { (structures[2 * p], $0.1) }
            guard let (z, theta) = all.first else { return nil }
            var search = options.sampling
            if isSecondLook { search.climbs *= 3 }
            // Pairs go by number of sticks, two (without and with spread) of each.
            if p >= 2 {
                var fewer = modes[p - 2]
                if fewer == nil && isSecondLook {
                    let simpler = structures[2 * (p - 2) + (BallSticks.isRician(z) ? 1 : 0)]
                    fewer = sampler.modes(
                        y, starts: [(simpler, StickBirths.withoutWeakest(theta, sticks: p / 2))], options: search,
                        sigma: sigma)
                }
                if let from = fewer?.best.centre {
                    all += births.starts(y, from: from, to: z, births: b, splits: splits).map { (z, $0) }
                }
            }
            if isSecondLook, p + 2 < modes.count, let more = modes[p + 2]?.best.centre {
                all.append((z, StickBirths.withoutWeakest(more, sticks: p / 2 + 1)))
            }
            if isSecondLook && p < 2 {
                let range = BallSticks.logDiffusivity
                all += (1...4).map { k in
                    var other = theta
                    other[BallSticks.Slot.diffusivity] = exp(range.low + Double(k) / 5 * (range.high - range.low))
                    return (z, other)
                }
            }
            return sampler.modes(y, starts: all, options: search, sigma: sigma)
        }
        for p in starts.indices { modes.append(look(p, births: options.births, splits: options.splits)) }
        let pairwise = Self.pairwise(amortised), amortisedGap = gaps(pairwise)
        let expected = starts.indices.filter { amortisedGap[$0] <= options.amortisedCutoff }
        // What one finds may show that another falls short.
        var lookedTwice: Set<Int> = []
        while options.secondBirths + options.secondSplits > 0,
            let p = expected.first(where: { !lookedTwice.contains($0) && fallsShort($0, modes, pairwise) })
        {
            lookedTwice.insert(p)
            modes[p] =
                look(p, births: options.secondBirths, splits: options.secondSplits, isSecondLook: true) ?? modes[p]
        }
        let gap = gaps(modes.map { $0?.laplace ?? -.infinity })
        var result = Result(
            logEvidence: Array(repeating: -.infinity, count: 2 * Self.pairCount),
            standardError: Array(repeating: 0, count: 2 * Self.pairCount),
            isSkipped: structures.indices.map { starts[$0 / 2].isEmpty && (canBeRician || $0 % 2 == 0) },
            samples: Array(repeating: nil, count: Self.pairCount),
            modes: modes.map { $0?.best.centre })
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
            result.logEvidence[2 * p + 1] = canBeRician ? m.laplace : -.infinity
            if gap[p] > options.cutoff || amortisedGap[p] > options.amortisedCutoff { continue }
            let first = min(gap[p], amortisedGap[p]) < 3 ? options.likely : options.unlikely
            var run = sampler.start(
                y, m, generations: max(first, options.generations[p / 2]) + options.further, options: options.sampling,
                noise: noise)
            sampler.advance(&run, y, generations: first, options: options.sampling, using: &random)
            if run.sample.gaussian.logEvidence.isFinite || run.sample.rician.logEvidence.isFinite { runs[p] = run }
            note(p)
        }
        if options.generations.max()! > options.likely {
            for (p, share) in shares(result, estimate).enumerated() {
                let more = Int((share * Double(options.generations[p / 2])).rounded()) - (runs[p]?.generations ?? 0)
                guard more > 0, runs[p]?.isExhausted == false else { continue }
                sampler.advance(&runs[p]!, y, generations: more, options: options.sampling, using: &random)
                note(p)
            }
        }
        for _ in 0..<options.further {
            guard let p = mostUncertain(result, runs.map { $0 != nil && !$0!.isExhausted }) else { break }
            sampler.advance(&runs[p]!, y, options: options.sampling, using: &random)
            note(p)
        }
        result.samples = runs.map { $0?.sample }
        return result
    }

    /// Whether a pair's modes stay behind the amortised estimate, both held to the same level where the modes are best.
    private func fallsShort(_ p: Int, _ modes: [EvidenceSampler.Modes?], _ amortised: [Double]) -> Bool {
        let l = modes.map { $0?.laplace ?? -.infinity }, best = l.indices.max { l[$0] < l[$1] }!
        return modes[p] != nil && l[best].isFinite
            && l[p] - l[best] < amortised[p] - amortised[best] - options.shortfall
    }
}
