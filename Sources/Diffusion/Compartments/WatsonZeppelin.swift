import ModelSpace

/// Watson zeppelin: zeppelins (`Zeppelin`) whose directions are dispersed about μ by Watson's distribution.
public struct WatsonZeppelin: WatsonCompartment {
    public init() {}
    public var name: String { "watson_zeppelin" }
    public let list = ParameterList(
        [Prior.diffusivity("d_par"), Parameter("ratio", "", .uniform(low: 0, high: 1)), Prior.dispersion, Prior.axis])
    public func term<N: FormNumber>(_ index: Int, _ p: UnsafePointer<N>, _ s: Shell) -> DispersedTerm<N> {
        let across = p[0] * p[1]
        return DispersedTerm(weight: N(1), across: s.b * across, along: s.b * (p[0] - across))
    }
}
