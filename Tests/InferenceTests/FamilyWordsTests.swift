import Diffusion
import Foundation
import ModelSpace
import TestFixtures
import Testing

@testable import Inference

/// Maps in the users' words say of a draw what their definitions say of its θ.
@Suite struct FamilyWordsTests {
    private static let acquisition = TestAcquisition.shells([1000], unweighted: 1, directions: 12)

    @Test func tissueHasItsUsersWords() throws {
        let family = try #require(BuiltInFamilies.family("tissue")), description = family.description
        let layout = try DrawLayout(description, words: family.words), theta = ThetaLayout(description)
        let quantities = layout.quantities, names = quantities.list.map(\.name)
        #expect(names.prefix(5) == ["ndi", "odi", "fwf", "somafraction", "somaradius"])
        #expect(names.count { $0 == "odi" } == 1)
        #expect(quantities.list.prefix(5).map(\.isEverywhere) == [false, false, true, true, false])
        var random = RandomSource(seed: 3), x = [Double](repeating: 0, count: theta.count), seen = Set<String>()
        for z in family.structureList!.structures {
            family.drawParameters(z, Self.acquisition, using: &random, into: &x)
            let row = zip(x, layout.scales).map { Float($0 * $1) }, ways = quantities.ways(of: z, layout.columns(of: z))
            func has(_ name: String) -> Bool { layout.rule.has(name, in: z) }
            func number(_ name: String, _ group: String, _ k: Int = 0) -> Double {
                x[theta.offset(of: name, in: group, member: k)!]
            }
            let bundles = has("bundle") ? (0..<3).reduce(0) { $0 + number("f", "bundle", $1) } : 0
            let water = has("water") ? number("f", "water") : 0
            func check(_ i: Int, _ wanted: Double?) {
                #expect((ways[i] != nil) == (wanted != nil), "\(names[i]) of \(layout.rule.name(z))")
                guard let way = ways[i], let wanted else { return }
                let value = Double(quantities.value(i, row, way: way))
                #expect(abs(value - wanted) < 1e-5, "\(names[i]) of \(layout.rule.name(z))")
                seen.insert(names[i])
            }
            let inside = has("extra=none") ? 1 : number("f_in", "extra")
            let isWater = !has("bundle") && !has("ball") && !has("dot") && !has("soma")
            check(0, isWater ? nil : bundles * inside / (1 - water))
            check(1, has("dispersed") ? number("odi", "dispersed") : nil)
            check(2, water)
            check(3, has("soma") ? number("f", "soma") : 0)
            check(4, has("soma") ? number("radius", "soma") : nil)
            // Models exclude each other, and the last is for all others.
            #expect(quantities.models(of: z).count { $0 } == 1)
        }
        #expect(seen == ["ndi", "odi", "fwf", "somafraction", "somaradius"])
        #expect(quantities.models == ["ball-and-sticks", "ball-and-rackets", "NODDI", "standard-model", "SANDI"])
    }

    /// What a share multiplies counts 0 with it: three shares that make up all of the signal, whatever is there.
    @Test(arguments: ["gaussian", "microstructure"]) func sharesMakeUpTheSignal(name: String) throws {
        let family = try #require(BuiltInFamilies.family(name)), theta = ThetaLayout(family.description)
        let layout = try DrawLayout(family.description, words: family.words)
        let places = ["restricted", "hindered", "free"].map { name in
            layout.quantities.list.firstIndex { $0.name == name }!
        }
        var random = RandomSource(seed: 4), x = [Double](repeating: 0, count: theta.count),
            most = [Float](repeating: 0, count: 3)
        for z in family.someStructures {
            family.drawParameters(z, Self.acquisition, using: &random, into: &x)
            let row = zip(x, layout.scales).map { Float($0 * $1) },
                ways = layout.quantities.ways(of: z, layout.columns(of: z))
            let shares = places.map { layout.quantities.value($0, row, way: ways[$0]!) }
            #expect(abs(shares.reduce(0, +) - 1) < 1e-5, "\(layout.rule.name(z))")
            for k in 0..<3 { most[k] = max(most[k], shares[k]) }
        }
        #expect(most.allSatisfy { $0 > 0.3 })
    }

    @Test func wordsAreNoPartOfWhatANetworkIsTrainedFor() throws {
        let family = try #require(BuiltInFamilies.family("tissue"))
        #expect(
            !family.words.quantities.isEmpty && CompartmentFamily(family.composition).definition == family.definition)
    }

    @Test func archivesCarryThem() throws {
        let family = try #require(BuiltInFamilies.family("tissue"))
        let metadata = PosteriorMetadata(
            family: family.description, drawLambda: 0.5, referenceLambda: 0, drawCount: 4, grid: [2, 2, 2], seed: 1,
            shardCount: 1, voxelCount: 8, notes: [PosteriorMetadata.wordsNote: family.words.json])
        let read = try PosteriorMetadata.decode(metadata.encode(shard: 0, first: 0), path: "x").metadata
        #expect(read.models == metadata.models && read.models.count == 5 && read.quantities == metadata.quantities)
        #expect(read.quantities.first?.name == "ndi")
        var texts = metadata.encode(shard: 0, first: 0)
        texts["note.words"] = texts["note.words"]?.replacingOccurrences(of: "extra.f_in", with: "extra.none")
        #expect(throws: PosteriorArchiveError.self) { try PosteriorMetadata.decode(texts, path: "x") }
    }

    @Test(arguments: [
        ("quantities: {ndi: {value: stick / nothing}}", "'nothing' is no share"),
        ("quantities: {w: {value: spread.s}}", "uses 'spread.s' where it is absent"),
        ("quantities: {w: {value: stick * (1 - spread.s)}}", "uses 'spread.s' where it is absent"),
        ("quantities: {w: {value: stick / spread.s}}", "uses 'spread.s' where it is absent"),
        ("quantities: {w: {value: [{when: [sticks], is: 1}]}}", "names 'sticks'"),
        ("models: {many: [4 stick]}", "names 'stick'"),
        ("models: {none: [stick, no stick]}", "no structure is the model 'none'"),
        ("models: {odd: [not a condition at all]}", "is none of 'A'"),
    ])
    func nonsenseIsRefused(lines: String, reason: String) {
        #expect {
            _ = try ComposedFamily.read(ComposedFamily.ballSticksRecipe + "\n" + lines)
        } throws: { ($0 as? SettingsError)?.reason.contains(reason) == true }
    }
}
