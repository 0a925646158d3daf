import Foundation
import ModelSpace

/// Plane: diffusion within a sheet alone, A = exp(−b d (1 − (g·μ)²)), μ its normal: water between membranes that lie on
/// each other.
public struct Plane: AxialCompartment {
    public init() {}
    public var name: String { "plane" }
    public let list = ParameterList([Prior.diffusivity("d"), Prior.axis])
    public var takesSpread: Bool { true }
    public func attenuation(_ p: UnsafePointer<Double>, _ m: DiffusionMeasurement) -> Double {
        let c = cosine(m, p + 1)
        return exp(-m.b * p[0] * max(0, 1 - c * c))
    }
    public func exponents<N: FormNumber>(_ p: UnsafePointer<N>, _ s: Shell) -> (across: N, along: N) {
        (s.b * p[0], N(0) - s.b * p[0])
    }
}
