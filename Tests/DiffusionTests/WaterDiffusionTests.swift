import Foundation
import ModelSpace
import TestFixtures
import Testing

@testable import Diffusion

/// Every compartment's tensors are what its definition is to second order in b: gradients' directions one by one, and
/// averaged.
@Suite struct WaterDiffusionTests {
    /// Those of recipes, and as they are tested elsewhere.
    static let compartments =
        CompartmentCatalogue.names.map { ($0, CompartmentCatalogue.compartment($0)!) }
        + allCompartments.map { ("\($0.name), default", $0.compartment) }
    static let timing = PulseTiming(duration: 12, separation: 40)

    /// The corners of an icosahedron, of which each has its opposite: averages of polynomials of degree 5 are exact.
    private static let corners: [SIMD3<Double>] = {
        let golden = (1 + 5.0.squareRoot()) / 2, size = (1 + golden * golden).squareRoot()
        return [(1.0, golden), (1, -golden)].flatMap { a, b in
            [SIMD3(0, a, b), SIMD3(a, b, 0), SIMD3(b, 0, a)].map { $0 / size }
        }
    }()

    /// First and second derivative at b = 0 of a signal that is defined for b below 0 too, as formulas are. Two steps
    /// put together err by the fourth power of step × diffusivity.
    private static func expansion(_ signal: (Double) -> Double) -> (first: Double, second: Double) {
        func central(_ h: Double) -> (Double, Double) {
            let above = signal(h), below = signal(-h)
            return ((above - below) / (2 * h), (above - 2 * signal(0) + below) / (h * h))
        }
        let near = central(2), far = central(4)
        return ((4 * near.0 - far.0) / 3, (4 * near.1 - far.1) / 3)
    }

    private static func along(_ d: SymmetricMatrix3, _ g: SIMD3<Double>) -> Double {
        d.xx * g.x * g.x + d.yy * g.y * g.y + d.zz * g.z * g.z
            + 2 * (d.xy * g.x * g.y + d.xz * g.x * g.z + d.yz * g.y * g.z)
    }

