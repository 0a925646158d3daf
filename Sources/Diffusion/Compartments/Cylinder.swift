import Foundation
import ModelSpace

/// Cylinder: free diffusion d∥ along a fibre of radius R (µm), restricted across it (`Walls`):
/// A = exp(−b d∥ c² − e⊥ (1 − c²)), c = g·μ, of which e⊥ is the restricted exponent of the whole gradient.
public struct Cylinder: AxialCompartment {
    /// Across, mm²/s.
    public let diffusivity: Double
    public init(diffusivity: Double = 1.7e-3) { self.diffusivity = diffusivity }

    public var name: String { "cylinder" }
    public let list = ParameterList([Prior.diffusivity("d_par"), Prior.radius("radius"), Prior.axis])
    public var needsTiming: Bool { true }
    public func attenuation(_ p: UnsafePointer<Double>, _ m: DiffusionMeasurement) -> Double {
        let c = cosine(m, p + 2)
        return exp(
            -m.b * p[0] * c * c - p[1].restrictedExponent(.cylinder, diffusivity: diffusivity, m.shell) * (1 - c * c))
    }
    public func exponents<N: FormNumber>(_ p: UnsafePointer<N>, _ s: Shell) -> (across: N, along: N) {
        let across = p[1].restrictedExponent(.cylinder, diffusivity: diffusivity, s)
        return (across, s.b * p[0] - across)
    }
}
