import Foundation
import ModelSpace

/// Zeppelin: an axially symmetric tensor, A = exp(−b [d⊥ + (d∥ − d⊥)(g·μ)²]) with d⊥ = ratio · d∥; a ratio above 1
/// makes it oblate.
public struct Zeppelin: AxialCompartment {
    public init() {}
    public var name: String { "zeppelin" }
    public let list = ParameterList([
        Prior.diffusivity("d_par"), Parameter("ratio", "", .uniform(low: 0, high: 1)), Prior.axis,
    ])
    public var takesSpread: Bool { true }
    public func attenuation(_ p: UnsafePointer<Double>, _ m: DiffusionMeasurement) -> Double {
        let c = cosine(m, p + 2), across = p[0] * p[1]
        return exp(-m.b * (across + (p[0] - across) * c * c))
    }
    public func exponents<N: FormNumber>(_ p: UnsafePointer<N>, _ s: Shell) -> (across: N, along: N) {
        let across = p[0] * p[1]
        return (s.b * across, s.b * (p[0] - across))
    }
}
