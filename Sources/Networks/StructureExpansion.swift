import Foundation
import ModelSpace
import Tensors

/// How far a list of structures goes.
public struct StructureListPlan: Sendable {
    /// The list goes on until all other structures together have no more than this, at every λ asked for …
    public var rest = 1e-3
    /// … or until it has this many.
    public var most = 4096
    /// How far beyond the network's λ the list shall serve, rising from 0: so that what matters at a larger λ only is
    /// on it too.
    public var steps = [0.0]

    public init(rest: Double = 1e-3, most: Int = 4096, steps: [Double] = [0]) {
        precondition(rest >= 0 && most > 0 && steps.first == 0 && zip(steps, steps.dropFirst()).allSatisfy { $0 < $1 })
        self.rest = rest
        self.most = most
        self.steps = steps
    }
}

/// The structures of one voxel while prefixes of them are expanded (`PrefixCache.posteriors`).
protocol PrefixSearch {
    /// How many prefixes of a voxel are evaluated together. More are faster each, and some of them are not needed.
    static var width: Int { get }
    /// Takes a prefix.
    mutating func add(_ prefix: StructureExpansion.Open)
    /// The prefixes to go on with, at most `count` of them, removed from those that are open; none at the end.
    mutating func next(_ count: Int) -> [StructureExpansion.Open]
    /// What is known now.
    func posterior() -> StructurePosterior
}

extension PrefixSearch {
    /// Removes what is open at some places, with its bounds, `steps` each.
    static func remove<Prefix>(_ places: [Int], from open: inout [Prefix], _ bounds: inout [Double], steps: Int) {
        for place in places.sorted(by: >) {
            let last = open.count - 1
            open.swapAt(place, last)
            open.removeLast()
            for j in 0..<steps { bounds[place * steps + j] = bounds[last * steps + j] }
            bounds.removeLast(steps)
        }
    }
}

/// The structures of one voxel while its likeliest prefixes are expanded, best first.
///
/// A prefix whose next bit is open has mass m (the product of its bits' probabilities at the network's λ) and at least
/// k parameters, so all structures that begin with it have together at most m exp(−s k) at λ + s, on the scale on which
/// a structure has q(z) exp(−s k(z)). These bounds say which prefix to go on with, and when the rest is small.
struct StructureExpansion: PrefixSearch, Sendable {
    /// A prefix that decides something and is not evaluated yet.
    struct Open: Sendable {
        var bits: Structure, depth: Int, state: Int
        /// The number of the last evaluated prefix on its way; −1 where there is none.
        var parent: Int
        var logMass: Double, parameters: Int

        /// No bit yet.
        static func root(_ automaton: StructureAutomaton) -> Open {
            Open(bits: Structure(), depth: 0, state: automaton.start, parent: -1, logMass: 0, parameters: 0)
        }
    }

    static let width = 16

    private let automaton: StructureAutomaton, plan: StructureListPlan
    private(set) var listed: [(structure: Structure, logProbability: Double)] = []
    private var open: [Open] = []
    /// [open × steps] bounds, and their sums over what is listed, as exp(… − offset).
    private var bounds: [Double] = [], listedMass: [Double], offset: [Double]
    /// log of the bounds and of what is listed, from which they are made again when the offset moves.
    private var logListed: [Double]

    init(_ automaton: StructureAutomaton, _ plan: StructureListPlan) {
        (self.automaton, self.plan) = (automaton, plan)
        let fewest = Double(automaton.leastParameters(automaton.start))
        offset = plan.steps.map { -$0 * fewest }
        listedMass = plan.steps.map { _ in 0 }
        logListed = plan.steps.map { _ in -.infinity }
        add(.root(automaton))
    }

