import Foundation
import ModelSpace

/// A family put together from compartments, as data: its components, and for each that is a part of the signal which
/// compartment it is under which conditions, and what the compartment's parameters are.
///
/// This is what a recipe's `family:` says, what a network's file carries, and all that is to be known of a family.
public struct FamilyComposition: Hashable, Codable, Sendable {
    public typealias Expression = FamilyExpression<String>

    /// Components, parameters, priors, rules, noises.
    public var description: FamilyDescription
    public var parts: [SignalPart]

    /// A group of components that is a part of the signal.
    public struct SignalPart: Hashable, Codable, Sendable {
        public var group: String
        /// Of these the first whose conditions a structure meets is what the group's members are; the last has none.
        public var variants: [Variant]
        public init(group: String, variants: [Variant]) { (self.group, self.variants) = (group, variants) }
    }

    public struct Variant: Hashable, Codable, Sendable {
        /// One of `CompartmentCatalogue`.
        public var compartment: String
        /// Groups ("dispersed") and options ("extra=free") that are there.
        public var when: [String]
        /// What each of the compartment's parameters is: of the component itself or shared (`d`), of another group
        /// (`extra.f_in`), or an expression of these; an axis or a rotation is one parameter's.
        public var parameters: [String: Expression]
        /// ρ of gamma-distributed diffusivities; nil without.
        public var spread: Expression?

        public init(
            _ compartment: String, when: [String] = [], _ parameters: [String: Expression] = [:],
            spread: Expression? = nil
        ) {
            (self.compartment, self.when, self.parameters, self.spread) = (compartment, when, parameters, spread)
        }
    }

    /// Where a parameter stands: a group's own or common one, or a shared one (group empty).
    struct Reference: Hashable, Sendable {
        var group: String, parameter: Parameter, isMembers: Bool
    }

    /// - Throws: `FamilyDescriptionError` for whatever makes no sense.
    public init(_ description: FamilyDescription, parts: [SignalPart]) throws {
        self.description = description
        self.parts = parts
        // What is not said is the parameter of the same name.
        for p in self.parts.indices {
            for v in self.parts[p].variants.indices {
                guard let compartment = CompartmentCatalogue.compartment(self.parts[p].variants[v].compartment) else {
                    continue
                }
                for parameter in compartment.parameters
                where self.parts[p].variants[v].parameters[parameter.name] == nil {
                    self.parts[p].variants[v].parameters[parameter.name] = .parameter(parameter.name)
                }
            }
        }
        try check()
    }

    /// What a name means in a variant of a group.
    func reference(_ name: String, group: ComponentGroup, when: [String]) throws -> Reference {
        func find(_ owner: String, _ list: [Parameter], _ isMembers: Bool, _ wanted: String) -> Reference? {
            list.first { $0.name == wanted && !$0.isLinear }.map {
                Reference(group: owner, parameter: $0, isMembers: isMembers)
            }
        }
        let words = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if words.count == 1 {
            let found =
                find(group.name, group.parameters, true, name) ?? find(group.name, group.common, false, name)
                ?? find("", description.shared, false, name)
            guard let found else {
                throw fail(
                    """
                    '\(name)' of '\(group.name)' is bound to nothing: no parameter of it or of all components has \
                    that name
                    """
                )
            }
            return found
        }
        guard words.count == 2, let other = description.groups.first(where: { $0.name == words[0] }) else {
            throw fail("'\(name)' names no parameter; write 'parameter', or 'component.parameter'")
        }
        guard
            let found = find(other.name, other.most == 1 ? other.parameters : [], false, words[1])
                ?? find(other.name, other.common, false, words[1])
        else {
            throw fail("'\(name)' names no parameter that '\(group.name)' could share")
        }
        var isThere = other.presence == .always
        if case .oneOf(let options) = other.presence {
            let needed = found.parameter.options
            isThere =
                needed.isEmpty || when.contains { word in needed.contains { word == "\(other.name)=\($0)" } }
                || (when.contains(other.name) && options.dropFirst().allSatisfy(needed.contains))
        } else if when.contains(other.name) {
            isThere = true
        }
        guard isThere || other.name == group.name else {
            throw fail(
                """
                '\(name)' is used by '\(group.name)' where it may be absent; add '\(other.name)' or one of its \
                options to 'when'
                """
            )
        }
        return found
    }

    func fail(_ reason: String) -> FamilyDescriptionError {
        FamilyDescriptionError(family: description.name, reason: reason)
    }

    /// Natural values that a parameter may have.
    func range(of parameter: Parameter) -> ClosedRange<Double>? {
        let own: ClosedRange<Double>
        switch parameter.chart {
        case let .logUniform(low, high), let .uniform(low, high): own = low...high
        case .fixed(let value): own = value...value
        default: return nil
        }
        guard let name = parameter.relativeTo else { return own }
        guard let base = description.shared.first(where: { $0.name == name }).flatMap(range) else { return nil }
        let corners = [
            own.lowerBound * base.lowerBound, own.lowerBound * base.upperBound, own.upperBound * base.lowerBound,
            own.upperBound * base.upperBound,
        ]
        return corners.min()!...corners.max()!
    }
}

extension FamilyComposition {
    /// Its JSON, the same text for the same family.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// A family from its JSON, checked.
    /// - Throws: `DecodingError`, `FamilyDescriptionError`.
    public init(json: String) throws {
        self = try JSONDecoder().decode(FamilyComposition.self, from: Data(json.utf8))
        try check()
    }
}

/// Noise of every composed family: kinds, and a signal-to-noise ratio with the scale that normalisation leaves.
extension FamilyComposition {
    public static func noise(_ kinds: [String], snr: Parameter.Chart) -> ComponentGroup {
        ComponentGroup("noise", .oneOf(kinds), [Parameter("snr", "", snr), Parameter("s0", "", .scale)])
    }
}
