import Foundation
import Testing

@testable import ModelSpace

@Suite struct SignalLayoutTests {
    /// A ball that takes the rest, two sticks of their own diffusivities, an optional tensor frame with a radius.
    private static let family = try! FamilyDescription(
        "test", shared: [Parameter("d", "", .logUniform(low: 1e-4, high: 5e-3))],
        groups: [
            ComponentGroup("ball", .always, takesRest: true),
            ComponentGroup(
                "stick", .upTo(2),
                [
                    Parameter("f", "", .weight(floor: 0.05)),
                    Parameter("ratio", "", .uniform(low: 0, high: 1), relativeTo: "d"), Parameter("mu", "", .axis),
                ],
                fibreAxis: "mu"),
            ComponentGroup(
                "tensor", .optional,
                [
                    Parameter("f", "", .weight(floor: 0.1)), Parameter("frame", "", .rotation),
                    Parameter("x", "", .fixed(7)),
                ]),
        ],
        noise: ComponentGroup(
            "noise", .oneOf(["gaussian", "rician"]),
            [Parameter("snr", "", .logUniform(low: 3, high: 150)), Parameter("s0", "", .scale)]))
    private static let rule = StructureRule(family), theta = ThetaLayout(family)

    private static func layout(_ bits: UInt128) -> SignalLayout {
        SignalLayout(family, theta, rule, Structure(bits: bits))
    }

    private static func point(_ layout: SignalLayout, _ random: inout RandomSource) -> [Double] {
        var x = (0..<layout.count).map { _ in random.normal() }
        for k in 0..<layout.componentCount { x[SignalLayout.firstWeight + k] = 0.05 + random.uniform() }
        for (j, s) in layout.scalars.enumerated() { x[layout.firstScalar + j] = random.uniform(s.low, s.high) }
        x[SignalLayout.sigma] = x[SignalLayout.scale] - random.uniform(layout.noise.low, layout.noise.high)
        layout.clamp(&x)
        return x
    }

    @Test func aPointHoldsEveryNumberOnce() {
        for bits in [0, 1, 3, 7, 15] as [UInt128] where Self.rule.allows(Structure(bits: bits)) {
            let layout = Self.layout(bits)
            var random = RandomSource(seed: UInt64(bits)), theta = [Double](repeating: -1, count: Self.theta.count),
                back = [Double](repeating: 0, count: layout.count)
            let x = Self.point(layout, &random)
            #expect(layout.supports(x))
            layout.unpack(x, into: &theta)
            layout.pack(theta, into: &back)
            for (a, b) in zip(x, back) { #expect(abs(a - b) < 1e-9) }
            // What the structure lacks is 0, what is fixed has its value.
            let hasTensor = bits & 4 != 0
            #expect(theta[Self.theta.offset(of: "x", in: "tensor")!] == (hasTensor ? 7 : 0))
            #expect(!theta.contains { !$0.isFinite })
            #expect(
                layout.shapeDimension == Self.rule.parameterCount(Structure(bits: bits)) - (layout.componentCount - 1)
                    + 1)
        }
    }

    @Test func membersStandInOrderOfTheirWeight() {
        let layout = Self.layout(3)
        var random = RandomSource(seed: 4), x = Self.point(layout, &random),
            theta = [Double](repeating: 0, count: Self.theta.count)
        let before = x, members = layout.exchangeable[0]
        layout.exchange(members[0], members[1], &x)
        #expect(x != before && layout.supports(x))
        layout.sort(&x)
        #expect(x == before)
        layout.exchange(members[0], members[1], &x)
        layout.unpack(x, into: &theta)
        let f = Self.theta.offset(of: "f", in: "stick")!
        #expect(theta[f] >= theta[f + 1])
    }

