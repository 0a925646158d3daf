import Foundation

/// The allowed structures of a family whose structures can be enumerated, with k(z), the prior over them, and their
/// prefix tree.
///
/// Prior: p(z | λ) ∝ 1[z allowed] · exp(−λ · k(z)). One unit of λ costs one nat per free parameter; λ = 0 makes all
/// allowed structures equally likely.
public struct StructureSpace: Sendable {
    /// C, the number of components.
    public let componentCount: Int
    /// Allowed structures, in the order in which every table of structure probabilities lists them.
    public let structures: [Structure]
    /// k(z) for each allowed structure: its number of free parameters beyond those that every structure has.
    public let parameterCounts: [Int]
    /// The distinct prefixes of allowed structures, breadth first: where an autoregressive decoder has to decide.
    public let prefixes: [Prefix]
    /// What may follow a prefix, to be walked bit by bit.
    public let automaton: StructureAutomaton

    /// A node of the prefix tree: the first `depth` bits are fixed, bit `depth` is next.
    public struct Prefix: Sendable {
        public let depth: Int
        public let bits: Structure
        /// Index of the node one bit shorter; −1 at the root.
        public let parent: Int
        /// Whether some allowed structure continues with 0, and with 1.
        public let allowsZero: Bool, allowsOne: Bool
    }

    public init(componentCount: Int, structures: [Structure], parameterCounts: [Int]) {
        precondition(structures.count == parameterCounts.count && !structures.isEmpty)
        precondition(Set(structures).count == structures.count, "a structure is listed twice")
        self.componentCount = componentCount
        self.structures = structures
        self.parameterCounts = parameterCounts
        var nodes: [Prefix] = []
        var index: [[Structure: Int]] = Array(repeating: [:], count: componentCount)
        for depth in 0..<componentCount {
            for z in structures where index[depth][z.prefix(depth)] == nil {
                let prefix = z.prefix(depth)
                let fits = structures.filter { $0.sharesPrefix(prefix, length: depth) }
                index[depth][prefix] = nodes.count
                nodes.append(
                    Prefix(
                        depth: depth, bits: prefix,
                        parent: depth == 0 ? -1 : index[depth - 1][prefix.prefix(depth - 1)]!,
                        allowsZero: fits.contains { !$0[depth] }, allowsOne: fits.contains { $0[depth] }))
            }
        }
        prefixes = nodes
        automaton = StructureAutomaton(
            nodes, index, componentCount, Dictionary(uniqueKeysWithValues: zip(structures, parameterCounts)))
    }

    /// Position of `z` in `structures`, or nil when it is not allowed.
    public func index(of z: Structure) -> Int? { structures.firstIndex(of: z) }

    /// log p(z | λ) for every allowed structure, normalised.
    public func logPrior(lambda: Double) -> [Double] {
        Self.normalise(parameterCounts.map { -lambda * Double($0) })
    }

    /// Re-reads structure log-probabilities at another λ by the exact identity
    /// log p(z|y,λ′) = log p(z|y,λ) − (λ′ − λ)·k(z) + const.
    public func reweight(_ logProbability: [Double], from lambda: Double, to other: Double) -> [Double] {
        precondition(logProbability.count == structures.count)
        return Self.normalise(zip(logProbability, parameterCounts).map { $0 - (other - lambda) * Double($1) })
    }

    /// Draws z ~ p(z | λ).
    public func draw(lambda: Double, using random: inout RandomSource) -> Int {
        var u = random.uniform()
        let logPrior = logPrior(lambda: lambda)
        for (i, l) in logPrior.enumerated() {
            u -= exp(l)
            if u <= 0 { return i }
        }
        return structures.count - 1
    }

    /// Subtracts the log-sum-exp.
    public static func normalise(_ x: [Double]) -> [Double] {
        let total = logSum(x)
        return x.map { $0 - total }
    }
}
