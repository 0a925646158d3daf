import Foundation
import ModelSpace

extension FamilyReader {
    /// Reads a family with the words of its users:
    ///
    ///     quantities:
    ///       ndi:
    ///         text: neurite density …       # what it is, in a sentence's part
    ///         unit: um                      # optional
    ///         range: [0, 1]                 # optional: what colours span
    ///         value:                        # of these the first whose conditions hold; or an expression alone
    ///           - {when: [bundle, extra=none], is: bundle / (1 - water)}
    ///           - {when: [bundle], is: bundle * extra.f_in / (1 - water)}
    ///     models:
    ///       ball-and-sticks: [bundle, ball, no water]
    ///     lambda: at least 0.5              # optional: from which λ on it is to be read
    ///
    /// In an expression a component stands for its share of the signal (0 without it), `component.parameter` for its
    /// parameter, which must be there unless the share multiplies it.
    /// - Errors: SettingsError.
    public static func family(_ tree: SettingsTree, place: String) throws -> CompartmentFamily {
        let composition = try read(tree, place: place)
        let quantities = try tree.taking("quantities").value?.pairs("\(place).quantities") ?? []
        let models = try tree.taking("models").value?.pairs("\(place).models") ?? []
        guard quantities.count <= 32, models.count <= 32 else {
            throw SettingsError(reason: "'quantities' and 'models' of \(place) may be 32 at most")
        }
        let words = FamilyWords(
            quantities: try quantities.map { try quantity($0.key, $0.value, "\(place).quantities.\($0.key)") },
            models: try models.map { key, value in
                guard isLabel(key) else { throw noLabel(key) }
                return FamilyWords.Model(name: key, when: try conditions(value, "\(place).models.\(key)"))
            },
            leastLambda: try tree.taking("lambda").value.map { try leastLambda($0, "\(place).lambda") })
        do { try words.check(composition.description) } catch let error as FamilyDescriptionError {
            throw SettingsError(reason: "in \(place), \(error.reason)")
        }
        return CompartmentFamily(composition, words: words)
    }

    private static func leastLambda(_ tree: SettingsTree, _ place: String) throws -> Double {
        let text = try tree.word(place), start = "at least "
        guard text.hasPrefix(start), let least = Double(text.dropFirst(start.count)),
            (0...FamilyWords.mostLeastLambda).contains(least)
        else {
            let name = Setting<Int>.name(place)
            throw SettingsError(reason: "\(name) must be 'at least X', X from 0 to \(FamilyWords.mostLeastLambda)")
        }
        return least
    }

    private static func isLabel(_ word: String) -> Bool {
        (1...40).contains(word.count) && word.first!.isLetter
            && word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") }
    }
    private static func noLabel(_ word: String) -> SettingsError {
        SettingsError(reason: "'\(word.prefix(40))' is no name of a quantity or model; use letters, digits, - and _")
    }

    private static func quantity(_ name: String, _ tree: SettingsTree, _ place: String) throws -> FamilyWords.Quantity {
        guard isLabel(name), name.contains(where: { $0 != "-" && $0 != "_" }) else { throw noLabel(name) }
        let keys = try tree.mapping(place, ["text", "unit", "range", "value"])
        guard let value = keys["value"] else { throw SettingsError(reason: "\(place) has no 'value'") }
        var cases: [FamilyWords.Case] = []
        if case .list(let items) = value {
            guard (1...32).contains(items.count) else { throw SettingsError(reason: "\(place).value has no entries") }
            for (i, item) in items.enumerated() {
                let own = "\(place).value[\(i)]", keys = try item.mapping(own, ["when", "is"])
                guard let expression = keys["is"] else { throw SettingsError(reason: "\(own) has no 'is'") }
                cases.append(
                    FamilyWords.Case(
                        when: try keys["when"].map { try conditions($0, own + ".when") } ?? [],
                        value: try FamilyExpression(expression.word(own + ".is"))))
            }
        } else {
            cases = [FamilyWords.Case(when: [], value: try FamilyExpression(value.word(place + ".value")))]
        }
        let range = try keys["range"]?.words("\(place).range").map { word -> Double in
            guard let x = Double(word) else { throw SettingsError(reason: "\(place).range must be two rising numbers") }
            return x
        }
        let unit = try keys["unit"]?.word("\(place).unit") ?? ""
        guard unit.count <= 20 else { throw SettingsError(reason: "\(place).unit may have 20 characters at most") }
        return FamilyWords.Quantity(
            name: name, text: try keys["text"]?.word("\(place).text") ?? name, unit: unit, range: range, cases: cases)
    }

    private static func conditions(_ tree: SettingsTree, _ place: String) throws -> [FamilyWords.Condition] {
        try tree.words(place).map { text in
            guard let condition = FamilyWords.Condition(text) else {
                throw SettingsError(
                    reason: "'\(text.prefix(60))' of \(place) is none of 'A', 'A=option', 'no A', 'N A' (a number of A)"
                )
            }
            return condition
        }
    }
}

extension FamilyWords {
    /// Its JSON, the same text for the same words.
    public var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).flatMap { String(data: $0, encoding: .utf8) } ?? ""
    }

    /// Words from their JSON, checked against the family.
    /// - Throws: `DecodingError`, `FamilyDescriptionError`.
    public init(json: String, of family: FamilyDescription) throws {
        self = try JSONDecoder().decode(FamilyWords.self, from: Data(json.utf8))
        try check(family)
    }
}
