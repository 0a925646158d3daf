import Foundation

/// Proper scores of draws against what was true: the less the better, on average least where the draws are of the
/// posterior. Unbiased by how many draws there are, as only pairs of different ones are compared.
///
///     E|X − t| − ½ E|X − X′|
///
/// - Source: Gneiting and Raftery, JASA 102 (2007) 359; Ferro, QJRMS 140 (2014) 1917, "Fair scores for ensemble
///   forecasts".
enum DrawScores {
    /// The continuous ranked probability score of a number; of the standard normal prior, over truths drawn from it,
    /// 1/√π = 0.564.
    /// - Parameter draws: two or more.
    static func number(_ draws: [Double], truth: Double) -> Double {
        let n = Double(draws.count), sorted = draws.sorted()
        // Σ of |x_i − x_j| over pairs i < j.
        let apart = sorted.enumerated().reduce(0) { $0 + (2 * Double($1.offset) + 1 - n) * $1.element }
        return draws.reduce(0) { $0 + abs($1 - truth) } / n - apart / (n * (n - 1))
    }

    /// The energy score of an axis, the distance of two being the sine of the angle between them, which is that of
    /// their dyads (Frobenius) over √2; of the uniform prior π/8 = 0.393.
    /// - Parameter draws: two or more, of unit length.
    static func axis(_ draws: [SIMD3<Double>], truth: SIMD3<Double>) -> Double {
        func sine(_ a: SIMD3<Double>, _ b: SIMD3<Double>) -> Double {
            let cosine = (a * b).sum()
            return max(0, 1 - cosine * cosine).squareRoot()
        }
        let n = Double(draws.count)
        var apart = 0.0
        for i in draws.indices { for j in 0..<i { apart += sine(draws[i], draws[j]) } }
        return draws.reduce(0) { $0 + sine($1, truth) } / n - apart / (n * (n - 1))
    }
}
