import CKernels
import Foundation
import ModelSpace

/// Where shapes of a layout lie for the kernels, and the components of an importance sampler's proposal of them:
/// normals in local coordinates about a centre, scalars truncated to their bounds (`shape_proposal.h`).
final class ShapeProposal {
    let layout: SignalLayout
    /// D; floats of a component.
    let dimension: Int, size: Int
    private let bounds: UnsafeMutablePointer<Float>
    /// A normal's precision, weights and noise first.
    private let matrix: UnsafeMutablePointer<Double>
    let space: pk_shape_space

    init(_ layout: SignalLayout) {
        let k = layout.scalars.count
        self.layout = layout
        dimension = layout.shapeDimension
        bounds = .allocate(capacity: max(1, 2 * k))
        for (j, s) in layout.scalars.enumerated() { (bounds[j], bounds[k + j]) = (Float(s.low), Float(s.high)) }
        var space = pk_shape_space(
            axes: layout.axes.count, rotations: layout.rotations.count, scalars: k, low: bounds, high: bounds + k)
        size = pk_shape_component_size(&space)
        self.space = space
        let d = layout.componentCount + 1 + dimension
        matrix = .allocate(capacity: d * SignalLimits.stride(d))
    }

    deinit {
        bounds.deallocate()
        matrix.deallocate()
    }

    /// Writes the marginal over shapes x of the normal about a point, as the kernels take it:
    ///
    ///     Λ = Λ_xx − Λ_xw Λ_ww⁻¹ Λ_wx
    ///
    /// whose factor is the last block of the factor of the whole with weights and noise first.
    ///
    /// - Parameters:
    ///   - precision: Λ, rows `stride` numbers apart.
    ///   - orders: of each set of members that may change places, their labels; none for the labels they have.
    ///   - scale: standard deviations relative to the normal's.
    /// - Returns: false, and leaves `out` alone, when the precision is not positive definite.
    func write(
        centre: UnsafePointer<Double>, precision: UnsafePointer<Double>, stride: Int, orders: [[Int]], scale: Double,
        into out: UnsafeMutablePointer<Float>
    ) -> Bool {
        let layout = layout, w = layout.componentCount + 1, d = w + dimension, row = SignalLimits.stride(d),
            k = layout.scalars.count, a = layout.axes.count
        let r = layout.rotations.count
        return withUnsafeTemporaryAllocation(of: Int.self, capacity: k + a + r + d) { buffer in
            let ofScalar = buffer.baseAddress!, ofAxis = ofScalar + k, ofRotation = ofAxis + a, places = ofRotation + r
            for i in 0..<k { ofScalar[i] = i }
            for i in 0..<a { ofAxis[i] = i }
            for i in 0..<r { ofRotation[i] = i }
            for (members, order) in zip(layout.exchangeable, orders) {
                for (member, from) in zip(members, order) {
                    for (i, j) in zip(member.scalars, members[from].scalars) { ofScalar[i] = j }
                    for (i, j) in zip(member.axes, members[from].axes) { ofAxis[i] = j }
                    for (i, j) in zip(member.rotations, members[from].rotations) { ofRotation[i] = j }
                }
            }
            // Weights and noise, axes, rotations, scalars.
            for i in 0..<w { places[i] = i }
            var at = w
            func add(_ first: Int, _ width: Int) {
                for c in 0..<width {
                    places[at] = first + c
                    at += 1
                }
            }
            for i in 0..<a { add(w + k + 2 * ofAxis[i], 2) }
            for i in 0..<r { add(w + k + 2 * a + 3 * ofRotation[i], 3) }
            for i in 0..<k { add(w + ofScalar[i], 1) }
            let m = matrix
            m.update(repeating: 0, count: d * row)
            for i in 0..<d {
                let from = precision + places[i] * stride
                for j in i..<d { m[i * row + j] = from[places[j]] }
            }
            guard pk_system_factorise(d, row, m) != 0 else { return false }
            var next = out
            for i in 0..<k { next[i] = Float(centre[layout.firstScalar + ofScalar[i]]) }
            next += k
            for i in 0..<a {
                let p = centre + layout.firstAxis + 3 * ofAxis[i], axis = SIMD3(p[0], p[1], p[2]),
                    (e, f) = AxisChart.tangents(axis)
                for c in 0..<3 {
                    next[3 * i + c] = Float(axis[c])
                    next[3 * a + 6 * i + c] = Float(e[c])
                    next[3 * a + 6 * i + 3 + c] = Float(f[c])
                }
            }
            next += 9 * a
            for i in 0..<r {
                for c in 0..<4 { next[4 * i + c] = Float(centre[layout.firstRotation + 4 * ofRotation[i] + c]) }
            }
            next += 4 * r
            let inverse = 1 / scale, n = dimension
            for i in 0..<n {
                for j in 0..<n { next[i * n + j] = j <= i ? Float(m[(w + j) * row + w + i] * inverse) : 0 }
            }
            return true
        }
    }

    /// The same about a mode, its members labelled by likeness to another's.
    func write(_ mode: PosteriorMode, labels: MemberLikeness, scale: Double, into out: UnsafeMutablePointer<Float>)
        -> Bool
    {
        write(
            centre: mode.centre, precision: mode.precision, stride: mode.dimension,
            orders: labels.orders(of: mode.centre), scale: scale, into: out)
    }

    /// Shapes of `count` samples (a multiple of 16) from uniforms, D rows of `count`, into rows from `first` on.
    /// Returns how many of the first `asked` are there.
    func draw(
        _ component: UnsafePointer<Float>, _ uniforms: UnsafePointer<Float>, count: Int, asked: Int, stride: Int,
        rows: UnsafeMutablePointer<Float>, first: Int
    ) -> Int {
        var space = space
        let start = rows + layout.firstScalar * stride + first
        pk_draw_shapes(component, &space, uniforms, count, stride, start)
        return pk_keep_shapes(&space, asked, stride, start)
    }

    /// Adds components' densities at samples to `total`, logarithms.
    func addDensities(
        _ components: UnsafePointer<Float>, _ counts: UnsafePointer<Float>, _ many: Int, rows: UnsafePointer<Float>,
        stride: Int, first: Int, count: Int,
        _ total: UnsafeMutablePointer<Float>
    ) {
        guard many > 0, count > 0 else { return }
        var space = space
        pk_add_proposals(
            components, counts, many, &space, rows + layout.firstScalar * stride + first, stride, count, total + first)
    }
}
