import Foundation
import ModelSpace
import TestFixtures
import Testing

@testable import Diffusion

/// Recipes of families: what is read, and what is refused in one sentence.
@Suite struct FamilyReaderTests {
    @Test(
        "A family is the same after it was written and read",
        arguments: ["tissue", "gaussian", "noddi", "microstructure"])
    func codable(_ name: String) throws {
        let composition = BuiltInFamilies.family(name)!.composition
        let data = try JSONEncoder().encode(composition),
            back = try JSONDecoder().decode(FamilyComposition.self, from: data)
        #expect(back == composition)
        try back.check()
    }

    private static let bundle =
        """
        name: f\ncomponents:\n  bundle: {presence: up to 2, weight: 0.05, parameters: {mu: axis}, common: {d: \
        log-uniform 1e-4 5e-3}, signal: stick}\n
        """

    /// Each a change of a sound family, and what its refusal says.
    @Test(
        "What makes no sense is refused in one sentence",
        arguments: [
            ("presence: up to 2", "presense: up to 2", "unknown key 'presense'"),
            ("presence: up to 2", "presence: up to 99", "'presence' of family.components.bundle must be"),
            ("presence: up to 2", "presence: \"one of a, a\"", "must be 'always'"),
            ("presence: up to 2", "presence: \"one of a, b\"", "no signal of its own"),
            ("weight: 0.05", "weight: 0.7", "'weight' of family.components.bundle must be"),
            ("weight: 0.05", "weight: .nan", "must be 'rest'"),
            ("weight: 0.05, ", "", "so it has one weight"),
            ("weight: 0.05", "weight: rest", "takes what the others leave"),
            ("mu: axis", "mu: axis 3", "'mu' of family.components.bundle.parameters is 'axis 3'"),
            ("mu: axis", "nu: axis", "'mu' of 'bundle' is bound to nothing"),
            ("mu: axis", "mu: uniform 0 1", "'mu' of 'bundle' must be an axis"),
            ("mu: axis", "mu: axis, d: uniform 0 1e-3", "listed twice"),
            ("mu: axis", "f: axis", "'f' of family.components.bundle is the component's weight"),
            ("mu: axis", "\"m u\": axis", "is no name of a parameter"),
            ("1e-4 5e-3", "5e-3 1e-4", "the smaller first"),
            ("1e-4 5e-3", "0 5e-3", "above 0"),
            ("1e-4 5e-3", "1e-4 5", "from 0.0001 to 5; its signal holds from 0 to 0.02"),
            ("1e-4 5e-3", "1e-4 inf", "two numbers"),
            ("log-uniform 1e-4 5e-3", "normal 0 1", "it must be 'log-uniform LOW HIGH'"),
            ("log-uniform 1e-4 5e-3", "log-uniform 1e-4 5e-3 for tied", "for options of its component"),
            ("log-uniform 1e-4 5e-3", "log-uniform 1e-4 5e-3 of e", "relative to 'e'"),
            ("signal: stick", "signal: stik", "no compartment; known: ball"),
            ("signal: stick", "signal: sphere", "'radius' of 'bundle' is bound to nothing"),
            ("signal: stick", "signal: {d: d}", "has no 'compartment'"),
            ("signal: stick", "signal: {compartment: stick, d: 1 - 2 * d}", "its signal holds from"),
            ("signal: stick", "signal: {compartment: stick, d: 1 / (d - 2e-3)}", "may divide by zero"),
            ("signal: stick", "signal: {compartment: stick, d: mu}", "no single number"),
            ("signal: stick", "signal: {compartment: stick, d: f}", "'f' of 'bundle' is bound to nothing"),
            ("signal: stick", "signal: {compartment: stick, odi: d}", "a stick has no parameter 'odi'"),
            ("signal: stick", "signal: {compartment: stick, d: d +}", "it ends too early"),
            (
                "signal: stick", "signal: {compartment: stick, d: (((((((((((((((((((d)))))))))))))))))))}",
                "nested too deep"
            ),
            ("signal: stick", "signal: {compartment: stick, when: [dispersed]}", "leave out its 'when'"),
            (
                "signal: stick", "signal: [{compartment: stick, when: [dispersed]}, stick]",
                "'dispersed', which is no component"
            ),
            ("signal: stick", "signal: [stick, stick]", "no structure has the signal"),
            ("signal: stick", "signal: {compartment: stick, spread: 0.001 * d}", "its signal holds from 0.01 to 3"),
            ("signal: stick", "signal: {compartment: watson_stick, spread: 0.3, odi: 0.3}", "cannot have a spread"),
            ("signal: stick", "signal: {compartment: watson_stick, odi: 0.001}", "its signal holds from 0.01"),
            ("signal: stick", "signal: {compartment: stick, d: extra.d}", "names no parameter"),
            (", signal: stick", "", "has a weight but no signal"),
        ])
    func refusals(_ from: String, _ to: String, _ reason: String) throws {
        // Sound as it stands, with a ball beside it.
        let sound =
            Self.bundle
            + "  ball: {presence: always, weight: 0.1, parameters: {d: log-uniform 1e-4 5e-3}, signal: ball}\n"
        _ = try ComposedFamily.read(sound)
        #expect(sound.contains(from))
        #expect("reason: \(reason)") {
            _ = try ComposedFamily.read(sound.replacingOccurrences(of: from, with: to))
        } throws: { error in
            guard let text = (error as? SettingsError)?.reason else { return false }
            if !text.contains(reason) { Issue.record("'\(text)' does not say '\(reason)'") }
            return !text.contains("\n")
        }
    }

    @Test(
        "What only the structures tell",
        arguments: [
            ("", "a structure without any component"),
            ("rules: [at least 3 of bundle]\n", "allow no structure"),
            ("rules: [at least 1 of bundle, bundle needs ball]\n", "'ball', which is no group"),
            ("rules: [bundle wants ball]\n", "is none of 'A needs B or C'"),
            ("rules: [at least 1 of bundle]\nnoise: {kinds: [laplace]}\n", "gaussian, rician or both"),
            ("rules: [at least 1 of bundle]\nnoise: {snr: uniform 3 150}\n", "log-uniform snr"),
            ("rules: [at least 1 of bundle]\nnoise: {snr: log-uniform 1e-9 150}\n", "between 0.5 and 10000"),
            ("rules: [at least 1 of bundle]\nshared: [1]\n", "must be a mapping"),
            ("rules: [at least 1 of bundle]\nlambda: 0.5\n", "'lambda' of family must be 'at least X', X from 0 to"),
            ("rules: [at least 1 of bundle]\nlambda: at least 0.6\n", "X from 0 to 0.5"),
            ("rules: [at least 1 of bundle]\nlambda: at least nan\n", "X from 0 to 0.5"),
        ])
    func structures(_ rules: String, _ reason: String) throws {
        _ = try ComposedFamily.read(Self.bundle + "rules: [at least 1 of bundle]\n")
        do {
            _ = try ComposedFamily.read(Self.bundle + rules)
            Issue.record("it was taken")
        } catch let error as SettingsError { #expect(error.reason.contains(reason), "\(error.reason)") }
    }

    /// From which λ on a family is read is no part of what its network was trained for, and goes with it where timing
    /// is not known.
    @Test func leastLambda() throws {
        let sound = Self.bundle + "rules: [at least 1 of bundle]\n", family = try ComposedFamily.read(sound),
            other = try ComposedFamily.read(sound + "lambda: at least 0.25\n")
        #expect(family.words.leastLambda == nil && other.words.leastLambda == 0.25)
        #expect(family.definition == other.definition)
        #expect(try FamilyWords(json: other.words.json, of: other.description) == other.words)
        #expect(!family.words.json.contains("ambda"))
        #expect(other.words.without([]).leastLambda == 0.25)
        #expect(throws: FamilyDescriptionError.self) {
            try FamilyWords(json: other.words.json.replacingOccurrences(of: "0.25", with: "7"), of: other.description)
        }
    }

    @Test("Expressions are read as they are written")
    func expressions() throws {
        let numbers = ["a": 2.0, "b.c": 5.0]
        func value(_ text: String) throws -> Double {
            let expression = try FamilyExpression(text), names = expression.leaves
            let again = try FamilyExpression(expression.text)
            let x = names.map { numbers[$0]! } + [0],
                compiled = again.mapped { FamilyExpression<Int>.parameter(names.firstIndex(of: $0)!) }
            return x.withUnsafeBufferPointer { compiled.value($0.baseAddress!) }
        }
        #expect(try value("1 - a") == -1)
        #expect(try value("a - 1 - b.c") == -4)
        #expect(try value("2*a+b.c/2-(1-a)*1.5e-1") == 6.65)
        #expect(try value("a/b.c/2") == 0.2)
        for text in ["", "a b", "1 +", "(a", "a)", "-a", "1..2", "a^2", "log(a)"] {
            #expect(throws: SettingsError.self) { try FamilyExpression(text) }
        }
    }
}
