import CKernels
import Foundation
import ModelSpace
import Testing

@testable import Diffusion

/// Compartments' definitions against high-precision references, and their kernels against the definitions.
@Suite struct CompartmentTests {
    /// The bound of a compartment's kernel where b·d ≤ 20.
    static func bound(_ compartment: any Compartment) -> Double {
        switch compartment {
        case is any BinghamCompartment: 1e-5
        case is any WatsonCompartment: 1e-6
        default: compartment.needsTiming ? 2e-5 : 2e-6
        }
    }

    /// Several shells in mixed order, with b = 0 and two timings, for b·d ≤ 20.
    static let measurements: [DiffusionMeasurement] = {
        var random = RandomSource(seed: 41)
        let bs = [0.0, 700, 1000, 1000, 2500, 4000]
        return (0..<61).map { i in
            let z = random.uniform(-1, 1), phi = random.uniform(0, 2 * .pi), r = (1 - z * z).squareRoot(),
                b = bs[i % bs.count]
            let timing = i % 4 == 3 ? (21.4, 45.5) : (10.6, 43.1)
            return DiffusionMeasurement(
                b: b, g: b > 0 ? SIMD3(r * cos(phi), r * sin(phi), z) : .zero, smallDelta: timing.0, bigDelta: timing.1)
        }
    }()

    @Test(
        "Definitions and kernels give the reference's attenuations",
        arguments: Set(CompartmentCase.all.map(\.name)).sorted())
    func references(_ name: String) throws {
        let compartment = try #require(allCompartments.first { $0.name == name }).compartment
        let cases = CompartmentCase.all.filter { $0.name == name }
        #expect(cases.count == 40)
        var plain = 0.0, fast = 0.0
        for c in cases {
            plain = max(plain, abs(compartment.attenuation(c.numbers, c.measurement) - c.attenuation))
            let found = compartment.lanes(Array(repeating: c.numbers, count: 16), FormDesign([c.measurement]))
            for lane in found { fast = max(fast, abs(lane[0] - c.attenuation)) }
        }
        // Six terms of a restricted compartment's series leave 3e-6.
        #expect(plain < (compartment.needsTiming ? 5e-6 : 1e-11), "definition off by \(plain)")
        #expect(fast < Self.bound(compartment), "kernel off by \(fast)")
    }

    /// Bingham's integrals take fewer nodes where they fall by less: on either side of where that changes (4, 10, 32)
    /// all lanes are the definition's, alike in shape or not.
    @Test func binghamNodes() {
        let stick = BinghamStick(), d = 1e-3, tilt = 0.5.squareRoot()
        func sample(_ range: Double, _ skew: Double, x: Double) -> [Double] {
            // δ₃ − δ₁ is κ where the gradient lies along the pole's plane, and κ + x at most.
            [d, 2 / .pi * atan(1 / max(0.05, range - x)), skew, tilt, 0, tilt, 0]
        }
        for b in [0.0, 500, 3000] {
            let m = DiffusionMeasurement(b: b, g: SIMD3(0.6, 0, 0.8)), design = FormDesign([m])
            for range in [3.98, 4.02, 9.95, 10.05, 31.9, 32.1, 40] where range > b * d + 0.1 {
                let alike = (0..<16).map { sample(range, Double($0) / 15, x: b * d) }
                let mixed = (0..<16).map { sample(b * d + 0.2 + Double($0) * range / 16, 0.5, x: b * d) }
                for samples in [alike, mixed] {
                    let found = stick.lanes(samples, design)
                    for (lane, numbers) in zip(found, samples) {
                        let expected = stick.attenuation(numbers, m)
                        #expect(abs(lane[0] - expected) < 2e-6, "range \(range), b \(b): \(lane[0]), not \(expected)")
                    }
                }
            }
        }
    }

    @Test("Kernels give the definition, over the prior and many directions", arguments: allCompartments.map(\.name))
    func kernels(_ name: String) {
        let compartment = allCompartments.first { $0.name == name }!.compartment
        var random = RandomSource(seed: 42), worst = 0.0
        // Definitions that integrate over the sphere are slow.
        let isDispersed = compartment is any DispersedCompartment,
            measurements = isDispersed ? Array(Self.measurements[..<13]) : Self.measurements
        let design = FormDesign(measurements)
        for _ in 0..<(isDispersed ? 2 : 100) {
            let samples = (0..<16).map { _ in compartment.draw(using: &random) },
                found = compartment.lanes(samples, design)
            for (sample, lane) in zip(samples, found) {
                for (m, a) in zip(measurements, lane) {
                    worst = max(worst, abs(a - compartment.attenuation(sample, m)))
                }
            }
        }
        #expect(worst < Self.bound(compartment), "off by \(worst)")
    }

