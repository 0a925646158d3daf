import ModelSpace

/// Dot: water that does not move, A = 1.
public struct Dot: IsotropicCompartment {
    public init() {}
    public var name: String { "dot" }
    public let list = ParameterList([])
    public func attenuation(_ p: UnsafePointer<Double>, _ m: DiffusionMeasurement) -> Double { 1 }
    public func exponent<N: FormNumber>(_ p: UnsafePointer<N>, _ s: Shell) -> N { N(0) }
}
