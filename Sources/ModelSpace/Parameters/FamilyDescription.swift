/// Components of one kind: always there, there or not, up to some number of exchangeable ones, or one of several
/// options.
public struct ComponentGroup: Hashable, Codable, Sendable {
    public enum Presence: Hashable, Codable, Sendable {
        case always
        case optional
        /// None to this many, exchangeable: kept in order of falling weight, so that "two" is one structure.
        case upTo(Int)
        /// Exactly one of these, of which the first is the plain case.
        case oneOf([String])
    }

    public var name: String, presence: Presence, parameters: [Parameter]
    /// What its members have in common: one of each for all of them, and none where there is no member.
    public var common: [Parameter]
    /// Which of the parameters is the axis that outputs draw as a fibre, or the rotation whose first axis is; nil when
    /// there is nothing to draw.
    public var fibreAxis: String?
    /// Whether it is a part of the signal without a weight of its own: it has what the others leave of 1, and is always
    /// there.
    public var takesRest: Bool

    public init(
        _ name: String, _ presence: Presence, _ parameters: [Parameter] = [], common: [Parameter] = [],
        fibreAxis: String? = nil,
        takesRest: Bool = false
    ) {
        self.name = name
        self.presence = presence
        self.parameters = parameters
        self.common = common
        self.fibreAxis = fibreAxis
        self.takesRest = takesRest
    }

    /// What a file of an earlier version does not say is as if there were no such thing.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            try values.decode(String.self, forKey: .name), try values.decode(Presence.self, forKey: .presence),
            try values.decode([Parameter].self, forKey: .parameters),
            common: try values.decodeIfPresent([Parameter].self, forKey: .common) ?? [],
            fibreAxis: try values.decodeIfPresent(String.self, forKey: .fibreAxis),
            takesRest: try values.decodeIfPresent(Bool.self, forKey: .takesRest) ?? false)
    }

    /// Members that a structure can have at most.
    public var most: Int { if case .upTo(let n) = presence { n } else { 1 } }

    /// Bits of a structure that belong to it. A number is written in unary (three: 111), an option as the one bit of
    /// it, the first as none.
    public var bitCount: Int {
        switch presence {
        case .always: 0
        case .optional: 1
        case .upTo(let n): n
        case .oneOf(let options): options.count - 1
        }
    }

    /// Names of its bits: stick1, stick2, …; spread; rician.
    public var bitNames: [String] {
        switch presence {
        case .always: []
        case .optional: [name]
        case .upTo(let n): (1...max(1, n)).prefix(n).map { n == 1 ? name : "\(name)\($0)" }
        case .oneOf(let options): Array(options.dropFirst())
        }
    }

    /// What it can be: its bits as a number, how many members these are, and which option.
    public struct Choice: Sendable {
        public var bits: UInt128, members: Int, option: String?
    }

    /// All that it can be, the plainest first.
    public var choices: [Choice] {
        switch presence {
        case .always: [Choice(bits: 0, members: 1, option: nil)]
        case .optional: [Choice(bits: 0, members: 0, option: nil), Choice(bits: 1, members: 1, option: nil)]
        case .upTo(let n): (0...n).map { Choice(bits: (1 << UInt128($0)) - 1, members: $0, option: nil) }
        case .oneOf(let options):
            options.enumerated().map { Choice(bits: $0 == 0 ? 0 : 1 << UInt128($0 - 1), members: 1, option: $1) }
        }
    }

    /// Parameters that one member has.
    public func parameters(of option: String?) -> [Parameter] {
        parameters.filter { $0.options.isEmpty || option.map($0.options.contains) ?? false }
    }
}

/// Which combinations of groups make sense. A name is a group's ("stick"), or an option's as "group=option"
/// ("extra=free").
public enum StructureConstraint: Hashable, Codable, Sendable {
    /// Where the first is present, one of the others must be.
    case needs(String, anyOf: [String])
    /// Never both.
    case excludes(String, String)
    /// Members of these groups in all.
    case atLeast(Int, of: [String]), atMost(Int, of: [String])
}

/// A family of models as data: what travels in networks, archives and reports, and what layouts, charts, columns and
/// labels follow from.
///
/// The bits of a structure are those of the groups in their order, then those of the noise.
public struct FamilyDescription: Hashable, Codable, Sendable {
    public var name: String
    /// Parameters that every structure has.
    public var shared: [Parameter]
    public var groups: [ComponentGroup]
    /// The kind of noise (one of several) and the parameters that every kind has.
    public var noise: ComponentGroup
    public var constraints: [StructureConstraint]

    /// - Throws: `FamilyDescriptionError` for whatever makes no sense.
    public init(
        _ name: String, shared: [Parameter], groups: [ComponentGroup], noise: ComponentGroup,
        constraints: [StructureConstraint] = []
    ) throws {
        self.name = name
        self.shared = shared
        self.groups = groups
        self.noise = noise
        self.constraints = constraints
        try check()
    }

