import ModelSpace

/// SANDI bundle without timing, as PRISM's authors have it: of all water the part f_ec in zeppelins of d∥ and d⊥ =
/// ratio · d∥ around dispersed fibres; of the rest the part f_in inside sticks of d_in, and what is left does not move
/// (cell bodies); Watson's distribution.
///
///     E = (1 − f_ec) [f_in E_stick + (1 − f_in)] + f_ec E_zeppelin
///
/// - Source: Palombo et al., NeuroImage 215 (2020) 116835; with an immobile soma, Gloeckler et al. 2026,
///   arXiv:2603.15292.
public struct SANDIBundle: WatsonCompartment {
    public init() {}

    public var name: String { "sandi" }
    public var list: ParameterList { Self.parameters }
    private static let parameters = ParameterList(own + [Prior.dispersion, Prior.axis])
    public var termCount: Int { 3 }
    public func term<N: FormNumber>(_ index: Int, _ p: UnsafePointer<N>, _ s: Shell) -> DispersedTerm<N> {
        Self.term(index, p, s)
    }

    /// Of either distribution of directions.
    static let own = [
        Parameter("f_in", "", .uniform(low: 0, high: 1)), Parameter("f_ec", "", .uniform(low: 0, high: 1)),
        Prior.diffusivity("d_in"), Prior.diffusivity("d_par"), Parameter("ratio", "", .uniform(low: 0, high: 1)),
    ]

    @inline(__always)
    static func term<N: FormNumber>(_ index: Int, _ p: UnsafePointer<N>, _ s: Shell) -> DispersedTerm<N> {
        let inside = p[0], outside = p[1]
        if index == 0 { return DispersedTerm(weight: (N(1) - outside) * inside, across: N(0), along: s.b * p[2]) }
        if index == 1 {
            let across = p[3] * p[4]
            return DispersedTerm(weight: outside, across: s.b * across, along: s.b * (p[3] - across))
        }
        return DispersedTerm(weight: (N(1) - outside) * (N(1) - inside), across: N(0), along: N(0))
    }
}
