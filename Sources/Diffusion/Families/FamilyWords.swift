import ModelSpace

/// What users call a family's numbers and structures: maps in their words.
///
/// It says how to read what is fitted, not what is fitted: two families that differ in this alone are one to a network.
public struct FamilyWords: Hashable, Codable, Sendable {
    /// A number that structures have each in their own way, as the share of neurites in tissue with or without water
    /// between them.
    public struct Quantity: Hashable, Codable, Sendable {
        /// As in files' names: ndi. And in a sentence's part, with a unit.
        public var name: String, text: String, unit: String
        /// What a colour scale spans; nil where that follows from the values.
        public var range: [Double]?
        /// Of these the first whose conditions a structure meets; a structure that meets none lacks the quantity.
        public var cases: [Case]
    }
    public struct Case: Hashable, Codable, Sendable {
        public var when: [Condition], value: FamilyExpression<String>
    }
    /// A structure, or several, known by a name.
    public struct Model: Hashable, Codable, Sendable {
        public var name: String, when: [Condition]
    }

    public var quantities: [Quantity], models: [Model]
    /// λ from which on the family is to be read, for which it is searched and its network learns; nil for 0. Of
    /// families most of whose structures are rich: where λ is small these have nearly all of the prior.
    public var leastLambda: Double?
    /// What that may be: a fit that is not told a λ has this one.
    public static let mostLeastLambda = 0.5
    public static let none = FamilyWords(quantities: [], models: [])

    public init(quantities: [Quantity], models: [Model], leastLambda: Double? = nil) {
        (self.quantities, self.models, self.leastLambda) = (quantities, models, leastLambda)
    }

    /// What a structure must have: `bundle`, `extra=free`; or not have, `no water`; or have so many of, `2 bundle`.
    public enum Condition: Hashable, Sendable {
        case has(String), lacks(String), count(Int, String)

        public var name: String {
            switch self {
            case .has(let name), .lacks(let name), .count(_, let name): name
            }
        }

        /// Whether an allowed structure meets it.
        public func holds(in z: Structure, _ rule: StructureRule) -> Bool {
            switch self {
            case .has(let name): rule.has(name, in: z)
            case .lacks(let name): !rule.has(name, in: z)
            case .count(let n, let name): rule.choice(of: name, in: z).members == n
            }
        }
    }

    /// What a word of an expression stands for.
    public enum Leaf: Sendable {
        /// The share of the signal of a group's members together; 0 without.
        case fraction(ComponentGroup)
        /// A parameter, of a group or (nil) of all structures; of several members the mean by their shares.
        case parameter(Parameter, ComponentGroup?)
    }

    /// - Errors: `FamilyDescriptionError` when the word stands for nothing.
    public static func leaf(_ word: String, _ family: FamilyDescription) throws -> Leaf {
        let parts = word.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if parts.count == 1 {
            if let group = family.groups.first(where: { $0.name == word }), group.hasShare { return .fraction(group) }
            if let shared = family.shared.first(where: { $0.name == word }), shared.isScalar {
                return .parameter(shared, nil)
            }
        } else if parts.count == 2, let group = family.groups.first(where: { $0.name == parts[0] }),
            let parameter = (group.parameters + group.common).first(where: { $0.name == parts[1] }), parameter.isScalar
        {
            return .parameter(parameter, group)
        }
        throw FamilyDescriptionError(
            family: family.name,
            reason:
                "'\(word)' is no share of the signal and no single number; write 'component' or 'component.parameter'"
        )
    }

    /// The words of an expression that must stand for something: a component's parameter multiplied by the component's
    /// share counts 0 where there is none, as the share does.
    static func needed(
        _ expression: FamilyExpression<String>, _ family: FamilyDescription, shares: Set<String> = []
    ) throws -> [String] {
        switch expression {
        case .number: return []
        case .parameter(let word):
            if case .parameter(_, let group?) = try leaf(word, family), shares.contains(group.name) { return [] }
            return [word]
        case let .sum(a, b), let .difference(a, b):
            return try needed(a, family, shares: shares) + needed(b, family, shares: shares)
        case let .product(a, b):
            let all = try shares.union(
                expression.factors.filter { word in
                    if case .fraction = try leaf(word, family) { true } else { false }
                })
            return try needed(a, family, shares: all) + needed(b, family, shares: all)
        case let .quotient(a, b): return try needed(a, family, shares: shares) + needed(b, family)
        }
    }

    /// The case that a structure is of each quantity; nil of those that it lacks.
    public func cases(of z: Structure, _ rule: StructureRule) -> [Int?] {
        quantities.map { $0.cases.firstIndex { $0.when.allSatisfy { $0.holds(in: z, rule) } } }
    }

