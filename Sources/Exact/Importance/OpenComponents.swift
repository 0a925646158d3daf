import Foundation
import ModelSpace

/// What of a shape an open component lays no claim to.
///
/// Normals about modes and about good samples reach no farther than what was found: the mass of a region where no
/// sample ever fell is missing from the evidence, and the standard error does not tell. Where a part of the shape is
/// hardly determined (the direction of a bundle with little weight; everything, where there is more noise than signal)
/// such regions are large. So the first generation also draws from components about the best mode in which the whole
/// shape, or one axis or rotation, ranges over all its values, the rest being as the mode's normal has it when that
/// part is left out (its marginal).
enum OpenShapes {
    /// How many such components a layout has: one for the whole shape, one for each axis and rotation unless that is
    /// all there is.
    static func count(_ layout: SignalLayout) -> Int { sets(layout).count }

    /// The local coordinates that are open in each.
    static func sets(_ layout: SignalLayout) -> [Range<Int>] {
        let first = layout.componentCount + 1, axes = first + layout.scalars.count,
            rotations = axes + 2 * layout.axes.count, end = first + layout.shapeDimension
        guard first < end else { return [] }
        let parts =
            layout.axes.indices.map { axes + 2 * $0..<axes + 2 * $0 + 2 }
            + layout.rotations.indices.map { rotations + 3 * $0..<rotations + 3 * $0 + 3 }
        return [first..<end] + parts.filter { $0 != first..<end }
    }

    /// Λ of a mode's normal with some coordinates open: of the others their marginal,
    ///
    ///     Λ_rr − Λ_ro Λ_oo⁻¹ Λ_or
    ///
    /// of those open a normal so wide that its density falls by no more than a factor of 2 or so over their range:
    /// standard deviations of a scalar's range, 1.2 of an axis's tangents (which end at √2), 1.5 of a rotation's
    /// angles.
    ///
    /// - Returns: D × D; nil where Λ_oo is not positive definite.
    static func precision(_ mode: PosteriorMode, open: Range<Int>) -> [Double]? {
        let d = mode.dimension, n = open.count, layout = mode.layout
        let whole = mode.precision
        var p = Array(UnsafeBufferPointer(start: whole, count: d * d)), own = [Double](repeating: 0, count: n * n)
        for (i, r) in open.enumerated() { for (j, c) in open.enumerated() { own[i * n + j] = p[r * d + c] } }
        guard Cholesky.factorise(&own, n) else { return nil }
        var solved = [Double](repeating: 0, count: n)
        for r in 0..<d where !open.contains(r) {
            for (i, c) in open.enumerated() { solved[i] = whole[r * d + c] }
            if solved.allSatisfy({ $0 == 0 }) { continue }
            Cholesky.solve(own, n, &solved)
            for c in 0..<d where !open.contains(c) {
                var sum = 0.0
                for (i, o) in open.enumerated() { sum += whole[c * d + o] * solved[i] }
                p[r * d + c] -= sum
            }
        }
        let scalars = layout.componentCount + 1, axes = scalars + layout.scalars.count,
            rotations = axes + 2 * layout.axes.count
        for i in open {
            for j in 0..<d { (p[i * d + j], p[j * d + i]) = (0, 0) }
            let deviation =
                i < axes
                ? layout.scalars[i - scalars].high - layout.scalars[i - scalars].low : i < rotations ? 1.2 : 1.5
            p[i * d + i] = 1 / (deviation * deviation)
        }
        return p
    }
}

extension ImportanceSampler {
    /// Writes the open components of a run after those about modes, and their shares.
    func addOpen(_ run: Run, _ options: Options, _ shares: inout [Double]) {
        let best = run.modes.best, sets = OpenShapes.sets(best.layout), memory = run.memory
        guard options.open > 0, !sets.isEmpty, !shares.isEmpty else { return }
        let share = options.open * shares.reduce(0, +) / Double(sets.count)
        for set in sets {
            guard let precision = OpenShapes.precision(best, open: set) else { continue }
            let out = memory.components + shares.count * run.proposal.size
            let isWritten = run.proposal.write(
                centre: best.centre, precision: precision, stride: best.dimension,
                orders: run.labels.orders(of: best.centre), scale: 1, into: out)
            guard isWritten else { continue }
            memory.origins[shares.count] = -1
            shares.append(share)
        }
    }
}
