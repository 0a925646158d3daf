import Diffusion
import Foundation
import ModelSpace

/// Structure posterior and draws of one voxel from the exact likelihood, given rough starts: evidence of every structure that could matter by importance
/// sampling (`EvidenceSampler`), of the others by Laplace's approximation.
public final class StructureRefiner {
    public struct Options: Sendable {
        /// For structures of more than 5 % probability, by their modes' Laplace approximation, at some λ; and for the less probable.
        public var likely = EvidenceSampler.Options(generations: [128, 128], components: 4)
        public var unlikely = EvidenceSampler.Options(generations: [64, 64], components: 2)
        /// Structures this many nats below the best at every λ in [0, 3] keep Laplace's approximation.
        public var horizon = 9.0
        public init() {}
        /// Slow and finer.
        public static var exact: Options {
            var options = Options()
            options.likely = .init(generations: [256, 256, 512, 512], components: 6)
            options.unlikely = .init(generations: [128, 128, 256], components: 4)
            options.horizon = 12
            return options
        }
        /// What the answers depend on, in a line.
        public var summary: String {
            "\(likely.generations)x\(likely.components) \(unlikely.generations)x\(unlikely.components) \(horizon)"
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

    private let sampler: EvidenceSampler, options: Options, counts: [Int]

    public init(acquisition: Acquisition, options: Options) {
        sampler = EvidenceSampler(acquisition: acquisition)
        self.options = options
        counts = (0..<Self.pairCount).map { BallSticks().structureSpace.parameterCounts[2 * $0] }
    }

    /// - Parameters:
    ///   - y: M normalised signals.
    ///   - starts: for each pair, structures and θ near which to look.
    ///   - random: the voxel's stream for this purpose.
    public func refine(_ y: UnsafePointer<Float>, starts: [[(Structure, [Double])]], using random: inout RandomSource) -> Result {
        let modes = starts.map { sampler.modes(y, starts: $0, options: options.likely) }
        // How far each pair stays below the best, at the λ that favours it most.
        var gap = [Double](repeating: .infinity, count: Self.pairCount)
        for lambda in [0.0, 0.5, 1, 2, 3] {
            let values = modes.enumerated().map { p, m in (m?.laplace ?? -.infinity) - lambda * Double(counts[p]) }
            let best = values.max()!
            for p in gap.indices { gap[p] = min(gap[p], best - values[p]) }
        }
        var result = Result(
            logEvidence: Array(repeating: -.infinity, count: 2 * Self.pairCount), standardError: Array(repeating: 0, count: 2 * Self.pairCount),
            samples: Array(repeating: nil, count: Self.pairCount), modes: modes.map { $0?.best })
        for (p, m) in modes.enumerated() {
            guard let m else { continue }
            let sample = gap[p] > options.horizon ? nil : sampler.sample(y, m, options: gap[p] < 3 ? options.likely : options.unlikely, using: &random)
            if let sample {
                result.samples[p] = sample
                result.logEvidence[2 * p] = sample.gaussian.logEvidence
                result.logEvidence[2 * p + 1] = sample.rician.logEvidence
                result.standardError[2 * p] = sample.gaussian.standardError
                result.standardError[2 * p + 1] = sample.rician.standardError
            } else {
                result.logEvidence[2 * p] = m.laplace
                result.logEvidence[2 * p + 1] = m.laplace
            }
        }
        return result
    }
}
