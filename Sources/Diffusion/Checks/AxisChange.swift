/// A change of a gradient table's axes: each new component is one of the old ones, or its negative.
///
/// The ways in which tables go wrong when files are converted: an axis reversed, two exchanged, all three turned round.
/// A table and its negative measure the same, so that of the 48 such changes 24 differ; of each two the one with fewer
/// minus signs stands for both.
public struct AxisChange: Sendable, Hashable {
    /// For x, y and z of the new table: which component of the old one (0, 1, 2), and whether its sign changes.
    public let axes: [Int], isReversed: [Bool]

    /// All 24, the one that changes nothing first.
    public static let all: [AxisChange] = {
        let orders = [[0, 1, 2], [1, 0, 2], [2, 1, 0], [0, 2, 1], [1, 2, 0], [2, 0, 1]]
        return orders.flatMap { order in
            [nil, 0, 1, 2].map { reversed in AxisChange(axes: order, isReversed: (0..<3).map { $0 == reversed }) }
        }
    }()

    public static let none = all[0]

    public func callAsFunction(_ v: SIMD3<Double>) -> SIMD3<Double> {
        func component(_ r: Int) -> Double { isReversed[r] ? -v[axes[r]] : v[axes[r]] }
        return SIMD3(component(0), component(1), component(2))
    }

    /// The new components in terms of the old: `x,-y,z`.
    public var formula: String {
        (0..<3).map { (isReversed[$0] ? "-" : "") + Self.names[axes[$0]] }.joined(separator: ",")
    }

    /// What is to be done to a table, in words that follow "with": `the sign of x changed`, `y and z exchanged`.
    public var words: String {
        let moved = (0..<3).filter { axes[$0] != $0 }, reversed = isReversed.firstIndex(of: true)
        if self == .none { return "nothing changed" }
        if moved.isEmpty { return "the sign of \(Self.names[reversed!]) changed" }
        if moved.count == 2, reversed == nil { return "\(Self.names[moved[0]]) and \(Self.names[moved[1]]) exchanged" }
        return "(x, y, z) replaced by (\(formula.replacing(",", with: ", ")))"
    }

    private static let names = ["x", "y", "z"]
}
