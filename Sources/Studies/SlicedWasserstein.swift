import Diffusion
import Foundation
import Inference
import ModelSpace

/// How far apart two sets of draws lie: the mean over random directions of the one-dimensional Wasserstein-1 distance of their projections.
///
/// Draws are compared in coordinates that every structure has and that do not depend on how fibres are numbered:
/// log d, s/d, log snr, log s0, f1, f2, f3, and the six entries of Σ f_k μ_k μ_kᵀ; each divided by its standard deviation over both sets, so that 1
/// means "as far as the posterior is wide". Coordinates that do not vary count nothing.
/// - Source: Bonneel, Rabin, Peyré, Pfister, J. Math. Imaging Vis. 51 (2015) 22.
public struct SlicedWasserstein: Sendable {
    static let directionCount = 64, dimension = 13

    /// Mean over directions of W1 between two sets of equally many points (rows).
    static func distance(_ a: [[Double]], _ b: [[Double]], using random: inout RandomSource) -> Double {
        precondition(a.count == b.count && !a.isEmpty)
        let n = Double(2 * a.count), width = a[0].count
        var scale = [Double](repeating: 0, count: width)
        for c in 0..<width {
            let values = (a + b).map { $0[c] }, mean = values.reduce(0, +) / n
            let sd = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n).squareRoot()
            scale[c] = sd > 1e-9 ? 1 / sd : 0
        }
        var total = 0.0
        for _ in 0..<directionCount {
            var direction = scale.map { _ in random.normal() }
            let norm = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
            for c in 0..<width { direction[c] *= scale[c] / norm }
            func project(_ rows: [[Double]]) -> [Double] { rows.map { row in zip(row, direction).reduce(0) { $0 + $1.0 * $1.1 } }.sorted() }
            total += zip(project(a), project(b)).reduce(0) { $0 + abs($1.0 - $1.1) } / Double(a.count)
        }
        return total / Double(directionCount)
    }

    /// The thirteen coordinates of one ball-and-sticks draw.
    static func coordinates(_ theta: UnsafePointer<Double>) -> [Double] {
        typealias Slot = BallSticks.Slot
        var dyad = SymmetricEigen.Matrix()
        for k in 0..<DrawColumn.fibreCount {
            let axis = theta + Slot.axis + 3 * k
            dyad.add(SIMD3(axis[0], axis[1], axis[2]), weight: theta[Slot.fraction + k])
        }
        return [
            log(theta[Slot.diffusivity]), theta[Slot.spread] / theta[Slot.diffusivity], log(theta[Slot.snr]), log(theta[Slot.s0]),
            theta[Slot.fraction], theta[Slot.fraction + 1], theta[Slot.fraction + 2], dyad.xx, dyad.xy, dyad.xz, dyad.yy, dyad.yz, dyad.zz,
        ]
    }
}
