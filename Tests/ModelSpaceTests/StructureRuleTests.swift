import Foundation
import Testing

@testable import ModelSpace

@Suite struct StructureRuleTests {
    /// Rules of every sort, each with its meaning spelt out: what the rule allows is held to all 2⁷ · 2 masks, looked
    /// at one by one.
    static let cases:
        [(
            constraints: [StructureConstraint],
            allows: @Sendable (_ sticks: Int, _ spread: Bool, _ extra: Int, _ dot: Bool) -> Bool
        )] = [
            ([], { _, _, _, _ in true }),
            ([.needs("extra", anyOf: ["stick"])], { n, _, e, _ in e == 0 || n > 0 }),
            ([.needs("spread", anyOf: ["dot", "extra=free"])], { _, s, e, d in !s || d || e == 2 }),
            (
                [.excludes("dot", "extra=tied"), .needs("extra", anyOf: ["stick"])],
                { n, _, e, d in !(d && e == 1) && (e == 0 || n > 0) }
            ),
            (
                [.atLeast(2, of: ["stick", "dot"]), .atMost(3, of: ["stick", "dot", "spread"])],
                { n, s, _, d in
                    n + (d ? 1 : 0) >= 2 && n + (d ? 1 : 0) + (s ? 1 : 0) <= 3
                }
            ),
        ]

    /// All masks of the small family that are canonical and allowed, with k, by looking at each.
    private func listed(_ allows: (Int, Bool, Int, Bool) -> Bool) -> [(z: Structure, k: Int)] {
        (0..<256).compactMap { bits in
            let z = Structure(bits: UInt64(bits)), sticks = bits & 7, extra = bits >> 4 & 3
            guard [0, 1, 3, 7].contains(sticks), extra != 3 else { return nil }
            let n = sticks.nonzeroBitCount, spread = z[3], dot = z[6]
            guard allows(n, spread, extra, dot) else { return nil }
            return (z, 3 * n + (spread ? 1 : 0) + extra + (dot ? 1 : 0))
        }
    }

    @Test("What a rule allows, counts and charges is what looking at every mask gives", arguments: 0..<5)
    func againstAllMasks(_ i: Int) throws {
        let rule = StructureRule(try FamilyDescriptionTests.small(Self.cases[i].constraints)),
            expected = listed(Self.cases[i].allows)
        #expect(rule.count == Double(expected.count))
        #expect(Set(try #require(rule.all())) == Set(expected.map(\.z)))
        var random = RandomSource(seed: 1)
        #expect(Set(rule.some(3000, using: &random)) == Set(expected.map(\.z)))
        let places = try #require(rule.all()).map(rule.place)
        #expect(zip(places, places.dropFirst()).allSatisfy { $0 < $1 })
        for (z, k) in expected { #expect(rule.allows(z) && rule.parameterCount(z) == k) }
        let allowed = Set(expected.map(\.z))
        for bits in 0..<512 where !allowed.contains(Structure(bits: UInt64(bits))) {
            #expect(!rule.allows(Structure(bits: UInt64(bits))))
        }
        // The prior.
        for lambda in [0, 0.7, 3] {
            let total = log(expected.reduce(0) { $0 + exp(-lambda * Double($1.k)) })
            for (z, k) in expected {
                #expect(abs(rule.logPrior(z, lambda: lambda) - (-lambda * Double(k) - total)) < 1e-12)
            }
        }
        // What may follow a prefix.
        for depth in 0..<rule.family.bitCount {
            for bits in 0..<(1 << depth) {
                let prefix = Structure(bits: UInt64(bits)),
                    fits = expected.filter { $0.z.sharesPrefix(prefix, length: depth) }
                let choices = rule.choices(after: prefix, depth: depth)
                #expect(choices.zero == fits.contains { !$0.z[depth] } && choices.one == fits.contains { $0.z[depth] })
            }
        }
        // The same bit by bit, with k; of the rule, and of the list.
        for automaton in [rule.automaton(), try #require(rule.space()).automaton] {
            for bits in 0..<(1 << rule.family.bitCount) {
                let z = Structure(bits: bits), k = expected.first { $0.z == z }?.k
                var state: Int? = automaton.start, parameters = 0
                for depth in 0..<automaton.bitCount {
                    guard let at = state else { break }
                    let fits = expected.filter { $0.z.sharesPrefix(z, length: depth) }
                    #expect(automaton.decides(at) == (Set(fits.map { $0.z[depth] }).count == 2))
                    #expect(parameters + automaton.leastParameters(at) == fits.map(\.k).min())
                    parameters += automaton.parameters(at, z[depth])
                    state = automaton.next(at, z[depth])
                }
                #expect((state != nil) == (k != nil))
                if let k { #expect(parameters == k && automaton.parameterCount(z) == k) }
            }
        }
    }

    @Test("Draws follow the prior", arguments: [0, 0.8])
    func draws(_ lambda: Double) throws {
        let rule = StructureRule(try FamilyDescriptionTests.small(Self.cases[3].constraints)),
            all = try #require(rule.all())
        var random = RandomSource(seed: 11), counts: [Structure: Double] = [:]
        let n = 60_000.0
        for _ in 0..<Int(n) { counts[rule.draw(lambda: lambda, using: &random), default: 0] += 1 }
        #expect(Set(counts.keys).isSubset(of: Set(all)))
        var chi = 0.0
        for z in all { let e = n * exp(rule.logPrior(z, lambda: lambda)); chi += pow((counts[z] ?? 0) - e, 2) / e }
        // χ²: mean and variance of f degrees of freedom are f and 2 f.
        let f = Double(all.count - 1)
        #expect(chi < f + 4 * (2 * f).squareRoot(), "χ² \(chi) with \(f) degrees of freedom")
    }

    @Test("Neighbours are allowed, one step away, all of them, and lead back")
    func neighbours() throws {
        let rule = StructureRule(try FamilyDescriptionTests.small())
        for z in try #require(rule.all()) {
            let next = rule.neighbours(of: z)
            #expect(Set(next.map(\.structure)).count == next.count && !next.contains { $0.structure == z })
            for (change, other) in next {
                #expect(rule.allows(other) && rule.signal(z).bits ^ rule.signal(other).bits == z.bits ^ other.bits)
                #expect(rule.neighbours(of: other).contains { $0.structure == z })
                if case .add = change { #expect(rule.parameterCount(other) > rule.parameterCount(z)) }
            }
        }
        // One stick and tied extra-axonal space: a second stick, spread, dot; no stick, and with it no extra-axonal
        // space; the stick becomes nothing else (spread or dot, the stick gone, leaves the extra-axonal space alone);
        // the other options.
        let z = Structure(0, 4)
        #expect(
            Set(rule.neighbours(of: z).map(\.structure)) == [
                Structure(0, 1, 4), Structure(0, 3, 4), Structure(0, 4, 6), Structure(), Structure(0), Structure(0, 5),
            ])
        // Nothing: a stick comes with each kind of extra-axonal space, in one step.
        #expect(
            Set(rule.neighbours(of: Structure()).map(\.structure)).isSuperset(of: [
                Structure(0), Structure(0, 4), Structure(0, 5),
            ]))
    }

