import Foundation
import ModelSpace

/// How a voxel's draws, made at one λ, count at another.
///
/// log p(z|y,λ′) = log p(z|y,λ) − (λ′ − λ)·k(z) + const is exact, and θ | z does not depend on λ; so a draw with structure z counts in
/// proportion to p(z|y,λ′) / p(z|y,λ_draws). At λ′ = λ_draws all weights are 1/S.
public struct DrawWeights: Sendable {
    private let parameterCounts: [Double]
    private let toTarget: Double, toDraws: Double

    /// - Parameters:
    ///   - reference: λ of the log-probabilities that `update` receives.
    ///   - draws: λ at which the draws were made.
    ///   - target: λ′.
    public init(structures: StructureTable, reference: Double, draws: Double, target: Double) {
        parameterCounts = structures.rows.map { Double($0.parameterCount) }
        toTarget = target - reference
        toDraws = draws - reference
    }

    /// - Parameters:
    ///   - logProbability: Z log-probabilities at the reference λ (need not be normalised; −∞ allowed).
    ///   - drawStructures: S structure indices.
    ///   - probability: receives Z probabilities at λ′.
    ///   - weights: receives S weights of sum 1.
    /// - Returns: the effective number of draws, 1/Σw².
    @discardableResult
    public func update(
        _ logProbability: UnsafePointer<Float>, _ drawStructures: UnsafePointer<UInt8>, drawCount s: Int,
        probability: UnsafeMutablePointer<Double>, weights: UnsafeMutablePointer<Float>
    ) -> Double {
        let z = parameterCounts.count
        var peak = -Double.infinity
        for i in 0..<z { peak = max(peak, Double(logProbability[i]) - toTarget * parameterCounts[i]) }
        guard peak.isFinite else {
            for i in 0..<z { probability[i] = 1 / Double(z) }
            for i in 0..<s { weights[i] = 1 / Float(s) }
            return Double(s)
        }
        var total = 0.0
        for i in 0..<z {
            probability[i] = exp(Double(logProbability[i]) - toTarget * parameterCounts[i] - peak)
            total += probability[i]
        }
        for i in 0..<z { probability[i] /= total }
        guard toTarget != toDraws else {
            for i in 0..<s { weights[i] = 1 / Float(s) }
            return Double(s)
        }
        // log of p(z|λ′)/p(z|λ_draws) up to a constant, taken relative to the smallest k among the draws' structures.
        let slope = toTarget - toDraws
        var origin = Double.infinity
        for i in 0..<s { origin = min(origin, slope * parameterCounts[Int(drawStructures[i])]) }
        var sum = 0.0, squares = 0.0
        for i in 0..<s { sum += exp(origin - slope * parameterCounts[Int(drawStructures[i])]) }
        for i in 0..<s {
            let weight = exp(origin - slope * parameterCounts[Int(drawStructures[i])]) / sum
            weights[i] = Float(weight)
            squares += weight * weight
        }
        return 1 / squares
    }

    /// Chooses S equally weighted draws by systematic resampling with offset ½: the draws themselves, in order, when weights are equal.
    public static func resample(_ weights: UnsafePointer<Float>, drawCount s: Int, into chosen: UnsafeMutablePointer<UInt16>) {
        var total = 0.0
        for i in 0..<s { total += Double(weights[i]) }
        var draw = 0, cumulative = Double(weights[0])
        for j in 0..<s {
            let target = (Double(j) + 0.5) / Double(s) * total
            while cumulative < target && draw < s - 1 {
                draw += 1
                cumulative += Double(weights[draw])
            }
            chosen[j] = UInt16(draw)
        }
    }
}
