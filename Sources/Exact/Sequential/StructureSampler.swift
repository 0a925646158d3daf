import Foundation
import ModelSpace

/// The posterior over a family's structures by the tempered sampler, without a network: the yardstick for engines that
/// are quicker.
///
/// Where the family has at most `Options.mostListed` structures all of them are sampled. Of more, those that
/// `StructureExplorer` finds within its cutoff; others that it looked at keep its approximation, with a standard error
/// of ∞, so that what they take of the posterior can be stated (`ExactPosterior.approximateMass`). What it did not look
/// at, neighbours of nothing that matters, has no part. One sampler serves one thread.
public final class StructureSampler {
    public struct Options: Sendable {
        public var sampling = SignalMonteCarlo.Options()
        public var exploration = StructureExplorer.Options()
        /// Structures that are all sampled.
        public var mostListed = 400

        public init() {}

        /// What the answers depend on, in a line.
        public var summary: String {
            let s = sampling
            return "\(s.pilotParticles)/\(s.particles) particles, retention \(s.pilotRetention)/\(s.retention), "
                + "correlation \(s.pilotCorrelation)/\(s.correlation) in \(s.pilotSweeps)/\(s.mostSweeps) sweeps, "
                + "to \(s.targetError) nats in \(s.minimumRuns)-\(s.maximumRuns) runs, "
                + "rough beyond \(s.roughMargin)+\(s.pilotMargin)"
        }
    }

    public let options: Options
    private let sampler: SignalMonteCarlo, explorer: StructureExplorer?, all: [Structure]

    public init<F: LinearFamily>(_ family: F, design: F.Design, options: Options = Options()) {
        let kernels = family.kernels(design)
        self.options = options
        sampler = SignalMonteCarlo(family, kernels: kernels, options: options.sampling)
        let listed = sampler.rule.all(limit: options.mostListed)
        all = listed ?? []
        explorer = listed == nil ? StructureExplorer(family, kernels: kernels, options: options.exploration) : nil
    }

    /// Gives the sampler a question to ask as it works; when the answer is yes, `posterior` throws what `check` threw.
    public func check(_ check: @escaping () throws -> Void) {
        sampler.check = check
        explorer?.stop { (try? check()) == nil }
    }

    /// - Parameters:
    ///   - y: M signals.
    ///   - allows: whether a kind of noise is possible for these data.
    ///   - sigma: the noise's standard deviation, where it is known.
    ///   - voxel: key of the observation, which names its random streams.
    /// - Errors: those of `SignalMonteCarlo.posterior`.
    public func posterior(
        _ y: [Float], allows: (NoiseLikelihood) -> Bool = { _ in true }, sigma: Double? = nil, seed: UInt64,
        voxel: UInt64
    ) throws -> ExactPosterior {
        guard let explorer else {
            return try sampler.posterior(y, all, allows: allows, sigma: sigma, seed: seed, voxel: voxel)
        }
        let found = explorer.explore(y, allows: allows, sigma: sigma, seed: seed, key: voxel)
        try sampler.check()
        guard let found else { return try sampler.posterior(y, [], sigma: sigma, seed: seed, voxel: voxel) }
        let near = found.structures.indices.filter { found.isSampled[$0] }.map { found.structures[$0] }
        let sampled = try sampler.posterior(y, near, allows: allows, sigma: sigma, seed: seed, voxel: voxel)
        let rest = found.structures.indices.filter { !found.isSampled[$0] }.map { i in
            StructureEvidence(
                structure: found.structures[i], logEvidence: found.logEvidence[i], standardError: .infinity, runs: 0,
                isRough: true, draws: [])
        }
        let evidences = sampled.evidences + rest
        return ExactPosterior(
            evidences: evidences, parameterCounts: evidences.map { sampler.rule.parameterCount($0.structure) },
            parameterCount: sampled.parameterCount)
    }
}
