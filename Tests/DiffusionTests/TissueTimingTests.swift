import ModelSpace
import Testing

@testable import Diffusion

/// Tissue has cell bodies where the gradients' timing is known, and no trace of them where it is not.
@Suite struct TissueTimingTests {
    /// Tissue without timing: what it was before it had cell bodies, in every word that a network's file or an archive
    /// holds. Water outside cell bodies goes with them.
    @Test func tissueWithoutItHasNoTraceOfCellBodies() throws {
        let tissue = try #require(BuiltInFamilies.family("tissue")), rest = try #require(tissue.untimed)
        #expect(tissue.needsTiming && !rest.needsTiming && rest.untimed == nil)
        #expect(try rest.composition.withoutTiming() == rest.composition)
        #expect(tissue.composition.lostWithoutTiming == ["soma", "outside"])
        #expect(
            rest.description.groups.map(\.name) == [
                "bundle", "dispersed", "extra", "water", "ball", "spread", "dot",
            ])
        #expect(
            rest.description.constraints == [
                .needs("dispersed", anyOf: ["bundle"]), .needs("extra", anyOf: ["bundle"]),
                .needs("spread", anyOf: ["ball"]), .atLeast(1, of: ["bundle", "water", "ball"]),
                .atMost(2, of: ["water", "ball", "dot"]),
            ])
        #expect(rest.words.quantities.map(\.name) == ["ndi", "odi", "fwf"])
        #expect(rest.words.quantities[0].cases.count == 4)
        #expect(
            rest.words.models.map { $0.when.map(\.text).joined(separator: " ") } == [
                "bundle ball extra=none no dispersed no water no dot",
                "bundle ball extra=none dispersed no water no dot", "1 bundle dispersed extra=tied no ball no dot",
                "1 bundle dispersed extra=free no ball no dot",
            ])
        try rest.words.check(rest.description)
    }

    /// With timing: no structure has cell bodies beside a ball or a dot, of which they are limits, none the water
    /// outside them without them, and SANDI is one of them by its name.
    @Test func tissueWithItHasCellBodies() throws {
        let tissue = try #require(BuiltInFamilies.family("tissue")), rule = tissue.rule
        let with = tissue.structureList!.structures.filter { rule.has("soma", in: $0) }
        #expect(with.count == 112)
        #expect(with.allSatisfy { !rule.has("ball", in: $0) && !rule.has("dot", in: $0) })
        #expect(
            tissue.structureList!.structures.allSatisfy { rule.has("soma", in: $0) || !rule.has("outside", in: $0) })
        let sandi = try #require(tissue.words.models.firstIndex { $0.name == "SANDI" })
        let named = tissue.structureList!.structures.filter { tissue.words.models(of: $0, rule)[sandi] }
        #expect(
            named.map(rule.signal).allSatisfy { z in
                ["bundle", "dispersed", "soma", "outside"].allSatisfy { rule.has($0, in: z) }
                    && !rule.has("extra", in: z) && !rule.has("water", in: z)
                    && rule.choice(of: "bundle", in: z).members == 1
            })
        #expect(named.count == 2)
    }

    /// A network's family within the one that has cell bodies: its structures are those without, to the last bit of
    /// their signals.
    @Test func tissueWithoutItIsAPartOfTissue() throws {
        let tissue = try #require(BuiltInFamilies.family("tissue")), rest = try #require(tissue.untimed)
        let part = FamilyPart(rest.description, of: tissue.description), rule = tissue.rule
        let acquisition = try TimingTests.acquisition(TimingTests.pulses)
        var random = RandomSource(seed: 5), a = [Float](repeating: 0, count: acquisition.count), b = a
        for z in rest.structureList!.structures {
            let whole = part.inWhole(z), x = rest.draw(z, acquisition, using: &random)
            #expect(rule.allows(whole) && !rule.has("soma", in: whole) && part.inPart(whole) == z)
            #expect(rule.name(whole) == rest.rule.name(z))
            rest.attenuations(x, z, acquisition, into: &a)
            let twice = part.inWhole(theta: x + x)
            tissue.attenuations(Array(twice.suffix(tissue.layout.count)), whole, acquisition, into: &b)
            #expect(a == b && twice.count == 2 * tissue.layout.count)
        }
        let others = tissue.structureList!.structures.filter { part.inPart($0) == nil }
        #expect(others.count == 112 && others.allSatisfy { rule.has("soma", in: $0) && !part.has($0) })
    }

    /// A network of tissue without cell bodies is where one of tissue with them starts: each coordinate of a structure
    /// of both is found where the places say.
    @Test func coordinatesOfTheOneHaveAPlaceInTheOther() throws {
        let tissue = try #require(BuiltInFamilies.family("tissue")), rest = try #require(tissue.untimed)
        let places = try #require(tissue.places(of: rest)), part = FamilyPart(rest.description, of: tissue.description)
        let q = rest.coordinateCount, all = tissue.coordinateCount
        #expect(places.bits.count == rest.description.bitCount && all == q + 4)
        for z in rest.structureList!.structures {
            let own = rest.coordinateMask(z), whole = tissue.coordinateMask(part.inWhole(z))
            var moved = [Float](repeating: 0, count: whole.count)
            for t in 0..<rest.tokenCount {
                for c in 0..<q { moved[places.tokens[t] * all + places.columns[c]] = own[t * q + c] }
            }
            #expect(moved == whole, "\(rest.rule.name(z))")
        }
        #expect(rest.places(of: tissue) == nil)
        #expect(rest.places(of: rest)?.columns == Array(0..<q))
        #expect(try #require(BuiltInFamilies.family("sandi")).places(of: rest) == nil)
    }
}
