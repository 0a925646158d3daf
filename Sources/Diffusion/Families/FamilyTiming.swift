import ModelSpace
import Synchronization

/// What of a family depends on the timing of the gradients.
extension FamilyComposition {
    /// Components whose signal is not defined without δ and Δ.
    public var timedComponents: [String] {
        parts.filter { $0.variants.contains { CompartmentCatalogue.compartment($0.compartment)?.needsTiming ?? false } }
            .map(\.group)
    }

    /// These, and components that are there for their sake alone: that need one of them and nothing else.
    public var lostWithoutTiming: Set<String> {
        var lost = Set(timedComponents), count = -1
        let optional = Set(description.groups.filter { $0.presence != .always }.map(\.name))
        while lost.count != count {
            count = lost.count
            for case let .needs(name, others) in description.constraints
            where optional.contains(name) && lost.isSuperset(of: others) {
                lost.insert(name)
            }
        }
        return lost
    }

    /// The family without them; itself where there are none. What is left of names, order, priors and rules is as it
    /// was, so that it is to the letter the family that never had them: a network trained for that one serves it.
    /// - Throws: `FamilyDescriptionError` when what is left makes no family.
    public func withoutTiming() throws -> FamilyComposition {
        let lost = lostWithoutTiming
        guard !lost.isEmpty else { return self }
        func isLost(_ name: String) -> Bool { lost.contains(name.split(separator: "=").first.map(String.init) ?? name) }
        func left(_ names: [String]) -> [String] { names.filter { !isLost($0) } }
        var rules: [StructureConstraint] = []
        for rule in description.constraints {
            switch rule {
            case let .needs(name, others) where !isLost(name):
                guard !left(others).isEmpty else {
                    throw fail("without \(lost.sorted().joined(separator: ", ")) there can be no '\(name)'")
                }
                rules.append(.needs(name, anyOf: left(others)))
            case .needs: break
            case let .excludes(a, b): if !isLost(a), !isLost(b) { rules.append(rule) }
            case let .atLeast(n, names): if !left(names).isEmpty { rules.append(.atLeast(n, of: left(names))) }
            case let .atMost(n, names): if !left(names).isEmpty { rules.append(.atMost(n, of: left(names))) }
            }
        }
        let parts = parts.filter { !lost.contains($0.group) }.map { part in
            SignalPart(group: part.group, variants: part.variants.filter { !$0.when.contains(where: isLost) })
        }
        let rest = try FamilyDescription(
            description.name, shared: description.shared, groups: description.groups.filter { !lost.contains($0.name) },
            noise: description.noise, constraints: rules)
        return try FamilyComposition(rest, parts: parts)
    }
}

extension FamilyWords {
    /// What can still be said of a family that lacks some components.
    func without(_ lost: Set<String>) -> FamilyWords {
        func owner(_ name: String) -> String { String(name.prefix { $0 != "." && $0 != "=" }) }
        /// Nil where they cannot be met.
        func left(_ conditions: [Condition]) -> [Condition]? {
            var result: [Condition] = []
            for condition in conditions {
                guard lost.contains(owner(condition.name)) else {
                    result.append(condition)
                    continue
                }
                guard case .lacks = condition else { return nil }
            }
            return result
        }
        let quantities = quantities.compactMap { quantity -> Quantity? in
            var other = quantity
            other.cases = quantity.cases.compactMap { c in
                guard let when = left(c.when) else { return nil }
                guard !c.value.leaves.contains(where: { $0.contains(".") && lost.contains(owner($0)) }) else {
                    return nil
                }
                let value: FamilyExpression<String> = c.value.mapped { lost.contains($0) ? .number(0) : .parameter($0) }
                // Of a share of what is not there nothing is to be said.
                return value.leaves.isEmpty && !c.value.leaves.isEmpty ? nil : Case(when: when, value: value)
            }
            return other.cases.isEmpty ? nil : other
        }
        return FamilyWords(
            quantities: quantities,
            models: models.compactMap { model in left(model.when).map { Model(name: model.name, when: $0) } },
            leastLambda: leastLambda)
    }
}

extension CompartmentFamily {
    public var untimed: CompartmentFamily? { needsTiming ? rest.made { try? withoutTiming() } : nil }

    /// The family as it is for scans that do not say when their pulses come.
    /// - Throws: `FamilyDescriptionError` when nothing sensible is left.
    public func withoutTiming() throws -> CompartmentFamily {
        CompartmentFamily(
            try composition.withoutTiming(), words: words.without(composition.lostWithoutTiming))
    }
}

/// A family without what depends on timing, made when it is first asked for and kept, as is what it comes to know of
/// its structures.
final class UntimedFamily: Sendable {
    private let state = Mutex<(isMade: Bool, family: CompartmentFamily?)>((false, nil))

    func made(_ make: () -> CompartmentFamily?) -> CompartmentFamily? {
        state.withLock {
            if !$0.isMade { $0 = (true, make()) }
            return $0.family
        }
    }
}
