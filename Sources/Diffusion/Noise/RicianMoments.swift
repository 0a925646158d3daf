import Foundation

/// Mean and standard deviation of a magnitude signal: y = |S + σ(n₁ + i n₂)| for a = S/σ, in units of σ.
///
///     mean(a) = √(π/2) e^(−a²/4) [(1 + a²/2) I₀(a²/4) + a²/2 I₁(a²/4)]        variance(a) = 2 + a² − mean²
///
/// At a = 0 (the noise floor) the mean is 1.253 and the standard deviation 0.655; from a = 3 on nearly √(a² + 1) and 1.
/// - Accuracy: 2e-4 for a ≥ 0, by linear interpolation of a table and an expansion beyond it.
/// - Source: S. O. Rice, Bell System Technical Journal 24 (1945); Koay and Basser, J. Magn. Reson. 179 (2006) 317.
public struct RicianMoments: Sendable {
    /// Table entries a unit of a, and where the table ends.
    private static let density = 32, end = 12
    private let table: [(mean: Double, sd: Double)]

    /// Made once.
    public static let shared = RicianMoments()

    private init() {
        table = (0...Self.density * Self.end + 1).map { Self.exact(Double($0) / Double(Self.density)) }
    }

    @inline(__always)
    public func callAsFunction(_ a: Double) -> (mean: Double, sd: Double) {
        guard a < Double(Self.end) else { return (a + 0.5 / a, 1 - 0.25 / (a * a)) }
        let x = max(0, a) * Double(Self.density), i = Int(x), t = x - Double(i)
        return (
            table[i].mean + t * (table[i + 1].mean - table[i].mean), table[i].sd + t * (table[i + 1].sd - table[i].sd)
        )
    }

    /// By Simpson's rule for the mean, in which exp(−(r − a)²/2) r · (e^−x I₀(x)), x = ra, is the density.
    static func exact(_ a: Double) -> (mean: Double, sd: Double) {
        let low = max(0, a - 9), high = a + 9, steps = 400, h = (high - low) / Double(steps)
        var mean = 0.0
        for i in 0...steps {
            let r = low + Double(i) * h, density = r * exp(-0.5 * (r - a) * (r - a) + logScaledBesselI0(r * a))
            mean += (i == 0 || i == steps ? 1 : i % 2 == 1 ? 4 : 2) * r * density
        }
        mean *= h / 3
        return (mean, max(0, 2 + a * a - mean * mean).squareRoot())
    }
}
