import ModelSpace

/// NODDI bundle (`NODDIBundle`) of fibres dispersed by Bingham's distribution, more in one direction than in the other.
public struct NODDIBinghamBundle: BinghamCompartment {
    public let extracellular: Extracellular, diffusivities: BundleDiffusivities

    public init(extracellular: Extracellular = .averagedTensor, diffusivities: BundleDiffusivities = .tied) {
        (self.extracellular, self.diffusivities) = (extracellular, diffusivities)
        list = ParameterList(NODDIBundle.parameters(diffusivities) + Prior.bingham)
    }

    public var name: String { "noddi_bingham" }
    public let list: ParameterList
    public var termCount: Int { 2 }
    public func averagesTensor(_ index: Int) -> Bool { index == 1 && extracellular == .averagedTensor }
    public func term<N: FormNumber>(_ index: Int, _ p: UnsafePointer<N>, _ s: Shell) -> DispersedTerm<N> {
        NODDIBundle.term(index, p, s, diffusivities)
    }
}