    @Test("The tensor is the definition's initial slope, and microscopic tensors its average", arguments: compartments)
    func definition(_ name: String, _ compartment: any Compartment) {
        var random = RandomSource(seed: 81), slope = 0.0, curvature = 0.0
        for _ in 0..<6 {
            let p = compartment.draw(using: &random), water = compartment.diffusion(p, Self.timing)
            func signal(_ b: Double, _ g: SIMD3<Double>) -> Double {
                compartment.attenuation(
                    p,
                    DiffusionMeasurement(
                        b: b, g: g, smallDelta: Self.timing.duration, bigDelta: Self.timing.separation))
            }
            for g in DirectionSets.fibonacci(7) {
                slope = max(slope, abs(Self.expansion { signal($0, g) }.first + Self.along(water.tensor, g)))
            }
            let second = Self.expansion { b in Self.corners.reduce(0) { $0 + signal(b, $1) } / 6 }.second
            let variance = water.squares - water.squaredMeans
            curvature = max(curvature, abs(second - water.squaredMeans - 0.4 * variance))
            if compartment.needsTiming { #expect(compartment.diffusion(p, nil).meanDiffusivity.isNaN) }
        }
        // Diffusivities to 5e-3 mm²/s.
        #expect(slope < 1e-11, "off by \(slope) mm²/s")
        #expect(curvature < 1e-12, "off by \(curvature) mm⁴/s²")
    }

    @Test(
        "A voxel's tensor is the initial slope of its signal, with spread diffusivities too",
        arguments: BuiltInFamilies.names)
    func families(_ name: String) throws {
        let family = try #require(BuiltInFamilies.family(name)), design = FamilyKernelTests.design
        var random = RandomSource(seed: 82), slope = 0.0, curvature = 0.0
        for z in family.someStructures.prefix(60) {
            let theta = family.draw(z, design, using: &random)
            let water = StructureDiffusion(family.composition, family.rule, family.layout, z, timing: Self.timing)(
                theta)
            func signal(_ b: Double, _ g: SIMD3<Double>) -> Double {
                family.attenuation(theta, z, b: b, g: g, timing: Self.timing)
            }
            for g in DirectionSets.fibonacci(3) {
                slope = max(slope, abs(Self.expansion { signal($0, g) }.first + Self.along(water.tensor, g)))
            }
            let second = Self.expansion { b in Self.corners.reduce(0) { $0 + signal(b, $1) } / 6 }.second
            curvature = max(curvature, abs(second - 0.6 * water.squaredMeans - 0.4 * water.squares))
        }
        #expect(slope < 1e-10, "off by \(slope) mm²/s")
        #expect(curvature < 1e-11, "off by \(curvature) mm⁴/s²")
    }

    @Test("Turned axes and rotations change neither MD nor FA nor µFA", arguments: compartments)
    func rotation(_ name: String, _ compartment: any Compartment) {
        var random = RandomSource(seed: 83)
        for _ in 0..<6 {
            let p = compartment.draw(using: &random), last = compartment.parameters.last?.width ?? 0
            var turned = p
            // Another orientation, and nothing else.
            if last > 1 {
                turned.replaceSubrange((p.count - last)..., with: compartment.draw(using: &random).suffix(last))
            }
            let a = compartment.diffusion(p, Self.timing), b = compartment.diffusion(turned, Self.timing)
            #expect(last <= 1 || a.tensor != b.tensor || a.anisotropy < 1e-6)
            #expect(abs(a.meanDiffusivity - b.meanDiffusivity) < 1e-15)
            #expect(abs(a.anisotropy - b.anisotropy) < 1e-7)
            #expect(abs(a.microscopicAnisotropy - b.microscopicAnisotropy) < 1e-7)
        }
    }

    @Test("Sticks have µFA 1 however they cross; water beside them takes from it; what stands still has none")
    func known() {
        let d = 1.5e-3, x = Stick().diffusion([d, 1, 0, 0], nil), y = Stick().diffusion([d, 0, 1, 0], nil),
            ball = Ball().diffusion([d], nil)
        func mixed(_ parts: [(WaterDiffusion, Double)], spread: Double = 0) -> WaterDiffusion {
            var sum = WaterDiffusion()
            for (part, weight) in parts { sum.add(part, weight: weight, spread: spread) }
            return sum
        }
        #expect(x.anisotropy == 1 && x.microscopicAnisotropy == 1 && abs(x.meanDiffusivity - d / 3) < 1e-18)
        let crossed = mixed([(x, 0.5), (y, 0.5)])
        #expect(abs(crossed.anisotropy - 0.5.squareRoot()) < 1e-12 && crossed.microscopicAnisotropy == 1)
        // ⟨λ²⟩ = ½ (⅓ + 1) d², ⟨λ̄²⟩ = ½ (1/9 + 1) d².
        #expect(abs(mixed([(x, 0.5), (ball, 0.5)]).microscopicAnisotropy - 0.5) < 1e-12)
        #expect(ball.anisotropy == 0 && ball.microscopicAnisotropy == 0)
        let still = Dot().diffusion([], nil)
        #expect(still.meanDiffusivity == 0 && still.anisotropy == 0 && still.microscopicAnisotropy == 0)
        // What cannot be told from µFA by itself: a spread is none of anisotropy.
        #expect(abs(mixed([(crossed, 1)], spread: 0.7).microscopicAnisotropy - 1) < 1e-12)
    }

    @Test("A timing noted by a fit is read again, of several their mean")
    func noted() throws {
        #expect(PulseTiming(note: "10.6/43.1 ms") == PulseTiming(duration: 10.6, separation: 43.1))
        let two = try #require(PulseTiming(note: "10.0/40.0 20.0/50.0 ms"))
        #expect(two == PulseTiming(duration: 15, separation: 45))
        for note in ["", " ms", "10 ms", "43.1/10.6 ms", "a/b ms", "10/40"] { #expect(PulseTiming(note: note) == nil) }
    }
}

extension Compartment {
    func diffusion(_ p: [Double], _ timing: PulseTiming?) -> WaterDiffusion {
        p.withUnsafeBufferPointer { p in
            // A compartment without numbers reads none.
            withUnsafeTemporaryAllocation(of: Double.self, capacity: 1) {
                diffusion(p.baseAddress ?? UnsafePointer($0.baseAddress!), timing)
            }
        }
    }
}
