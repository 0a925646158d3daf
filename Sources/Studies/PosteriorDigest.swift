import Diffusion
import Foundation
import Inference

/// What maps would show of one posterior at a λ: structure probabilities, 90 % intervals, mean axes of its fibres.
struct PosteriorDigest {
    /// Probabilities at λ of the structures that the posterior lists.
    var probability: [Double]
    /// For what each draw counts.
    var weights: [Float]
    /// 5 % and 95 % quantiles, in the order of `intervalNames`; fractions are those of matched fibres, and what is
    /// absent counts as 0.
    var intervals: [(low: Double, high: Double)] = []
    /// Mean axes of the fibres that are there with probability ≥ ½, by falling mean fraction.
    var axes: [SIMD3<Double>] = []

    /// Shared parameters, noise, fibres, and the family's own quantities.
    static func intervalNames(_ family: StudyFamily) -> [String] {
        let fibres = (1...DrawColumn.fibreCount).map { "f\($0)" }
        return shared(family).map(\.name) + ["snr", "s0"] + fibres + ["fsum"]
            + own(family).map { family.draws.quantities.list[$0].name }
    }

    private static func shared(_ family: StudyFamily) -> [(name: String, place: Int)] {
        family.scalars.filter { $0.group.isEmpty }.map { (family.name($0), $0.offset) }
    }

    private static func own(_ family: StudyFamily) -> [Int] {
        let list = family.draws.quantities.list
        return list.indices.filter { !list[$0].group.isEmpty }
    }

    init(_ posterior: VoxelPosterior, family: StudyFamily, lambda: Double) {
        let d = posterior.structures.count, p = DrawColumn.count, own = family.count, scales = family.draws.scales
        var numbers = [Float](repeating: 0, count: d * own)
        for i in numbers.indices { numbers[i] = Float(posterior.parameters[i] * scales[i % own]) }
        var rows = numbers
        if !family.draws.fibres.isIdentity {
            rows = [Float](repeating: 0, count: d * p)
            for i in 0..<d {
                numbers.withUnsafeBufferPointer { from in
                    rows.withUnsafeMutableBufferPointer {
                        family.draws.fibres.convert(from.baseAddress! + i * own, into: $0.baseAddress! + i * p)
                    }
                }
            }
        }
        (probability, weights) = family.weights(posterior, lambda: lambda)
        var assignments = [FibreAssignment](repeating: .none, count: d), matcher = FibreMatcher(),
            statistics = WeightedStatistics()
        matcher.match(rows, weights: weights, count: d, into: &assignments)
        func interval(_ value: (Int) -> Float) -> (low: Double, high: Double) {
            let found = statistics.summarise((0..<d).map(value), weights, count: d)
            return (Double(found.q05), Double(found.q95))
        }
        let f = DrawColumn.fraction
        for shared in Self.shared(family) { intervals.append(interval { numbers[$0 * own + shared.place] }) }
        for column in [DrawColumn.snr, DrawColumn.scale] { intervals.append(interval { rows[$0 * p + column] }) }
        for k in 0..<DrawColumn.fibreCount {
            intervals.append(interval { i in assignments[i].stick(k).map { rows[i * p + f + $0] } ?? 0 })
            var dyad = SymmetricMatrix3(), presence: Float = 0
            for i in 0..<d {
                guard let stick = assignments[i].stick(k) else { continue }
                let at = i * p + DrawColumn.direction + 3 * stick
                dyad.add(
                    SIMD3(Double(rows[at]), Double(rows[at + 1]), Double(rows[at + 2])), weight: Double(weights[i]))
                presence += weights[i]
            }
            if presence >= 0.5 { axes.append(dyad.largest().vector) }
        }
        intervals.append(interval { rows[$0 * p + f] + rows[$0 * p + f + 1] + rows[$0 * p + f + 2] })
        let quantities = family.draws.quantities
        numbers.withUnsafeBufferPointer { all in
            for q in Self.own(family) {
                intervals.append(interval { quantities.value(q, all.baseAddress! + $0 * own) })
            }
        }
    }
}
