import Diffusion
import Foundation
import Inference
import ModelSpace

/// Compares two engines' posteriors of the same voxel.
struct EngineComparer {
    private static let errorReplicates = 64
    private static let misfitDraws = 16

    private let family: StudyFamily, coordinates: DrawCoordinates, lambda: Double, seed: UInt64
    /// Draws a set in the sliced Wasserstein distance: two sets of the reference's own must be had.
    private let distanceDraws: Int

    init(_ family: StudyFamily, options: FitOptions) {
        self.family = family
        coordinates = DrawCoordinates(family)
        lambda = options.lambda
        seed = options.seed
        distanceDraws = max(1, options.samples / 2)
    }

    /// - Parameters:
    ///   - mine: the engine's posterior, and `theirs` the reference's.
    ///   - key: names the random stream of the comparison.
    func compare(
        _ mine: VoxelPosterior, _ theirs: VoxelPosterior, _ y: UnsafePointer<Float>, acquisition: Acquisition,
        key: UInt64, truth: Structure? = nil, voxel: Int? = nil
    ) -> VoxelAgreement {
        var random = RandomSource(seed: seed, stream: key, substream: 0x434F_4D50)
        let both = family.aligned([mine, theirs]), (a, b) = (both[0], both[1]), list = a.listed
        let one = PosteriorDigest(a, family: family, lambda: lambda),
            two = PosteriorDigest(b, family: family, lambda: lambda)
        func draws(_ p: VoxelPosterior, _ digest: PosteriorDigest, _ count: Int) -> [Int] {
            ExchangeableDraws(p, weights: digest.weights, count: count, using: &random).indices
        }
        let n = distanceDraws, own = draws(a, one, n), others = draws(b, two, 2 * n)
        let points = coordinates(a, own), first = coordinates(b, Array(others.prefix(n))),
            second = coordinates(b, Array(others.suffix(n)))
        let misfit = PredictiveMisfit(family.family, acquisition: acquisition),
            angles = Self.angles(one.axes, two.axes)
        let fibres = family.fibreProbabilities(one.probability, list),
            referenceFibres = family.fibreProbabilities(two.probability, list)
        func likeliest(_ p: [Double]) -> Int { p.indices.max { (p[$0], -$0) < (p[$1], -$1) }! }
        let found = two.probability[likeliest(one.probability)]
        return VoxelAgreement(
            structuresAtZero: CalibrationStatistics.totalVariation(
                a.logProbability.map { exp($0) }, b.logProbability.map { exp($0) }),
            structures: CalibrationStatistics.totalVariation(one.probability, two.probability),
            fibres: CalibrationStatistics.totalVariation(fibres, referenceFibres),
            referenceError: statedError(b, two.probability, &random),
            slicedWasserstein: 0.5
                * (SlicedWasserstein.distance(points, first, using: &random)
                    + SlicedWasserstein.distance(points, second, using: &random)),
            slicedWassersteinFloor: SlicedWasserstein.distance(first, second, using: &random),
            overlaps: zip(one.intervals, two.intervals).map(Self.overlap),
            sameFibreCount: likeliest(fibres) == likeliest(referenceFibres),
            mostProbableGap: found > 0 ? log(two.probability.max()! / found) : nil,
            firstAngle: angles.first, secondAngle: angles.count > 1 ? angles[1] : nil,
            misfit: misfit.value(y, a, draws: Array(own.prefix(Self.misfitDraws))),
            referenceMisfit: misfit.value(y, b, draws: Array(others.prefix(Self.misfitDraws))),
            probabilities: one.probability,
            referenceProbabilities: two.probability, components: components(one.probability, two.probability, list),
            fibreProbabilities: fibres, referenceFibreProbabilities: referenceFibres,
            structureNames: family.structures == nil ? list.map(family.name) : nil,
            truth: truth.flatMap { list.firstIndex(of: $0) }, trueFibres: truth.map(family.fibreCount), voxel: voxel)
    }

    /// |ΔP| of each component's presence; nil for a family without any.
    private func components(_ p: [Double], _ q: [Double], _ list: [Structure]) -> [Double]? {
        guard !family.components.isEmpty else { return nil }
        return zip(family.componentProbabilities(p, list), family.componentProbabilities(q, list)).map { abs($0 - $1) }
    }

    private func coordinates(_ p: VoxelPosterior, _ draws: [Int]) -> [[Double]] {
        p.parameters.withUnsafeBufferPointer { all in
            draws.map { coordinates.values(all.baseAddress! + $0 * family.count) }
        }
    }

    /// E ½ Σ|p − p̃| over p̃ ∝ p exp(error · normal).
    private func statedError(_ posterior: VoxelPosterior, _ p: [Double], _ random: inout RandomSource) -> Double? {
        guard posterior.logEvidenceError.count == p.count else { return nil }
        var total = 0.0
        for _ in 0..<Self.errorReplicates {
            let moved = zip(p, posterior.logEvidenceError).map {
                $0 > 0 ? log($0) + (($1.isFinite ? $1 : 0) * random.normal()) : -.infinity
            }
            total += CalibrationStatistics.totalVariation(p, StructureSpace.normalise(moved).map { exp($0) })
        }
        return total / Double(Self.errorReplicates)
    }

    /// Length of the intersection over that of the union; 1 for two equal points.
    static func overlap(_ a: (low: Double, high: Double), _ b: (low: Double, high: Double)) -> Double {
        let union = max(a.high, b.high) - min(a.low, b.low)
        return union > 0 ? max(0, min(a.high, b.high) - max(a.low, b.low)) / union : 1
    }

    /// Degrees between mean axes: of the reference's first fibre, then of its second, each with the engine's that it is
    /// paired with.
    static func angles(_ a: [SIMD3<Double>], _ b: [SIMD3<Double>]) -> [Double] {
        guard let main = b.first, !a.isEmpty else { return [] }
        if b.count > 1 { return CrossingStudy.match(Array(b.prefix(2)), a) }
        return [a.map { acos(min(1, abs(($0 * main).sum()))) * 180 / .pi }.min()!]
    }
}
