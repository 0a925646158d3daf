import CKernels

/// Mean, standard deviation and quantiles of weighted draws of one quantity.
package struct WeightedStatistics {
    private var order: [Int32] = [], work: [Int32] = []

    package init() {}

    /// The five numbers of `SummaryStatistic.allCases`.
    ///
    /// Weights have sum 1. sd² = Σw(x − mean)² / (1 − Σw²), which is the (S − 1) rule for equal weights. A quantile p
    /// interpolates linearly between sorted values placed at cumulative weight minus half their own (Hazen's rule for
    /// equal weights), and holds the extremes outside.
    package mutating func summarise(
        _ values: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, count s: Int
    ) -> (mean: Float, sd: Float, q05: Float, q50: Float, q95: Float) {
        // As of absent fibres; then nothing is left to compute.
        guard (0..<s).contains(where: { values[$0] != 0 }) else { return (0, 0, 0, 0, 0) }
        var mean = 0.0, squares = 0.0
        for i in 0..<s {
            mean += Double(weights[i]) * Double(values[i])
            squares += Double(weights[i]) * Double(weights[i])
        }
        var variance = 0.0
        for i in 0..<s {
            let off = Double(values[i]) - mean
            variance += Double(weights[i]) * off * off
        }
        let sd = squares < 1 - 1e-9 ? (variance / (1 - squares)).squareRoot() : 0
        sort(values, count: s)
        var result: (Float, Float, Float) = (0, 0, 0)
        order.withUnsafeBufferPointer { order in
            @inline(__always) func draw(_ rank: Int) -> Int { Int(order[rank]) }
            var rank = 0
            var place = 0.5 * Double(weights[draw(0)]), previous = place
            @inline(__always) func quantile(_ p: Double) -> Float {
                while place < p && rank < s - 1 {
                    previous = place
                    place += 0.5 * Double(weights[draw(rank)] + weights[draw(rank + 1)])
                    rank += 1
                }
                let high = values[draw(rank)]
                guard place >= p, rank > 0, p > previous else {
                    return place >= p && rank > 0 ? values[draw(rank - 1)] : high
                }
                let low = values[draw(rank - 1)]
                return place > previous ? low + (high - low) * Float((p - previous) / (place - previous)) : high
            }
            result = (quantile(0.05), quantile(0.5), quantile(0.95))
        }
        return (Float(mean), Float(sd), result.0, result.1, result.2)
    }

    /// Fills `order` with the draws from the smallest value to the largest.
    private mutating func sort(_ values: UnsafePointer<Float>, count s: Int) {
        guard s <= 1024 else {
            order = (0..<Int32(s)).sorted { (values[Int($0)], $0) < (values[Int($1)], $1) }
            return
        }
        if order.count != s {
            order = Array(repeating: 0, count: s)
            work = Array(repeating: 0, count: s + 15)
        }
        pk_order(values, s, &order, &work)
    }
}
