import Foundation
import ModelSpace
import TestFixtures
import Testing

@testable import Diffusion

/// When the pulses come: read from whatever states it, checked, and felt by restricted compartments alone.
@Suite struct TimingTests {
    static let pulses = PulseTiming(duration: 10.6, separation: 43.1)

    static func acquisition(_ timing: PulseTiming?) throws -> Acquisition {
        let plain = TestAcquisition.shells([1000, 3000], unweighted: 2, directions: 12)
        return try Acquisition(
            bValues: plain.bValues, directions: plain.directions,
            timing: timing.map { Array(repeating: $0, count: plain.count) })
    }

    /// b 3000, R 8 µm: 0.59, 0.70 and 0.34 for three scanners' timings (families of spheres by dmipy).
    @Test(arguments: [(10.6, 43.1, 0.59), (21.4, 45.5, 0.70), (8.0, 24.0, 0.34)])
    func spheresFeelIt(small: Double, big: Double, wanted: Double) throws {
        let family = try #require(BuiltInFamilies.family("sandi")), rule = StructureRule(family.description)
        let z = try #require(
            family.structureList!.structures.first {
                rule.has("soma", in: $0) && !rule.has("neurite", in: $0) && !rule.has("outside", in: $0)
            })
        let acquisition = try Self.acquisition(PulseTiming(duration: small, separation: big))
        var theta = [Double](repeating: 0, count: family.layout.count)
        theta[family.layout.offset(of: "f", in: "soma")!] = 1
        theta[family.layout.offset(of: "radius", in: "soma")!] = 8
        var e = [Float](repeating: 0, count: acquisition.count)
        family.attenuations(theta, z, acquisition, into: &e)
        #expect(abs(Double(e.last!) - wanted) < 0.01 && e[0] == 1)
        let turned = acquisition.rotated(by: [0, 1, 0, -1, 0, 0, 0, 0, 1])
        #expect(turned.timing == acquisition.timing)
        #expect(acquisition.keeping(Array(1..<acquisition.count))?.timing?.count == acquisition.count - 1)
    }

    @Test(arguments: ["sandi", "tissue"]) func kernelsAgreeWithTheDefinition(name: String) throws {
        let family = try #require(BuiltInFamilies.family(name)), acquisition = try Self.acquisition(Self.pulses)
        var random = RandomSource(seed: 4), theta = [Double](repeating: 0, count: family.layout.count),
            e = [Float](repeating: 0, count: acquisition.count)
        for z in family.structureList!.structures {
            family.drawParameters(z, acquisition, using: &random, into: &theta)
            family.attenuations(theta, z, acquisition, into: &e)
            for i in e.indices {
                let exact = family.attenuation(
                    theta, z, b: acquisition.bValues[i], g: acquisition.directions[i], timing: Self.pulses)
                #expect(abs(Double(e[i]) - exact) < 2e-5)
            }
        }
    }

    @Test func itsUnitsAreThoseOfTheFile() throws {
        func read(_ text: String) throws -> (durations: [Double], separations: [Double])? {
            try PulseTiming.sidecar(Data(text.utf8), path: "x.json")
        }
        let bids = try #require(try read(#"{"SmallDelta": 0.0106, "BigDelta": [0.0431, 0.05]}"#))
        #expect(abs(bids.durations[0] - 10.6) < 1e-9 && abs(bids.separations[1] - 50) < 1e-9)
        let hbcd = try #require(try read(#"{"SmallDelta": 14.2, "LargeDelta": 43.0}"#))
        #expect(hbcd.durations == [14.2] && hbcd.separations == [43])
        let alone = try read(#"{"SmallDelta": 0.01}"#), nothing = try read("no json")
        #expect(alone == nil && nothing == nil)
        for text in [#"{"SmallDelta": 10, "BigDelta": 43}"#, #"{"SmallDelta": "a", "BigDelta": 0.04}"#] {
            #expect(throws: GradientTableError.self) { try read(text) }
        }
    }

    @Test func nonsenseIsRefused() throws {
        let plain = TestAcquisition.shells([1000], unweighted: 1, directions: 6)
        func make(_ timing: [PulseTiming]) throws -> Acquisition {
            try Acquisition(bValues: plain.bValues, directions: plain.directions, timing: timing)
        }
        let exchanged = PulseTiming(duration: 43.1, separation: 10.6)
        #expect { try make(Array(repeating: exchanged, count: 7)) } throws: { "\($0)".contains("exchanged") }
        #expect(throws: GradientTableError.self) { try make([Self.pulses]) }
        // A b=0 volume without pulses has the others'.
        let first = PulseTiming(duration: 0, separation: 0)
        let filled = try make([first] + Array(repeating: Self.pulses, count: 6))
        #expect(filled.timing?[0] == Self.pulses)
        #expect(throws: GradientTableError.self) {
            try PulseTiming.list(durations: [10, 11], separations: [40], volumes: 7)
        }
    }

    @Test func schemeFilesSayAll() throws {
        let scheme = """
            # a comment
            VERSION: STEJSKALTANNER
            0 0 0 0 0.0431 0.0106 0.0895
            1 0 0 0.1 0.0431 0.0106 0.0895
            0 1 0 0.2 0.0431 0.0106 0.0895
            """
        let table = try GradientTable.scheme(scheme, path: "x.scheme")
        // (2.6752e8 · 0.1 · 0.0106)² (0.0431 − 0.0106/3) s/m².
        #expect(table.bValues[0] == 0 && abs(table.bValues[1] - 3181.7) < 0.1 && table.frame == .fsl)
        #expect(abs(table.bValues[2] / table.bValues[1] - 4) < 1e-9 && table.timing?[1] == Self.pulses)
        #expect(GradientTable.isScheme(scheme) && !GradientTable.isScheme("0 0 1 1000"))
        for wrong in [
            scheme.replacingOccurrences(of: "STEJSKALTANNER", with: "BVECTOR"),
            scheme.replacingOccurrences(of: " 0.0895", with: ""), "0 0 1 1000",
            scheme.replacingOccurrences(of: "0.0106", with: "10.6"),
        ] {
            #expect(throws: GradientTableError.self) {
                let table = try GradientTable.scheme(wrong, path: "x")
                _ = try PulseTiming.checked(table.timing!, bValues: table.bValues, threshold: 100)
            }
        }
    }

    @Test(arguments: [
        ("1000 0 0 0 0 0 0 0 0", "linear"), ("500 0 0 0 500 0 0 0 0", "planar"),
        ("333 0 0 0 333 0 0 0 333", "spherical"), ("333 333 333 0 0 0", "spherical"),
    ])
    func tensorsAreRefusedByName(row: String, name: String) throws {
        let text = Array(repeating: row, count: 7).joined(separator: "\n"),
            table = try NumberTable(text: text, path: "x")
        #expect {
            try GradientTable.refuseTensors(table, path: "x")
        } throws: { "\($0)".contains("b-tensors, 7 with \(name) encoding") }
    }

    @Test func familiesDoWithoutIt() throws {
        let family = try #require(BuiltInFamilies.family("sandi")), rest = try family.withoutTiming()
        #expect(family.needsTiming && !rest.needsTiming && family.networkFault == nil && rest.networkFault == nil)
        #expect(family.featureCount == rest.featureCount + 2)
        #expect(rest.description.groups.map(\.name) == ["neurite", "dispersed", "outside"])
        #expect(rest.words.models.map(\.name) == ["ball-and-sticks", "ball-and-rackets"])
        #expect(rest.words.quantities.map(\.name) == ["ndi", "odi"])
        try rest.words.check(rest.description)
        let alone = try ComposedFamily.read(
            """
            name: cells
            components: {soma: {presence: always, weight: rest, parameters: {radius: uniform 1 12}, signal: sphere}}
            """)
        #expect(throws: FamilyDescriptionError.self) { try alone.withoutTiming() }
    }
}
