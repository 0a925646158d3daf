/// What the constraints of a family must remember of the groups decided so far.
struct ConstraintMemory: Sendable {
    private let constraints: [StructureConstraint], groups: [ComponentGroup]

    /// What each choice of a group adds to what each constraint counts: of the group's choices, by their bits.
    private let effects: [[(bits: UInt128, counts: [Effect])]]

    /// How many members a choice has of what a constraint names; of the second of two where it names two.
    private struct Effect { var first: Int, second = 0 }

    init(_ family: FamilyDescription) {
        let groups = family.allGroups
        (constraints, self.groups) = (family.constraints, groups)
        effects = groups.map { group in
            group.choices.map { choice in
                func members(_ names: [String]) -> Int {
                    names.reduce(0) { $0 + Self.members($1, group, choice) }
                }
                return (
                    choice.bits,
                    family.constraints.map { constraint in
                        switch constraint {
                        case let .needs(name, others): Effect(first: members([name]), second: members(others))
                        case let .excludes(one, other): Effect(first: members([one]), second: members([other]))
                        case let .atLeast(_, list), let .atMost(_, list): Effect(first: members(list))
                        }
                    }
                )
            }
        }
    }

    /// One number a constraint.
    var start: [UInt8] { Array(repeating: 0, count: constraints.count) }

    func members(_ name: String, _ group: Int, _ choice: ComponentGroup.Choice) -> Int {
        Self.members(name, groups[group], choice)
    }

    private static func members(_ name: String, _ group: ComponentGroup, _ choice: ComponentGroup.Choice) -> Int {
        guard name.hasPrefix(group.name) else { return 0 }
        let rest = name.dropFirst(group.name.count)
        guard rest.isEmpty || rest.first == "=" else { return 0 }
        if rest.count > 1 { return choice.option.map { $0 == rest.dropFirst() } == true ? 1 : 0 }
        // A group of options is present when it is not the plain one.
        if case .oneOf(let options) = group.presence { return choice.option == options[0] ? 0 : 1 }
        return choice.members
    }

    /// The memory after a choice; nil when it breaks a constraint for good.
    func after(_ state: [UInt8], group: Int, _ choice: ComponentGroup.Choice) -> [UInt8]? {
        var next = state
        return add(group, choice.bits, to: &next) ? next : nil
    }

    /// Takes in a group's choice; false when it breaks a constraint for good.
    func add(_ group: Int, _ bits: UInt128, to state: inout [UInt8]) -> Bool {
        guard let own = effects[group].first(where: { $0.bits == bits })?.counts else { return false }
        for (c, constraint) in constraints.enumerated() {
            let effect = own[c]
            switch constraint {
            case .needs, .excludes:
                if effect.first > 0 { state[c] |= 1 }
                if effect.second > 0 { state[c] |= 2 }
                if case .excludes = constraint, state[c] == 3 { return false }
            case .atLeast(let n, _):
                state[c] = UInt8(min(255, min(n, Int(state[c]) + effect.first)))
            case .atMost(let n, _):
                let total = Int(state[c]) + effect.first
                if total > n { return false }
                state[c] = UInt8(min(255, total))
            }
        }
        return true
    }

    func mayEnd(_ state: [UInt8]) -> Bool {
        zip(constraints, state).allSatisfy { constraint, seen in
            switch constraint {
            case .needs: seen != 1
            case .atLeast(let n, _): Int(seen) >= n
            case .excludes, .atMost: true
            }
        }
    }
}
