import CKernels
import Diffusion
import Exact
import Foundation

/// A mode of prior × likelihood, or a point near one, and the local normal there: precision Λ = L Lᵀ in the local
/// coordinates about θ.
package final class LocalMode {
    let geometry: LocalGeometry
    /// θ; two tangent vectors a stick.
    let centre: [Double], tangents: [Double]
    /// Λ, D × D; L, in the lower triangle.
    let precision: [Double], factor: [Double]
    /// Log of the posterior mass that an untruncated normal with this Λ and the centre's density would hold.
    let laplace: Double

    private typealias Slot = BallSticks.Slot

    /// Bounds of the prior as the kernels take them.
    package static let support = pk_support(
        d_low: Float(BallSticks.logDiffusivity.low), d_high: Float(BallSticks.logDiffusivity.high),
        ratio_low: Float(BallSticks.logSpreadRatio.low),
        ratio_high: Float(BallSticks.logSpreadRatio.high), snr_low: Float(BallSticks.logSNR.low),
        snr_high: Float(BallSticks.logSNR.high),
        floor: Float(BallSticks.fractionFloor))

    /// - Parameter logDensity: of the posterior at the centre, up to the evidence.
    /// - Returns: nil when `precision` is not positive definite.
    init?(_ geometry: LocalGeometry, centre: [Double], tangents: [Double], precision: [Double], logDensity: Double) {
        let d = geometry.dimension
        var l = precision, logDeterminant = 0.0
        guard Cholesky.factorise(&l, d) else { return nil }
        for j in 0..<d { logDeterminant += log(l[j * d + j]) }
        self.geometry = geometry
        self.centre = centre
        self.tangents = tangents
        self.precision = precision
        factor = l
        laplace = logDensity + Double(d) / 2 * log(2 * .pi) - logDeterminant
    }

    var axes: [SIMD3<Double>] {
        (0..<geometry.sticks).map { k in
            let a = Slot.axis + 3 * k
            return SIMD3(centre[a], centre[a + 1], centre[a + 2])
        }
    }

    /// Whether another is about the same centre.
    func isNear(_ b: LocalMode) -> Bool { squaredDistance(to: b.centre) < 1 }

    /// uᵀΛu of another θ.
    func squaredDistance(to b: UnsafePointer<Double>) -> Double {
        let a = self, g = geometry, n = g.sticks, d = g.dimension
        var u = [Double](repeating: 0, count: d)
        for k in 0..<n { u[k] = b[Slot.fraction + k] - a.centre[Slot.fraction + k] }
        if g.hasSpread {
            u[n] = log(b[Slot.spread] / b[Slot.diffusivity]) - log(a.centre[Slot.spread] / a.centre[Slot.diffusivity])
        }
        u[g.diffusivityIndex] = log(b[Slot.diffusivity] / a.centre[Slot.diffusivity])
        u[g.snrIndex] = g.sigma == nil ? log(b[Slot.snr] / a.centre[Slot.snr]) : 0
        u[g.s0Index] = log(b[Slot.s0] / a.centre[Slot.s0])
        for k in 0..<n {
            let o = Slot.axis + 3 * k
            let w = a.centre[o] * b[o] + a.centre[o + 1] * b[o + 1] + a.centre[o + 2] * b[o + 2]
            for t in 0..<2 {
                let e = 6 * k + 3 * t
                let p = a.tangents[e] * b[o] + a.tangents[e + 1] * b[o + 1] + a.tangents[e + 2] * b[o + 2]
                u[g.tangentIndex + 2 * k + t] = (w < 0 ? -p : p) / (0.5 + 0.5 * abs(w)).squareRoot()
            }
        }
        return Cholesky.square(factor, d, of: u)
    }

    /// Standard deviation of coordinate j, bounds aside: (Λ⁻¹)_jj^½.
    func deviation(of j: Int) -> Double { Cholesky.deviation(factor, geometry.dimension, of: j) }
}