    /// Bundles share d, which no structure without a bundle has; two groups' weights are told apart by name.
    @Test func whatMembersHaveInCommonIsThereOnce() throws {
        let weight = Parameter("f", "", .weight(floor: 0.05)),
            d = Parameter("d", "", .logUniform(low: 1e-4, high: 5e-3))
        func family(common: [Parameter]) throws -> FamilyDescription {
            try FamilyDescription(
                "shares", shared: [],
                groups: [
                    ComponentGroup("bundle", .upTo(2), [weight, Parameter("mu", "", .axis)], common: common),
                    ComponentGroup("water", .optional, [weight]),
                ],
                noise: ComponentGroup(
                    "noise", .oneOf(["gaussian"]),
                    [Parameter("snr", "", .logUniform(low: 3, high: 150)), Parameter("s0", "", .scale)]),
                constraints: [.atLeast(1, of: ["bundle", "water"])])
        }
        let shares = try family(common: [d]), rule = StructureRule(shares), theta = ThetaLayout(shares)
        #expect(
            theta.names == [
                "d", "water_f", "snr", "s0", "bundle_f1", "bundle_f2", "mu1x", "mu1y", "mu1z", "mu2x", "mu2y", "mu2z",
            ])
        for (z, dimension) in [(Structure(2), 0), (Structure(0), 3), (Structure(0, 1), 5), (Structure(0, 1, 2), 5)] {
            let layout = SignalLayout(shares, theta, rule, z)
            #expect(layout.shapeDimension == dimension)
            // Weights count one each.
            #expect(rule.parameterCount(z) == dimension + layout.componentCount)
            // It goes with no member when these change places.
            for members in layout.exchangeable {
                for member in members { #expect(member.scalars.isEmpty && member.axes.count == 1) }
            }
        }
        #expect(rule.has("bundle", in: Structure(0)) && !rule.has("water", in: Structure(0)))
        #expect(throws: FamilyDescriptionError.self) { try family(common: [Parameter("f2", "", .weight(floor: 0))]) }
        #expect(throws: FamilyDescriptionError.self) { try family(common: [weight]) }
    }

    @Test func localCoordinatesComeBack() {
        let layout = Self.layout(7)
        var random = RandomSource(seed: 5), moved = [Double](repeating: 0, count: layout.count),
            back = [Double](repeating: 0, count: layout.shapeDimension)
        for _ in 0..<200 {
            let x = Self.point(layout, &random), u = (0..<layout.shapeDimension).map { _ in random.uniform(-0.8, 0.8) }
            layout.moveShape(x, by: u, into: &moved)
            layout.shapeCoordinates(of: moved, about: x, into: &back)
            for (a, b) in zip(u, back) { #expect(abs(a - b) < 1e-9) }
            // A frame turned half about one of its axes is the same frame.
            let q = layout.firstRotation, turned = [-moved[q + 1], moved[q], moved[q + 3], -moved[q + 2]]
            var other = moved
            for c in 0..<4 { other[q + c] = turned[c] }
            layout.shapeCoordinates(of: other, about: x, into: &back)
            for (a, b) in zip(u, back) { #expect(abs(a - b) < 1e-9) }
        }
    }

    /// The density integrates to 1 over the support: axes and rotations by their known areas, the simplex by Monte
    /// Carlo over its bounding box.
    @Test func densityIsNormalised() {
        let layout = Self.layout(7)
        var volume = (layout.noise.high - layout.noise.low) * pow(2 * .pi, 2) * 2 * .pi * .pi
        for s in layout.scalars { volume *= s.high - s.low }
        var random = RandomSource(seed: 6), inside = 0
        let draws = 400_000
        for _ in 0..<draws {
            // Fractions of the tensor and both sticks; the ball takes the rest; sticks in order.
            let f = [random.uniform(), random.uniform(), random.uniform()]
            if f[0] >= f[1], f[1] >= 0.05, f[2] >= 0.1, f.reduce(0, +) <= 1 { inside += 1 }
        }
        let p = Double(inside) / Double(draws), error = (p * (1 - p) / Double(draws)).squareRoot()
        #expect(abs(exp(layout.logPriorDensity) * volume * p - 1) < 4 * error / p)
    }
}
