import Foundation
import ModelSpace

/// Reads a family from a recipe's mapping, strictly: every key is known and every value what it may be, or one sentence
/// says what is wrong.
///
///     name: tissue
///     shared: {d: log-uniform 1e-4 5e-3 in mm^2/s}
///     components:
///       bundle:
///         presence: up to 3            # always | optional | up to N | one of A, B, C
///         weight: 0.05                 # the least of its weight; or 'rest': what the others leave
///         parameters: {mu: axis}       # of each; PRIOR [of SHARED] [in UNIT] [for OPTION, OPTION]
///         common: {…}                  # one for all members
///         fibre: mu                    # the axis that is drawn
///         signal:                      # the first whose conditions hold; a compartment's name where there is one
///           - {compartment: noddi, when: [dispersed, extra=tied], f_in: extra.f_in, ratio: 1 - extra.f_in, odi:
///           dispersed.odi}
///           - stick
///     rules: [dispersed needs bundle, at least 1 of bundle or ball]
///     noise: {kinds: [gaussian, rician], snr: log-uniform 3 150}
///
/// PRIOR is `log-uniform LOW HIGH`, `uniform LOW HIGH`, `axis`, `rotation` or a number that is known.
public enum FamilyReader {
    /// - Parameter place: where the mapping stands, for messages.
    /// - Errors: SettingsError.
    public static func read(_ tree: SettingsTree, place: String) throws -> FamilyComposition {
        let keys = try tree.mapping(
            place, ["name", "shared", "components", "rules", "noise", "lambda", "quantities", "models"])
        guard let name = try keys["name"]?.word("\(place).name"), isName(name) else {
            throw wrong("\(place).name", "a name of letters, digits and -")
        }
        guard name != BallSticks.family.name else {
            throw SettingsError(reason: "'name' of \(place) is '\(name)', which is a built-in family; choose another")
        }
        let shared = try keys["shared"].map { try parameters($0, "\(place).shared", options: []) } ?? []
        guard let components = keys["components"] else { throw SettingsError(reason: "\(place) has no 'components'") }
        let groups = try components.pairs("\(place).components")
        guard (1...24).contains(groups.count) else {
            throw SettingsError(reason: "'components' of \(place) are \(groups.count); it must be 1 to 24")
        }
        let read = try groups.map { try component($0.key, $0.value, "\(place).components.\($0.key)") }
        let rules =
            try keys["rules"].map { try $0.words("\(place).rules").map { try rule($0, "\(place).rules") } } ?? []
        let noise = try noise(keys["noise"], "\(place).noise")
        do {
            let description = try FamilyDescription(
                name, shared: shared, groups: read.map(\.group), noise: noise, constraints: rules)
            return try FamilyComposition(description, parts: read.compactMap(\.part))
        } catch let error as FamilyDescriptionError { throw SettingsError(reason: "in \(place), \(error.reason)") }
    }

    private static func wrong(_ place: String, _ allowed: String) -> SettingsError {
        SettingsError(reason: "\(Setting<Int>.name(place)) must be \(allowed)")
    }

    private static func isName(_ word: String) -> Bool {
        (1...40).contains(word.count) && word.first!.isLetter
            && word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") }
    }
    private static func isIdentifier(_ word: String) -> Bool { isName(word) && !word.contains("-") }

