import Foundation
import ModelSpace

/// What Laplace's approximations of an observation's evidences come to once some of them are known better.
///
/// They lack about the same in all its structures: log p(y | z) ≈ Laplace + lack, the lack being the mean of what
/// samples show of it, with the standard deviation as its error. Kinds of noise share it as they do there, for what
/// noise there is the signals say much the same way whatever the structure.
struct RoughEvidence {
    /// Standard deviation, nats; nil where fewer than three structures were sampled.
    private(set) var error: Double?
    private var lack = 0.0, shares: [NoiseLikelihood: Double] = [:]

    init(_ entries: [StructureExplorer.Entry]) {
        var lacks: [Double] = [], sums: [NoiseLikelihood: Double] = [:]
        for entry in entries where entry.run != nil && entry.laplace.isFinite {
            let total = entry.evidence
            guard total.isFinite else { continue }
            lacks.append(total - entry.laplace)
            for (v, variant) in entry.variants.enumerated() {
                sums[variant.noise, default: 0] += exp(entry.logEvidence(v) - total)
            }
        }
        guard lacks.count >= 3 else { return }
        let n = Double(lacks.count), mean = lacks.reduce(0, +) / n
        lack = mean
        shares = sums.mapValues { log($0 / n) }
        error = (lacks.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)).squareRoot()
    }

    /// log p(y | z) of a structure that was not sampled.
    func logEvidence(_ entry: StructureExplorer.Entry, _ noise: NoiseLikelihood) -> Double {
        entry.laplace + lack + (shares[noise] ?? 0)
    }
}
