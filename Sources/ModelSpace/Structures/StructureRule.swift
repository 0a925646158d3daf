import Foundation

/// Which structures a family allows, by rule: any number of them, none of which is ever listed.
///
///     p(z | λ) = exp(−λ k(z)) / Z(λ),   Z(λ) = Σ_k N_k exp(−λ k)
///
/// k(z) is the number of free parameters beyond those that every structure has, N_k how many structures have k. Groups
/// are decided one after another; what the constraints must remember of those decided is a few small counters, so that
/// N_k of every way to go on is found once, by recursion from the last group backwards. Prior, number of structures,
/// what may follow a prefix, and draws are then exact.
///
/// Cost: groups × states of the constraints × k. A family of 80 free terms with one of eight noises takes about a
/// millisecond.
public struct StructureRule: Sendable {
    public let family: FamilyDescription
    let groups: [GroupPlace]
    /// `table[g]`: N_k of all ways to go on from group g, by what the constraints remember. The last has what may end.
    let table: [[[UInt8]: [Double]]]
    /// Which bits are the noise's, and the first choice of it.
    let noiseBits: UInt128, plainNoise: Structure

    /// A group, its first bit, and what it can be.
    struct GroupPlace: Sendable {
        var group: ComponentGroup, firstBit: Int, bitCount: Int, isNoise: Bool
        var choices: [(choice: ComponentGroup.Choice, cost: Int)]

        /// The choice that the group's bits of a structure mean, nil when they mean none.
        func choice(_ z: Structure) -> Int? {
            let own = bits(z)
            return choices.firstIndex { $0.choice.bits == own }
        }

        /// The group's bits of a structure.
        func bits(_ z: Structure) -> UInt128 { bitCount == 0 ? 0 : z.bits >> UInt128(firstBit) & mask }

        func place(_ choice: Int, in z: inout Structure) {
            guard bitCount > 0 else { return }
            z.bits = z.bits & ~placed | choices[choice].choice.bits << UInt128(firstBit)
        }

        /// The group's bits of all.
        var placed: UInt128 { bitCount == 0 ? 0 : mask << UInt128(firstBit) }

        private var mask: UInt128 { bitCount >= 128 ? .max : (1 << UInt128(bitCount)) - 1 }
    }

    public init(_ family: FamilyDescription) {
        do { try self.init(family, mostStates: .max) } catch { preconditionFailure("\(error)") }
    }

    /// A rule of a family from a file.
    /// - Errors: `FamilyDescriptionError` when its constraints have too much to remember, or leave no structure.
    public init(_ family: FamilyDescription, mostStates: Int) throws {
        self.family = family
        var places: [GroupPlace] = [], bit = 0
        for (g, group) in family.allGroups.enumerated() {
            let isNoise = g == family.groups.count
            // What every structure has is free: groups always there, and what all options share.
            let common = group.choices.map { Self.dimension(group, $0) }.min() ?? 0
            let choices = group.choices.map { (choice: $0, cost: Self.dimension(group, $0) - common) }
            places.append(
                GroupPlace(
                    group: group, firstBit: bit, bitCount: group.bitCount, isNoise: isNoise, choices: choices))
            bit += group.bitCount
        }
        groups = places
        var plainNoise = Structure()
        for place in places where place.isNoise { place.place(0, in: &plainNoise) }
        (noiseBits, self.plainNoise) = (places.reduce(0) { $1.isNoise ? $0 | $1.placed : $0 }, plainNoise)
        dependents = places.indices.map { g in
            places.indices.filter { h in
                h != g && !places[h].isNoise && places[h].choices.count > 1
                    && family.constraints.contains(.needs(places[h].group.name, anyOf: [places[g].group.name]))
            }
        }
        let memory = ConstraintMemory(family)
        var table: [[[UInt8]: [Double]]] = Array(repeating: [:], count: places.count + 1)
        var left = mostStates
        guard let counts = Self.completions(0, memory.start, places, memory, &table, &left) else {
            throw FamilyDescriptionError(family: family.name, reason: "its rules have more than \(mostStates) states")
        }
        if mostStates < .max, counts.isEmpty {
            throw FamilyDescriptionError(family: family.name, reason: "its rules allow no structure")
        }
        self.table = table
        self.memory = memory
    }