    /// κ beyond what ODI gives, b·d to 20, oblate zeppelins: what the form claims, not what priors ask for.
    @Test("Watson's form holds for κ from −30 to 64")
    func watsonRange() {
        let kappas: [Float] = [-30, -29.9, -12, -3, -0.5, -1e-3, 1e-6, 0.1, 1, 3, 8, 16, 31.8, 50, 63, 64]
        let cosines = (0...12).map { Double($0) / 12 },
            design = FormDesign(
                cosines.map { c in DiffusionMeasurement(b: 1, g: SIMD3((1 - c * c).squareRoot(), 0, c)) })
        let n = Int(PK_ZONAL_TERMS), axis = (0..<48).map { Float($0 < 32 ? 0 : 1) },
            one = [Float](repeating: 1, count: 16)
        var moments = [Double](repeating: 0, count: n * 16), worst = 0.0
        pk_watson_moments(kappas, &moments)
        for (across, along) in [(0.0, 20.0), (0, 4), (4, 4), (16, -12), (8, 0)] {
            var coefficients = [Float](repeating: 0, count: n * 16),
                out = [Float](repeating: 0, count: 16 * cosines.count)
            var kind = PK_DISPERSED
            let p = one.map { $0 * Float(across) }, x = one.map { $0 * Float(along) }
            let used = [pk_zonal_coefficients(moments, 1, &kind, one, p, x, &coefficients)]
            withUnsafePointer(to: design.table) { pk_zonal($0, coefficients, used, axis, &out, 16) }
            for (j, kappa) in kappas.enumerated() {
                let average = OrientationAverage(kappa: Double(kappa), beta: 0),
                    term = DispersedTerm(weight: 1.0, across: across, along: along)
                for (i, c) in cosines.enumerated() {
                    let exact = average.signal(term, averagesTensor: false, SIMD3(c, (1 - c * c).squareRoot(), 0))
                    worst = max(worst, abs(Double(out[16 * i + j]) - exact))
                }
            }
        }
        #expect(worst < 1e-6, "off by \(worst)")
    }

    @Test(
        "A spread of the diffusivity is a gamma distribution of it", arguments: ["ball", "stick", "zeppelin", "tensor"])
    func spread(_ name: String) {
        let compartment = allCompartments.first { $0.name == name }!.compartment
        #expect(compartment.takesSpread)
        var random = RandomSource(seed: 43), worst = 0.0
        let design = FormDesign(Self.measurements)
        for _ in 0..<50 {
            let samples = (0..<16).map { _ in compartment.draw(using: &random) },
                rho = samples.map { _ in random.uniform(0.05, 1) }
            let found = compartment.lanes(samples, design, spread: rho)
            for (j, lane) in found.enumerated() {
                for (m, a) in zip(Self.measurements, lane) {
                    let u = -log(compartment.attenuation(samples[j], m)),
                        square = Double(Float(rho[j])) * Double(Float(rho[j]))
                    worst = max(worst, abs(a - pow(1 + square * u, -1 / square)))
                }
            }
        }
        #expect(worst < 2e-6, "off by \(worst)")
    }

    @Test("A lane's attenuations do not depend on the other lanes, bit for bit", arguments: allCompartments.map(\.name))
    func lanesAlone(_ name: String) {
        let compartment = allCompartments.first { $0.name == name }!.compartment, design = FormDesign(Self.measurements)
        var random = RandomSource(seed: 44)
        let samples = (0..<16).map { _ in compartment.draw(using: &random) },
            together = compartment.lanes(samples, design)
        for j in [0, 7, 15] {
            #expect(compartment.lanes(Array(repeating: samples[j], count: 16), design)[3] == together[j])
        }
    }

    @Test("Compartments that need δ and Δ have no signal without them")
    func timing() {
        let bare = DiffusionMeasurement(b: 3000, g: SIMD3(0, 0, 1))
        for (_, compartment) in allCompartments {
            var random = RandomSource(seed: 45)
            let p = compartment.draw(using: &random),
                found = compartment.lanes(Array(repeating: p, count: 16), FormDesign([bare]))[0][0]
            #expect(compartment.attenuation(p, bare).isNaN == compartment.needsTiming)
            #expect(found.isNaN == compartment.needsTiming)
        }
        // What timing does to the same b and radius.
        for (small, big, expected) in [(10.6, 43.1, 0.590679), (21.4, 45.5, 0.703099), (8.0, 24.0, 0.334878)] {
            let timed = DiffusionMeasurement(b: 3000, g: SIMD3(0, 0, 1), smallDelta: small, bigDelta: big)
            #expect(abs(Sphere().attenuation([8], timed) - expected) < 5e-6)
        }
    }

    @Test("Known limits: much dispersion is a powder, none is a stick, q = 0 is Watson's, no walls far away")
    func limits() {
        let m = DiffusionMeasurement(b: 2000, g: SIMD3(0.48, 0.6, 0.64), smallDelta: 12, bigDelta: 40), d = 1.7e-3,
            x = (m.b * d)
        let powder = (Double.pi / x).squareRoot() / 2 * erf(x.squareRoot())
        #expect(abs(WatsonStick().attenuation([d, 0.99999999, 0, 0, 1], m) - powder) < 1e-7)
        #expect(abs(WatsonStick().attenuation([d, 0.001, 0, 0, 1], m) - Stick().attenuation([d, 0, 0, 1], m)) < 2e-3)
        // The rotation that takes x to z.
        let half = 0.5.squareRoot(), watson = WatsonZeppelin().attenuation([d, 0.3, 0.2, 0, 0, 1], m)
        #expect(abs(BinghamZeppelin().attenuation([d, 0.3, 0.2, 0, half, 0, -half, 0], m) - watson) < 1e-10)
        #expect(Sphere().attenuation([0.2], m) > 0.9999)
        #expect(NODDIBundle().attenuation([1, d, 0.2, 0, 0, 1], m) == WatsonStick().attenuation([d, 0.2, 0, 0, 1], m))
    }
}
