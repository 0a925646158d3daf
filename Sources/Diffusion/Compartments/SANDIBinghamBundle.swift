import ModelSpace

/// SANDI bundle (`SANDIBundle`) of fibres dispersed by Bingham's distribution, more in one direction than in the other.
public struct SANDIBinghamBundle: BinghamCompartment {
    public init() {}

    public var name: String { "sandi_bingham" }
    public var list: ParameterList { Self.parameters }
    private static let parameters = ParameterList(SANDIBundle.own + Prior.bingham)
    public var termCount: Int { 3 }
    public func term<N: FormNumber>(_ index: Int, _ p: UnsafePointer<N>, _ s: Shell) -> DispersedTerm<N> {
        SANDIBundle.term(index, p, s)
    }
}