    /// Takes a prefix, steps over the bits about which there is no choice, and lists it when it is complete.
    mutating func add(_ prefix: Open) {
        var o = prefix
        automaton.settle(&o.bits, &o.depth, &o.state, &o.parameters)
        guard o.depth < automaton.bitCount else {
            listed.append((o.bits, o.logMass))
            for (j, step) in plan.steps.enumerated() {
                let l = o.logMass - step * Double(o.parameters)
                logListed[j] = logSum(logListed[j], l)
                listedMass[j] = exp(logListed[j] - offset[j])
            }
            return
        }
        open.append(o)
        for (j, step) in plan.steps.enumerated() { bounds.append(exp(logBound(o, step) - offset[j])) }
    }

    private func logBound(_ o: Open, _ step: Double) -> Double {
        o.logMass - step * Double(o.parameters + automaton.leastParameters(o.state))
    }

    /// The prefixes to go on with, at most `count` of them, removed from those that are open; none when the list is
    /// long enough.
    mutating func next(_ count: Int) -> [Open] {
        guard !open.isEmpty, listed.count < plan.most else { return [] }
        let steps = plan.steps.count
        var scale = [Double](repeating: 0, count: steps), isDone = true
        for j in 0..<steps {
            var rest = 0.0
            for i in open.indices { rest += bounds[i * steps + j] }
            // What matters at this λ may be far below what the offset was made for.
            if rest + listedMass[j] < 1e-200 || !(rest + listedMass[j]).isFinite {
                rest = moveOffset(j)
            }
            guard rest > plan.rest * (rest + listedMass[j]) else { continue }
            isDone = false
            scale[j] = 1 / (rest + listedMass[j])
        }
        if isDone { return [] }
        // The best few, the first of equals first.
        var best: [(score: Double, place: Int)] = []
        for i in open.indices {
            var score = 0.0
            for j in 0..<steps { score = max(score, bounds[i * steps + j] * scale[j]) }
            if best.count == count && score <= best[count - 1].score { continue }
            var at = best.count
            while at > 0 && best[at - 1].score < score { at -= 1 }
            best.insert((score, i), at: at)
            if best.count > count { best.removeLast() }
        }
        let chosen = best.map { open[$0.place] }
        Self.remove(best.map(\.place), from: &open, &bounds, steps: steps)
        return chosen
    }

    /// Makes the bounds at one λ again on the scale of the largest; returns their sum.
    private mutating func moveOffset(_ j: Int) -> Double {
        let steps = plan.steps.count, logs = open.map { logBound($0, plan.steps[j]) }
        let peak = max(logs.max() ?? -.infinity, logListed[j])
        guard peak.isFinite else { return 0 }
        offset[j] = peak
        listedMass[j] = exp(logListed[j] - peak)
        for (i, l) in logs.enumerated() { bounds[i * steps + j] = exp(l - peak) }
        return logs.reduce(0) { $0 + exp($1 - peak) }
    }

    /// What is known now, likeliest first.
    func posterior() -> StructurePosterior {
        let order = listed.indices.sorted { (listed[$1].logProbability, $0) < (listed[$0].logProbability, $1) }
        func logRest(_ step: Double) -> Double { open.reduce(-.infinity) { logSum($0, logBound($1, step)) } }
        let rest = logRest(0), far = plan.steps.last!
        // With one λ only the fewest parameters are known.
        let parameters =
            open.isEmpty
            ? 0
            : far > 0
                ? (rest - logRest(far)) / far
                : Double(open.map { $0.parameters + automaton.leastParameters($0.state) }.min()!)
        return StructurePosterior(
            structures: order.map { listed[$0].structure }, logProbability: order.map { listed[$0].logProbability },
            logRest: rest, restParameters: parameters)
    }
}

extension StructureAutomaton {
    /// Steps over bits about which there is no choice.
    func settle(_ bits: inout Structure, _ depth: inout Int, _ state: inout Int, _ parameters: inout Int) {
        while depth < bitCount, !decides(state) {
            let bit = next(state, true) != nil
            bits[depth] = bit
            parameters += self.parameters(state, bit)
            state = next(state, bit)!
            depth += 1
        }
    }
}
