import CKernels
import Diffusion
import Foundation

/// One component of an importance sampler's proposal: a normal with precision Λ = L Lᵀ in the local coordinates about a centre θ, its bounded
/// coordinates truncated one after the other to the prior's support (`proposal.h`).
struct ProposalComponent {
    let geometry: LocalGeometry
    let centre: [Double]
    /// L, row-major, in the lower triangle of D × D.
    private(set) var factor: [Double]
    /// Log of the posterior mass that an untruncated normal with this Λ and the centre's density would hold.
    let laplace: Double
    /// Log-density of the posterior at the centre.
    let logDensity: Double
    /// Laid out for the kernels.
    private(set) var block: [Float]
    /// Number of samples it is to give, or has given.
    var count = 0

    static let support = pk_support(
        d_low: Float(BallSticks.logDiffusivity.low), d_high: Float(BallSticks.logDiffusivity.high), ratio_low: Float(BallSticks.logSpreadRatio.low),
        ratio_high: Float(BallSticks.logSpreadRatio.high), snr_low: Float(BallSticks.logSNR.low), snr_high: Float(BallSticks.logSNR.high),
        floor: Float(BallSticks.fractionFloor))

    /// - Returns: nil when `precision` is not positive definite.
    init?(_ geometry: LocalGeometry, centre: [Double], tangents: [Double], precision: [Double], logDensity: Double) {
        let d = geometry.dimension
        var l = precision
        guard Self.factorise(&l, d) else { return nil }
        self.geometry = geometry
        self.centre = centre
        factor = l
        self.logDensity = logDensity
        laplace = logDensity + Double(d) / 2 * log(2 * .pi) - (0..<d).reduce(0) { $0 + log(l[$1 * d + $1]) }
        var block = [Float](repeating: 0, count: PK_COMPONENT_SIZE)
        typealias Slot = BallSticks.Slot
        block[0] = Float(log(centre[Slot.diffusivity]))
        block[1] = geometry.hasSpread ? Float(log(centre[Slot.spread] / centre[Slot.diffusivity])) : 0
        block[2] = Float(log(centre[Slot.snr]))
        block[3] = Float(log(centre[Slot.s0]))
        for k in 0..<3 { block[4 + k] = Float(centre[Slot.fraction + k]) }
        for k in 0..<9 { block[7 + k] = Float(centre[Slot.axis + k]) }
        for k in 0..<6 * geometry.sticks { block[PK_COMPONENT_TANGENTS + k] = Float(tangents[k]) }
        for k in 0..<d * d { block[PK_COMPONENT_FACTOR + k] = Float(l[k]) }
        self.block = block
    }

    /// Whether another component is about the same centre: uᵀΛu of that centre is below 1.
    func isNear(_ b: ProposalComponent) -> Bool {
        typealias Slot = BallSticks.Slot
        let a = self, g = geometry, n = g.sticks, d = g.dimension
        var u = [Double](repeating: 0, count: d)
        for k in 0..<n { u[k] = b.centre[Slot.fraction + k] - a.centre[Slot.fraction + k] }
        if g.hasSpread {
            u[n] = log(b.centre[Slot.spread] / b.centre[Slot.diffusivity]) - log(a.centre[Slot.spread] / a.centre[Slot.diffusivity])
        }
        u[g.diffusivityIndex] = log(b.centre[Slot.diffusivity] / a.centre[Slot.diffusivity])
        u[g.snrIndex] = log(b.centre[Slot.snr] / a.centre[Slot.snr])
        u[g.s0Index] = log(b.centre[Slot.s0] / a.centre[Slot.s0])
        for k in 0..<n {
            let o = Slot.axis + 3 * k
            let w = a.centre[o] * b.centre[o] + a.centre[o + 1] * b.centre[o + 1] + a.centre[o + 2] * b.centre[o + 2]
            for t in 0..<2 {
                let e = PK_COMPONENT_TANGENTS + 6 * k + 3 * t
                let p = Double(a.block[e]) * b.centre[o] + Double(a.block[e + 1]) * b.centre[o + 1] + Double(a.block[e + 2]) * b.centre[o + 2]
                u[g.tangentIndex + 2 * k + t] = p / (abs(w) < 1e-6 ? 1e-6 : w)
            }
        }
        var distance = 0.0
        for j in 0..<d {
            var x = 0.0
            for i in j..<d { x += a.factor[i * d + j] * u[i] }
            distance += x * x
        }
        return distance < 1
    }

    /// Standard deviation of coordinate j, bounds aside: (Λ⁻¹)_jj^½ = |L⁻¹ e_j|.
    func deviation(of j: Int) -> Double {
        let d = geometry.dimension
        var x = [Double](repeating: 0, count: d), square = 0.0
        for i in j..<d {
            var v = i == j ? 1.0 : 0
            for k in j..<i { v -= factor[i * d + k] * x[k] }
            x[i] = v / factor[i * d + i]
            square += x[i] * x[i]
        }
        return square.squareRoot()
    }

    /// The same with standard deviations `scale` times as large.
    func scaled(_ scale: Double) -> ProposalComponent {
        var other = self
        for i in other.factor.indices { other.factor[i] /= scale }
        for i in PK_COMPONENT_FACTOR..<other.block.count { other.block[i] /= Float(scale) }
        return other
    }

    /// Cholesky factor in the lower triangle, in place.
    static func factorise(_ a: inout [Double], _ d: Int) -> Bool {
        a.withUnsafeMutableBufferPointer { a in
            for j in 0..<d {
                var diagonal = a[j * d + j]
                for k in 0..<j { diagonal -= a[j * d + k] * a[j * d + k] }
                guard diagonal > 0, diagonal.isFinite else { return false }
                let root = diagonal.squareRoot()
                a[j * d + j] = root
                for i in j + 1..<max(d, j + 1) {
                    var x = a[i * d + j]
                    for k in 0..<j { x -= a[i * d + k] * a[j * d + k] }
                    a[i * d + j] = x / root
                }
            }
            return true
        }
    }

    /// Solves L Lᵀ x = b in place.
    static func solve(_ l: [Double], _ d: Int, _ b: inout [Double]) {
        for i in 0..<d {
            for k in 0..<i { b[i] -= l[i * d + k] * b[k] }
            b[i] /= l[i * d + i]
        }
        for i in (0..<d).reversed() {
            for k in i + 1..<max(d, i + 1) { b[i] -= l[k * d + i] * b[k] }
            b[i] /= l[i * d + i]
        }
    }
}
