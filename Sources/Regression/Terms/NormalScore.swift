import Foundation

/// The standard normal distribution function and its inverse: the chart of every parameter with bounds.
public enum NormalScore {
    /// Φ(z), relative accuracy that of `erfc`.
    @inline(__always)
    public static func probability(_ z: Double) -> Double { 0.5 * erfc(-z * 0.5.squareRoot()) }

    /// Φ⁻¹(p) for 0 < p < 1, within 1e-9 of |z| ≤ 8 (a test asserts it): a rational start and one step of Halley's.
    /// - Source: Acklam, "An algorithm for computing the inverse normal cumulative distribution function" (2003).
    public static func score(_ p: Double) -> Double {
        let a = [
            -3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02, 1.383577518672690e+02,
            -3.066479806614716e+01, 2.506628277459239e+00,
        ]
        let b = [
            -5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02, 6.680131188771972e+01,
            -1.328068155288572e+01,
        ]
        let c = [
            -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00, -2.549732539343734e+00,
            4.374664141464968e+00, 2.938163982698783e+00,
        ]
        let d = [
            7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00,
        ]
        func tail(_ q: Double) -> Double {
            let top = ((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]
            return top / ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1)
        }
        // The upper half by symmetry: 1 − p would lose what p near 1 has.
        if p > 0.5 { return -score(1 - p) }
        var x: Double
        if p < 0.02425 {
            x = tail((-2 * log(p)).squareRoot())
        } else {
            let q = p - 0.5, r = q * q
            let top = (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q
            x = top / (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1)
        }
        let u = (probability(x) - p) * (2 * Double.pi).squareRoot() * exp(x * x / 2)
        x -= u / (1 + x * u / 2)
        return x
    }
}

/// A parameter with bounds, whose prior is flat in itself or in its logarithm: as a standard normal score, so that
/// densities have no edges and what the data do not tell keeps an exactly normal prior.
public struct BoundedParameter: Sendable, Hashable {
    public let name: String, low: Double, high: Double, isLogarithm: Bool

    public static func uniform(_ name: String, _ low: Double, _ high: Double) -> BoundedParameter {
        BoundedParameter(name: name, low: low, high: high, isLogarithm: false)
    }
    public static func logUniform(_ name: String, _ low: Double, _ high: Double) -> BoundedParameter {
        BoundedParameter(name: name, low: low, high: high, isLogarithm: true)
    }

    /// The value at a score.
    public func value(_ z: Double) -> Double {
        let u = NormalScore.probability(z)
        return isLogarithm ? low * exp(u * log(high / low)) : low + u * (high - low)
    }

    /// The score of a value, kept within ±8.
    public func score(_ value: Double) -> Double {
        let u = isLogarithm ? log(value / low) / log(high / low) : (value - low) / (high - low)
        return min(8, max(-8, NormalScore.score(min(1 - 1e-15, max(1e-15, u)))))
    }
}
