import Foundation
import ModelSpace

/// A family in words, for people: components, what they are, parameters with their ranges, rules, and how many
/// structures there are.
public struct FamilyTable {
    private let family: FamilyDescription, parts: [FamilyComposition.SignalPart]
    /// What is said of it for scans whose gradients' timing is not known; nil where that makes no difference.
    private let untimed: String?
    /// λ from which on it is to be read; nil where that is not stated.
    private let leastLambda: Double?

    public init(_ family: FamilyDescription) { (self.family, parts, untimed, leastLambda) = (family, [], nil, nil) }
    public init(_ composition: FamilyComposition, words: FamilyWords = .none) {
        (family, parts, leastLambda) = (composition.description, composition.parts, words.leastLambda)
        let lost = composition.lostWithoutTiming,
            names = family.groups.map(\.name).filter(lost.contains).joined(separator: ", ")
        let rest = (try? composition.withoutTiming()).map {
            "\(Self.count($0.description)), without \(names), where the gradients' timing is not known"
        }
        untimed = lost.isEmpty ? nil : rest ?? "none where the gradients' timing is not known"
    }

    private static func count(_ family: FamilyDescription) -> String {
        "\(Int(min(StructureRule(family).count, 1e18)))"
    }

    public var text: String {
        let rule = StructureRule(family), counts = rule.countsByParameters
        let k = counts.indices.filter { counts[$0] > 0 }
        var lines = [
            "family       \(family.name)",
            """
            structures   \(Self.count(family)); the richest has \((k.last ?? 0) - (k.first ?? 0)) free \
            parameters more than the plainest
            """,
        ]
        lines += untimed.map { ["             " + $0] } ?? []
        lines += leastLambda.map { ["lambda       made to be read at \(String(format: "%g", $0)) or more"] } ?? []
        lines.append("")
        var rows = [["component", "presence", "parameter", "prior", "unit"]]
        func add(_ name: String, _ presence: String, _ parameters: [(Parameter, note: String)]) {
            if parameters.isEmpty { rows.append([name, presence, "–", "", ""]) }
            for (i, (parameter, note)) in parameters.enumerated() {
                rows.append([
                    i == 0 ? name : "", i == 0 ? presence : "", parameter.name, prior(parameter) + note, parameter.unit,
                ])
            }
        }
        if !family.shared.isEmpty { add("all", "", family.shared.map { ($0, "") }) }
        for group in family.allGroups {
            let own = group.parameters.map {
                ($0, note: $0.options.isEmpty ? "" : ", for \($0.options.joined(separator: ", "))")
            }
            let rest = group.takesRest ? [(Parameter("f", "", .fixed(0)), note: "")] : []
            add(
                group.name, presence(group.presence),
                rest.isEmpty ? own + group.common.map { ($0, note: ", one for all") } : own)
            if group.takesRest, own.isEmpty {
                rows[rows.count - 1] = [group.name, presence(group.presence), "f", "what the others leave", ""]
            }
        }
        lines += Self.aligned(rows)
        if !parts.isEmpty {
            var rows = [["signal of", "compartment", "where there is", "with"]]
            for part in parts {
                for (i, variant) in part.variants.enumerated() {
                    let bound = variant.parameters.sorted { $0.key < $1.key }.filter { $0.key != $0.value.text }.map {
                        "\($0.key) = \($0.value.text)"
                    }
                    rows.append([
                        i == 0 ? part.group : "", variant.compartment,
                        variant.when.isEmpty
                            ? (part.variants.count > 1 ? "otherwise" : "") : variant.when.joined(separator: ", "),
                        (bound + [variant.spread].compactMap { $0 }.map { "spread \($0.text)" }).joined(
                            separator: ", "),
                    ])
                }
            }
            lines += [""] + Self.aligned(rows)
        }
        if !family.constraints.isEmpty { lines += [""] + family.constraints.map { "rule         " + words($0) } }
        return lines.joined(separator: "\n")
    }

    private static func aligned(_ rows: [[String]]) -> [String] {
        let widths = rows[0].indices.map { c in rows.map { $0[c].count }.max()! }
        return rows.map { row in
            let line = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(
                separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }

    private func presence(_ presence: ComponentGroup.Presence) -> String {
        switch presence {
        case .always: "always"
        case .optional: "optional"
        case .upTo(let n): "up to \(n)"
        case .oneOf(let options): "one of \(options.joined(separator: ", "))"
        }
    }

    private func prior(_ parameter: Parameter) -> String {
        let of = parameter.relativeTo.map { " times \($0)" } ?? ""
        func number(_ x: Double) -> String { String(format: "%.6g", x) }
        switch parameter.chart {
        case let .logUniform(low, high): return "log-uniform \(number(low)) to \(number(high))\(of)"
        case let .uniform(low, high): return "uniform \(number(low)) to \(number(high))\(of)"
        case .axis: return "uniform over directions"
        case .rotation: return "uniform over frames"
        case .weight(let floor): return "uniform, the weights' sum being 1, at least \(number(floor))"
        case .coefficient(let sd): return "normal, sd \(number(sd))"
        case .scale: return "any"
        case .fixed(let value): return number(value)
        }
    }

    private func words(_ constraint: StructureConstraint) -> String {
        switch constraint {
        case let .needs(name, others): "\(name) needs \(others.joined(separator: " or "))"
        case let .excludes(one, other): "\(one) excludes \(other)"
        case let .atLeast(n, list): "at least \(n) of \(list.joined(separator: ", "))"
        case let .atMost(n, list): "at most \(n) of \(list.joined(separator: ", "))"
        }
    }
}
