import CKernels
import Foundation
import ModelSpace

/// What the moves of a structure's points need to know of its layout: bounds, usual steps, and which numbers move
/// together.
///
/// Numbers of the shape on which one component alone depends make a *part* with it, so that moving them has one
/// component's attenuations computed. Which these are the kernels tell (`owners`). An axis or rotation on which several
/// depend is a part of its own; such scalars evolve with the rest.
final class MovePlan {
    /// A part and the component whose attenuations it changes, nil for all; where the turns of its axes and rotations
    /// stand among all.
    struct Part {
        let component: Int?
        var part: pk_point_part
        let firstTurn: Int
    }
    /// Two members that may change places, neighbours in their order.
    struct Pair { var parts: (Int, Int), components: (Int, Int) }

    let layout: SignalLayout
    private(set) var parts: [Part] = []
    let pairs: [Pair]
    /// Neighbours in such an order that comparing and exchanging one pair after the other sorts every set of members.
    let order: [Pair]
    /// The component whose fraction is what the others leave.
    let rest: Int
    let bound, low, high, walk, turn, frames: UnsafeMutablePointer<Float>
    let after, rows: UnsafeMutablePointer<Int32>
    private let collapsedRows, firstPart: Int

    /// Shares of proposals that draw a part anew: of the last of several members or of none of several, and of the
    /// others.
    private static let anewLast: Float = 0.25, anewOthers: Float = 0.0625

    init(_ layout: SignalLayout, _ kernels: any SignalKernels) {
        self.layout = layout
        let w = layout.componentCount, first = SignalLayout.firstWeight
        let isSimplex = layout.weights == .simplex, rest = layout.components.firstIndex { $0.weight == nil } ?? 0
        self.rest = rest
        func floats(_ n: Int) -> UnsafeMutablePointer<Float> { .allocate(capacity: max(1, n)) }
        (bound, low, high, walk) = (
            floats(w), floats(layout.scalars.count), floats(layout.scalars.count), floats(layout.count)
        )
        frames = floats(9 * layout.axes.count)
        turn = floats(layout.axes.count + layout.rotations.count)
        turn.initialize(repeating: 0.1, count: layout.axes.count + layout.rotations.count)
        after = .allocate(capacity: w)
        // Rounding to single precision and adding up fractions must not lead outside.
        let margin: Float = isSimplex ? 3e-7 : 0
        for (k, c) in layout.components.enumerated() { (bound[k], after[k]) = (Float(c.bound) + margin, -1) }
        walk.initialize(repeating: 0.03, count: layout.count)
        (walk[SignalLayout.sigma], walk[SignalLayout.scale]) = (0.1, 0.05)
        for (k, c) in layout.components.enumerated() where !isSimplex { walk[first + k] = Float(0.1 * c.bound) }
        for (j, s) in layout.scalars.enumerated() {
            (low[j], high[j]) = (Float(s.low), Float(s.high))
            if Double(low[j]) < s.low { low[j] = low[j].nextUp }
            if Double(high[j]) > s.high { high[j] = high[j].nextDown }
            walk[layout.firstScalar + j] = Float(0.05 * (s.high - s.low))
        }
        for members in layout.exchangeable {
            for i in 1..<members.count { after[members[i].component] = Int32(members[i - 1].component) }
        }

        // log σ, log s0, weights, scalars; log σ, scalars; then the rows of the parts.
        let scalars = layout.scalars.indices.map { layout.firstScalar + $0 }
        var list = [SignalLayout.sigma] + (layout.scalePlace != nil ? [SignalLayout.scale] : [])
        list += (0..<w).filter { !isSimplex || $0 != rest }.map { first + $0 } + scalars
        collapsedRows = list.count
        list += [SignalLayout.sigma] + scalars
        firstPart = list.count

        let owners = Self.owners(layout, kernels)
        func owned(_ count: Int, _ from: Int, by k: Int) -> [Int] { (0..<count).filter { owners[from + $0] == k } }
        var shapes: [(component: Int?, scalars: [Int], axes: [Int], rotations: [Int])] = []
        let (axes, rotations) = (layout.scalars.count, layout.scalars.count + layout.axes.count)
        for k in 0..<w {
            shapes.append(
                (
                    k, owned(layout.scalars.count, 0, by: k), owned(layout.axes.count, axes, by: k),
                    owned(layout.rotations.count, rotations, by: k)
                ))
        }
        for a in layout.axes.indices where owners[axes + a] == nil { shapes.append((nil, [], [a], [])) }
        for r in layout.rotations.indices where owners[rotations + r] == nil { shapes.append((nil, [], [], [r])) }
        shapes.removeAll { $0.scalars.isEmpty && $0.axes.isEmpty && $0.rotations.isEmpty }
        var starts: [(Int, Int, Int)] = []
        for s in shapes {
            starts.append((list.count, list.count + s.scalars.count, list.count + s.scalars.count + s.axes.count))
            list +=
                s.scalars.map { layout.firstScalar + $0 } + s.axes.map { layout.firstAxis + 3 * $0 }
                + s.rotations.map { layout.firstRotation + 4 * $0 }
        }
        rows = .allocate(capacity: list.count)
        for (i, row) in list.enumerated() { rows[i] = Int32(row) }

        let outweighing = Set(layout.exchangeable.flatMap { $0.dropLast().map(\.component) })
        var pairs: [Pair] = [], order: [Pair] = [], turns = 0
        for (shape, at) in zip(shapes, starts) {
            var part = pk_point_part()
            (part.scalars, part.axes, part.rotations) = (shape.scalars.count, shape.axes.count, shape.rotations.count)
            (part.scalar, part.axis, part.rotation) = (
                UnsafePointer(rows + at.0), UnsafePointer(rows + at.1), UnsafePointer(rows + at.2)
            )
            part.turn = UnsafePointer(turn + turns)
            part.anew = shape.component.map(outweighing.contains) ?? true ? Self.anewOthers : Self.anewLast
            parts.append(Part(component: shape.component, part: part, firstTurn: turns))
            turns += shape.axes.count + shape.rotations.count
        }
        for members in layout.exchangeable {
            // All that a member has must be its own.
            let own = members.compactMap { member in
                shapes.firstIndex {
                    $0.component == member.component
                        && ($0.scalars, $0.axes, $0.rotations) == (member.scalars, member.axes, member.rotations)
                }
            }
            guard own.count == members.count else { continue }
            func pair(_ i: Int) -> Pair {
                Pair(parts: (own[i], own[i + 1]), components: (members[i].component, members[i + 1].component))
            }
            for i in 0..<members.count - 1 { pairs.append(pair(i)) }
            for end in (1..<members.count).reversed() { for i in 0..<end { order.append(pair(i)) } }
        }
        (self.pairs, self.order) = (pairs, order)
    }

