import Foundation
import Inference

/// The outcome of a `SimulationStudy`.
public struct SimulationReport: Codable, Sendable {
    public struct Consistency: Codable, Sendable {
        public var lambda: Double
        /// Mean over voxels of the total variation between the network asked at λ and its answer at 0 carried to λ by the exact identity.
        public var totalVariation: Double, standardError: Double
    }

    public var kind = "simulations"
    public var engine: String, networkName: String, networkSHA256: String, notes: [String: String]
    public var voxels: Int, lambda: Double, seed: UInt64
    public var acquisitions = ""
    public var structureNames: [String]
    /// Ranks among draws of the joint posterior; and among draws of the true structure, over voxels where the engine keeps enough of them (which the
    /// data alone decide, so that ranks stay uniform under exactness).
    public var joint: [RankTest], conditional: [RankTest]
    /// Share of joint draws that had to be used twice: ranks are coarser than they should be where this is not small.
    public var repeatedShare: Double
    public var structures: ProbabilityScores, fibres: ProbabilityScores
    public var consistency: [Consistency]
    public var agreement: EngineAgreement?

    init(
        _ voxels: [SimulationStudy.Voxel], table: StructureTable, recipe: any EngineRecipe, lambda: Double, seed: UInt64, consistencyLambdas: [Double]
    ) {
        engine = recipe.name
        networkName = recipe.networkName
        networkSHA256 = recipe.networkSHA256
        notes = recipe.notes
        self.voxels = voxels.count
        self.lambda = lambda
        self.seed = seed
        structureNames = table.rows.map(\.name)
        func tests(_ labels: [CalibrationQuantities.Label], _ draws: Int, _ ranks: (SimulationStudy.Voxel) -> [Int?]) -> [RankTest] {
            labels.enumerated().map { q, label in
                RankTest(
                    name: label.name, label: label.text, isCone: label.isCone, draws: draws,
                    ranks: voxels.compactMap { v in q < ranks(v).count ? ranks(v)[q] : nil })
            }
        }
        joint = tests(CalibrationQuantities.joint, SimulationStudy.jointDraws, \.joint)
        conditional = tests(CalibrationQuantities.conditional, SimulationStudy.conditionalDraws, \.conditional)
        repeatedShare = Double(voxels.reduce(0) { $0 + $1.repeated }) / Double(voxels.count * SimulationStudy.jointDraws)
        structures = ProbabilityScores(voxels.map(\.probability), truth: voxels.map(\.truth), seed: seed)
        fibres = ProbabilityScores(
            voxels.map { table.fibreProbabilities($0.probability) }, truth: voxels.map { table.rows[$0.truth].fibreCount }, seed: seed)
        consistency = consistencyLambdas.enumerated().map { k, other in
            let spread = Spread(voxels.map { $0.consistency[k] })
            return Consistency(lambda: other, totalVariation: spread.mean, standardError: spread.standardError)
        }
    }

    /// The rank tests with voxels enough to tell anything, and those of them that fail: p below 1 % shared among all (Bonferroni).
    public var tested: [RankTest] { (joint + conditional).filter(\.isTelling) }
    public var threshold: Double { 0.01 / Double(max(1, tested.count)) }
    public var failures: [RankTest] { tested.filter { $0.pValue < threshold } }
}
