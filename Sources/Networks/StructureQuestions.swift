import Foundation
import ModelSpace
import Tensors

/// What is asked of the structure decoder when structures are too many to list, of all voxels of a block together. The
/// answers of a voxel depend on nothing but the voxel.
extension PrefixCache {
    /// What one search finds for each voxel, and the mass of the rest. Prefixes evaluated before are forgotten.
    mutating func posteriors<Search: PrefixSearch>(
        _ searches: [Search], automaton: StructureAutomaton
    ) -> [StructurePosterior] {
        // Some hundred rows at a time; what is kept of thousands of prefixes of more voxels would be read from memory.
        let together = max(1, Self.mostRows / Search.width)
        var answers: [StructurePosterior] = []
        for start in stride(from: 0, to: searches.count, by: together) {
            var voxel = Array(searches[start..<min(start + together, searches.count)])
            forget()
            while true {
                let next = voxel.indices.flatMap { v in
                    voxel[v].next(Search.width).map { (voxel: start + v, prefix: $0) }
                }
                if next.isEmpty { break }
                for (i, prefix) in evaluate(next).enumerated() {
                    for child in children(next[i].prefix, prefix, automaton) { voxel[next[i].voxel - start].add(child) }
                }
            }
            answers += voxel.map { $0.posterior() }
        }
        return answers
    }

    /// Draws of structures, `count` for every voxel: which were drawn, and how often each.
    ///
    /// Prefixes that several draws share are evaluated once.
    mutating func draws(
        count: Int, automaton: StructureAutomaton, using random: inout [RandomSource]
    ) -> [[(structure: Structure, count: Int)]] {
        var drawn: [[(structure: Structure, count: Int)]] = random.map { _ in [] }
        var open: [(voxel: Int, prefix: StructureExpansion.Open, count: Int)] = []
        func take(_ v: Int, _ prefix: StructureExpansion.Open, _ n: Int) {
            var o = prefix
            automaton.settle(&o.bits, &o.depth, &o.state, &o.parameters)
            if o.depth == automaton.bitCount { drawn[v].append((o.bits, n)) } else { open.append((v, o, n)) }
        }
        for v in random.indices {
            take(v, .root(automaton), count)
        }
        while !open.isEmpty {
            let now = open
            open = []
            for (i, prefix) in evaluate(now.map { ($0.voxel, $0.prefix) }).enumerated() {
                let (v, o, n) = now[i], one = 1 / (1 + exp(-logits[prefix]))
                let ones = (0..<n).count { _ in random[v].uniform() < one }
                let two = children(o, prefix, automaton)
                for (child, share) in zip(two, [n - ones, ones]) where share > 0 { take(v, child, share) }
            }
        }
        return drawn
    }

    /// log q(z | y, λ) of given structures, for every voxel its own; −∞ for those that are not allowed. Each costs its
    /// own bits.
    mutating func logProbabilities(of structures: [[Structure]], automaton: StructureAutomaton) -> [[Double]] {
        var chains: [Chain] = [], decisions: [(voxel: Int, place: Int, depths: [Int])] = []
        var answers = structures.map { $0.map { _ in 0.0 } }
        for (v, list) in structures.enumerated() {
            for (i, z) in list.enumerated() {
                guard let depths = automaton.decisions(z) else {
                    answers[v][i] = -.infinity
                    continue
                }
                guard let last = depths.last else { continue }
                decisions.append((v, i, depths))
                chains.append(Chain(voxel: v, bits: z, depths: 0..<last + 1, parent: -1))
            }
        }
        for (first, d) in zip(evaluate(chains), decisions) {
            let z = structures[d.voxel][d.place]
            answers[d.voxel][d.place] = d.depths.reduce(0) {
                $0 - softplus(z[$1] ? -logits[first + $1] : logits[first + $1])
            }
        }
        return answers
    }

    /// Evaluates open prefixes; returns their numbers.
    private mutating func evaluate(_ open: [(voxel: Int, prefix: StructureExpansion.Open)]) -> [Int] {
        let chains = open.map { v, o in
            let start = o.parent < 0 ? 0 : depth(o.parent) + 1
            return Chain(voxel: v, bits: o.bits, depths: start..<o.depth + 1, parent: o.parent)
        }
        return zip(evaluate(chains), chains).map { $0 + $1.depths.count - 1 }
    }

    /// The two prefixes one bit longer.
    private func children(
        _ o: StructureExpansion.Open, _ number: Int, _ automaton: StructureAutomaton
    ) -> [StructureExpansion.Open] {
        [false, true].map { bit in
            var child = o
            child.bits[o.depth] = bit
            child.depth += 1
            child.state = automaton.next(o.state, bit)!
            child.parent = number
            child.logMass -= softplus(bit ? -logits[number] : logits[number])
            child.parameters += automaton.parameters(o.state, bit)
            return child
        }
    }
}

extension StructureAutomaton {
    /// The bits of an allowed structure about which there was a choice; nil when z is not allowed.
    func decisions(_ z: Structure) -> [Int]? {
        var state = start, depths: [Int] = []
        for depth in 0..<bitCount {
            if decides(state) { depths.append(depth) }
            guard let next = next(state, z[depth]) else { return nil }
            state = next
        }
        return z.prefix(bitCount) == z ? depths : nil
    }
}

extension NetworkRunner {
    /// The likeliest structures of every voxel at λ and beyond (`plan.steps`), and the mass of the rest: for families
    /// too large to list.
    ///
    /// Accuracy: log-probabilities are those of `structureLogProbabilities` within 1e-6, before the list is normalised
    /// with its rest.
    public func structurePosteriors(
        _ voxels: EncodedVoxels, lambda: Double, automaton: StructureAutomaton, plan: StructureListPlan
    ) -> [StructurePosterior] {
        let searches = Array(repeating: StructureExpansion(automaton, plan), count: voxels.count)
        return withPrefixes(of: voxels, lambda: lambda) { $0.posteriors(searches, automaton: automaton) }
    }

    /// Draws `count` structures for every voxel: which, and how often each.
    /// - Parameter random: one stream a voxel.
    public func drawStructures(
        _ voxels: EncodedVoxels, lambda: Double, automaton: StructureAutomaton, count: Int,
        using random: inout [RandomSource]
    ) -> [[(structure: Structure, count: Int)]] {
        precondition(random.count == voxels.count)
        return withPrefixes(of: voxels, lambda: lambda) { $0.draws(count: count, automaton: automaton, using: &random) }
    }

    /// log q(z | y, λ) of given structures, for every voxel its own; −∞ for those that are not allowed.
    public func structureLogProbabilities(
        _ voxels: EncodedVoxels, of structures: [[Structure]], lambda: Double, automaton: StructureAutomaton
    ) -> [[Double]] {
        precondition(structures.count == voxels.count)
        return withPrefixes(of: voxels, lambda: lambda) { $0.logProbabilities(of: structures, automaton: automaton) }
    }
}
