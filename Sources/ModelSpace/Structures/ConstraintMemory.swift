/// What the constraints of a family must remember of the groups decided so far.
struct ConstraintMemory: Sendable {
    private let constraints: [StructureConstraint], groups: [ComponentGroup]

    init(_ family: FamilyDescription) {
        constraints = family.constraints
        groups = family.allGroups
    }

    /// One number a constraint.
    var start: [UInt8] { Array(repeating: 0, count: constraints.count) }

    func members(_ name: String, _ group: Int, _ choice: ComponentGroup.Choice) -> Int {
        let words = name.split(separator: "=", maxSplits: 1).map(String.init)
        guard groups[group].name == words[0] else { return 0 }
        if words.count == 2 { return choice.option == words[1] ? 1 : 0 }
        // A group of options is present when it is not the plain one.
        if case .oneOf(let options) = groups[group].presence { return choice.option == options[0] ? 0 : 1 }
        return choice.members
    }

    /// The memory after a choice; nil when it breaks a constraint for good.
    func after(_ state: [UInt8], group: Int, _ choice: ComponentGroup.Choice) -> [UInt8]? {
        var next = state
        for (c, constraint) in constraints.enumerated() {
            switch constraint {
            case let .needs(name, others):
                if members(name, group, choice) > 0 { next[c] |= 1 }
                if others.contains(where: { members($0, group, choice) > 0 }) { next[c] |= 2 }
            case let .excludes(one, other):
                if members(one, group, choice) > 0 { next[c] |= 1 }
                if members(other, group, choice) > 0 { next[c] |= 2 }
                if next[c] == 3 { return nil }
            case let .atLeast(n, list):
                next[c] = UInt8(min(255, min(n, Int(next[c]) + list.reduce(0) { $0 + members($1, group, choice) })))
            case let .atMost(n, list):
                let total = Int(next[c]) + list.reduce(0) { $0 + members($1, group, choice) }
                if total > n { return nil }
                next[c] = UInt8(min(255, total))
            }
        }
        return next
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
