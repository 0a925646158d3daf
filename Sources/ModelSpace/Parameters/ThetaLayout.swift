/// Where a family's parameters stand in θ when every structure uses the same places.
///
/// Order: the shared parameters; those of groups with one member at most, and what members have in common; the noise's;
/// then, parameter by parameter, those of all members of each group of several (f1 f2 f3, then mu1 mu2 mu3), so that
/// what is worked on together lies together. A name that two groups have is told apart by the group's: ball_f,
/// stick_f1.
public struct ThetaLayout: Hashable, Sendable {
    /// One parameter of one member.
    public struct Entry: Hashable, Sendable {
        /// The group's name; empty for shared parameters.
        public var group: String
        /// Which member, from 0.
        public var member: Int
        public var parameter: Parameter
        /// Its first number in θ.
        public var offset: Int
    }

    public let entries: [Entry]
    /// P, numbers of θ.
    public let count: Int
    /// Names of the P numbers: d, f1, mu1x, …
    public let names: [String]

    public init(_ family: FamilyDescription) {
        var entries: [Entry] = [], labels: [String] = [], offset = 0
        func add(_ parameter: Parameter, _ group: String, _ member: Int, label: String) {
            entries.append(Entry(group: group, member: member, parameter: parameter, offset: offset))
            labels.append(label)
            offset += parameter.width
        }
        for parameter in family.shared { add(parameter, "", 0, label: parameter.name) }
        for group in family.allGroups {
            for parameter in (group.most == 1 ? group.parameters : []) + group.common {
                add(parameter, group.name, 0, label: parameter.name)
            }
        }
        for group in family.groups where group.most > 1 {
            for parameter in group.parameters {
                for member in 0..<group.most {
                    add(parameter, group.name, member, label: "\(parameter.name)\(member + 1)")
                }
            }
        }
        self.entries = entries
        let owners = Dictionary(
            entries.map { ($0.parameter.name, Set([$0.group])) }, uniquingKeysWith: { $0.union($1) })
        names = zip(entries, labels).flatMap { entry, label in
            let isAlone = owners[entry.parameter.name]!.count == 1 || entry.group.isEmpty
            return entry.parameter.columns(of: isAlone ? label : "\(entry.group)_\(label)")
        }
        count = offset
    }

    /// Places of the noise's scale s0 and of its level (the signal-to-noise ratio s0/σ, or without a scale σ); nil
    /// where it has none.
    public func noise(_ family: FamilyDescription) -> (scale: Int?, level: Int?) {
        func place(_ parameter: Parameter?) -> Int? { parameter.flatMap { offset(of: $0.name, in: family.noise.name) } }
        let parameters = family.noise.parameters
        return (place(parameters.first { $0.chart == .scale }), place(parameters.last { $0.chart != .scale }))
    }

    /// Whether a parameter is told apart by its group's name, since another group has one of its name.
    package func isToldByGroup(_ entry: Entry) -> Bool {
        !entry.group.isEmpty
            && entries.contains { $0.parameter.name == entry.parameter.name && $0.group != entry.group }
    }

    /// The first number in θ of a parameter; `group` is empty for shared ones. Nil when there is no such parameter.
    public func offset(of parameter: String, in group: String = "", member: Int = 0) -> Int? {
        entries.first { $0.parameter.name == parameter && $0.group == group && $0.member == member }?.offset
    }
}
