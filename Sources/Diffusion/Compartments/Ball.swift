import Foundation
import ModelSpace

/// Ball: free diffusion, A = exp(−b d).
public struct Ball: IsotropicCompartment {
    public let name: String, list: ParameterList

    public init() { (name, list) = ("ball", ParameterList([Prior.diffusivity("d")])) }
    private init(_ name: String, fixed d: Double) {
        (self.name, list) = (name, ParameterList([Parameter("d", "mm^2/s", .fixed(d))]))
    }
    /// Free water at body temperature.
    public static let csf = Ball("csf", fixed: 3.0e-3)

    public var takesSpread: Bool { true }
    public func attenuation(_ p: UnsafePointer<Double>, _ m: DiffusionMeasurement) -> Double { exp(-m.b * p[0]) }
    public func exponent<N: FormNumber>(_ p: UnsafePointer<N>, _ s: Shell) -> N { s.b * p[0] }
}