    /// Which models a structure is.
    public func models(of z: Structure, _ rule: StructureRule) -> [Bool] {
        models.map { $0.when.allSatisfy { $0.holds(in: z, rule) } }
    }

    /// Checks what came from a file: names that exist, numbers that the structures have, models that occur.
    /// - Errors: `FamilyDescriptionError`.
    public func check(_ family: FamilyDescription) throws {
        func fail(_ reason: String) -> FamilyDescriptionError {
            FamilyDescriptionError(family: family.name, reason: reason)
        }
        guard Set(quantities.map(\.name)).count == quantities.count, Set(models.map(\.name)).count == models.count
        else {
            throw fail("two quantities, or two models, have one name")
        }
        guard (0...Self.mostLeastLambda).contains(leastLambda ?? 0) else {
            throw fail("'lambda' must be at least a number from 0 to \(Self.mostLeastLambda)")
        }
        for quantity in quantities {
            guard quantity.range.map({ $0.count == 2 && $0[0] < $0[1] && $0.allSatisfy(\.isFinite) }) ?? true else {
                throw fail("the range of '\(quantity.name)' must be two rising numbers")
            }
        }
        let named =
            quantities.map { ("quantity '\($0.name)'", $0.cases.flatMap(\.when)) }
            + models.map { ("model '\($0.name)'", $0.when) }
        for (owner, conditions) in named {
            for condition in conditions {
                let words = condition.name.split(separator: "=", maxSplits: 1).map(String.init)
                let group = family.allGroups.first { $0.name == words.first }
                var isKnown = group != nil
                if words.count == 2 {
                    guard case .oneOf(let options)? = group?.presence else { isKnown = false; continue }
                    isKnown = options.contains(words[1])
                }
                if case .count(let n, _) = condition { isKnown = isKnown && words.count == 1 && n <= group!.most }
                guard isKnown else {
                    throw fail("the \(owner) names '\(condition.name)', which the family does not have")
                }
            }
        }
        for quantity in quantities {
            for c in quantity.cases { for word in c.value.leaves { _ = try Self.leaf(word, family) } }
        }
        try checkStructures(family, fail)
    }

    private func checkStructures(_ family: FamilyDescription, _ fail: (String) -> FamilyDescriptionError) throws {
        let rule = StructureRule(family), theta = ThetaLayout(family), all = rule.all()
        var occurs = Set<Int>(), random = RandomSource(seed: 1)
        // Of a family too large to list, many: a component that may be absent is so in about every other.
        for z in all ?? rule.some(500, using: &random) {
            for (m, isIt) in models(of: z, rule).enumerated() where isIt { occurs.insert(m) }
            let places = Set(rule.places(of: z, in: theta))
            for (quantity, number) in zip(quantities, cases(of: z, rule)) {
                guard let number else { continue }
                for word in try Self.needed(quantity.cases[number].value, family) {
                    guard case let .parameter(parameter, group) = try Self.leaf(word, family) else { continue }
                    guard
                        theta.offset(of: parameter.name, in: group?.name ?? "", member: 0).map(places.contains) == true
                    else {
                        throw fail(
                            "the quantity '\(quantity.name)' uses '\(word)' where it is absent; say so in 'when'")
                    }
                }
            }
        }
        if all != nil, let lost = models.indices.first(where: { !occurs.contains($0) }) {
            throw fail("no structure is the model '\(models[lost].name)'")
        }
    }
}

extension ComponentGroup {
    /// Whether it is a part of the signal.
    fileprivate var hasShare: Bool { takesRest || parameters.contains { $0.isLinear } }
}

extension Parameter {
    fileprivate var isScalar: Bool {
        switch chart {
        case .uniform, .logUniform: true
        default: false
        }
    }
}

extension FamilyWords.Condition: Codable {
    /// Reads `bundle`, `no water`, `2 bundle`; nil when it is none of these.
    public init?(_ text: String) {
        let words = text.split(separator: " ").map(String.init)
        switch words.count {
        case 1: self = .has(words[0])
        case 2 where words[0] == "no": self = .lacks(words[1])
        case 2:
            guard let n = Int(words[0]), (1...64).contains(n) else { return nil }
            self = .count(n, words[1])
        default: return nil
        }
    }

    public var text: String {
        switch self {
        case .has(let name): name
        case .lacks(let name): "no \(name)"
        case .count(let n, let name): "\(n) \(name)"
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer(), text = try container.decode(String.self)
        guard let read = Self(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is no condition")
        }
        self = read
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
