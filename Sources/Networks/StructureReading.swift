import Foundation
import ModelSpace

/// Which structures of a voxel are to be read, noise aside: what a structure has is the mass of all its kinds of noise,
/// and where it is read all of them are.
public struct StructureReadingPlan: Sendable {
    /// How far beyond the network's λ the answer shall serve, rising from 0.
    public var steps: [Double]
    /// All that stay at most so many nats below the best at one of these λ are read; ∞ for all there are.
    public var reach: Double
    /// … and the likeliest `named` of those that stay at most `namedReach` below it.
    public var named: Int, namedReach: Double
    /// … and these, whatever they have.
    public var always: [Structure]
    /// Bits before those of the noise.
    public var signalBits: Int
    /// Structures read at most, beside those that are read whatever they have: a network that hardly tells structures
    /// apart would otherwise have all of them read. The answer's `reach` is then what it is.
    public var most = 1024

    public init(
        steps: [Double], reach: Double, named: Int = 0, namedReach: Double = 0, always: [Structure] = [],
        signalBits: Int
    ) {
        precondition(steps.first == 0 && zip(steps, steps.dropFirst()).allSatisfy { $0 < $1 })
        (self.steps, self.reach, self.named, self.namedReach) = (steps, reach, named, namedReach)
        (self.always, self.signalBits) = (always, signalBits)
    }
}

/// The structures of one voxel while prefixes are expanded that may lead to one that is to be read.
///
/// A prefix of mass m with at least k parameters leads to none that has more than m exp(−s k) at λ + s
/// (`StructureExpansion`). Where that is too far below the best structure known, at every λ, it is left as it is, and
/// all that it leads to is known to be no nearer. So the bound that stops the reading is never below what is not read.
struct StructureReading: PrefixSearch, Sendable {
    /// Nearly all that is open is read in the end, in whatever order.
    static let width = 128

    typealias Open = StructureExpansion.Open

    private struct Prefix {
        var open: Open
        /// Beyond the bits of the signal, or on the way to what is always read.
        var isWanted: Bool
    }

    private let automaton: StructureAutomaton, plan: StructureReadingPlan
    private var listed: [(structure: Structure, logProbability: Double)] = []
    private var open: [Prefix] = []
    /// [open × steps]: log of the bounds; [signals × steps]: of the structures known so far, noise aside; the best of
    /// these.
    private var bounds: [Double] = [], signals: [Double] = [], best: [Double]

    init(_ automaton: StructureAutomaton, _ plan: StructureReadingPlan) {
        (self.automaton, self.plan) = (automaton, plan)
        best = plan.steps.map { _ in -.infinity }
        add(.root(automaton))
    }

    /// Takes a prefix, steps over the bits about which there is no choice, and lists it when it is complete.
    mutating func add(_ prefix: Open) {
        var o = prefix
        automaton.settle(&o.bits, &o.depth, &o.state, &o.parameters)
        let fewest = Double(o.parameters + automaton.leastParameters(o.state))
        if o.depth >= plan.signalBits, prefix.depth <= plan.signalBits {
            for (j, step) in plan.steps.enumerated() {
                let value = o.logMass - step * fewest
                signals.append(value)
                best[j] = max(best[j], value)
            }
        }
        guard o.depth < automaton.bitCount else {
            listed.append((o.bits, o.logMass))
            return
        }
        let length = min(o.depth, plan.signalBits)
        let isWanted =
            prefix.depth > plan.signalBits || plan.always.contains { $0.sharesPrefix(o.bits, length: length) }
        open.append(Prefix(open: o, isWanted: isWanted))
        for step in plan.steps { bounds.append(o.logMass - step * fewest) }
    }

    private var isFull: Bool { listed.count >= plan.most }

    /// How far below `top` the numbers from `at` on stay where they are nearest.
    private func gap(_ values: [Double], _ at: Int, below top: [Double]) -> Double {
        var gap = Double.infinity
        for j in top.indices { gap = min(gap, top[j] - values[at + j]) }
        return gap
    }

    /// The prefixes to go on with, at most so many of them, removed from those that are open; none when all is read.
    mutating func next(_ most: Int) -> [Open] {
        // Fewer towards the end of a list that fills up.
        let steps = plan.steps.count, count = min(most, max(16, (plan.most - listed.count) / 4))
        guard !open.isEmpty else { return [] }
        // Nearest first, by the best that anything could be.
        var top = best
        for i in open.indices { for j in 0..<steps { top[j] = max(top[j], bounds[i * steps + j]) } }
        var chosen: [(gap: Double, place: Int)] = []
        func choose(within reach: Double) {
            for i in open.indices {
                if open[i].isWanted {
                    chosen.append((-.infinity, i))
                } else if !isFull && (reach == .infinity || gap(bounds, i * steps, below: best) <= reach) {
                    chosen.append((gap(bounds, i * steps, below: top), i))
                }
            }
            guard chosen.count > count else { return }
            chosen.sort { ($0.gap, $0.place) < ($1.gap, $1.place) }
            chosen.removeLast(chosen.count - count)
        }
        choose(within: plan.reach)
        if chosen.isEmpty, plan.named > 0, !isFull {
            let known = stride(from: 0, to: signals.count, by: steps).map { gap(signals, $0, below: best) }.sorted()
            choose(within: min(plan.namedReach, known.count >= plan.named ? known[plan.named - 1] : .infinity))
        }
        // Those of one parent beside each other: they attend to the same prefixes.
        let answer = chosen.map { open[$0.place].open }
            .sorted { ($0.parent, $0.bits.bits) < ($1.parent, $1.bits.bits) }
        Self.remove(chosen.map(\.place), from: &open, &bounds, steps: steps)
        return answer
    }

    /// What is known now, in the order in which it was read.
    func posterior() -> StructurePosterior {
        func logRest(_ j: Int) -> Double { logSum(open.indices.map { bounds[$0 * plan.steps.count + j] }) }
        let rest = logRest(0), far = plan.steps.last!, steps = plan.steps.count
        let left = isFull ? open.indices.map { gap(bounds, $0 * steps, below: best) }.min() ?? .infinity : .infinity
        let fewest = open.map { $0.open.parameters + automaton.leastParameters($0.open.state) }.min() ?? 0
        return StructurePosterior(
            structures: listed.map(\.structure), logProbability: listed.map(\.logProbability), logRest: rest,
            restParameters: open.isEmpty || far == 0 ? Double(fewest) : (rest - logRest(plan.steps.count - 1)) / far,
            restBounds: open.isEmpty
                ? [] : plan.steps.indices.dropFirst().map { .init(step: plan.steps[$0], logMass: logRest($0)) },
            reach: min(plan.reach, left))
    }
}

extension NetworkRunner {
    /// The structures of every voxel that a search needs at λ and beyond, whatever the number of all.
    ///
    /// Accuracy: log-probabilities are those of `structureLogProbabilities` within 1e-6.
    public func structurePosteriors(
        _ voxels: EncodedVoxels, lambda: Double, automaton: StructureAutomaton, plan: StructureReadingPlan
    ) -> [StructurePosterior] {
        let searches = Array(repeating: StructureReading(automaton, plan), count: voxels.count)
        return withPrefixes(of: voxels, lambda: lambda) { $0.posteriors(searches, automaton: automaton) }
    }
}