    let memory: ConstraintMemory
    /// For each group those without members of their own that need it and nothing else: that can be chosen only where
    /// it is.
    let dependents: [[Int]]

    private static func dimension(_ group: ComponentGroup, _ choice: ComponentGroup.Choice) -> Int {
        func total(_ list: [Parameter]) -> Int { list.reduce(0) { $0 + ($1.chart == .scale ? 0 : $1.dimension) } }
        return choice.members * total(group.parameters(of: choice.option))
            + (choice.members > 0 ? total(group.common) : 0)
    }

    private static func completions(
        _ g: Int, _ state: [UInt8], _ places: [GroupPlace], _ memory: ConstraintMemory,
        _ table: inout [[[UInt8]: [Double]]],
        _ left: inout Int
    ) -> [Double]? {
        if let known = table[g][state] { return known }
        left -= 1
        if left < 0 { return nil }
        var counts: [Double] = []
        if g == places.count {
            counts = memory.mayEnd(state) ? [1] : []
        } else {
            for (choice, cost) in places[g].choices {
                guard let next = memory.after(state, group: g, choice) else { continue }
                guard let rest = completions(g + 1, next, places, memory, &table, &left) else { return nil }
                if counts.count < rest.count + cost, !rest.isEmpty {
                    counts += Array(repeating: 0, count: rest.count + cost - counts.count)
                }
                for (k, n) in rest.enumerated() { counts[k + cost] += n }
            }
        }
        table[g][state] = counts
        return counts
    }

    /// N_k: how many structures have k free parameters.
    public var countsByParameters: [Double] { table[0][memory.start] ?? [] }
    /// Number of allowed structures; exact up to 2⁵³.
    public var count: Double { countsByParameters.reduce(0, +) }

    /// Whether z is allowed.
    public func allows(_ z: Structure) -> Bool {
        guard z.prefix(family.bitCount) == z else { return false }
        return state(z, through: groups.count).map(memory.mayEnd) ?? false
    }

    /// k(z) of an allowed structure.
    public func parameterCount(_ z: Structure) -> Int {
        groups.reduce(0) { total, place in total + (place.choice(z).map { place.choices[$0].cost } ?? 0) }
    }

    /// Where an allowed structure comes among all, in the order of `all`: earlier ones have smaller numbers.
    public func place(_ z: Structure) -> UInt128 {
        groups.reduce(0) { $0 * UInt128($1.choices.count) + UInt128($1.choice(z)!) }
    }

    /// What an allowed structure has of a group.
    public func choice(of group: String, in z: Structure) -> ComponentGroup.Choice {
        let place = groups.first { $0.group.name == group }!
        return place.choices[place.choice(z)!].choice
    }

    /// Whether an allowed structure has what a rule calls by this name: a member of a group, another than the plain
    /// option, or the option "group=option".
    public func has(_ name: String, in z: Structure) -> Bool {
        groups.indices.contains { g in
            groups[g].choice(z).map { memory.members(name, g, groups[g].choices[$0].choice) > 0 } ?? false
        }
    }

    /// log Σ N_k exp(−λ k) over the ways to go on.
    private func logWeight(_ counts: [Double], lambda: Double) -> Double {
        logSum(counts.enumerated().filter { $0.element > 0 }.map { log($0.element) - lambda * Double($0.offset) })
    }

    /// log p(z | λ); −∞ when z is not allowed.
    public func logPrior(_ z: Structure, lambda: Double) -> Double {
        guard allows(z) else { return -.infinity }
        return -lambda * Double(parameterCount(z)) - logWeight(countsByParameters, lambda: lambda)
    }

