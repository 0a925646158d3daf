import Foundation
import ModelSpace

/// How a voxel's draws count at a given λ.
///
/// log p(z|y,λ) = log p(z|y,λ_ref) − (λ − λ_ref)·k(z) + const is exact, and θ | z does not depend on λ; so each of the
/// n_z draws of a structure counts p(z|y,λ) / n_z, however n_z was chosen. Structures without draws are left out and
/// the rest made to sum to 1.
public struct DrawWeights: Sendable {
    private let parameterCounts: [Double]
    private let toTarget: Double

    /// - Parameters:
    ///   - reference: λ of the log-probabilities that `update` receives.
    ///   - target: λ.
    public init(structures: StructureTable, reference: Double, target: Double) {
        self.init(parameterCounts: structures.rows.map(\.parameterCount), reference: reference, target: target)
    }

    /// - Parameter parameterCounts: k(z) of each row.
    package init(parameterCounts: [Int], reference: Double, target: Double) {
        self.parameterCounts = parameterCounts.map(Double.init)
        toTarget = target - reference
    }

    /// - Parameters:
    ///   - probability: receives L probabilities at λ; with `rest` they sum to 1.
    ///   - weights: receives D weights of sum 1.
    /// - Returns: the effective number of draws, 1/Σw², and the probability of all structures that are not listed, at
    ///   most.
    @discardableResult
    public func update(
        _ posterior: ListedPosterior, probability: inout [Double], weights: UnsafeMutablePointer<Float>
    ) -> (effective: Double, rest: Double) {
        let z = posterior.rows.count, d = posterior.drawPlaces.count
        probability.removeAll(keepingCapacity: true)
        var peak = -Double.infinity
        for i in 0..<z {
            probability.append(Double(posterior.logProbability[i]) - toTarget * parameterCounts[posterior.rows[i]])
            peak = max(peak, probability[i])
        }
        guard peak.isFinite else {
            for i in 0..<z { probability[i] = 1 / Double(z) }
            for i in 0..<d { weights[i] = 1 / Float(d) }
            return (Double(d), 0)
        }
        var total = 0.0
        for i in 0..<z {
            probability[i] = exp(probability[i] - peak)
            total += probability[i]
        }
        let rest = exp(Double(posterior.logRest) - toTarget * Double(posterior.restParameters) - peak)
        total += rest
        for i in 0..<z { probability[i] /= total }
        let effective = withUnsafeTemporaryAllocation(of: Double.self, capacity: z) { each in
            each.initialize(repeating: 0)
            for place in posterior.drawPlaces { each[Int(place)] += 1 }
            var covered = 0.0
            for i in 0..<z where each[i] > 0 { covered += probability[i] }
            // No draw of any structure that counts: only an engine that broke its promise to allocate; then all draws
            // count alike.
            guard covered > 0 else {
                for i in 0..<d { weights[i] = 1 / Float(d) }
                return Double(d)
            }
            for i in 0..<z where each[i] > 0 { each[i] = probability[i] / (covered * each[i]) }
            var squares = 0.0
            for i in 0..<d {
                let weight = each[Int(posterior.drawPlaces[i])]
                weights[i] = Float(weight)
                squares += weight * weight
            }
            return 1 / squares
        }
        return (effective, rest / total)
    }

    /// Chooses S equally weighted draws of D by systematic resampling with offset ½: the draws themselves, in order,
    /// when weights are equal and S = D.
    public static func resample(
        _ weights: UnsafePointer<Float>, drawCount d: Int, samples s: Int, into chosen: UnsafeMutablePointer<UInt16>
    ) {
        var total = 0.0
        for i in 0..<d { total += Double(weights[i]) }
        var draw = 0, cumulative = Double(weights[0])
        for j in 0..<s {
            let target = (Double(j) + 0.5) / Double(s) * total
            while cumulative < target && draw < d - 1 {
                draw += 1
                cumulative += Double(weights[draw])
            }
            chosen[j] = UInt16(draw)
        }
    }
}
