import CKernels
import Diffusion
import Foundation

/// One component of an importance sampler's proposal of shapes (diffusivities and directions): a normal with precision
/// Λ = L Lᵀ in local coordinates about a centre, log(s/d) and log d truncated to the prior's ranges (`proposal.h`).
enum ShapeComponent {
    private typealias Slot = BallSticks.Slot

    /// Writes the marginal over shapes x of the normal about a point, as the kernels take it:
    ///
    ///     Λ = Λ_xx − Λ_xw Λ_ww⁻¹ Λ_wx
    ///
    /// whose factor is the last block of the factor of the whole with w first.
    ///
    /// - Parameters:
    ///   - centre: θ; `tangents`: 6 numbers a stick.
    ///   - precision: D × D, rows `stride` numbers apart.
    ///   - order: the sticks' labels.
    ///   - scale: standard deviations relative to the normal's.
    /// - Returns: false, and leaves `out` alone, when the precision is not positive definite.
    static func write(
        _ g: LocalGeometry, centre: UnsafePointer<Double>, tangents: UnsafePointer<Double>,
        precision: UnsafePointer<Double>, stride: Int,
        order: [Int], scale: Double, into out: UnsafeMutablePointer<Float>
    ) -> Bool {
        let n = g.sticks, d = g.dimension, m = n + 2
        return SmallMatrix.withRoom { a in
            withUnsafeTemporaryAllocation(of: Int.self, capacity: LocalGeometry.capacity) { places in
                for k in 0..<n { places[k] = k }
                (places[n], places[n + 1]) = (g.snrIndex, g.s0Index)
                for k in 0..<n {
                    places[m + 2 * k] = g.tangentIndex + 2 * order[k]
                    places[m + 2 * k + 1] = g.tangentIndex + 2 * order[k] + 1
                }
                places[m + 2 * n] = g.diffusivityIndex
                if g.hasSpread { places[d - 1] = n }
                for i in 0..<d {
                    let row = precision + places[i] * stride
                    for j in i..<d { a[i * SmallMatrix.stride + j] = row[places[j]] }
                }
            }
            guard pk_factorise(d, a) != 0 else { return false }
            out.update(repeating: 0, count: Int(PK_SHAPE_SIZE))
            out[0] = Float(log(centre[Slot.diffusivity]))
            out[1] = g.hasSpread ? Float(log(centre[Slot.spread] / centre[Slot.diffusivity])) : 0
            for k in 0..<n {
                for c in 0..<3 { out[PK_SHAPE_AXES + 3 * k + c] = Float(centre[Slot.axis + 3 * order[k] + c]) }
                for c in 0..<6 { out[PK_SHAPE_TANGENTS + 6 * k + c] = Float(tangents[6 * order[k] + c]) }
            }
            let w = d - m, inverse = 1 / scale
            for i in 0..<w {
                for j in 0...i {
                    out[PK_SHAPE_FACTOR + i * w + j] = Float(a[(m + j) * SmallMatrix.stride + m + i] * inverse)
                }
            }
            return true
        }
    }

    /// The same about a mode.
    static func write(
        _ mode: LocalMode, labelling: StickLabelling, scale: Double, into out: UnsafeMutablePointer<Float>
    ) -> Bool {
        write(
            mode.geometry, centre: mode.centre, tangents: mode.tangents, precision: mode.precision,
            stride: mode.geometry.dimension,
            order: labelling.order(of: mode.axes), scale: scale, into: out)
    }
}
