import ModelSpace

/// What a long run of the reference sampler found.
public struct SampledPosterior: Sendable {
    /// How often each structure was visited, of `count` recorded states.
    public var visits: [Structure: Int] = [:]
    public var count = 0
    /// Of each structure the last state: scores of σ and of the inner parameters, terms rising.
    public var points: [Structure: [Double]] = [:]
    /// Share of the states with each bit.
    public func bits(_ number: Int) -> [Double] {
        (0..<number).map { b in
            Double(visits.reduce(0) { $0 + ($1.key[b] ? $1.value : 0) }) / Double(max(1, count))
        }
    }
    /// Pools another run's states.
    mutating func add(_ other: SampledPosterior) {
        visits.merge(other.visits, uniquingKeysWith: +)
        points.merge(other.points) { $1 }
        count += other.count
    }
    public func probability(_ z: Structure) -> Double { Double(visits[z] ?? 0) / Double(max(1, count)) }
}
