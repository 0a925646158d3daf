import ModelSpace

/// Watson stick: sticks of diffusivity d whose directions are dispersed about μ by Watson's distribution.
public struct WatsonStick: WatsonCompartment {
    public init() {}
    public var name: String { "watson_stick" }
    public let list = ParameterList([Prior.diffusivity("d"), Prior.dispersion, Prior.axis])
    public func term<N: FormNumber>(_ index: Int, _ p: UnsafePointer<N>, _ s: Shell) -> DispersedTerm<N> {
        DispersedTerm(weight: N(1), across: N(0), along: s.b * p[0])
    }
}
