import Foundation
import ModelSpace

/// Sphere: water inside cell bodies of radius R (µm), restricted by their walls (`Walls`).
public struct Sphere: IsotropicCompartment {
    /// Inside, mm²/s.
    public let diffusivity: Double
    public init(diffusivity: Double = 3.0e-3) { self.diffusivity = diffusivity }

    public var name: String { "sphere" }
    public let list = ParameterList([Prior.radius("radius")])
    public var needsTiming: Bool { true }
    public func attenuation(_ p: UnsafePointer<Double>, _ m: DiffusionMeasurement) -> Double {
        exp(-p[0].restrictedExponent(.sphere, diffusivity: diffusivity, m.shell))
    }
    public func exponent<N: FormNumber>(_ p: UnsafePointer<N>, _ s: Shell) -> N {
        p[0].restrictedExponent(.sphere, diffusivity: diffusivity, s)
    }
}