    private static func component(
        _ name: String, _ tree: SettingsTree, _ place: String
    ) throws -> (group: ComponentGroup, part: FamilyComposition.SignalPart?) {
        guard isIdentifier(name) else {
            throw SettingsError(reason: "'\(name.prefix(40))' is no name of a component; use letters, digits and _")
        }
        let keys = try tree.mapping(place, ["presence", "weight", "parameters", "common", "fibre", "signal"])
        let presence =
            try keys["presence"].map { try self.presence($0.word("\(place).presence"), "\(place).presence") }
            ?? .optional
        var options: [String] = []
        if case .oneOf(let list) = presence { options = list }
        var own = try keys["parameters"].map { try parameters($0, "\(place).parameters", options: options) } ?? []
        var takesRest = false
        if let weight = try keys["weight"]?.word("\(place).weight") {
            guard !own.contains(where: { $0.name == "f" }) else {
                throw SettingsError(reason: "'f' of \(place) is the component's weight; name the parameter otherwise")
            }
            takesRest = weight == "rest"
            if !takesRest {
                guard let floor = Double(weight), (0...0.5).contains(floor) else {
                    throw wrong("\(place).weight", "'rest', or the least weight, a number from 0 to 0.5")
                }
                own.insert(Parameter("f", "", .weight(floor: floor)), at: 0)
            }
        }
        let common = try keys["common"].map { try parameters($0, "\(place).common", options: []) } ?? []
        let group = ComponentGroup(
            name, presence, own, common: common, fibreAxis: try keys["fibre"]?.word("\(place).fibre"),
            takesRest: takesRest)
        let part = try keys["signal"].map {
            FamilyComposition.SignalPart(group: name, variants: try variants($0, "\(place).signal"))
        }
        return (group, part)
    }

    private static func presence(_ text: String, _ place: String) throws -> ComponentGroup.Presence {
        if text == "always" { return .always }
        if text == "optional" { return .optional }
        if text.hasPrefix("up to "), let n = Int(text.dropFirst(6)), (1...16).contains(n) {
            return n == 1 ? .optional : .upTo(n)
        }
        if text.hasPrefix("one of ") {
            let options = list(text.dropFirst(7))
            if (2...16).contains(options.count), Set(options).count == options.count, options.allSatisfy(isIdentifier) {
                return .oneOf(options)
            }
        }
        throw wrong(place, "'always', 'optional', 'up to N' (1 to 16) or 'one of A, B, …' (2 to 16 different names)")
    }

