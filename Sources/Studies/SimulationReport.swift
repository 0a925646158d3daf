import Foundation
import Inference

/// The outcome of a `SimulationStudy`.
public struct SimulationReport: Codable, Sendable {
    public struct Consistency: Codable, Sendable {
        public var lambda: Double
        /// Mean over voxels of the total variation between the network asked at λ and its answer at 0 carried to λ by
        /// the exact identity.
        public var totalVariation: Double, standardError: Double
    }

    /// How good the probabilities of one component's presence, or of one kind's number, are.
    public struct Component: Codable, Sendable {
        public var name: String, scores: ProbabilityScores
    }

    public var kind = "simulations"
    /// The family, where a recipe composes it.
    public var family: String?
    public var engine: String, networkName: String, networkSHA256: String, notes: [String: String]
    public var voxels: Int, lambda: Double, seed: UInt64
    public var acquisitions = ""
    public var structureNames: [String]
    /// Ranks among draws of the joint posterior; and among draws of the true structure, over voxels where the engine
    /// keeps enough of them (which the data alone decide, so that ranks stay uniform under exactness).
    public var joint: [RankTest], conditional: [RankTest]
    /// Share of joint draws that had to be used twice: ranks are coarser than they should be where this is not small.
    public var repeatedShare: Double
    public var structures: ProbabilityScores, fibres: ProbabilityScores
    /// Of a family whose maps show components; nil else.
    public var components: [Component]?
    /// Numbers of components, of a family with several kinds of which a structure may have more than one; nil else.
    public var counts: [Component]?
    /// Voxels whose true structure has no probability, where the engine does not look at every one; and what they score
    /// as if it had, as a log-probability.
    public var unlisted: Int?, leastLogProbability: Double?
    public var consistency: [Consistency]
    public var agreement: EngineAgreement?
    /// Where single structures are held against smc instead.
    public var evidence: EvidenceCheck?

    init(
        _ voxels: [SimulationStudy.Voxel], family: StudyFamily, quantities: CalibrationQuantities,
        recipe: any EngineRecipe, lambda: Double,
        seed: UInt64, consistencyLambdas: [Double]
    ) {
        self.family = recipe.composedName
        engine = recipe.name
        networkName = recipe.networkName
        networkSHA256 = recipe.networkSHA256
        notes = recipe.notes
        self.voxels = voxels.count
        self.lambda = lambda
        self.seed = seed
        structureNames = (family.structures ?? []).map(family.name)
        func tests(_ labels: [CalibrationQuantities.Label], _ draws: Int, _ ranks: (SimulationStudy.Voxel) -> [Int?])
            -> [RankTest]
        {
            labels.enumerated().map { q, label in
                RankTest(
                    name: label.name, label: label.text, isCone: label.isCone, draws: draws,
                    ranks: voxels.compactMap { v in q < ranks(v).count ? ranks(v)[q] : nil })
            }
        }
        joint = tests(quantities.joint, SimulationStudy.jointDraws, \.joint)
        conditional = tests(quantities.conditional, SimulationStudy.conditionalDraws, \.conditional)
        repeatedShare =
            Double(voxels.reduce(0) { $0 + $1.repeated }) / Double(voxels.count * SimulationStudy.jointDraws)
        let leastLog = recipe.leastLogProbability, least = leastLog.map { exp($0) } ?? 1e-300
        leastLogProbability = leastLog
        let places = voxels.map { voxel in voxel.listed.firstIndex(of: voxel.truth) }
        unlisted = leastLog.map { _ in
            zip(voxels, places).count { voxel, place in !(place.map { voxel.probability[$0] > 0 } ?? false) }
        }
        func scores(_ probabilities: [[Double]], _ truth: [Int]) -> ProbabilityScores {
            ProbabilityScores(probabilities, truth: truth, seed: seed, least: least)
        }
        structures = ProbabilityScores(
            lists: voxels.map(\.probability), rest: voxels.map(\.rest), truth: places, seed: seed, least: least)
        fibres = scores(
            voxels.map { family.fibreProbabilities($0.probability, $0.listed) },
            voxels.map { family.fibreCount($0.truth) })
        if !family.components.isEmpty {
            let presence = voxels.map { family.componentProbabilities($0.probability, $0.listed) }
            components = family.components.enumerated().map { c, bit in
                Component(
                    name: bit.name,
                    scores: scores(presence.map { [1 - $0[c], $0[c]] }, voxels.map { bit.isThere($0.truth) ? 1 : 0 }))
            }
        }
        if !family.kinds.isEmpty {
            counts = family.kinds.map { kind in
                Component(
                    name: kind.name,
                    scores: scores(
                        voxels.map { family.countProbabilities(kind, $0.probability, $0.listed) },
                        voxels.map { kind.count($0.truth) }))
            }
        }
        consistency = (voxels[0].consistency.isEmpty ? [] : consistencyLambdas).enumerated().map { k, other in
            let spread = Spread(voxels.map { $0.consistency[k] })
            return Consistency(lambda: other, totalVariation: spread.mean, standardError: spread.standardError)
        }
    }

    /// The rank tests with voxels enough to tell anything, and those of them that fail: p below the
    /// threshold.
    public var tested: [RankTest] { (joint + conditional).filter(\.isTelling) }
    public var threshold: Double { RankTest.threshold(tested) }
    public var failures: [RankTest] { RankTest.failures(tested) }
}

extension EngineRecipe {
    /// The name of the family, where a recipe composes it.
    var composedName: String? { diffusionFamily.definition == nil ? nil : diffusionFamily.name }
}
