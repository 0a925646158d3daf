import Foundation
import ModelSpace
import Testing

@testable import Diffusion

/// Derivatives by local coordinates against central differences of the definition in double.
@Suite struct CompartmentDerivativeTests {
    static let measurements: [DiffusionMeasurement] = (0..<19).map { i in
        let along = DirectionSets.fibonacci(40)[2 * i]
        return DiffusionMeasurement(
            b: [0, 1000, 3000][i % 3], g: i % 3 == 0 ? .zero : along, smallDelta: 12, bigDelta: 40)
    }

    /// Central differences of steps h and h/2, put together so that they err by h⁴.
    static func differences(_ value: ([Double]) -> Double, _ n: Int, step: Double) -> [Double] {
        (0..<n).map { k in
            func slope(_ h: Double) -> Double {
                var u = [Double](repeating: 0, count: n)
                u[k] = h
                let above = value(u)
                u[k] = -h
                return (above - value(u)) / (2 * h)
            }
            return (4 * slope(step / 2) - slope(step)) / 3
        }
    }

    @Test("Attenuation and derivatives of one θ", arguments: allCompartments.map(\.name))
    func derivatives(_ name: String) {
        let compartment = allCompartments.first { $0.name == name }!.compartment, n = compartment.dimension
        let isDispersed = compartment is any DispersedCompartment, step = 1e-4
        let measurements = isDispersed ? Array(Self.measurements[..<7]) : Self.measurements, m = measurements.count,
            design = FormDesign(measurements)
        var random = RandomSource(seed: 51), value = 0.0, worst = 0.0
        for trial in 0..<(isDispersed ? 5 : 50) {
            let p = compartment.draw(using: &random)
            // A spread where the compartment takes one, in half of the trials.
            let rho = compartment.takesSpread && trial % 2 == 1 ? random.uniform(0.1, 1) : 0,
                rows = n + (rho > 0 ? 1 : 0)
            var a = [Float](repeating: .nan, count: m), slopes = [Float](repeating: .nan, count: max(1, rows * m))
            var scratch = [Float](repeating: .nan, count: design.scratchCount)
            compartment.derivatives(
                p, design, spread: rho, scratch: &scratch, attenuation: &a, rows: &slopes)
            for (i, measurement) in measurements.enumerated() {
                func attenuation(_ u: [Double]) -> Double {
                    let plain = compartment.attenuation(
                        LocalCoordinates.move(p, compartment.parameters, by: Array(u[..<n])), measurement)
                    guard rho > 0 else { return plain }
                    let square = rho * rho * exp(2 * u[n])
                    return pow(1 - square * log(plain), -1 / square)
                }
                value = max(value, abs(Double(a[i]) - attenuation([Double](repeating: 0, count: rows))))
                for (k, slope) in Self.differences(attenuation, rows, step: step).enumerated() {
                    worst = max(worst, abs(Double(slopes[k * m + i]) - slope) / max(1, abs(slope)))
                }
            }
        }
        #expect(value < CompartmentTests.bound(compartment), "attenuation off by \(value)")
        // Bingham's moments have I₁/I₀ to 1e-6, which ∂κ/∂ODI multiplies by up to 1600.
        #expect(worst < (compartment is any BinghamCompartment ? 1e-4 : 2e-5), "derivatives off by \(worst)")
    }
}
