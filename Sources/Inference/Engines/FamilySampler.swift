import Diffusion
import ModelSpace
import Networks

extension DiffusionFamily {
    /// The family that a network was trained for: this one, or this one without what depends on the timing of the
    /// gradients, of which networks are not told. Nil when it is another.
    public func family(of network: NetworkOrigin) -> Self? {
        func isIt(_ family: Self) -> Bool {
            network.family == family.name && network.familyDefinition == family.definition
        }
        return isIt(self) ? self : untimed.flatMap { isIt($0) ? $0 : nil }
    }
}

/// A trained network, asked in the words of a family that may have more components than the one that it was trained
/// for: of those it says nothing.
final class FamilySampler<F: DiffusionFamily> {
    /// What of the family the network knows; nil for all of it.
    let part: FamilyPart?
    private let sampler: AmortisedSampler<F>, signalBits: Int

    /// - Parameter trained: `family.family(of:)` of this network.
    init(family: F, trained: F, file: NetworkFile) {
        let description = trained.description
        part = description == family.description ? nil : FamilyPart(description, of: family.description)
        sampler = AmortisedSampler(family: trained, file: file)
        signalBits = description.bitCount - description.noise.bitNames.count
    }

    /// `AmortisedSampler.read`, by the family's structures and parameters.
    func read(
        _ y: UnsafePointer<Float>, designs: [F.Design], keys: [UInt64], seed: UInt64, steps: Int, lambda: Double,
        plan: StructureReadingPlan, allocate: (StructurePosterior) -> [Structure]
    ) -> [(structures: StructurePosterior, drawn: [Structure], parameters: [Double])] {
        guard let part else {
            return sampler.read(
                y, designs: designs, keys: keys, seed: seed, steps: steps, lambda: lambda, plan: plan,
                allocate: allocate)
        }
        var own = plan
        (own.always, own.signalBits) = (plan.always.compactMap(part.inPart), signalBits)
        return sampler.read(y, designs: designs, keys: keys, seed: seed, steps: steps, lambda: lambda, plan: own) {
            allocate(part.inWhole($0)).compactMap(part.inPart)
        }.map { (part.inWhole($0.structures), $0.drawn.map(part.inWhole), part.inWhole(theta: $0.parameters)) }
    }
}
