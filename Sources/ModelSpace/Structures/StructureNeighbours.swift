extension StructureRule {
    /// How one structure becomes another by one step.
    public enum Change: Hashable, Sendable {
        /// One member more, or fewer, of a group.
        case add(group: Int), remove(group: Int)
        /// A member of one group becomes one of another.
        case replace(group: Int, by: Int)
        /// Another option of a group.
        case option(group: Int, to: String)
    }

    /// z without its noise: structures that share shapes, samples and modes.
    public func signal(_ z: Structure) -> Structure { Structure(bits: z.bits & ~noiseBits | plainNoise.bits) }

    /// Every allowed structure one step from z, its noise unchanged, each with the step that leads there.
    ///
    /// What a group brings along counts as part of the step: the first member of a group comes also with each
    /// combination of the choices that need it (a bundle that is dispersed from the start), and the last one goes with
    /// them. Else a structure that only makes sense whole would lie behind halves of it, which may be worse than
    /// nothing. Where one group takes another's place, parts of the signal come and go like that, too: cell bodies
    /// with the water outside them, for the water that both had been taken for.
    public func neighbours(of z: Structure) -> [(change: Change, structure: Structure)] {
        var list: [(change: Change, structure: Structure)] = []
        func offer(_ change: Change, _ edits: [(group: Int, choice: Int)]) {
            var other = z
            for edit in edits { groups[edit.group].place(edit.choice, in: &other) }
            if allows(other) { list.append((change, other)) }
        }
        let now = groups.map { $0.choice(z) },
            counted = groups.indices.filter { !groups[$0].isNoise && !isOption($0) }
        for g in counted {
            guard let i = now[g] else { return [] }
            if i + 1 < groups[g].choices.count { offer(.add(group: g), [(g, i + 1)]) }
            if i > 0 { offer(.remove(group: g), [(g, i - 1)]) }
            let others = dependents[g]
            if i == 0 { for edits in combinations(others) { offer(.add(group: g), [(g, 1)] + edits) } }
            if i == 1, others.contains(where: { now[$0] != 0 }) {
                offer(.remove(group: g), [(g, 0)] + others.map { ($0, 0) })
            }
            for h in counted where h != g && i > 0 {
                guard let j = now[h], j + 1 < groups[h].choices.count else { continue }
                let coming = j == 0 ? combinations(parts(of: h, but: g)) : [],
                    going = i == 1 ? parts(of: g, but: h).filter { now[$0] != 0 }.map { ($0, 0) } : []
                for gone in going.isEmpty ? [[]] : [[], going] {
                    for edits in [[]] + coming {
                        offer(.replace(group: g, by: h), [(g, i - 1), (h, j + 1)] + edits + gone)
                    }
                }
            }
        }
        for g in groups.indices where !groups[g].isNoise && isOption(g) {
            for (i, (choice, _)) in groups[g].choices.enumerated() where i != now[g] {
                offer(.option(group: g, to: choice.option ?? ""), [(g, i)])
            }
        }
        return list
    }

    /// Parts of the signal that need a group and nothing else.
    private func parts(of g: Int, but other: Int) -> [Int] {
        dependents[g].filter { $0 != other && groups[$0].group.parameters.contains(where: \.isLinear) }
    }

    /// Choices of groups, not all of them plain; none where there would be too many to try.
    private func combinations(_ list: [Int]) -> [[(group: Int, choice: Int)]] {
        guard list.reduce(1, { $0 * groups[$1].choices.count }) <= 16 else { return [] }
        let all = list.reduce([[]]) { found, g in
            found.flatMap { edits in groups[g].choices.indices.map { edits + [(group: g, choice: $0)] } }
        }
        return all.filter { edits in edits.contains { $0.choice != 0 } }
    }

    private func isOption(_ g: Int) -> Bool { if case .oneOf = groups[g].group.presence { true } else { false } }
}

extension StructureRule {
    /// The noises there are, each as a structure of its bits alone.
    public var noiseOptions: [Structure] {
        groups.filter(\.isNoise).flatMap { place in
            place.choices.indices.map { i in
                var z = Structure()
                place.place(i, in: &z)
                return z
            }
        }
    }

    /// Allowed structures, noise aside, that have as few parameters as any: where a search begins that knows nothing.
    ///
    /// Groups are added in turn to nothing until something is allowed; of what one step leads to, the fewest
    /// parameters.
    public var plainest: [Structure] {
        let counts = countsByParameters
        guard let least = counts.firstIndex(where: { $0 > 0 }) else { return [] }
        var found: [Structure] = []
        func go(_ g: Int, _ z: Structure, _ cost: Int) {
            guard found.count < 64, cost <= least else { return }
            if g == groups.count {
                if cost == least, allows(z) { found.append(z) }
                return
            }
            for (i, choice) in groups[g].choices.enumerated() where !groups[g].isNoise || i == 0 {
                var next = z
                groups[g].place(i, in: &next)
                go(g + 1, next, cost + choice.cost)
            }
        }
        go(0, Structure(), 0)
        return found
    }
}
