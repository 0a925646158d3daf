/// What may follow a prefix of an allowed structure, bit by bit, without a list of structures: a finite automaton.
///
/// A state stands for all prefixes of one length after which the same may come. A family given by rule has as many as
/// its groups, constraints and options make (some hundred for 2²¹ structures); one given as a list has a state a
/// prefix.
public struct StructureAutomaton: Sendable {
    /// C, bits of a structure.
    public let bitCount: Int
    /// Before the first bit.
    public let start = 0
    /// [2 · state + bit]: the state after that bit, −1 where no allowed structure goes on so.
    private var after: [Int32] = []
    /// [2 · state + bit]: what the bit adds to k(z).
    private var cost: [Int32] = []
    /// The least that the bits to come add to k(z).
    private var least: [Int32] = []

    /// The state after `bit`; nil where no allowed structure goes on so.
    @inline(__always)
    public func next(_ state: Int, _ bit: Bool) -> Int? {
        let next = after[2 * state + (bit ? 1 : 0)]
        return next < 0 ? nil : Int(next)
    }

    /// What `bit` after `state` adds to k(z); its parts sum to k(z) when all bits are there.
    @inline(__always)
    public func parameters(_ state: Int, _ bit: Bool) -> Int { Int(cost[2 * state + (bit ? 1 : 0)]) }

    /// The least that the bits to come add to k(z).
    @inline(__always)
    public func leastParameters(_ state: Int) -> Int { Int(least[state]) }

    /// Whether the allowed structures leave a choice of the next bit.
    @inline(__always)
    public func decides(_ state: Int) -> Bool { after[2 * state] >= 0 && after[2 * state + 1] >= 0 }

    /// k(z) of an allowed structure.
    public func parameterCount(_ z: Structure) -> Int {
        var state = start, k = 0
        for bit in 0..<bitCount {
            k += parameters(state, z[bit])
            state = next(state, z[bit])!
        }
        return k
    }

    private mutating func add() -> Int {
        after += [-1, -1]
        cost += [0, 0]
        return after.count / 2 - 1
    }

    private mutating func connect(_ state: Int, _ bit: Bool, to next: Int, cost k: Int) {
        after[2 * state + (bit ? 1 : 0)] = Int32(next)
        cost[2 * state + (bit ? 1 : 0)] = Int32(k)
    }

    /// States are made before those that follow them, so that the least of each follows from later ones.
    private mutating func findLeast() {
        least = Array(repeating: 0, count: after.count / 2)
        for state in least.indices.reversed() {
            let ways = [false, true].compactMap { bit in
                next(state, bit).map { cost[2 * state + (bit ? 1 : 0)] + least[$0] }
            }
            least[state] = ways.min() ?? 0
        }
    }
}

extension StructureAutomaton {
    /// Of a list, from its prefixes (breadth first) and their places by depth.
    init(
        _ prefixes: [StructureSpace.Prefix], _ index: [[Structure: Int]], _ bitCount: Int,
        _ parameterCounts: [Structure: Int]
    ) {
        self.bitCount = bitCount
        for _ in 0...prefixes.count { _ = add() }
        // The last state is the end of every structure.
        for (state, prefix) in prefixes.enumerated() {
            for bit in [false, true] where bit ? prefix.allowsOne : prefix.allowsZero {
                var longer = prefix.bits
                longer[prefix.depth] = bit
                let isEnd = prefix.depth + 1 == bitCount
                connect(
                    state, bit, to: isEnd ? prefixes.count : index[prefix.depth + 1][longer]!,
                    cost: isEnd ? parameterCounts[longer]! : 0)
            }
        }
        findLeast()
    }
}

extension StructureRule {
    /// What may follow a prefix, to be walked bit by bit.
    ///
    /// Cost: states, which are groups × states of the constraints × what a group can be.
    public func automaton() -> StructureAutomaton { StructureAutomaton(self) }
}

extension StructureAutomaton {
    init(_ rule: StructureRule) {
        bitCount = rule.family.bitCount
        /// A place within a group: what the constraints remember, and the group's first bits.
        struct Place: Hashable { var group: Int, memory: [UInt8], inside: Int, bits: UInt128 }
        /// Steps over groups that have no bits, because they can be one thing only; nil when what is remembered forbids
        /// it.
        func settled(_ group: Int, _ memory: [UInt8]) -> Place? {
            var g = group, memory = memory
            while g < rule.groups.count, rule.groups[g].group.bitCount == 0 {
                let only = rule.groups[g].choices[0].choice
                guard let next = rule.memory.after(memory, group: g, only) else { return nil }
                (g, memory) = (g + 1, next)
            }
            guard rule.table[g][memory]?.isEmpty == false else { return nil }
            // What is remembered matters no more at the end.
            return Place(group: g, memory: g == rule.groups.count ? [] : memory, inside: 0, bits: 0)
        }
        guard let first = settled(0, rule.memory.start) else { preconditionFailure("a family without a structure") }
        var numbers = [first: add()], list = [first], done = 0
        // Breadth first by bit: a place is listed before those that follow it, for these have more bits behind them.
        while done < list.count {
            let place = list[done], state = numbers[place]!
            done += 1
            guard place.group < rule.groups.count else { continue }
            let group = rule.groups[place.group], isLast = place.inside + 1 == group.group.bitCount
            for bit in [false, true] {
                let bits = place.bits | (bit ? 1 << UInt128(place.inside) : 0)
                let mask = (UInt128(1) << UInt128(place.inside + 1)) &- 1
                let fits = group.choices.filter { choice, _ in
                    guard choice.bits & mask == bits,
                        let next = rule.memory.after(place.memory, group: place.group, choice)
                    else { return false }
                    return settled(place.group + 1, next) != nil
                }
                guard let one = fits.first else { continue }
                let next =
                    isLast
                    ? settled(place.group + 1, rule.memory.after(place.memory, group: place.group, one.choice)!)!
                    : Place(group: place.group, memory: place.memory, inside: place.inside + 1, bits: bits)
                if numbers[next] == nil {
                    numbers[next] = add()
                    list.append(next)
                }
                connect(state, bit, to: numbers[next]!, cost: isLast ? one.cost : 0)
            }
        }
        findLeast()
    }
}
