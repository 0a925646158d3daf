import ModelSpace

/// What a NODDI bundle's water outside axons is.
public enum Extracellular: String, Sendable, Codable, CaseIterable {
    /// One Gaussian with the dispersed zeppelins' averaged tensor: the original toolbox, MDT, AMICO.
    case averagedTensor = "averaged-tensor"
    /// The dispersed zeppelins' averaged signal: dmipy. The two differ by up to 0.023.
    case dispersed
}

/// What is known beforehand of a NODDI bundle's diffusivities.
public enum BundleDiffusivities: String, Sendable, Codable, CaseIterable {
    /// d∥ = 1.7e-3 mm²/s and, by the tortuosity of straight axons, d⊥ = d∥(1 − f_in).
    case tied
    /// d∥ and d⊥/d∥ are parameters.
    case free
}

/// NODDI bundle: of water about dispersed fibres, the part f_in inside sticks of d∥ and the rest in zeppelins of d∥ and
/// d⊥ around them; Watson's distribution.
public struct NODDIBundle: WatsonCompartment {
    public let extracellular: Extracellular, diffusivities: BundleDiffusivities

    public init(extracellular: Extracellular = .averagedTensor, diffusivities: BundleDiffusivities = .tied) {
        (self.extracellular, self.diffusivities) = (extracellular, diffusivities)
        list = ParameterList(Self.parameters(diffusivities) + [Prior.dispersion, Prior.axis])
    }

    public var name: String { "noddi" }
    public let list: ParameterList
    public var termCount: Int { 2 }
    public func term<N: FormNumber>(_ index: Int, _ p: UnsafePointer<N>, _ s: Shell) -> DispersedTerm<N> {
        Self.term(index, p, s, diffusivities)
    }
    public func averagesTensor(_ index: Int) -> Bool { index == 1 && extracellular == .averagedTensor }

    /// Of either distribution of directions: f_in, d∥, and the ratio d⊥/d∥ where it is free.
    static func parameters(_ diffusivities: BundleDiffusivities) -> [Parameter] {
        let inside = Parameter("f_in", "", .uniform(low: 0, high: 1))
        return switch diffusivities {
        case .tied: [inside, Parameter("d_par", "mm^2/s", .fixed(1.7e-3))]
        case .free: [inside, Prior.diffusivity("d_par"), Parameter("ratio", "", .uniform(low: 0, high: 1))]
        }
    }

    @inline(__always)
    static func term<N: FormNumber>(
        _ index: Int, _ p: UnsafePointer<N>, _ s: Shell, _ diffusivities: BundleDiffusivities
    ) -> DispersedTerm<N> {
        if index == 0 { return DispersedTerm(weight: p[0], across: N(0), along: s.b * p[1]) }
        let across = p[1] * (diffusivities == .tied ? N(1) - p[0] : p[2])
        return DispersedTerm(weight: N(1) - p[0], across: s.b * across, along: s.b * (p[1] - across))
    }
}
