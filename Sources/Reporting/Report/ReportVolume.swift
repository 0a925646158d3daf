import Foundation
import Inference
import Volumes

/// The voxels that the page shows, slice by slice in any plane.
///
/// All voxels of the box around the mask, in the order in which they are looked at (x fastest, growing to the subject's
/// right, front and top); of scans with more voxels than a page can hold every s-th along each axis, which the page
/// says.
struct ReportVolume: Sendable {
    let grid: DisplayGrid
    /// The box around the mask, in display coordinates, and the step s.
    let low: [Int], shape: [Int], step: Int
    /// Of each place of the box: 0 outside the mask, 1 in the mask but not fitted, 2 fitted.
    let mask: [UInt8]
    /// Ranks among the summary's voxels of those fitted, in the box's order.
    let voxels: [Int]
    /// Where the page opens: the level with most fibre within the middle half, along each axis.
    let opening: [Int]

    init(_ summary: PosteriorSummary, geometry: VolumeGeometry, step: Int) {
        let grid = DisplayGrid(geometry)
        let positions = summary.voxels.map(grid.position)
        var low = grid.shape, high = [-1, -1, -1]
        for p in positions {
            for d in 0..<3 { (low[d], high[d]) = (min(low[d], p[d]), max(high[d], p[d])) }
        }
        if high[0] < 0 { (low, high) = ([0, 0, 0], grid.shape.map { $0 - 1 }) }
        // A margin of one, so that the outline is seen.
        low = low.map { max(0, $0 - 1) }
        high = zip(high, grid.shape).map { min($1 - 1, $0 + 1) }
        // Thin volumes keep all of their slices.
        let steps = (0..<3).map { high[$0] - low[$0] < 8 ? 1 : step }
        let shape = (0..<3).map { (high[$0] - low[$0]) / steps[$0] + 1 }
        var mask = [UInt8](repeating: 0, count: shape.reduce(1, *)), ranks = [Int32](repeating: -1, count: mask.count)
        var fibre = shape.map { [Double](repeating: 0, count: $0) }
        let fraction = summary.column(.statistic(.fractionSum, .mean))
        for (v, p) in positions.enumerated() {
            let q = (0..<3).map { p[$0] - low[$0] }
            guard (0..<3).allSatisfy({ q[$0] % steps[$0] == 0 }) else { continue }
            let place = (0..<3).map { q[$0] / steps[$0] }, i = place[0] + shape[0] * (place[1] + shape[1] * place[2])
            mask[i] = summary.isFitted(v) ? 2 : 1
            guard summary.isFitted(v) else { continue }
            ranks[i] = Int32(v)
            // Voxels count a little even without fibre.
            for d in 0..<3 { fibre[d][place[d]] += 0.1 + Double(fraction[fraction.startIndex + v]) }
        }
        opening = (0..<3).map { d in
            let n = shape[d], middle = (n / 4)...max(n / 4, n - 1 - n / 4)
            return middle.max { fibre[d][$0] < fibre[d][$1] }!
        }
        (self.grid, self.low, self.shape, self.step, self.mask) = (grid, low, shape, step, mask)
        self.steps = steps
        voxels = ranks.filter { $0 >= 0 }.map(Int.init)
    }

    /// Along each axis.
    let steps: [Int]

    /// The box's place of an image's voxel, as far as it has one: the nearest that is shown.
    func place(_ index: Int) -> [Int] {
        let p = grid.position(index)
        return (0..<3).map { max(0, min(shape[$0] - 1, (p[$0] - low[$0] + steps[$0] / 2) / steps[$0])) }
    }

    func json(_ data: ReportData, _ maps: [ReportMap], _ sets: FibreSets) -> JSONValue {
        let affine = data.geometry.affine
        var members: [(key: String, value: JSONValue)] = [
            ("shape", .array(shape.map { .integer($0) })), ("low", .array(low.map { .integer($0) })),
            ("steps", .array(steps.map { .integer($0) })),
            ("size", .array((0..<3).map { .number(ReportData.rounded(grid.size[$0] * Double(steps[$0]))) })),
            ("full", .array(grid.shape.map { .integer($0) })), ("axes", .array(grid.axes.map { .integer($0) })),
            ("isReversed", .array(grid.isReversed.map { .bool($0) })),
            ("affine", .array((0..<12).map { .number(affine[$0 / 4, $0 % 4]) })),
            ("opening", .array(opening.map { .integer($0) })), ("mask", PackedNumbers.text(mask)),
        ]
        let g = data.structures.groups.count, isFine = voxels.count * g < 500_000
        members += [
            ("isFine", .bool(isFine)),
            ("reference", .number(isFine ? data.summary.lambda : ReportStructures.shortReference)),
        ]
        // One group after another: neighbours are alike.
        var fine = [UInt16](repeating: 0, count: isFine ? voxels.count * g : 0)
        var coarse = [UInt8](repeating: 0, count: isFine ? 0 : voxels.count * g)
        for (i, v) in voxels.enumerated() {
            let own = data.probabilities[(v * g)..<((v + 1) * g)]
            if isFine {
                for (z, code) in ReportStructures.encode(own).enumerated() { fine[z * voxels.count + i] = code }
            } else {
                let codes = data.structures.encodeShort(own, at: data.summary.lambda)
                for (z, code) in codes.enumerated() { coarse[z * voxels.count + i] = code }
            }
        }
        members.append(("codes", isFine ? PackedNumbers.text(fine) : PackedNumbers.text(coarse)))
        // Of many voxels fewer shades, which pack better.
        func shade(_ code: UInt8, _ levels: Double) -> UInt8 {
            isFine ? code : UInt8(((Double(code) / 255 * levels).rounded() / levels * 255).rounded())
        }
        members.append(
            (
                "maps",
                .array(
                    maps.map { map in PackedNumbers.text(voxels.map { shade(map.code($0), 63) }) })
            ))
        var axes: [[UInt8]] = [[], []], fractions: [UInt8] = []
        for v in voxels {
            for n in 1...3 {
                for fibre in sets.fibres(v, given: n) {
                    let (a, b) = Self.octahedral(fibre.axis)
                    axes[0].append(isFine ? a : a & 254)
                    axes[1].append(isFine ? b : b & 254)
                    fractions.append(max(1, shade(UInt8(max(0, min(255, (fibre.fraction * 255).rounded()))), 23)))
                }
            }
        }
        members += [
            ("held", PackedNumbers.text(voxels.map { sets.held[$0] })), ("axisU", PackedNumbers.text(axes[0])),
            ("axisV", PackedNumbers.text(axes[1])), ("fractions", PackedNumbers.text(fractions)),
        ]
        return .object(members)
    }

    /// An axis in two bytes: the upper half of an octahedron laid flat; within 0.7°.
    /// - Source: Cigolle et al. 2014, J Comput Graph Tech 3(2).
    static func octahedral(_ axis: SIMD3<Float>) -> (UInt8, UInt8) {
        let up = axis.z < 0 ? -axis : axis, sum = abs(up.x) + abs(up.y) + up.z
        guard sum > 0 else { return (0, 0) }
        // The half is a diamond: turned by 45° it fills the square.
        let x = up.x / sum, y = up.y / sum
        func code(_ t: Float) -> UInt8 { UInt8(max(0, min(254, ((t + 1) * 127).rounded()))) }
        return (code(x + y), code(x - y))
    }
}
