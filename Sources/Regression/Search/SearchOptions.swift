/// How far to look.
public struct SearchOptions: Sendable {
    /// Structures that are expanded, at most; and the distance below the best, in nats, at which expanding ends.
    public var expansions = 60
    public var cutoff = 6.0
    /// Structures whose evidence is sampled: those within so many nats of the best at λ, at most `sampled`; draws each.
    public var sampledWithin = 9.0
    public var sampled = 200
    public var draws = 400
    /// Draws that are kept of each.
    public var keep = 64
    /// Sweeps by which those are moved where fewer of the draws than that are effective.
    public var moves = 4
    /// Sweeps of the reference sampler after the search: structures that it meets are added, and then it is seen what
    /// share of its visits the list holds; 0 for none.
    public var sweeps = 8000
    public var seed: UInt64 = 1
    public init() {}
}