    /// The groups, then the noise: the order of bits.
    public var allGroups: [ComponentGroup] { groups + [noise] }
    /// C, bits of a structure.
    public var bitCount: Int { allGroups.reduce(0) { $0 + $1.bitCount } }
    /// Names of the C bits.
    public var bitNames: [String] { allGroups.flatMap(\.bitNames) }

    /// Checks what came from a file.
    /// - Throws: `FamilyDescriptionError`.
    public func check() throws {
        func fail(_ reason: String) -> FamilyDescriptionError { FamilyDescriptionError(family: name, reason: reason) }
        var names: Set<String> = []
        for group in allGroups {
            guard !group.name.isEmpty, !group.name.contains("="), names.insert(group.name).inserted else {
                throw fail("the group '\(group.name)' needs a name of its own, without '='")
            }
            switch group.presence {
            case .upTo(let n) where !(1...64).contains(n):
                throw fail("the group '\(group.name)' can have 1 to 64 members, not \(n)")
            case .oneOf(let options) where options.isEmpty || Set(options).count != options.count:
                throw fail("the options of '\(group.name)' must be different words, and one at least")
            default: break
            }
            if group.takesRest && (group.presence != .always || group.parameters.contains(where: \.isLinear)) {
                throw fail(
                    "'\(group.name)' takes what the others leave, so it is always there and has no weight of its own")
            }
            if let linear = group.common.first(where: { $0.isLinear || $0.chart == .scale || !$0.options.isEmpty }) {
                throw fail(
                    """
                    '\(linear.name)' cannot be common to the members of '\(group.name)': each has a weight, and all \
                    options, of its own
                    """
                )
            }
            if let axis = group.fibreAxis {
                guard
                    group.parameters.contains(where: {
                        $0.name == axis && ($0.chart == .axis || $0.chart == .rotation)
                    })
                else {
                    throw fail("'\(group.name)' draws '\(axis)' as a fibre, which is no axis of it")
                }
            }
        }
        guard groups.count(where: \.takesRest) <= 1 else {
            throw fail("more than one group takes what the others leave")
        }
        guard bitCount <= Structure.mostBits else {
            throw fail("\(bitCount) bits are more than the \(Structure.mostBits) of a structure")
        }
        for (owner, list) in [("", shared)] + allGroups.map({ ($0.name, $0.parameters + $0.common) }) {
            guard Set(list.map(\.name)).count == list.count else {
                throw fail("a parameter of '\(owner)' is listed twice")
            }
            for parameter in list {
                if let fault = parameter.fault { throw fail("the parameter '\(parameter.name)' \(fault)") }
                if let other = parameter.relativeTo,
                    !shared.contains(where: { $0.name == other && $0.relativeTo == nil })
                {
                    throw fail(
                        """
                        the parameter '\(parameter.name)' is relative to '\(other)', which is no shared parameter of \
                        its own
                        """
                    )
                }
            }
        }
        // What rules have to remember of the groups decided grows with every rule, up to one case a combination.
        let combinations = allGroups.reduce(1.0) { $0 * Double($1.choices.count) }
        guard min(combinations, constraints.reduce(1.0) { $0 * Double($1.caseCount) }) <= Double(Self.mostRuleCases)
        else {
            throw fail(
                """
                its \(constraints.count) rules together tell more than \(Self.mostRuleCases) cases apart; use fewer \
                or simpler ones
                """
            )
        }
        for name in constraints.flatMap(\.names) where !isKnown(name) {
            throw fail("a rule names '\(name)', which is no group or option")
        }
    }

    private static let mostRuleCases = 1 << 16

    private func isKnown(_ name: String) -> Bool {
        let words = name.split(separator: "=", maxSplits: 1).map(String.init)
        guard let group = allGroups.first(where: { $0.name == words.first }) else { return false }
        guard words.count == 2 else { return true }
        if case .oneOf(let options) = group.presence { return options.contains(words[1]) }
        return false
    }
}

extension StructureConstraint {
    /// How many cases it may have to tell apart while groups are decided.
    var caseCount: Int {
        switch self {
        case .needs: 4
        case .excludes: 3
        case let .atLeast(n, _), let .atMost(n, _): max(0, min(n, 255)) + 1
        }
    }

    var names: [String] {
        switch self {
        case let .needs(name, others): [name] + others
        case let .excludes(one, other): [one, other]
        case let .atLeast(_, list), let .atMost(_, list): list
        }
    }
}

/// Why a family makes no sense.
public struct FamilyDescriptionError: Error, Equatable, CustomStringConvertible {
    public var family: String, reason: String
    public init(family: String, reason: String) { (self.family, self.reason) = (family, reason) }
    public var description: String { "The family '\(family)': \(reason)." }
}
