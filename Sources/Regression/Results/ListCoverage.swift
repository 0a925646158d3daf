import Foundation
import ModelSpace

/// How much of the posterior a list of structures holds, and what the rest is like, by the visits of the reference
/// sampler: a state of its chain is a draw of the posterior at the chain's λ, at another each counts
/// exp(−(λ′ − λ) k).
public struct ListCoverage: Codable, Sendable, Equatable {
    /// Visits to a structure.
    public struct Visit: Codable, Sendable, Equatable {
        public var structure: Structure, parameters: Int, count: Int
    }

    /// λ of the chain.
    public var lambda: Double
    /// Visits to listed structures, by k: number of parameters, visits.
    public var listed: [Int: Int] = [:]
    /// Visits to others, structures rising.
    public var others: [Visit] = []

    public init(_ run: SampledPosterior, of list: some Collection<Structure>, lambda: Double, _ rule: StructureRule) {
        let list = Set(list)
        self.lambda = lambda
        for (z, n) in run.visits.sorted(by: { $0.key < $1.key }) {
            let k = rule.parameterCount(z)
            if list.contains(z) {
                listed[k, default: 0] += n
            } else {
                others.append(Visit(structure: z, parameters: k, count: n))
            }
        }
    }

    public var count: Int { listed.values.reduce(0, +) + others.reduce(0) { $0 + $1.count } }

    /// Share of the posterior at λ that the list holds; half a visit's where none was listed.
    public func share(lambda other: Double) -> Double {
        let (inside, outside) = masses(other)
        return inside > 0 ? inside / (inside + outside) : 0.5 / Double(max(1, count))
    }

    /// Of the structures that are not listed, the share with each bit; zeros where none was visited.
    public func bits(_ number: Int, lambda other: Double) -> [Double] {
        let outside = masses(other).outside
        guard outside > 0 else { return Array(repeating: 0, count: number) }
        return (0..<number).map { b in others.reduce(0) { $1.structure[b] ? $0 + weight($1, other) : $0 } / outside }
    }

    private func masses(_ other: Double) -> (inside: Double, outside: Double) {
        // By k, in one order: sums are the same each time.
        let inside = listed.sorted { $0.key < $1.key }.reduce(0) { $0 + Double($1.value) * scale($1.key, other) }
        return (inside, others.reduce(0) { $0 + weight($1, other) })
    }

    private func weight(_ v: Visit, _ other: Double) -> Double { Double(v.count) * scale(v.parameters, other) }
    private func scale(_ k: Int, _ other: Double) -> Double { exp((lambda - other) * Double(k)) }
}
