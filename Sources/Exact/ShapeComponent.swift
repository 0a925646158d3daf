import CKernels
import Diffusion
import Foundation

/// One component of an importance sampler's proposal of shapes (diffusivities and directions): a normal with precision Λ = L Lᵀ in local coordinates about a
/// centre, log(s/d) and log d truncated to the prior's ranges (`proposal.h`).
struct ShapeComponent {
    /// Laid out for the kernels.
    private(set) var block: [Float]
    /// Number of samples it is to give.
    var count = 0
    /// The sample that it was made from, if any.
    private(set) var origin: Int?

    private typealias Slot = BallSticks.Slot

    /// Marginal over shapes of the local normal about a mode: of its precision, blocks x for shapes and w for the rest,
    ///
    ///     Λ = Λ_xx − Λ_xw Λ_ww⁻¹ Λ_wx
    ///
    /// whose factor is the last block of the factor of the whole with w first.
    ///
    /// - Parameters:
    ///   - centre: θ; `tangents`: 6 numbers a stick.
    ///   - precision: D × D, rows `stride` numbers apart.
    ///   - labelling: gives the sticks their labels.
    ///   - scale: standard deviations relative to the normal's.
    /// - Returns: nil when the precision is not positive definite.
    init?(
        _ g: LocalGeometry, centre: UnsafePointer<Double>, tangents: UnsafePointer<Double>, precision: UnsafePointer<Double>, stride: Int,
        labelling: StickLabelling, scale: Double, origin: Int? = nil
    ) {
        let n = g.sticks, d = g.dimension, m = n + 2, order = labelling.order(of: centre + Slot.axis)
        let logs = (log(centre[Slot.diffusivity]), g.hasSpread ? log(centre[Slot.spread] / centre[Slot.diffusivity]) : 0)
        var isDefinite = false
        let block = [Float](unsafeUninitializedCapacity: PK_SHAPE_SIZE) { out, count in
            SmallMatrix.withRoom { a in
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
                guard pk_factorise(d, a) != 0 else { return }
                isDefinite = true
                out.update(repeating: 0)
                (out[0], out[1]) = (Float(logs.0), Float(logs.1))
                for k in 0..<n {
                    for c in 0..<3 { out[PK_SHAPE_AXES + 3 * k + c] = Float(centre[Slot.axis + 3 * order[k] + c]) }
                    for c in 0..<6 { out[PK_SHAPE_TANGENTS + 6 * k + c] = Float(tangents[6 * order[k] + c]) }
                }
                let w = d - m, inverse = 1 / scale
                for i in 0..<w {
                    for j in 0...i { out[PK_SHAPE_FACTOR + i * w + j] = Float(a[(m + j) * SmallMatrix.stride + m + i] * inverse) }
                }
                count = PK_SHAPE_SIZE
            }
        }
        guard isDefinite else { return nil }
        self.block = block
        self.origin = origin
    }

    init?(_ mode: LocalMode, labelling: StickLabelling, scale: Double) {
        self.init(
            mode.geometry, centre: mode.centre, tangents: mode.tangents, precision: mode.precision, stride: mode.geometry.dimension, labelling: labelling,
            scale: scale)
    }
}