    @Test("A part of the signal comes and goes with what it needs, also where that takes another's place")
    func partsThatNeedOthers() throws {
        let groups = ["ball", "cells", "outside"].map {
            ComponentGroup($0, .optional, [Parameter("f", "", .weight(floor: 0.05))])
        }
        let rule = StructureRule(
            try FamilyDescription(
                "cells", shared: [], groups: groups,
                noise: ComponentGroup(
                    "noise", .oneOf(["gaussian"]), [Parameter("sigma", "", .logUniform(low: 0.1, high: 1))]),
                constraints: [
                    .needs("outside", anyOf: ["cells"]), .excludes("cells", "ball"),
                    .atLeast(1, of: ["ball", "outside"]),
                ]))
        // The ball is cells and what is outside them, and back: halves of that are not allowed.
        #expect(Set(try #require(rule.all())) == [Structure(0), Structure(1, 2)])
        #expect(rule.neighbours(of: Structure(0)).map(\.structure) == [Structure(1, 2)])
        #expect(rule.neighbours(of: Structure(1, 2)).map(\.structure) == [Structure(0)])
    }

    @Test("Sixty-four bits: counted in closed form, and drawn")
    func many() throws {
        let terms = (0..<57).map {
            ComponentGroup("term\($0)", .optional, [Parameter("a\($0)", "", .coefficient(sd: 1))])
        }
        let noise = ComponentGroup(
            "noise", .oneOf((0..<8).map { "kind\($0)" }), [Parameter("sigma", "", .logUniform(low: 0.1, high: 2))])
        let rule = StructureRule(try FamilyDescription("terms", shared: [], groups: terms, noise: noise))
        #expect(rule.family.bitCount == 64 && rule.count == 0x1p60)
        #expect(rule.all() == nil)
        // Bits are independent: each is on with probability 1/(1 + e^λ).
        var random = RandomSource(seed: 3), sum = 0.0
        for _ in 0..<400 { sum += Double(rule.parameterCount(rule.draw(lambda: 1, using: &random))) }
        let p = 1 / (1 + exp(1.0)), sd = (57 * p * (1 - p) / 400).squareRoot()
        #expect(abs(sum / 400 - 57 * p) < 4 * sd)
        let z = Structure(0, 5, 63)
        #expect(abs(rule.logPrior(z, lambda: 1) - (-2 - 57 * log1p(exp(-1.0)) - log(8))) < 1e-9)
    }

