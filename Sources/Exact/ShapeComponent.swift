import CKernels
import Diffusion
import Foundation

/// One component of an importance sampler's proposal of shapes (diffusivities and directions): a normal with precision Λ = L Lᵀ in local coordinates about a
/// centre, log(s/d) and log d truncated to the prior's ranges (`proposal.h`).
struct ShapeComponent {
    /// Laid out for the kernels.
    private(set) var block: [Float]
    /// Number of samples it is to give, or has given.
    var count = 0

    private typealias Slot = BallSticks.Slot

    /// Marginal over shapes of the local normal about a mode: of its precision, blocks x for shapes and w for the rest,
    ///
    ///     Λ = Λ_xx − Λ_xw Λ_ww⁻¹ Λ_wx
    ///
    /// - Parameters:
    ///   - labelling: gives the sticks their labels.
    ///   - scale: standard deviations relative to the normal's.
    /// - Returns: nil when a block is not positive definite.
    init?(_ mode: LocalMode, labelling: StickLabelling, scale: Double) {
        let g = mode.geometry, n = g.sticks, d = g.dimension, order = labelling.order(of: mode.axes)
        var places: [Int] = []
        for k in order { places += [g.tangentIndex + 2 * k, g.tangentIndex + 2 * k + 1] }
        places.append(g.diffusivityIndex)
        if g.hasSpread { places.append(n) }
        let rest = Array(0..<n) + [g.snrIndex, g.s0Index], w = places.count, m = rest.count
        var inner = [Double](repeating: 0, count: m * m), factor = [Double](repeating: 0, count: w * w)
        for i in 0..<m { for j in 0...i { inner[i * m + j] = mode.precision[rest[i] * d + rest[j]] } }
        guard Cholesky.factorise(&inner, m) else { return nil }
        // Λ_wx with Λ_ww = L Lᵀ: Λ_xw Λ_ww⁻¹ Λ_wx = |L⁻¹ Λ_wx|².
        let solved = places.map { place in
            var x = rest.map { mode.precision[$0 * d + place] }
            Cholesky.forward(inner, m, &x)
            return x
        }
        for i in 0..<w {
            for j in 0...i {
                var v = mode.precision[places[i] * d + places[j]]
                for k in 0..<m { v -= solved[i][k] * solved[j][k] }
                factor[i * w + j] = v / (scale * scale)
            }
        }
        guard Cholesky.factorise(&factor, w) else { return nil }
        block = Array(repeating: 0, count: PK_SHAPE_SIZE)
        block[0] = Float(log(mode.centre[Slot.diffusivity]))
        block[1] = g.hasSpread ? Float(log(mode.centre[Slot.spread] / mode.centre[Slot.diffusivity])) : 0
        for (k, from) in order.enumerated() {
            for c in 0..<3 { block[PK_SHAPE_AXES + 3 * k + c] = Float(mode.centre[Slot.axis + 3 * from + c]) }
            for c in 0..<6 { block[PK_SHAPE_TANGENTS + 6 * k + c] = Float(mode.tangents[6 * from + c]) }
        }
        for k in 0..<w * w { block[PK_SHAPE_FACTOR + k] = Float(factor[k]) }
    }
}
