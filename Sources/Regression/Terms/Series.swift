/// Observations of a curve: x rising within [0, 10], and y, in the family's units.
public struct Series: Sendable {
    public let x: [Double], y: [Double]
    public var count: Int { x.count }

    /// Pairs in any order; of equal x the first stays first.
    public init(x: [Double], y: [Double]) {
        precondition(x.count == y.count && !x.isEmpty)
        let order = x.indices.sorted { (x[$0], $0) < (x[$1], $1) }
        self.x = order.map { x[$0] }
        self.y = order.map { y[$0] }
    }
}