    /// Draws z ~ p(z | λ).
    public func draw(lambda: Double, using random: inout RandomSource) -> Structure {
        var z = Structure(), state = memory.start
        for (g, place) in groups.enumerated() {
            let ways = place.choices.map { choice, cost -> (next: [UInt8], log: Double)? in
                guard let next = memory.after(state, group: g, choice), let counts = table[g + 1][next] else {
                    return nil
                }
                return (next, logWeight(counts, lambda: lambda) - lambda * Double(cost))
            }
            let peak = ways.compactMap { $0?.log }.max() ?? 0
            var u = random.uniform() * ways.reduce(0) { $0 + ($1.map { exp($0.log - peak) } ?? 0) }
            var chosen = ways.lastIndex { ($0?.log ?? -.infinity) > -.infinity } ?? 0
            for (i, way) in ways.enumerated() {
                u -= way.map { exp($0.log - peak) } ?? 0
                if u <= 0 { chosen = i; break }
            }
            place.place(chosen, in: &z)
            state = ways[chosen]?.next ?? state
        }
        return z
    }

    /// Allowed structures of all sorts, quickly: so many tries at choosing for each group alike, without those that are
    /// not allowed.
    public func some(_ tries: Int, using random: inout RandomSource) -> [Structure] {
        (0..<tries).compactMap { _ in
            var z = Structure()
            for place in groups { place.place(random.index(below: place.choices.count), in: &z) }
            return allows(z) ? z : nil
        }
    }

    /// Whether some allowed structure that agrees with the first `depth` bits of `prefix` goes on with 0, and with 1.
    public func choices(after prefix: Structure, depth: Int) -> (zero: Bool, one: Bool) {
        guard let g = groups.firstIndex(where: { depth < $0.firstBit + $0.group.bitCount }),
            let state = state(prefix, through: g)
        else {
            return (false, false)
        }
        let place = groups[g], inside = depth - place.firstBit
        var result = (zero: false, one: false)
        for (choice, _) in place.choices {
            let agrees = (0..<inside).allSatisfy {
                choice.bits >> UInt128($0) & 1 == (prefix[place.firstBit + $0] ? 1 : 0)
            }
            guard agrees, let next = memory.after(state, group: g, choice), table[g + 1][next]?.isEmpty == false else {
                continue
            }
            if choice.bits >> UInt128(inside) & 1 == 1 { result.one = true } else { result.zero = true }
        }
        return result
    }

    /// What the constraints remember after the first groups of z; nil when these are not allowed.
    private func state(_ z: Structure, through end: Int) -> [UInt8]? {
        var state = memory.start
        for g in 0..<end {
            guard memory.add(g, groups[g].bits(z), to: &state) else { return nil }
        }
        return state
    }

    /// Every allowed structure, groups varying from the last; nil when there are more than `limit`.
    public func all(limit: Int = 4096) -> [Structure]? {
        guard count <= Double(limit) else { return nil }
        var list: [Structure] = []
        func go(_ g: Int, _ state: [UInt8], _ z: Structure) {
            guard g < groups.count else { list.append(z); return }
            for (i, (choice, _)) in groups[g].choices.enumerated() {
                guard let next = memory.after(state, group: g, choice), table[g + 1][next]?.isEmpty == false else {
                    continue
                }
                var longer = z
                groups[g].place(i, in: &longer)
                go(g + 1, next, longer)
            }
        }
        go(0, memory.start, Structure())
        return list
    }

    /// The structures as a list with its prefix tree; nil when there are more than `limit`.
    public func space(limit: Int = 4096) -> StructureSpace? {
        all(limit: limit).map {
            StructureSpace(componentCount: family.bitCount, structures: $0, parameterCounts: $0.map(parameterCount))
        }
    }
}
