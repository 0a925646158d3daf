import Foundation
import ModelSpace

/// How the samples of a voxel are shared out among its pairs of structures.
extension StructureSearch {
    /// Which share of its generations each pair is to have. The error of an evidence moves the posterior by P (1 − P)
    /// times itself and falls with the root of the number of samples: to move it least in all they would go like (P (1
    /// − P))^⅔; as P is not yet certain, like its root. The more of λ = 0 and 1; P is the mean of what the first
    /// evidences and the amortised estimate say. Where the first samples already do well it is up to a fifth less.
    func shares(_ result: Result, _ amortised: [Double]?) -> [Double] {
        var share = [Double](repeating: 0, count: Self.pairCount)
        let combined = Self.combine(result, amortised: amortised, learnsError: options.learnsAmortisedError)
        for lambda in [0.0, 1] {
            func probabilities(_ l: [Double]) -> [Double] {
                StructureSpace.normalise(l.indices.map { l[$0] - lambda * Double(counts[$0 / 2]) }).map { exp($0) }
            }
            let a = probabilities(combined), b = amortised.map(probabilities) ?? a
            for p in share.indices {
                let probability = (a[2 * p] + a[2 * p + 1] + b[2 * p] + b[2 * p + 1]) / 2
                share[p] = max(share[p], min(1, 1.3 * (4 * probability * (1 - probability)).squareRoot()))
            }
        }
        for p in share.indices {
            let error = min(result.standardError[2 * p], result.standardError[2 * p + 1]) * Self.errorFactor[p / 2]
            share[p] *= max(0.8, min(1, error / 0.2))
        }
        return share
    }

    /// The pair of probability P whose error e moves the posterior most, by P (1 − P) e at λ = 0 or 1; nil when none
    /// exceeds the tolerance. What importance sampling says of its error falls short of it the more dimensions there
    /// are.
    func mostUncertain(_ result: Result, _ canGo: [Bool]) -> Int? {
        var worst = options.tolerance, chosen: Int?
        for lambda in [0.0, 1] {
            let l = StructureSpace.normalise(
                result.logEvidence.indices.map { result.logEvidence[$0] - lambda * Double(counts[$0 / 2]) })
            for p in canGo.indices where canGo[p] {
                var probability = 0.0, error = 0.0
                for z in [2 * p, 2 * p + 1] where l[z].isFinite {
                    probability += exp(l[z])
                    error += exp(l[z]) * min(1, result.standardError[z])
                }
                let value = (1 - probability) * error * Self.errorFactor[p / 2]
                if value > worst { (worst, chosen) = (value, p) }
            }
        }
        return chosen
    }

    /// What the standard error that importance sampling states of itself is multiplied with, by number of sticks.
    private static let errorFactor = [1, 1, 1.5, 2.5]

    /// How far each pair stays below the best, at the λ in [0, 3] that favours it most.
    func gaps(_ values: [Double]) -> [Double] {
        var gap = [Double](repeating: .infinity, count: values.count)
        for lambda in [0.0, 0.5, 1, 2, 3] {
            let here = values.enumerated().map { p, x in x - lambda * Double(counts[p]) }, best = here.max()!
            for p in gap.indices { gap[p] = min(gap[p], best - here[p]) }
        }
        return gap
    }
}
