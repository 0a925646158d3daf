import Foundation

/// What two posteriors of one voxel, from different measurements, say of its fibres at one λ.
///
/// A fit *calls* the most probable number of fibres and their mean axes, in order of falling fraction. A fibre is
/// *found again* when the other fit calls one within `angle`. A voxel's *net* is the number of fibres found again less
/// the number that are not, the mean of both fits: what somebody gains to whom a fibre that is not there costs as much
/// as one that is there brings. It grows by calling a fibre exactly when that is likelier than not to be found again,
/// so that neither the richest nor the plainest answer gains of itself.
struct FibresFoundAgain {
    /// Degrees. Two random axes lie as near with probability 1 − cos 20° = 6 %.
    static let angle = 20.0
    static let ranks = DrawColumn.fibreCount

    /// Numbers of fibres called by both; of both together, fibres called by rank, and of them those found again.
    private(set) var counts = (0, 0), called = SIMD4<Double>(), found = SIMD4<Double>()

    var net: Double { (2 * found.sum() - called.sum()) / 2 }

    /// - Parameter v: number of the voxel in both summaries; it must be fitted in both.
    init(_ a: PosteriorSummary, _ b: PosteriorSummary, at v: (Int, Int)) {
        let first = Self.fibres(a, v.0), second = Self.fibres(b, v.1), least = cos(Self.angle * .pi / 180)
        counts = (first.count, second.count)
        for (own, other) in [(first, second), (second, first)] {
            for (k, axis) in own.enumerated() {
                called[k] += 1
                if other.contains(where: { abs(($0 * axis).sum()) > least }) { found[k] += 1 }
            }
        }
    }

    private static func fibres(_ summary: PosteriorSummary, _ v: Int) -> [SIMD3<Double>] {
        func value(_ column: SummaryColumn) -> Double {
            let values = summary.column(column)
            return Double(values[values.startIndex + v])
        }
        return (0..<min(ranks, Int(value(.likeliestFibreCount)))).map { k in
            SIMD3(
                value(.direction(k, axis: 0)), value(.direction(k, axis: 1)), value(.direction(k, axis: 2)))
        }
    }
}
