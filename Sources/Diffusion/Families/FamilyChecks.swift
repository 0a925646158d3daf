import Foundation
import ModelSpace

extension FamilyComposition {
    /// Checks what came from a file.
    /// - Throws: `FamilyDescriptionError`.
    public func check() throws {
        try description.check()
        try checkNoise()
        for (owner, list) in [("", description.shared)]
            + description.allGroups.map({ ($0.name, $0.parameters + $0.common) })
        {
            for parameter in list where parameter.chart == .scale && owner != description.noise.name {
                throw fail("'\(parameter.name)' is a scale, of which the noise has the only one")
            }
            if let wrong = list.first(where: { if case .coefficient = $0.chart { true } else { false } }) {
                throw fail("'\(wrong.name)' is a coefficient; a component of a diffusion signal has a weight")
            }
        }
        guard Set(parts.map(\.group)).count == parts.count else { throw fail("a component's signal is given twice") }
        for group in description.groups {
            let weights = group.parameters.count(where: \.isLinear)
            if let part = parts.first(where: { $0.group == group.name }) {
                guard weights + (group.takesRest ? 1 : 0) == 1 else {
                    throw fail("'\(group.name)' is a part of the signal, so it has one weight (or takes the rest)")
                }
                if case .oneOf = group.presence {
                    throw fail("'\(group.name)' is one of several options, so it has no signal of its own")
                }
                try check(part, group)
            } else if weights > 0 || group.takesRest {
                throw fail("'\(group.name)' has a weight but no signal")
            }
        }
        if let lost = parts.first(where: { part in !description.groups.contains { $0.name == part.group } }) {
            throw fail("the signal of '\(lost.group)' is given, which is no component")
        }
        guard !parts.isEmpty else { throw fail("no component is a part of the signal") }
        try checkStructures()
    }

    private func checkNoise() throws {
        let noise = description.noise
        guard case .oneOf(let kinds) = noise.presence, kinds.allSatisfy({ ["gaussian", "rician"].contains($0) }),
            noise.common.isEmpty,
            noise.parameters.map(\.name) == ["snr", "s0"], noise.parameters[1].chart == .scale,
            noise.parameters.allSatisfy({ $0.options.isEmpty && $0.relativeTo == nil }),
            case let .logUniform(low, high) = noise.parameters[0].chart
        else { throw fail("the noise must be of the kinds gaussian, rician or both, with a log-uniform snr") }
        guard low >= 0.5, high <= 10_000 else {
            throw fail("snr must lie between 0.5 and 10000, not \(low) to \(high)")
        }
    }

    private func check(_ part: SignalPart, _ group: ComponentGroup) throws {
        guard let last = part.variants.last, last.when.isEmpty else {
            throw fail("the last signal of '\(group.name)' must apply whatever else is present: leave out its 'when'")
        }
        for variant in part.variants {
            guard let compartment = CompartmentCatalogue.compartment(variant.compartment) else {
                throw fail(
                    """
                    '\(group.name)' is a '\(variant.compartment)', which is no compartment; known: \
                    \(CompartmentCatalogue.names.joined(separator: ", "))
                    """
                )
            }
            for name in variant.when where !names.contains(name) {
                throw fail("'when' of '\(group.name)' names '\(name)', which is no component or option")
            }
            for name in variant.parameters.keys.sorted()
            where !compartment.parameters.contains(where: { $0.name == name }) {
                throw fail(
                    """
                    a \(variant.compartment) has no parameter '\(name)'; it has \
                    \(compartment.parameters.map(\.name).joined(separator: ", "))
                    """
                )
            }
            for parameter in compartment.parameters { try check(parameter, of: variant, group) }
            if let spread = variant.spread {
                guard compartment.takesSpread else {
                    throw fail("a \(variant.compartment) cannot have a spread of diffusivities")
                }
                try check(spread, "the spread of '\(group.name)'", variant, group, within: CompartmentCatalogue.spreads)
            }
            let scalars = try inputs(of: variant, group)
            guard scalars.count <= 8 else {
                throw fail("'\(group.name)' depends on \(scalars.count) numbers; 8 are the most")
            }
        }
    }

