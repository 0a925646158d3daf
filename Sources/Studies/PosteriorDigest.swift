import Diffusion
import Foundation
import Inference

/// What maps would show of one posterior at a λ: structure probabilities, 90 % intervals, mean axes of its fibres.
struct PosteriorDigest {
    /// Z probabilities at λ.
    var probability: [Double]
    /// 5 % and 95 % quantiles, in the order of `EngineAgreement.intervalNames`; fractions are those of matched fibres.
    var intervals: [(low: Double, high: Double)] = []
    /// Mean axes of the fibres that are there with probability ≥ ½, by falling mean fraction.
    var axes: [SIMD3<Double>] = []

    init(_ posterior: VoxelPosterior, table: StructureTable, lambda: Double) {
        let d = posterior.structures.count, p = DrawColumn.count
        var rows = [Float](repeating: 0, count: d * p), weights = [Float](repeating: 0, count: d)
        for i in rows.indices {
            let c = i % p
            rows[i] = Float(posterior.parameters[i] * (c == DrawColumn.diffusivity || c == DrawColumn.spread ? 1e3 : 1))
        }
        probability = []
        DrawWeights(structures: table, reference: 0, target: lambda)
            .update(ListedPosterior(posterior, table), probability: &probability, weights: &weights)
        var assignments = [FibreAssignment](repeating: .none, count: d), matcher = FibreMatcher(), statistics = WeightedStatistics()
        matcher.match(rows, weights: weights, count: d, into: &assignments)
        func interval(_ value: (Int) -> Float) -> (low: Double, high: Double) {
            let found = statistics.summarise((0..<d).map(value), weights, count: d)
            return (Double(found.q05), Double(found.q95))
        }
        let f = DrawColumn.fraction
        for column in [DrawColumn.diffusivity, DrawColumn.snr, DrawColumn.scale] { intervals.append(interval { rows[$0 * p + column] }) }
        for k in 0..<DrawColumn.fibreCount {
            intervals.append(interval { i in assignments[i].stick(k).map { rows[i * p + f + $0] } ?? 0 })
            var dyad = SymmetricEigen.Matrix(), presence: Float = 0
            for i in 0..<d {
                guard let stick = assignments[i].stick(k) else { continue }
                let at = i * p + DrawColumn.direction + 3 * stick
                dyad.add(SIMD3(Double(rows[at]), Double(rows[at + 1]), Double(rows[at + 2])), weight: Double(weights[i]))
                presence += weights[i]
            }
            if presence >= 0.5 { axes.append(SymmetricEigen.largest(dyad).vector) }
        }
        intervals.append(interval { rows[$0 * p + f] + rows[$0 * p + f + 1] + rows[$0 * p + f + 2] })
    }
}
