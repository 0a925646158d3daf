import Foundation
import ModelSpace
import TestFixtures
import Testing

@testable import Diffusion

/// What the exact engines ask of a composed family, for every signal of the built-in ones.
@Suite struct FamilyKernelTests {
    /// Few measurements: definitions of dispersed compartments integrate over directions.
    static let design: Acquisition = {
        let g = DirectionSets.fibonacci(24)
        return try! Acquisition(
            bValues: [0, 40, 1000, 1000, 2500, 2500, 4000], directions: [.zero, g[3], g[5], g[9], g[14], g[17], g[20]])
    }()
    static let names = ["tissue", "gaussian", "composed", "sheets"]
    static func family(_ name: String) -> CompartmentFamily {
        switch name {
        case "composed": TestFamily.ballSticks
        case "sheets": sheets
        default: TestFamily.named(name)
        }
    }
    /// A compartment that no built-in family has: its name in a recipe is all that a family needs of it.
    private static let sheets = try! ComposedFamily.read(
        """
        name: sheets
        components:
          ball: {presence: optional, weight: 0.05, parameters: {d: log-uniform 1e-4 5e-3}, signal: ball}
          sheet:
            presence: up to 2
            weight: 0.05
            parameters: {mu: axis, d: log-uniform 1e-4 5e-3}
            signal: plane
        rules: ["at least 1 of ball, sheet"]
        """)

    /// Rows of sixteen points.
    static func rows(_ points: [[Double]]) -> [Float] {
        points[0].indices.flatMap { i in points.map { Float($0[i]) } }
    }

    @Test("Attenuations of samples, of one point and of a series are the compartments'", arguments: names)
    func attenuations(_ name: String) {
        let family = Self.family(name), design = Self.design, m = design.count, kernels = family.kernels(design)
        var random = RandomSource(seed: 71), worst = 0.0
        #expect(kernels.measurementCount == m)
        for z in TestFamily.signals(family) {
            let layout = family.signalLayout(z), w = layout.componentCount
            let thetas = (0..<16).map { _ in family.draw(z, design, using: &random) },
                points = thetas.map { family.point(z, $0) }
            var e = [Float](repeating: .nan, count: 16 * m * w), single = [Float](repeating: .nan, count: m * w),
                series = [Float](repeating: .nan, count: m)
            kernels.attenuations(layout, rows: Self.rows(points), stride: 16, into: &e)
            let lane = Int(z.bits % 16)
            kernels.attenuations(layout, at: points[lane], into: &single)
            family.attenuations(thetas[lane], z, design, into: &series)
            for i in 0..<m {
                var total = 0.0
                for k in 0..<w {
                    worst = max(worst, Double(abs(single[k * m + i] - e[(i * w + k) * 16 + lane])) / 2)
                    total += points[lane][SignalLayout.firstWeight + k] * Double(e[(i * w + k) * 16 + lane])
                }
                let exact = family.attenuation(thetas[lane], z, b: design.bValues[i], g: design.directions[i])
                worst = max(worst, abs(total - exact), abs(Double(series[i]) - exact))
            }
            // One component alone, the others' places left.
            let k = w - 1, copy = e
            for i in 0..<m { for j in 0..<16 { e[(i * w + k) * 16 + j] = .nan } }
            kernels.attenuations(layout, of: k, rows: Self.rows(points), stride: 16, into: &e)
            #expect(e == copy)
        }
        #expect(worst < 2e-6, "off by \(worst)")
    }

    @Test("A sample that is not a number disturbs no other", arguments: names)
    func lanesAlone(_ name: String) {
        let family = Self.family(name), design = Self.design, kernels = family.kernels(design)
        var random = RandomSource(seed: 72)
        for z in TestFamily.signals(family) {
            let layout = family.signalLayout(z), w = layout.componentCount
            guard layout.shapeDimension > 0 else { continue }
            var points = (0..<16).map { _ in family.point(z, family.draw(z, design, using: &random)) }
            var e = [Float](repeating: 0, count: 16 * design.count * w), other = e
            kernels.attenuations(layout, rows: Self.rows(points), stride: 16, into: &e)
            for i in layout.firstScalar..<layout.count { points[5][i] = .nan }
            kernels.attenuations(layout, rows: Self.rows(points), stride: 16, into: &other)
            for i in e.indices where i % 16 != 5 { #expect(e[i] == other[i]) }
            #expect(other.indices.contains { $0 % 16 == 5 && other[$0].isNaN })
        }
    }

    @Test("Derivatives by local coordinates are differences of the definition", arguments: names)
    func derivatives(_ name: String) {
        let family = Self.family(name), design = Self.design, m = design.count, kernels = family.kernels(design)
        var random = RandomSource(seed: 73), worst = 0.0
        for z in TestFamily.signals(family) {
            let layout = family.signalLayout(z), w = layout.componentCount, n = layout.shapeDimension
            let isDispersed = layout.components.contains { $0.group == "bundle" } && family.rule.has("dispersed", in: z)
            let x = family.point(z, family.draw(z, design, using: &random))
            var e = [Float](repeating: .nan, count: m * w), rows = [Float](repeating: .nan, count: max(1, n * m)),
                alone = e
            kernels.derivatives(layout, x, attenuations: &e, rows: &rows)
            kernels.attenuations(layout, at: x, into: &alone)
            for i in e.indices { #expect(abs(e[i] - alone[i]) < 2e-6) }
            // Two measurements of those whose definition is slow.
            for i in isDispersed ? [3, 5] : Array(0..<m) {
                func value(_ u: [Double]) -> Double {
                    var moved = x, theta = [Double](repeating: 0, count: family.layout.count)
                    layout.moveShape(x, by: u, into: &moved)
                    layout.unpack(moved, into: &theta)
                    return family.attenuation(theta, z, b: design.bValues[i], g: design.directions[i])
                }
                for (j, slope) in CompartmentDerivativeTests.differences(value, n, step: isDispersed ? 1e-3 : 1e-4)
                    .enumerated()
                {
                    worst = max(worst, abs(Double(rows[j * m + i]) - slope) / max(1, abs(slope)))
                }
            }
        }
        #expect(worst < 2e-5, "derivatives off by \(worst)")
    }
}