    private func check(_ parameter: Parameter, of variant: Variant, _ group: ComponentGroup) throws {
        guard let expression = variant.parameters[parameter.name] else {
            throw fail("'\(parameter.name)' of '\(group.name)' is bound to nothing")
        }
        let what = "'\(parameter.name)' of '\(group.name)'"
        guard parameter.chart == .axis || parameter.chart == .rotation else {
            return try check(expression, what, variant, group, within: CompartmentCatalogue.validRange(parameter))
        }
        guard case .parameter(let name) = expression,
            try reference(name, group: group, when: variant.when).parameter.chart == parameter.chart
        else {
            throw fail(
                """
                \(what) must be \(parameter.chart == .axis ? "an axis" : "a rotation") of the component or of \
                another, not '\(expression.text)'
                """
            )
        }
    }

    private func check(
        _ expression: Expression, _ what: String, _ variant: Variant, _ group: ComponentGroup,
        within valid: ClosedRange<Double>
    ) throws {
        for name in expression.leaves {
            guard range(of: try reference(name, group: group, when: variant.when).parameter) != nil else {
                throw fail("\(what) is made of '\(name)', which is no single number")
            }
        }
        guard let bounds = try bounds(of: expression, variant, group) else {
            throw fail("\(what) is '\(expression.text)', which may divide by zero")
        }
        // Rounding of the bounds is no fault.
        let slack = 1e-12 * (valid.upperBound - valid.lowerBound)
        guard bounds.lowerBound >= valid.lowerBound - slack, bounds.upperBound <= valid.upperBound + slack else {
            throw fail(
                """
                \(what) is '\(expression.text)', from \(short(bounds.lowerBound)) to \(short(bounds.upperBound)); its \
                signal holds from \(short(valid.lowerBound)) to \(short(valid.upperBound))
                """
            )
        }
    }

    /// Parameters that a variant's numbers depend on, shared ones that others are relative to among them.
    func inputs(of variant: Variant, _ group: ComponentGroup) throws -> Set<Reference> {
        var found = Set<Reference>()
        for name in (Array(variant.parameters.values) + [variant.spread].compactMap { $0 }).flatMap(\.leaves) {
            let reference = try reference(name, group: group, when: variant.when)
            guard range(of: reference.parameter) != nil else { continue }
            found.insert(reference)
            if let base = reference.parameter.relativeTo.flatMap({ name in description.shared.first { $0.name == name }
            }) {
                found.insert(Reference(group: "", parameter: base, isMembers: false))
            }
        }
        return found
    }

    /// What a condition or rule may name.
    private var names: Set<String> {
        Set(
            description.allGroups.flatMap { group -> [String] in
                guard case .oneOf(let options) = group.presence else { return [group.name] }
                return [group.name] + options.map { "\(group.name)=\($0)" }
            })
    }

    /// What only the structures can tell.
    private func checkStructures() throws {
        let rule = StructureRule(description)
        guard rule.count > 0 else { throw fail("its rules allow no structure at all") }
        guard let structures = rule.all() else { return }
        var used = Set<[Int]>()
        for z in structures {
            var floors = 0.0, components = 0
            for (p, part) in parts.enumerated() {
                let choice = rule.choice(of: part.group, in: z),
                    group = description.groups.first { $0.name == part.group }!
                guard choice.members > 0 else { continue }
                components += choice.members
                for parameter in group.parameters {
                    if case .weight(let floor) = parameter.chart { floors += Double(choice.members) * floor }
                }
                used.insert([p, variant(of: part, in: z, rule)])
            }
            guard components > 0 else {
                throw fail(
                    """
                    a structure without any component is allowed; add a rule like 'at least 1 of \
                    \(parts.map(\.group).joined(separator: ", "))'
                    """
                )
            }
            guard floors < 0.95 else {
                throw fail(
                    """
                    the least weights of a structure's \(components) components add up to \(floors); they must leave \
                    something of 1
                    """
                )
            }
        }
        for (p, part) in parts.enumerated() {
            for (v, variant) in part.variants.enumerated() where !used.contains([p, v]) {
                throw fail(
                    """
                    no structure has the signal '\(variant.compartment)' of \
                    '\(part.group)'\(variant.when.isEmpty ? "" : " with \(variant.when.joined(separator: " and "))"): \
                    an earlier one applies, or a rule forbids it
                    """
                )
            }
        }
    }

    /// Which variant a structure's members of a part are.
    func variant(of part: SignalPart, in z: Structure, _ rule: StructureRule) -> Int {
        part.variants.firstIndex { $0.when.allSatisfy { rule.has($0, in: z) } }!
    }
}