    /// Words between commas and "or".
    private static func list(_ text: some StringProtocol) -> [String] {
        text.split(separator: ",", omittingEmptySubsequences: false).flatMap { $0.components(separatedBy: " or ") }.map
        {
            String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
    }

    private static func parameters(_ tree: SettingsTree, _ place: String, options: [String]) throws -> [Parameter] {
        let pairs = try tree.pairs(place)
        guard pairs.count <= 16 else { throw wrong(place, "16 parameters at most") }
        return try pairs.map { key, value in
            guard isIdentifier(key) else {
                throw SettingsError(reason: "'\(key.prefix(40))' is no name of a parameter; use letters, digits and _")
            }
            return try parameter(key, value.word("\(place).\(key)"), "\(place).\(key)", options: options)
        }
    }

    private static func parameter(
        _ name: String, _ text: String, _ place: String, options known: [String]
    ) throws -> Parameter {
        var rest = text, options: [String] = [], unit = "", relative: String?
        func tail(_ word: String) -> String? {
            guard let range = rest.range(of: " \(word) ", options: .backwards) else { return nil }
            defer { rest = String(rest[..<range.lowerBound]) }
            return String(rest[range.upperBound...])
        }
        if let tail = tail("for") {
            options = list(tail)
            guard !known.isEmpty, options.allSatisfy(known.contains), Set(options).count == options.count else {
                throw wrong(
                    place,
                    """
                    for options of its \
                    component\(known.isEmpty ? ", which has none" : " (\(known.joined(separator: ", ")))")
                    """
                )
            }
        }
        if let tail = tail("in") { unit = tail }
        if let tail = tail("of") { relative = tail }
        guard unit.count <= 20 else { throw wrong(place, "in a unit of at most 20 characters") }
        let words = rest.split(separator: " ").map(String.init), numbers = words.dropFirst().compactMap(Double.init)
        var chart: Parameter.Chart?
        switch words.first {
        case "log-uniform" where words.count == 3 && numbers.count == 2:
            chart = .logUniform(low: numbers[0], high: numbers[1])
        case "uniform" where words.count == 3 && numbers.count == 2: chart = .uniform(low: numbers[0], high: numbers[1])
        case "axis" where words.count == 1: chart = .axis
        case "rotation" where words.count == 1: chart = .rotation
        case .some(let word) where words.count == 1: chart = Double(word).map { .fixed($0) }
        default: break
        }
        guard let chart else {
            throw SettingsError(
                reason:
                    """
                    \(Setting<Int>.name(place)) is '\(text.prefix(60))'; it must be 'log-uniform LOW HIGH', 'uniform \
                    LOW HIGH', 'axis', 'rotation' or a number, then perhaps 'of' a shared parameter, 'in' a unit, \
                    'for' options
                    """
            )
        }
        return Parameter(name, unit, chart, options: options, relativeTo: relative)
    }

    private static func variants(_ tree: SettingsTree, _ place: String) throws -> [FamilyComposition.Variant] {
        guard case .list(let items) = tree else { return [try variant(tree, place)] }
        guard (1...32).contains(items.count) else { throw wrong(place, "a compartment, or a list of 1 to 32") }
        return try items.enumerated().map { try variant($1, "\(place)[\($0)]") }
    }

    private static func variant(_ tree: SettingsTree, _ place: String) throws -> FamilyComposition.Variant {
        if case .word(let name, _) = tree { return FamilyComposition.Variant(name) }
        var variant: FamilyComposition.Variant?, when: [String] = [], spread: FamilyComposition.Expression?,
            given: [String: FamilyComposition.Expression] = [:]
        for (key, value) in try tree.pairs(place) {
            switch key {
            case "compartment": variant = FamilyComposition.Variant(try value.word("\(place).compartment"))
            case "when": when = try value.words("\(place).when")
            case "spread": spread = try FamilyExpression(value.word("\(place).spread"))
            default: given[key] = try FamilyExpression(value.word("\(place).\(key)"))
            }
        }
        guard let variant else {
            throw SettingsError(
                reason: "'\(place)' has no 'compartment'; known: \(CompartmentCatalogue.names.joined(separator: ", "))")
        }
        return FamilyComposition.Variant(variant.compartment, when: when, given, spread: spread)
    }

    /// A needs B or C; A excludes B; at least N of A, B; at most N of A, B.
    private static func rule(_ text: String, _ place: String) throws -> StructureConstraint {
        func bounded(_ prefix: String) -> (Int, [String])? {
            guard text.hasPrefix(prefix), let of = text.range(of: " of "),
                let n = Int(text[text.index(text.startIndex, offsetBy: prefix.count)..<of.lowerBound]),
                (0...64).contains(n)
            else { return nil }
            return (n, list(text[of.upperBound...]))
        }
        if let (n, names) = bounded("at least ") { return .atLeast(n, of: names) }
        if let (n, names) = bounded("at most ") { return .atMost(n, of: names) }
        if let needs = text.range(of: " needs ") {
            return .needs(String(text[..<needs.lowerBound]), anyOf: list(text[needs.upperBound...]))
        }
        if let excludes = text.range(of: " excludes ") {
            return .excludes(String(text[..<excludes.lowerBound]), String(text[excludes.upperBound...]))
        }
        throw SettingsError(
            reason:
                """
                the rule '\(text.prefix(60))' is none of 'A needs B or C', 'A excludes B', 'at least N of A, B', 'at \
                most N of A, B'
                """
        )
    }

    private static func noise(_ tree: SettingsTree?, _ place: String) throws -> ComponentGroup {
        let keys = try tree?.mapping(place, ["kinds", "snr"]) ?? [:]
        let kinds = try keys["kinds"]?.words("\(place).kinds") ?? ["gaussian", "rician"]
        let snr =
            try keys["snr"].map { try parameter("snr", $0.word("\(place).snr"), "\(place).snr", options: []).chart }
            ?? .logUniform(low: 3, high: 150)
        return FamilyComposition.noise(kinds, snr: snr)
    }
}
