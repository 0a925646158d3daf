import ModelSpace

/// Bingham zeppelin: zeppelins (`Zeppelin`), not oblate, whose directions are dispersed by Bingham's distribution.
public struct BinghamZeppelin: BinghamCompartment {
    public init() {}
    public var name: String { "bingham_zeppelin" }
    public let list = ParameterList(
        [Prior.diffusivity("d_par"), Parameter("ratio", "", .uniform(low: 0, high: 1))] + Prior.bingham)
    public func term<N: FormNumber>(_ index: Int, _ p: UnsafePointer<N>, _ s: Shell) -> DispersedTerm<N> {
        let across = p[0] * p[1]
        return DispersedTerm(weight: N(1), across: s.b * across, along: s.b * (p[0] - across))
    }
}
