import Diffusion
import ModelSpace
import TestFixtures
import Testing

@testable import Inference

/// Maps of a family's own numbers say of a draw what its θ says.
@Suite struct FamilyQuantitiesTests {
    @Test func ballAndSticksHasNone() throws {
        let layout = try DrawLayout(BallSticks.family)
        #expect(layout.quantities.list.isEmpty && layout.quantities.components.isEmpty)
    }

    @Test func namesAreThoseOfTheFamily() throws {
        let family = try #require(BuiltInFamilies.family("tissue")),
            quantities = try DrawLayout(family.description).quantities
        #expect(
            quantities.list.map(\.name) == [
                "fraction_bundle", "fraction_water", "fraction_ball", "fraction_dot", "fraction_soma",
                "fraction_outside", "d_par", "odi", "f_in", "ratio", "d", "rho", "radius", "d_out",
            ])
        #expect(
            quantities.components == [
                "bundle1", "bundle2", "bundle3", "dispersed", "tied", "free", "water", "ball", "spread", "dot", "soma",
                "outside",
            ])
        #expect(
            quantities.list.first { $0.name == "d" }?.unit == "mm^2/s"
                && quantities.list.first { $0.name == "odi" }?.range == 0.02...0.99)
    }

    /// By definition, from θ itself: fractions added up, parameters of several members weighed by fractions, and who
    /// has what.
    @Test(arguments: BuiltInFamilies.names) func valuesAreThoseOfTheta(name: String) throws {
        let family = try #require(BuiltInFamilies.family(name)), description = family.description
        let layout = try DrawLayout(description), theta = ThetaLayout(description), quantities = layout.quantities
        var random = RandomSource(seed: 9), x = [Double](repeating: 0, count: theta.count), checked = Set<Int>()
        for z in family.someStructures {
            family.drawParameters(z, Self.acquisition, using: &random, into: &x)
            let row = zip(x, layout.scales).map { Float($0 * $1) },
                presence = quantities.ways(of: z, layout.columns(of: z)).map { $0 != nil }
            for (i, quantity) in quantities.list.enumerated() {
                let group = description.groups.first { $0.name == quantity.group }
                func numbers(_ name: String) -> [Double] {
                    (0..<(group?.most ?? 1)).compactMap { theta.offset(of: name, in: quantity.group, member: $0) }.map {
                        x[$0]
                    }
                }
                let weight = group?.parameters.first(where: \.isLinear)?.name
                if quantity.kind == .fraction {
                    #expect(presence[i] && abs(Double(quantities.value(i, row)) - numbers(weight!).reduce(0, +)) < 1e-6)
                    continue
                }
                let parameter =
                    quantity.name.hasPrefix(quantity.group + "_")
                    ? String(quantity.name.dropFirst(quantity.group.count + 1)) : quantity.name
                let choice = layout.rule.choice(of: quantity.group, in: z)
                let options = (group!.parameters + group!.common).first { $0.name == parameter }!.options
                let isThere = choice.members > 0 && (options.isEmpty || options.contains(choice.option ?? ""))
                #expect(presence[i] == isThere, "\(quantity.name) of \(layout.rule.name(z))")
                guard isThere else { continue }
                let isCommon = group!.common.contains { $0.name == parameter }, values = numbers(parameter)
                let weights = group!.most > 1 && !isCommon ? numbers(weight!) : [1]
                let mean = zip(values, weights).reduce(0) { $0 + $1.0 * $1.1 } / weights.reduce(0, +)
                #expect(
                    abs(Double(quantities.value(i, row)) - mean) < 1e-5 * abs(mean),
                    "\(quantity.name) of \(layout.rule.name(z))")
                checked.insert(i)
            }
        }
        #expect(checked.count == quantities.list.count { $0.kind == .parameter })
    }

    /// MD, FA and µFA of draws as archives keep them, rounded, against those of θ; and of families whose archive does
    /// not say what they are made of, or when their pulses came, none.
    @Test(arguments: BuiltInFamilies.names) func diffusionIsThatOfTheta(name: String) throws {
        let family = try #require(BuiltInFamilies.family(name)), description = family.description,
            theta = ThetaLayout(description), timing = PulseTiming(duration: 12, separation: 40)
        func list(_ notes: [String: String]) throws -> PosteriorMetadata {
            PosteriorMetadata(
                family: description, drawLambda: 0, referenceLambda: 0, drawCount: 1, grid: [1, 1, 1], seed: 1,
                shardCount: 1, voxelCount: 1, notes: notes)
        }
        func names(_ metadata: PosteriorMetadata) -> [String] {
            metadata.quantities.filter { $0.kind == .diffusion }.map(\.name)
        }
        let definition = [PosteriorMetadata.definitionNote: try #require(family.definition)],
            metadata = try list(definition.merging(["timing": "12.0/40.0 ms"]) { $1 }),
            layout = metadata.layout, p = layout.count
        #expect(try names(list([:])).isEmpty)
        #expect(try names(list(definition)).isEmpty == family.needsTiming)
        try #require(names(metadata) == ["md", "fa", "ufa"])
        let texts = metadata.encode(shard: 0, first: 0)
        #expect(try PosteriorMetadata.decode(texts, path: "x").metadata.quantities == metadata.quantities)
        var other = texts
        other["note.family_definition"] = try #require(
            BuiltInFamilies.family(name == "tissue" ? "gaussian" : "tissue")?.definition)
        #expect(throws: PosteriorArchiveError.self) { try PosteriorMetadata.decode(other, path: "x") }

        let places = ["md", "fa", "ufa"].map { name in layout.quantities.list.firstIndex { $0.name == name }! }
        var random = RandomSource(seed: 19), x = [Double](repeating: 0, count: theta.count), draws = DrawDiffusion()
        for z in family.someStructures {
            family.drawParameters(z, Self.acquisition, using: &random, into: &x)
            let row = zip(x, layout.scales).map { Float(Float16($0 * $1)) }
            var posterior = ListedPosterior()
            (posterior.structures, posterior.drawPlaces, posterior.draws) = ([z], [0], row)
            draws.read(posterior, layout)
            let exact = StructureDiffusion(family.composition, family.rule, theta, z, timing: timing)(x),
                found = places.map { Double(layout.quantities.value($0, row, water: draws[0])) }
            #expect(row.count == p && layout.quantities.ways(of: z, layout.columns(of: z))[places[0]] == 0)
            #expect(abs(found[0] - exact.meanDiffusivity) < 2e-3 * exact.meanDiffusivity + 1e-9)
            #expect(abs(found[1] - exact.anisotropy) < 3e-3, "FA of \(layout.rule.name(z))")
            #expect(abs(found[2] - exact.microscopicAnisotropy) < 3e-3, "µFA of \(layout.rule.name(z))")
        }
    }

    private static let acquisition = TestAcquisition.shells([1000], unweighted: 1, directions: 12)
}
