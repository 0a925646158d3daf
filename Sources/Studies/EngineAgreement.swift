import Foundation
import Inference

/// How one engine's posterior of a voxel differs from another's.
public struct VoxelAgreement: Codable, Sendable {
    /// Total variation between structure probabilities at λ = 0 and at the study's λ, and between probabilities of the
    /// number of fibres at that λ.
    public var structuresAtZero: Double, structures: Double, fibres: Double
    /// Mean total variation that the reference's stated standard errors alone would cause, at λ; nil when it states
    /// none.
    public var referenceError: Double?
    /// Sliced Wasserstein distance of the draws (`SlicedWasserstein`), and between two halves of the reference's own.
    public var slicedWasserstein: Double, slicedWassersteinFloor: Double
    /// Intersection over union of 90 % intervals, in the order of `PosteriorDigest.intervalNames`.
    public var overlaps: [Double]
    public var sameFibreCount: Bool
    /// Nats by which the reference has its most probable structure above the engine's, at λ; nil where it has none of
    /// the engine's.
    public var mostProbableGap: Double?
    /// Degrees between mean axes of fibres that both have with probability ≥ ½, paired to the least sum of angles.
    public var firstAngle: Double?, secondAngle: Double?
    /// Posterior-predictive misfit of both (`PredictiveMisfit`).
    public var misfit: Double, referenceMisfit: Double
    /// Structure probabilities at λ.
    public var probabilities: [Double], referenceProbabilities: [Double]
    /// How far apart the probabilities of each component's presence are, in the order of the family's; nil for a family
    /// whose maps show none.
    public var components: [Double]?
    /// Probabilities of the number of fibres at λ.
    public var fibreProbabilities: [Double], referenceFibreProbabilities: [Double]
    /// Whose probabilities these are, of a family that does not list its structures.
    public var structureNames: [String]?
    /// Place of the true structure among them, where it is known and listed; and its number of fibres.
    public var truth: Int?, trueFibres: Int?
    /// Linear image index, where there is an image.
    public var voxel: Int?
}

/// How well an engine agrees with a reference over many voxels.
public struct EngineAgreement: Codable, Sendable {
    public var engine: String, reference: String, lambda: Double
    /// What the reference is, where it is less than an exact engine.
    public var referenceStatement: String?
    public var voxels: Int
    public var structuresAtZero: Spread, structures: Spread, fibres: Spread
    /// Total variation that the reference's stated errors alone would cause, and the share of the squared total
    /// variation that they make up.
    public var referenceError: Spread?, explainedShare: Double?
    public var slicedWasserstein: Spread, slicedWassersteinFloor: Spread
    /// Mean overlap of 90 % intervals, by name.
    public var overlaps: [String: Double]
    /// The names, those that all families have first.
    public var intervalNames: [String] {
        let usual = ["d", "snr", "s0", "f1", "f2", "f3", "fsum"]
        return usual.filter { overlaps[$0] != nil } + overlaps.keys.filter { !usual.contains($0) }.sorted()
    }
    /// |ΔP| of each component's presence, by name; nil for a family whose maps show none.
    public var components: [String: Spread]?
    /// Share of voxels with the same most probable number of fibres.
    public var sameFibreCount: Double
    public var mostProbableGap: Spread
    public var firstAngle: Spread, secondAngle: Spread
    public var misfit: Spread, referenceMisfit: Spread
    /// Scores of both on the same voxels, where the truth is known.
    public var scores: ProbabilityScores?, referenceScores: ProbabilityScores?
    public var fibreScores: ProbabilityScores?, referenceFibreScores: ProbabilityScores?
    public var perVoxel: [VoxelAgreement]

    /// - Parameter least: of `ProbabilityScores`, for both engines alike.
    /// - Precondition: at least one voxel.
    init(
        _ rows: [VoxelAgreement], engine: String, reference: String, lambda: Double, family: StudyFamily, seed: UInt64,
        least: Double
    ) {
        precondition(!rows.isEmpty)
        self.engine = engine
        self.reference = reference
        self.lambda = lambda
        voxels = rows.count
        perVoxel = rows
        structuresAtZero = Spread(rows.map(\.structuresAtZero))
        structures = Spread(rows.map(\.structures))
        fibres = Spread(rows.map(\.fibres))
        let errors = rows.compactMap(\.referenceError)
        if errors.count == rows.count {
            referenceError = Spread(errors)
            // Independent errors add as squares.
            let all = rows.reduce(0) { $0 + $1.structures * $1.structures }
            explainedShare = all > 0 ? min(1, errors.reduce(0) { $0 + $1 * $1 } / all) : 1
        }
        slicedWasserstein = Spread(rows.map(\.slicedWasserstein))
        slicedWassersteinFloor = Spread(rows.map(\.slicedWassersteinFloor))
        let n = Double(rows.count)
        overlaps = [:]
        for (i, name) in PosteriorDigest.intervalNames(family).enumerated() {
            overlaps[name] = rows.reduce(0) { $0 + $1.overlaps[i] } / n
        }
        if !family.components.isEmpty {
            components = [:]
            for (c, bit) in family.components.enumerated() {
                components![bit.name] = Spread(rows.compactMap { $0.components?[c] })
            }
        }
        sameFibreCount = Double(rows.count(where: \.sameFibreCount)) / n
        mostProbableGap = Spread(rows.compactMap(\.mostProbableGap))
        firstAngle = Spread(rows.compactMap(\.firstAngle))
        secondAngle = Spread(rows.compactMap(\.secondAngle))
        misfit = Spread(rows.map(\.misfit))
        referenceMisfit = Spread(rows.map(\.referenceMisfit))
        let fibreTruth = rows.compactMap(\.trueFibres)
        guard fibreTruth.count == rows.count else { return }
        func score(_ probabilities: [[Double]], _ truth: [Int?]) -> ProbabilityScores {
            ProbabilityScores(
                lists: probabilities, rest: probabilities.map { max(0, 1 - $0.reduce(0, +)) }, truth: truth, seed: seed,
                least: least)
        }
        let truth = rows.map(\.truth)
        (scores, referenceScores) = (
            score(rows.map(\.probabilities), truth), score(rows.map(\.referenceProbabilities), truth)
        )
        (fibreScores, referenceFibreScores) = (
            score(rows.map(\.fibreProbabilities), fibreTruth),
            score(rows.map(\.referenceFibreProbabilities), fibreTruth)
        )
    }
}
