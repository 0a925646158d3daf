import ModelSpace

/// A point carried from one structure's layout to another's: what both have keeps its value, the rest is open.
///
/// Components, scalars, axes and rotations correspond by name, group and member. Members stand in order of falling
/// weight, so that of a group which loses a member the weakest goes.
struct LayoutTransfer {
    /// Numbers of `to` that come from the other point; −1 for those that are open.
    private var origins: [Int]
    let to: SignalLayout
    /// What is open: positions in the layout's lists.
    private(set) var scalars: [Int] = [], axes: [Int] = [], rotations: [Int] = []

    init(from: SignalLayout, to: SignalLayout) {
        self.to = to
        origins = Array(repeating: -1, count: to.count)
        (origins[SignalLayout.sigma], origins[SignalLayout.scale]) = (SignalLayout.sigma, SignalLayout.scale)
        for (k, c) in to.components.enumerated() {
            guard let j = from.components.firstIndex(where: { $0.group == c.group && $0.member == c.member }) else {
                continue
            }
            origins[SignalLayout.firstWeight + k] = SignalLayout.firstWeight + j
        }
        for (k, s) in to.scalars.enumerated() {
            if let j = from.scalars.firstIndex(where: { $0.place == s.place }) {
                origins[to.firstScalar + k] = from.firstScalar + j
            } else {
                scalars.append(k)
            }
        }
        func orientation(_ k: Int, _ j: Int?, _ here: Int, _ there: Int, width: Int) -> Bool {
            guard let j else { return false }
            for c in 0..<width { origins[here + width * k + c] = there + width * j + c }
            return true
        }
        for (k, a) in to.axes.enumerated() {
            let j = from.axes.firstIndex { $0.place == a.place }
            if !orientation(k, j, to.firstAxis, from.firstAxis, width: 3) { axes.append(k) }
        }
        for (k, r) in to.rotations.enumerated() {
            let j = from.rotations.firstIndex { $0.place == r.place }
            if !orientation(k, j, to.firstRotation, from.firstRotation, width: 4) { rotations.append(k) }
        }
    }

    /// A point of one layout with one of its members open.
    init(_ layout: SignalLayout, reopening member: SignalLayout.Member) {
        to = layout
        origins = Array(0..<to.count)
        (scalars, axes, rotations) = (member.scalars, member.axes, member.rotations)
        origins[SignalLayout.firstWeight + member.component] = -1
        for j in scalars { origins[to.firstScalar + j] = -1 }
        for a in axes { for c in 0..<3 { origins[to.firstAxis + 3 * a + c] = -1 } }
        for r in rotations { for c in 0..<4 { origins[to.firstRotation + 4 * r + c] = -1 } }
    }

    /// Everything of a layout open.
    init(open to: SignalLayout) {
        self.to = to
        origins = Array(repeating: -1, count: to.count)
        (scalars, axes, rotations) = (Array(to.scalars.indices), Array(to.axes.indices), Array(to.rotations.indices))
    }

    var isOpen: Bool { !scalars.isEmpty || !axes.isEmpty || !rotations.isEmpty }
    /// Coordinates that are open.
    var dimension: Int { scalars.count + 2 * axes.count + 3 * rotations.count }

    /// The point with what is open in the middle of its range, and components that are new at their least weight.
    func carry(_ x: [Double]) -> [Double] {
        var point = [Double](repeating: 0, count: to.count)
        for (i, origin) in origins.enumerated() where origin >= 0 { point[i] = x[origin] }
        if to.weights == .simplex {
            for (k, c) in to.components.enumerated() where origins[SignalLayout.firstWeight + k] < 0 {
                point[SignalLayout.firstWeight + k] = c.bound + 0.03
            }
        }
        for j in scalars { point[to.firstScalar + j] = (to.scalars[j].low + to.scalars[j].high) / 2 }
        for a in axes { point[to.firstAxis + 3 * a + 2] = 1 }
        for r in rotations { point[to.firstRotation + 4 * r] = 1 }
        to.clamp(&point)
        return point
    }
}
