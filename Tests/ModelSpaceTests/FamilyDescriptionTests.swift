import Foundation
import Testing

@testable import ModelSpace

@Suite struct FamilyDescriptionTests {
    static let noise = ComponentGroup(
        "noise", .oneOf(["gaussian", "rician"]),
        [Parameter("snr", "", .logUniform(low: 3, high: 150)), Parameter("s0", "", .scale)])

    /// Sticks, a spread of their diffusivity, extra-axonal space in three kinds: small, and with rules of every sort.
    static func small(_ constraints: [StructureConstraint] = [.needs("extra", anyOf: ["stick"])]) throws
        -> FamilyDescription
    {
        try FamilyDescription(
            "small", shared: [Parameter("d", "mm^2/s", .logUniform(low: 1e-4, high: 5e-3))],
            groups: [
                ComponentGroup(
                    "stick", .upTo(3), [Parameter("f", "", .weight(floor: 0.05)), Parameter("mu", "", .axis)],
                    fibreAxis: "mu"),
                ComponentGroup(
                    "spread", .optional, [Parameter("s", "mm^2/s", .logUniform(low: 0.1, high: 1), relativeTo: "d")]),
                ComponentGroup(
                    "extra", .oneOf(["none", "tied", "free"]),
                    [
                        Parameter("f_in", "", .uniform(low: 0, high: 1), options: ["tied", "free"]),
                        Parameter("d_perp", "mm^2/s", .uniform(low: 0, high: 1), options: ["free"]),
                    ]),
                ComponentGroup("dot", .optional, [Parameter("f_dot", "", .weight(floor: 0.05))]),
            ], noise: noise, constraints: constraints)
    }

    @Test("A family keeps its meaning through JSON, and what makes no sense is refused with its reason")
    func coding() throws {
        let family = try Self.small(), data = try JSONEncoder().encode(family)
        #expect(try JSONDecoder().decode(FamilyDescription.self, from: data) == family)
        func refused(_ make: () throws -> FamilyDescription, _ word: String) {
            do {
                _ = try make()
                Issue.record("accepted: \(word)")
            } catch { #expect("\(error)".contains(word)) }
        }
        refused({ try Self.small([.excludes("stick", "nothing")]) }, "nothing")
        refused({ try Self.small([.needs("extra=wide", anyOf: ["stick"])]) }, "extra=wide")
        func with(_ parameter: Parameter, _ presence: ComponentGroup.Presence = .optional) throws -> FamilyDescription {
            try FamilyDescription(
                "f", shared: [], groups: [ComponentGroup("a", presence, [parameter])], noise: Self.noise)
        }
        refused({ try with(Parameter("d", "", .logUniform(low: 0, high: 1))) }, "above 0")
        refused({ try with(Parameter("d", "", .uniform(low: 2, high: 1))) }, "smaller first")
        refused({ try with(Parameter("d", "", .uniform(low: .nan, high: 1))) }, "smaller first")
        refused({ try with(Parameter("f", "", .weight(floor: 1))) }, "floor")
        refused({ try with(Parameter("s", "", .uniform(low: 0, high: 1), relativeTo: "d")) }, "relative")
        refused({ try with(Parameter("f", "", .axis), .upTo(0)) }, "1 to 64")
        refused({ try with(Parameter("f", "", .axis), .oneOf((0..<129).map { "o\($0)" })) }, "129 bits")
        refused({ try with(Parameter("f", "", .axis), .oneOf(["x", "x"])) }, "different")
    }

    @Test(
        """
        θ holds shared parameters, then those of single members and the noise, then those of several, parameter by \
        parameter
        """
    )
    func layout() throws {
        let layout = ThetaLayout(try Self.small())
        #expect(
            layout.names == [
                "d", "s", "f_in", "d_perp", "f_dot", "snr", "s0", "f1", "f2", "f3", "mu1x", "mu1y", "mu1z", "mu2x",
                "mu2y", "mu2z", "mu3x", "mu3y", "mu3z",
            ])
        #expect(layout.count == 19)
        #expect(layout.offset(of: "mu", in: "stick", member: 2) == 16)
        #expect(layout.offset(of: "d") == 0 && layout.offset(of: "d", in: "stick") == nil)
    }
}