    @Test("A hundred and twenty-eight bits: few states, and a structure's text")
    func more() throws {
        let terms = (0..<121).map {
            ComponentGroup("term\($0)", .optional, [Parameter("a\($0)", "", .coefficient(sd: 1))])
        }
        let noise = ComponentGroup("noise", .oneOf((0..<8).map { "kind\($0)" }))
        let rule = StructureRule(
            try FamilyDescription(
                "terms", shared: [], groups: terms, noise: noise, constraints: [.atMost(3, of: terms.map(\.name))]))
        let automaton = rule.automaton()
        #expect(rule.family.bitCount == 128 && rule.count == Double((1 + 121 + 121 * 60 + 121 * 20 * 119) * 8))
        var random = RandomSource(seed: 5)
        for _ in 0..<50 {
            let z = rule.draw(lambda: 0, using: &random)
            var state = automaton.start, k = 0
            for depth in 0..<128 {
                k += automaton.parameters(state, z[depth])
                state = try #require(automaton.next(state, z[depth]))
            }
            #expect(k == rule.parameterCount(z) && rule.allows(z))
            #expect(try JSONDecoder().decode(Structure.self, from: JSONEncoder().encode(z)) == z)
        }
        #expect(
            String(decoding: try JSONEncoder().encode(Structure(0, 5, 127)), as: UTF8.self)
                == "\"80000000000000000000000000000021\"")
        for text in ["\"\"", "\"-1\"", "\"+1\"", "\"g\"", "\"100000000000000000000000000000000\"", "17"] {
            #expect(throws: DecodingError.self) { try JSONDecoder().decode(Structure.self, from: Data(text.utf8)) }
        }
        #expect(Structure(0, 64, 127).count == 3 && Structure(0, 64, 127).prefix(127) == Structure(0, 64))
        #expect(
            Structure(0, 64, 127).sharesPrefix(Structure(0, 64), length: 127)
                && !Structure(0, 64, 127).sharesPrefix(Structure(0, 64), length: 128))
    }

    @Test("A posterior over a list keeps the rest's mass, and is read again at another λ as the whole is")
    func posterior() throws {
        let rule = StructureRule(try FamilyDescriptionTests.small()), all = try #require(rule.all())
        var random = RandomSource(seed: 4)
        let evidence = all.map { _ in 3 * random.normal() },
            whole = StructurePosterior(structures: all, logProbability: evidence)
        #expect(whole.logRest == -.infinity)
        let space = try #require(rule.space()), at = whole.reweighted(by: 0.6, rule)
        for (a, b) in zip(at.logProbability, space.reweight(whole.logProbability, from: 0, to: 0.6)) {
            #expect(abs(a - b) < 1e-12)
        }
        // The likeliest ten, and the rest: at larger λ its mass is never understated.
        let order = all.indices.sorted { whole.logProbability[$0] > whole.logProbability[$1] },
            kept = Array(order[..<10]), rest = order[10...]
        let part = StructurePosterior(
            structures: kept.map { all[$0] }, logProbability: kept.map { whole.logProbability[$0] },
            logRest: log(rest.reduce(0) { $0 + exp(whole.logProbability[$1]) }),
            restParameters: Double(rest.map { rule.parameterCount(all[$0]) }.min()!))
        let later = part.reweighted(by: 0.6, rule)
        #expect(exp(later.logRest) >= rest.reduce(0) { $0 + exp(at.logProbability[$1]) })
        #expect(abs(later.logProbability.reduce(exp(later.logRest)) { $0 + exp($1) } - 1) < 1e-12)
        // What is carried to a smaller λ still says what it had at its own, and how far its list reached.
        var own = part
        own.reach = 3
        own.restBounds = [.init(step: 1, logMass: part.logRest - 4)]
        let earlier = own.reweighted(by: -0.6, rule), k = Double(rule.parameterCount(own.structures[0])),
            shift = earlier.logProbability[0] - own.logProbability[0] - 0.6 * k
        #expect(earlier.reach == 3 && earlier.restBounds.map(\.step) == [0.6, 1.6])
        for (bound, mass) in zip(earlier.restBounds, [own.logRest, own.logRest - 4]) {
            #expect(abs(bound.logMass - mass - shift) < 1e-12)
        }
        let again = earlier.reweighted(by: 0.6, rule)
        #expect(again.restBounds.map(\.step) == [1])
        for (a, b) in zip(again.logProbability + [again.logRest], own.logProbability + [own.logRest]) {
            #expect(abs(a - b) < 1e-12)
        }
    }
}
