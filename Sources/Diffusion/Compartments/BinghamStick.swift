import ModelSpace

/// Bingham stick: sticks of diffusivity d whose directions are dispersed by Bingham's distribution.
public struct BinghamStick: BinghamCompartment {
    public init() {}
    public var name: String { "bingham_stick" }
    public let list = ParameterList([Prior.diffusivity("d")] + Prior.bingham)
    public func term<N: FormNumber>(_ index: Int, _ p: UnsafePointer<N>, _ s: Shell) -> DispersedTerm<N> {
        DispersedTerm(weight: N(1), across: N(0), along: s.b * p[0])
    }
}
