import Foundation

/// What an acquisition amounts to, in the numbers that the network is told and that the trained range is stated in.
public struct AcquisitionStatistics: Sendable {
    /// M and n0.
    public let count: Int, unweightedCount: Int
    /// Largest b among the b≈0 volumes, smallest among the others, largest of all, s/mm².
    public let largestUnweighted: Double, smallestWeighted: Double, largest: Double
    /// Directions among the weighted volumes that differ by more than about 3.6° (counted up to 600).
    public let directionCount: Int
    /// Groups of weighted b-values separated by gaps of more than 80 s/mm².
    public let shellCount: Int
    /// Whether six weighted volumes have at least 1.4 times the b of six others, all from 400 s/mm² on: enough of a
    /// range to tell kinds of water apart by how their signals bend with b. Of grids, too, whose shells are none.
    public let hasSeveralShells: Bool
    /// Mean of the compressed b, c = k / (1 + k/4), k = b/1000.
    public let meanCompressedB: Double
    /// Fractions of all volumes with weighted b below 800, 1600, 2600, 4600 and above.
    public let fractions: [Double]
    /// log Σ a²/(1 + a)^1.5, a = 1.5e-3·b: how much the volumes together can say about a stick's direction.
    public let gain: Double
    /// Fractions of the weighted directions' mean dyad along its weakest axis, times 3: 1 for an even sphere, 0 for a
    /// planar set.
    public let evenness: Double

    static let edges = [800.0, 1600, 2600, 4600, .infinity]

    static func compress(_ b: Double) -> Double { let k = b / 1000; return k / (1 + k / 4) }

    init(bValues: [Double], directions: [SIMD3<Double>], isWeighted: [Bool]) {
        count = bValues.count
        var n0 = 0, low = 0.0, bottom = Double.infinity, top = 0.0, total = 0.0, information = 0.0
        var bins = [0.0, 0, 0, 0, 0], kept: [SIMD3<Double>] = [], weightedB: [Double] = []
        var dyad = SymmetricMatrix3()
        weightedB.reserveCapacity(count)
        for (i, (b, g)) in zip(bValues, directions).enumerated() {
            top = max(top, b)
            total += Self.compress(b)
            guard isWeighted[i] else { n0 += 1; low = max(low, b); continue }
            bottom = min(bottom, b)
            weightedB.append(b)
            bins[Self.edges.firstIndex { b < $0 } ?? 4] += 1
            let a = 1.5e-3 * b
            information += a * a / ((1 + a) * (1 + a).squareRoot())
            dyad.add(g, weight: 1)
            if kept.count < 600 {
                var isNew = true
                for other in kept where abs((other * g).sum()) > 0.998 { isNew = false; break }
                if isNew { kept.append(g) }
            }
        }
        weightedB.sort()
        shellCount =
            weightedB.isEmpty
            ? 0 : 1 + zip(weightedB, weightedB.dropFirst()).reduce(0) { $0 + ($1.1 - $1.0 > 80 ? 1 : 0) }
        let telling = weightedB.filter { $0 >= 400 }
        hasSeveralShells = telling.count >= 12 && telling[telling.count - 6] >= 1.4 * telling[5]
        unweightedCount = n0
        largestUnweighted = low
        smallestWeighted = bottom
        largest = top
        directionCount = kept.count
        meanCompressedB = total / Double(count)
        fractions = bins.map { $0 / Double(bValues.count) }
        gain = log(max(information, 1e-6))
        evenness = weightedB.isEmpty ? 0 : 3 * dyad.eigensystem().values.z / Double(weightedB.count)
    }

    /// The protocol's part of the network's summaries, standardised.
    var summary: [Float] {
        var raw = [
            log(Double(max(unweightedCount, 1))), unweightedCount >= 2 ? 1 : 0, log(Double(count)), log(largest / 1000),
            meanCompressedB,
        ]
        raw += fractions
        raw += [log(Double(max(directionCount, 1))), log(1 + Double(shellCount)), gain]
        return raw.enumerated().map { ObservationScale.standardise($1, ObservationScale.protocolStart + $0) }
    }
}
