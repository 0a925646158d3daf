import Foundation
import ModelSpace

/// Stick: diffusion along a fibre alone, A = exp(−b d (g·μ)²).
public struct Stick: AxialCompartment {
    public init() {}
    public var name: String { "stick" }
    public let list = ParameterList([Prior.diffusivity("d"), Prior.axis])
    public var takesSpread: Bool { true }
    public func attenuation(_ p: UnsafePointer<Double>, _ m: DiffusionMeasurement) -> Double {
        let c = cosine(m, p + 1)
        return exp(-m.b * p[0] * c * c)
    }
    public func exponents<N: FormNumber>(_ p: UnsafePointer<N>, _ s: Shell) -> (across: N, along: N) {
        (N(0), s.b * p[0])
    }
}
