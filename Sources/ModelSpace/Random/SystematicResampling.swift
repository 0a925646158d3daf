/// `count` indices drawn by systematic resampling: index i appears ⌊count·w_i⌋ or ⌈count·w_i⌉ times, in ascending
/// order.
///
/// - Parameters:
///   - weights: not empty, of any sum.
///   - offset: uniform on (0, 1).
public func systematicResample(_ weights: [Double], count: Int, offset: Double) -> [Int] {
    let total = weights.reduce(0, +)
    var cumulative = weights[0], i = 0
    return (0..<count).map { s in
        let position = (Double(s) + offset) / Double(count) * total
        while cumulative <= position && i + 1 < weights.count {
            i += 1
            cumulative += weights[i]
        }
        return i
    }
}
