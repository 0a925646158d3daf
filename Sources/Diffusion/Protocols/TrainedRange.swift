import Foundation
import ModelSpace

extension Acquisition {
    /// What the acquisition amounts to.
    public var statistics: AcquisitionStatistics { tables.statistics }
}

extension ProtocolMixture {
    /// Why an acquisition lies outside the range of this mixture: one sentence each, none when it lies inside.
    public func rangeViolations(of acquisition: Acquisition) -> [String] { rangeViolations(of: acquisition.statistics) }

    func rangeViolations(of s: AcquisitionStatistics) -> [String] {
        func whole(_ x: Double) -> String { String(Int(x.rounded())) }
        var list: [String] = []
        // Scattered and Cartesian sampling is told from shells by its many distinct b-values.
        let isGrid = s.shellCount > 6
        let top = isGrid ? largestGridB : largestB, most = isGrid ? largestGridCount : largestCount
        if s.largest > 1.03 * top {
            list.append(
                """
                The largest b-value, \(whole(s.largest)) s/mm², is above \(whole(top)), the largest trained \
                on\(isGrid ? "" : " for shells").
                """
            )
        }
        if s.largest < 0.9 * smallestB {
            list.append(
                "The largest b-value, \(whole(s.largest)) s/mm², is below \(whole(smallestB)), the smallest trained on."
            )
        } else if !isGrid && s.smallestWeighted < 0.85 * smallestB {
            list.append(
                """
                The lowest shell, b = \(whole(s.smallestWeighted)) s/mm², is below \(whole(smallestB)), the smallest \
                trained on.
                """
            )
        }
        if s.count > most { list.append("\(s.count) volumes are more than \(most), the most trained on.") }
        if s.directionCount < 6 {
            list.append("\(s.directionCount) distinct directions are fewer than 6, the fewest trained on.")
        }
        if s.directionCount >= 6 && s.evenness < 0.1 {
            list.append("The directions lie nearly in a plane; the training covered sets spread over the sphere.")
        }
        if s.unweightedCount > largestUnweightedCount + 2 {
            list.append(
                "\(s.unweightedCount) b≈0 volumes are more than \(largestUnweightedCount), the most trained on.")
        }
        if s.largestUnweighted > largestUnweightedB + 5 {
            list.append(
                """
                A b≈0 volume has b = \(whole(s.largestUnweighted)) s/mm², above \(whole(largestUnweightedB)), the \
                largest trained on.
                """
            )
        }
        return list
    }
}

extension DiffusionFamily {
    /// The least and the largest signal over mean b≈0 in 4096 simulations of an acquisition from the prior: about what
    /// a network is shown of it in training.
    public func simulatedRange(of acquisition: Acquisition) -> ClosedRange<Float> {
        let structures = structureList?.structures, m = acquisition.count
        var low = Float(0), high = Float(0), theta = [Double](repeating: 0, count: parameterNames.count),
            y = [Float](repeating: 0, count: m)
        for i in 0..<4096 {
            var random = RandomSource(seed: 1, stream: UInt64(i))
            let z = structures.map { $0[i % $0.count] } ?? drawStructure(lambda: 0, using: &random)
            drawParameters(z, acquisition, using: &random, into: &theta)
            simulate(&theta, z, acquisition, using: &random, into: &y)
            for value in y { (low, high) = (min(low, value), max(high, value)) }
        }
        return low...high
    }
}
