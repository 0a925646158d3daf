import Foundation
import ModelSpace

/// How a voxel's draws count at a given λ.
///
/// log p(z|y,λ) = log p(z|y,λ_ref) − (λ − λ_ref)·k(z) + const is exact, and θ | z does not depend on λ; so each of the n_z draws of a structure counts
/// p(z|y,λ) / n_z, however n_z was chosen. Structures without draws are left out and the rest made to sum to 1.
public struct DrawWeights: Sendable {
    private let parameterCounts: [Double]
    private let toTarget: Double

    /// - Parameters:
    ///   - reference: λ of the log-probabilities that `update` receives.
    ///   - target: λ.
    public init(structures: StructureTable, reference: Double, target: Double) {
        parameterCounts = structures.rows.map { Double($0.parameterCount) }
        toTarget = target - reference
    }

    /// - Parameters:
    ///   - logProbability: Z log-probabilities at the reference λ (need not be normalised; −∞ allowed).
    ///   - drawStructures: D structure indices.
    ///   - probability: receives Z probabilities at λ.
    ///   - weights: receives D weights of sum 1.
    /// - Returns: the effective number of draws, 1/Σw².
    @discardableResult
    public func update(
        _ logProbability: UnsafePointer<Float>, _ drawStructures: UnsafePointer<UInt8>, drawCount d: Int,
        probability: UnsafeMutablePointer<Double>, weights: UnsafeMutablePointer<Float>
    ) -> Double {
        let z = parameterCounts.count
        var peak = -Double.infinity
        for i in 0..<z { peak = max(peak, Double(logProbability[i]) - toTarget * parameterCounts[i]) }
        guard peak.isFinite else {
            for i in 0..<z { probability[i] = 1 / Double(z) }
            for i in 0..<d { weights[i] = 1 / Float(d) }
            return Double(d)
        }
        var total = 0.0
        for i in 0..<z {
            probability[i] = exp(Double(logProbability[i]) - toTarget * parameterCounts[i] - peak)
            total += probability[i]
        }
        for i in 0..<z { probability[i] /= total }
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: z) { each in
            each.initialize(repeating: 0)
            for i in 0..<d { each[Int(drawStructures[i])] += 1 }
            var covered = 0.0
            for i in 0..<z where each[i] > 0 { covered += probability[i] }
            // No draw of any structure that counts: only an engine that broke its promise to allocate; then all draws count alike.
            guard covered > 0 else {
                for i in 0..<d { weights[i] = 1 / Float(d) }
                return Double(d)
            }
            for i in 0..<z where each[i] > 0 { each[i] = probability[i] / (covered * each[i]) }
            var squares = 0.0
            for i in 0..<d {
                let weight = each[Int(drawStructures[i])]
                weights[i] = Float(weight)
                squares += weight * weight
            }
            return 1 / squares
        }
    }

    /// Chooses S equally weighted draws of D by systematic resampling with offset ½: the draws themselves, in order, when weights are equal and S = D.
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