    deinit {
        for p in [bound, low, high, walk, turn, frames] { p.deallocate() }
        after.deallocate()
        rows.deallocate()
    }

    /// Of each scalar, axis and rotation the one component that depends on it; nil where several do, or none. Seen by
    /// drawing each of them anew for sixteen points of the prior: a component depends on a number when any of its
    /// attenuations changes.
    static func owners(_ layout: SignalLayout, _ kernels: any SignalKernels) -> [Int?] {
        let w = layout.componentCount, m = kernels.measurementCount, size = SignalLanes.size
        var random = RandomSource(seed: 1), x = [Float](repeating: 0, count: layout.count * size)
        var e = [Float](repeating: 0, count: m * w * size), other = e, owners: [Int?] = []
        func draw(_ row: Int, _ width: Int, _ into: inout [Float]) {
            for lane in 0..<size {
                if width == 1 {
                    let s = layout.scalars[row - layout.firstScalar]
                    into[row * size + lane] = Float(random.uniform(s.low, s.high))
                } else {
                    let v = (0..<width).map { _ in random.normal() }, length = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
                    for c in 0..<width { into[(row + c) * size + lane] = Float(v[c] / length) }
                }
            }
        }
        let numbers =
            layout.scalars.indices.map { (layout.firstScalar + $0, 1) }
            + layout.axes.indices.map { (layout.firstAxis + 3 * $0, 3) }
            + layout.rotations.indices.map { (layout.firstRotation + 4 * $0, 4) }
        for (row, width) in numbers { draw(row, width, &x) }
        kernels.attenuations(layout, rows: x, stride: size, into: &e)
        for (row, width) in numbers {
            var changed = x
            draw(row, width, &changed)
            kernels.attenuations(layout, rows: changed, stride: size, into: &other)
            let depending = (0..<w).filter { k in
                (0..<m).contains { i in
                    (0..<size).contains { e[(i * w + k) * size + $0] != other[(i * w + k) * size + $0] }
                }
            }
            owners.append(depending.count == 1 ? depending[0] : nil)
        }
        return owners
    }

    /// Rows that evolve together: all but axes and rotations, with the scalars or without; without coefficients that
    /// are integrated out.
    func evolution(knowsNoise: Bool, collapsed: Bool, scalars: Bool) -> (rows: UnsafePointer<Int32>, count: Int) {
        let known = knowsNoise ? 1 : 0, from = (collapsed ? collapsedRows : 0) + known,
            end = collapsed ? firstPart : collapsedRows
        return (UnsafePointer(rows + from), end - from - (scalars ? 0 : layout.scalars.count))
    }

    /// Whether two components are members that may change places, so that the shape of one may be set down near the
    /// other's.
    func areAlike(_ a: Part, _ b: Part) -> Bool {
        guard let k = a.component, let l = b.component else { return false }
        return layout.exchangeable.contains { set in
            set.contains { $0.component == k } && set.contains { $0.component == l }
                && pairs.contains { $0.components.0 == set[0].component }
        }
    }
}
