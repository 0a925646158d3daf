import Diffusion
import Exact
import Foundation
import Inference
import ModelSpace

/// How far an engine's evidences of structures lie from those of tempered sequential Monte Carlo.
///
/// The yardstick of families with too many structures to sample them all: of each voxel a few, drawn with their
/// probabilities, get their evidence by smc, and of each the difference is taken,
///
///     δ = ln p̂(y | z) − ln p̂_smc(y | z)
///
/// What all of a voxel's δ have in common changes no probability; their scatter about it, and its mean for structures
/// of each number of fibres, do. From both follows how far probabilities are off, were errors of structures
/// independent. A structure that the engine gives next to no probability is not drawn: what it never looked at this
/// cannot tell (scores on simulations can).
public struct EvidenceCheck: Codable, Sendable {
    /// One structure of one voxel.
    public struct Row: Codable, Sendable {
        /// Key of the voxel, the structure and its number of fibres, and how often it was drawn.
        public var voxel: UInt64, structure: String, fibres: Int, draws: Int
        /// δ, smc's standard error and the one that the engine states (nil: none), nats.
        public var difference: Double, error: Double, stated: Double?
    }

    /// δ of structures with n fibres about their voxel's mean, nats.
    public struct Bias: Codable, Sendable {
        public var fibres: Int, structures: Int, mean: Double, error: Double
    }

    /// What is asked of smc.
    public struct Options: Sendable {
        /// Structures drawn of each voxel; those drawn twice are sampled once.
        public var structures: Int
        /// Standard error of smc's log-evidence, nats.
        public var targetError: Double

        public init(structures: Int, targetError: Double = 0.2) {
            (self.structures, self.targetError) = (structures, targetError)
        }
    }

    public var engine: String, lambda: Double, voxels: Int
    public var rows: [Row]
    /// Standard deviation of δ about the voxel's mean, the part of it that is smc's own error, and that which the
    /// engine states, nats; nil where no voxel has two structures.
    public var scatter: Double?, smcPart: Double, statedPart: Double?
    /// Mean of δ over voxels, nats: how far the family's evidence is off; nil where the engine states none.
    public var mean: Double?
    public var biases: [Bias]
    /// Mean total variation, at λ, of probabilities of structures and of the number of fibres that such a scatter
    /// (without smc's part) and such biases make.
    public var structures: Double, fibres: Double

    static let replicates = 64
    private static let drawStream: UInt64 = 0x4556_4944

