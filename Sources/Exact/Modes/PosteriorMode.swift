import CKernels
import Foundation
import ModelSpace

/// A mode of prior × likelihood, or a point near one, and the local normal there: precision Λ = L Lᵀ in local
/// coordinates about it.
///
/// Local coordinates, D = W + 1 + shape: weights u (`WeightCoordinates`), log σ, those of the shape (`SignalLayout`).
package final class PosteriorMode {
    package let layout: SignalLayout, noise: NoiseLikelihood
    /// A point in the prior's support, members in order of falling weight.
    package let centre: [Double]
    /// Λ, D × D; L, in the lower triangle. With a known σ log σ stands apart with 1 on the diagonal.
    package let precision: UnsafePointer<Double>
    private let factor: UnsafePointer<Double>
    /// Log of the posterior mass that a normal with this Λ and the centre's density would hold, times the share of each
    /// weight's own normal that is above 0: roughly the evidence.
    package let laplace: Double
    let weights: WeightCoordinates
    private let u: UnsafePointer<Double>, noiseVariance: Double

    /// Place of log σ, the first place of the shape, D.
    var noiseIndex: Int { layout.componentCount }
    var shapeIndex: Int { layout.componentCount + 1 }
    package var dimension: Int { layout.componentCount + 1 + layout.shapeDimension }

    /// - Parameters:
    ///   - logDensity: of the posterior at the centre by the local coordinates, up to the evidence.
    ///   - knowsNoise: whether σ is known, so that log σ is a point.
    ///   - room: D × `stride` numbers to work in.
    /// - Returns: nil when `precision` is not positive definite.
    init?(
        _ layout: SignalLayout, _ weights: WeightCoordinates, _ noise: NoiseLikelihood, centre: [Double],
        precision: UnsafePointer<Double>,
        stride: Int, logDensity: Double, knowsNoise: Bool, room: UnsafeMutablePointer<Double>
    ) {
        let d = layout.componentCount + 1 + layout.shapeDimension
        room.update(from: precision, count: d * stride)
        guard pk_system_factorise(d, stride, room) != 0 else { return nil }
        var logDeterminant = 0.0
        for j in 0..<d { logDeterminant += log(room[j * stride + j]) }
        self.layout = layout
        self.noise = noise
        self.centre = centre
        self.weights = weights
        // All in one piece: climbs are many.
        let memory = UnsafeMutablePointer<Double>.allocate(capacity: 2 * d * d + weights.count)
        let l = memory + d * d, u = memory + 2 * d * d
        for i in 0..<d {
            for j in 0..<d {
                memory[i * d + j] = precision[min(i, j) * stride + max(i, j)]
                l[i * d + j] = j <= i ? room[j * stride + i] : 0
            }
        }
        weights.take(centre, into: u)
        (self.precision, factor, self.u) = (UnsafePointer(memory), UnsafePointer(l), UnsafePointer(u))
        // log σ is determined apart from all else.
        noiseVariance = 1 / precision[weights.count * (stride + 1)]
        var inside = 0.0
        if weights.kind != PK_COEFFICIENTS {
            for k in 0..<weights.count {
                inside += TruncationShift.logTail(-u[k] / Cholesky.deviation(l, d, of: k))
            }
        }
        laplace = inside + logDensity + Double(knowsNoise ? d - 1 : d) / 2 * log(2 * .pi) - logDeterminant
    }

    deinit { precision.deallocate() }

    /// Whether a point is about the same mode, members in any order.
    func isNear(_ x: [Double]) -> Bool {
        if squaredDistance(to: x) < 1 { return true }
        // Far apart in what no order changes.
        guard !layout.exchangeable.isEmpty, squaredDistanceOfNoise(to: x) < 1 else { return false }
        var other = x
        let likeness = MemberLikeness(layout, centre, [Double](repeating: 0.1, count: layout.shapeDimension))
        for (members, order) in zip(layout.exchangeable, likeness.orders(of: x)) {
            layout.arrange(members, order, from: x, into: &other)
        }
        return squaredDistance(to: other) < 1
    }

    /// The least uᵀΛu of a point with so different a σ: (Δ log σ)² over its variance.
    private func squaredDistanceOfNoise(to x: [Double]) -> Double {
        let gap = x[SignalLayout.sigma] - centre[SignalLayout.sigma]
        return gap * gap / max(1e-300, noiseVariance)
    }

    /// uᵀΛu of a point, members as they stand.
    package func squaredDistance(to x: UnsafePointer<Double>) -> Double {
        let d = dimension, w = weights.count
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: d) { buffer in
            let v = buffer.baseAddress!
            weights.take(x, into: v)
            for k in 0..<w { v[k] -= u[k] }
            v[w] = x[SignalLayout.sigma] - centre[SignalLayout.sigma]
            layout.shapeCoordinates(of: x, about: centre, into: v + w + 1)
            return Cholesky.square(factor, d, of: v)
        }
    }

    /// Standard deviation of local coordinate j, bounds aside: (Λ⁻¹)_jj^½.
    package func deviation(of j: Int) -> Double { Cholesky.deviation(factor, dimension, of: j) }
}

extension SignalLayout {
    /// Writes into `out` for each member of a set what `x` has at the member that stands in its place of the order.
    func arrange(
        _ members: [Member], _ order: [Int], from x: UnsafePointer<Double>, into out: UnsafeMutablePointer<Double>
    ) {
        for (member, from) in zip(members, order) {
            let other = members[from]
            out[Self.firstWeight + member.component] = x[Self.firstWeight + other.component]
            for (i, j) in zip(member.scalars, other.scalars) { out[firstScalar + i] = x[firstScalar + j] }
            for (i, j) in zip(member.axes, other.axes) {
                for c in 0..<3 { out[firstAxis + 3 * i + c] = x[firstAxis + 3 * j + c] }
            }
            for (i, j) in zip(member.rotations, other.rotations) {
                for c in 0..<4 { out[firstRotation + 4 * i + c] = x[firstRotation + 4 * j + c] }
            }
        }
    }
}
