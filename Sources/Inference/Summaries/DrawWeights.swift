import Foundation
import ModelSpace

/// How a voxel's draws count at a given λ.
///
/// log p(z|y,λ) = log p(z|y,λ_ref) − (λ − λ_ref)·k(z) + const is exact, and θ | z does not depend on λ. How many draws
/// n_z a structure has was chosen, not drawn (`DrawAllocation`), and a draw of it counts
///
///     p(z|y,λ) / n_z           where E[n_z] ≥ 1, so that it certainly has one,
///     p(z|y,λ) / E[n_z]        else: seldom there, it stands for its like.
///
/// Together the draws of each number of fibres that could expect one or more then get that number's own probability,
/// and all are made to sum to 1. Archives of earlier versions gave structures under 1 % no draw, and the others theirs
/// for certain: p/n_z is all that can be done there.
public struct DrawWeights: Sendable {
    private let parameterCounts: [Int], fibreCounts: [Int], mostFibres: Int
    private let reference: Double, target: Double, drawLambda: Double?

    /// - Parameters:
    ///   - structures: the rows that `update` is told of, where they are not the metadata's.
    ///   - target: λ.
    public init(_ metadata: PosteriorMetadata, structures: StructureTable? = nil, target: Double) {
        let rows = (structures ?? metadata.structures).rows
        self.init(
            parameterCounts: rows.map(\.parameterCount), fibreCounts: rows.map(\.fibreCount),
            drawLambda: metadata.allocatesByExpectation ? metadata.drawLambda : nil,
            reference: metadata.referenceLambda, target: target)
    }

    /// - Parameters:
    ///   - parameterCounts: k(z) of each row, and its number of fibres.
    ///   - drawLambda: λ that draws were allocated for; nil where that is not known.
    ///   - reference: λ of the log-probabilities that `update` receives.
    package init(
        parameterCounts: [Int], fibreCounts: [Int], drawLambda: Double?, reference: Double = 0, target: Double
    ) {
        self.parameterCounts = parameterCounts
        self.fibreCounts = fibreCounts
        mostFibres = fibreCounts.max() ?? 0
        self.drawLambda = drawLambda
        (self.reference, self.target) = (reference, target)
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
        let z = posterior.rows.count, d = posterior.drawPlaces.count, toTarget = target - reference
        probability.removeAll(keepingCapacity: true)
        var peak = -Double.infinity
        for i in 0..<z {
            let k = Double(parameterCounts[posterior.rows[i]])
            probability.append(Double(posterior.logProbability[i]) - toTarget * k)
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
        var each = perDraw(posterior, probability)
        let covered = posterior.drawPlaces.reduce(0) { $0 + each[Int($1)] }
        // No draw of any structure that counts: only an engine that broke its promise to allocate; then all draws
        // count alike.
        guard covered > 0 else {
            for i in 0..<d { weights[i] = 1 / Float(d) }
            return (Double(d), rest / total)
        }
        for i in 0..<z { each[i] /= covered }
        var squares = 0.0
        for i in 0..<d {
            let weight = each[Int(posterior.drawPlaces[i])]
            weights[i] = Float(weight)
            squares += weight * weight
        }
        return (1 / squares, rest / total)
    }

    /// For what one draw of each structure counts, up to a factor; 0 of those without.
    private func perDraw(_ posterior: ListedPosterior, _ probability: [Double]) -> [Double] {
        var counts = [Double](repeating: 0, count: probability.count)
        for place in posterior.drawPlaces { counts[Int(place)] += 1 }
        guard let drawLambda else { return zip(probability, counts).map { $1 > 0 ? $0 / $1 : 0 } }
        let expected = DrawAllocation.expected(
            posterior.logProbability.map(Double.init), parameterCounts: posterior.rows.map { parameterCounts[$0] },
            reference: reference, lambda: drawLambda, total: posterior.drawPlaces.count)
        var each = counts, drawn = [Double](repeating: 0, count: mostFibres + 1), mass = drawn, share = drawn
        for i in each.indices {
            let n = fibreCounts[posterior.rows[i]]
            mass[n] += probability[i]
            share[n] += expected[i]
            guard counts[i] > 0 else { continue }
            each[i] = probability[i] / (expected[i] < 1 ? max(expected[i], .leastNormalMagnitude) : counts[i])
            drawn[n] += each[i] * counts[i]
        }
        for i in each.indices where counts[i] > 0 {
            let n = fibreCounts[posterior.rows[i]]
            if share[n] >= 1 && drawn[n] > 0 { each[i] *= mass[n] / drawn[n] }
        }
        return each
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