    /// - Parameter posteriors: of the voxels, and their keys, in the order of their rows.
    init(
        _ rows: [Row], posteriors: [(key: UInt64, listed: [Structure], probability: [Double])], engine: String,
        family: StudyFamily,
        lambda: Double, statesEvidence: Bool, seed: UInt64
    ) {
        (self.rows, self.engine, self.lambda, voxels) = (rows, engine, lambda, posteriors.count)
        // Sums go through voxels in their order: a dictionary's own differs from run to run, and with it last digits.
        let groups = Dictionary(grouping: rows, by: \.voxel), ordered = posteriors.compactMap { groups[$0.key] }
        func mean(_ rows: [Row], _ value: (Row) -> Double) -> Double {
            rows.reduce(0) { $0 + Double($1.draws) * value($1) } / Double(rows.reduce(0) { $0 + $1.draws })
        }
        let centres = groups.mapValues { mean($0) { $0.difference } }
        // Structures of a voxel share its mean: of n, n − 1 are free.
        let free = rows.count - ordered.count
        let own = rows.filter { groups[$0.voxel]!.count > 1 }
        if free > 0 {
            let squares = ordered.reduce(0.0) { sum, group in
                let centre = group.reduce(0) { $0 + $1.difference } / Double(group.count)
                return sum + group.reduce(0) { $0 + ($1.difference - centre) * ($1.difference - centre) }
            }
            scatter = (squares / Double(free)).squareRoot()
        }
        func rootMean(_ values: [Double]) -> Double {
            values.isEmpty ? 0 : (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
        }
        smcPart = rootMean(own.map(\.error))
        let stated = own.compactMap(\.stated).filter(\.isFinite)
        statedPart = stated.isEmpty ? nil : rootMean(stated)
        self.mean =
            statesEvidence ? ordered.reduce(0) { $0 + centres[$1[0].voxel]! } / Double(max(1, ordered.count)) : nil
        biases = Set(own.map(\.fibres)).sorted().map { n in
            let some = own.filter { $0.fibres == n }, values = some.map { $0.difference - centres[$0.voxel]! }
            let centre = values.reduce(0, +) / Double(values.count)
            let variance = values.reduce(0) { $0 + ($1 - centre) * ($1 - centre) } / Double(max(1, values.count - 1))
            return Bias(
                fibres: n, structures: some.count, mean: centre, error: (variance / Double(values.count)).squareRoot())
        }
        let sd = max(0, (scatter ?? 0) * (scatter ?? 0) - smcPart * smcPart).squareRoot()
        let bias = Dictionary(uniqueKeysWithValues: biases.map { ($0.fibres, $0.mean) })
        var total = (structures: 0.0, fibres: 0.0)
        for (key, list, p) in posteriors {
            var random = RandomSource(seed: seed, stream: key, substream: Self.drawStream + 1)
            for _ in 0..<Self.replicates {
                let moved = p.indices.map { z in
                    p[z] > 0
                        ? log(p[z]) - (bias[family.fibreCount(list[z])] ?? 0) - sd * random.normal() : -.infinity
                }
                let q = StructureSpace.normalise(moved).map { exp($0) }
                total.structures += CalibrationStatistics.totalVariation(p, q)
                total.fibres += CalibrationStatistics.totalVariation(
                    family.fibreProbabilities(p, list), family.fibreProbabilities(q, list))
            }
        }
        let count = Double(max(1, posteriors.count * Self.replicates))
        (structures, fibres) = (total.structures / count, total.fibres / count)
    }

    /// Draws structures of each voxel and asks smc for their evidence.
    ///
    /// - Returns: nil when stopped. The same for any number of threads.
    static func run(
        _ cases: [ReferenceCase], _ asked: Options, family: StudyFamily, options: FitOptions, engine: String,
        progress: @escaping @Sendable (StudyPhase, Int) -> Void,
        shouldStop: @escaping @Sendable () -> Bool
    ) throws -> EvidenceCheck? {
        let posteriors = cases.map { family.aligned([$0.posterior])[0] }
        let probabilities = posteriors.map { family.probabilities($0, lambda: options.lambda).listed }
        var settings = SignalMonteCarlo.Options()
        (settings.targetError, settings.minimumRuns, settings.draws) = (asked.targetError, 2, 1)
        let fixed = settings
        let finished = try resultsInParallel(
            cases.count, threads: options.threads, progress: { progress(.reference, $0) }, shouldStop: shouldStop
        ) { i -> [Row]? in
            let item = cases[i], posterior = posteriors[i], p = probabilities[i]
            var random = RandomSource(seed: options.seed, stream: item.key, substream: drawStream)
            let draws = systematicResample(p, count: asked.structures, offset: random.uniform())
            let chosen = Dictionary(grouping: draws, by: { $0 }).mapValues(\.count).sorted { $0.key < $1.key }
            let found: [StructureEvidence]
            do {
                found = try evidences(
                    family.family, item, chosen.map { posterior.listed[$0.key] }, fixed, seed: options.seed,
                    shouldStop: shouldStop)
            } catch is Stopped { return nil }
            let scale = posterior.logEvidence.isFinite ? posterior.logEvidence : 0,
                errors = posterior.logEvidenceError
            return zip(chosen, found).map { drawn, evidence in
                let z = posterior.listed[drawn.key]
                return Row(
                    voxel: item.key, structure: family.name(z), fibres: family.fibreCount(z),
                    draws: drawn.value,
                    difference: posterior.logProbability[drawn.key] + scale - evidence.logEvidence,
                    error: evidence.standardError, stated: errors.isEmpty ? nil : errors[drawn.key])
            }
        }
        guard let finished else { return nil }
        return EvidenceCheck(
            finished.flatMap { $0 },
            posteriors: cases.indices.map {
                (cases[$0].key, posteriors[$0].listed, probabilities[$0])
            }, engine: engine,
            family: family, lambda: options.lambda,
            statesEvidence: cases.allSatisfy { $0.posterior.logEvidence.isFinite }, seed: options.seed)
    }

    private static func evidences<F: DiffusionFamily>(
        _ family: F, _ item: ReferenceCase, _ structures: [Structure], _ settings: SignalMonteCarlo.Options,
        seed: UInt64,
        shouldStop: @escaping () -> Bool
    ) throws -> [StructureEvidence] {
        let sampler = SignalMonteCarlo(family, design: item.acquisition, options: settings)
        sampler.check = { if shouldStop() { throw Stopped() } }
        return try sampler.posterior(
            item.y, structures, sigma: item.sigma, seed: seed, voxel: item.key
        ).evidences
    }
}
