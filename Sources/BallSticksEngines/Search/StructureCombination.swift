import Exact
import ModelSpace

extension StructureSearch {
    /// Structure log-probabilities from the evidences found and an amortised estimate (`EvidenceCombination`); without
    /// one the evidences stand alone.
    public static func combine(_ refined: Result, amortised: [Double]?, learnsError: Bool = true) -> [Double] {
        guard let amortised else { return StructureSpace.normalise(refined.logEvidence) }
        return EvidenceCombination.combine(
            evidence: refined.logEvidence, standardError: refined.standardError,
            isSampled: refined.logEvidence.indices.map { refined.samples[$0 / 2] != nil }, isSkipped: refined.isSkipped,
            amortised: amortised, trust: .fewStructures, learnsError: learnsError)
    }
}
