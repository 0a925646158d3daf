import Foundation
import ModelSpace

/// The few statistics that calibration studies rest on.
public enum CalibrationStatistics {
    /// Q(a, x) = Γ(a, x)/Γ(a), the regularised upper incomplete gamma function, for a > 0 and x ≥ 0.
    ///
    /// By the power series of P = 1 − Q below x = a + 1, by Lentz's continued fraction above.
    /// - Accuracy: absolute error ≤ 1e-12 for a ≤ 1000.
    /// - Source: Abramowitz & Stegun 6.5.29 and 6.5.31; Lentz, Applied Optics 15 (1976) 668.
    public static func upperGamma(_ a: Double, _ x: Double) -> Double {
        precondition(a > 0 && x >= 0)
        guard x > 0 else { return 1 }
        guard x.isFinite else { return 0 }
        let front = exp(a * log(x) - x - lgamma(a))
        if x < a + 1 {
            var term = 1 / a, sum = term, n = a
            while term > sum * 1e-17 {
                n += 1
                term *= x / n
                sum += term
            }
            return max(0, 1 - front * sum)
        }
        var b = x + 1 - a, c = 1e300, d = 1 / b, h = d
        for i in 1...10_000 {
            let numerator = -Double(i) * (Double(i) - a)
            b += 2
            d = 1 / nonzero(numerator * d + b)
            c = nonzero(b + numerator / c)
            h *= c * d
            if abs(c * d - 1) < 1e-16 { break }
        }
        return front * h
    }

    private static func nonzero(_ x: Double) -> Double { abs(x) < 1e-300 ? 1e-300 : x }

    /// The chance of a χ² at least this large under `degrees` degrees of freedom.
    public static func chiSquaredPValue(_ statistic: Double, degrees: Int) -> Double {
        degrees > 0 ? upperGamma(Double(degrees) / 2, max(0, statistic) / 2) : 1
    }

    /// Pearson's χ² of counts against equal expectations, and its p-value. No counts: (0, 1).
    public static func uniformity(_ counts: [Int]) -> (statistic: Double, pValue: Double) {
        let total = counts.reduce(0, +)
        guard total > 0, counts.count > 1 else { return (0, 1) }
        let expected = Double(total) / Double(counts.count)
        let statistic = counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        return (statistic, chiSquaredPValue(statistic, degrees: counts.count - 1))
    }

    /// The place of `truth` among L draws: uniform on 0…L when truth and draws are exchangeable, ties being broken at
    /// random.
    public static func rank(of truth: Double, among draws: [Double], using random: inout RandomSource) -> Int {
        var below = 0, ties = 0
        for x in draws {
            if x < truth { below += 1 } else if !(x > truth) { ties += 1 }
        }
        return below + (ties > 0 ? random.index(below: ties + 1) : 0)
    }

    /// ½ Σ |p − q|.
    public static func totalVariation(_ p: [Double], _ q: [Double]) -> Double {
        precondition(p.count == q.count)
        return 0.5 * zip(p, q).reduce(0) { $0 + abs($1.0 - $1.1) }
    }

    /// √(p(1 − p)/n), with p kept half a count away from 0 and 1 so that a share of 100 % is not called certain.
    public static func binomialError(_ share: Double, count: Int) -> Double {
        guard count > 0 else { return 0 }
        let n = Double(count), p = min(max(share, 0.5 / n), 1 - 0.5 / n)
        return (max(0, p * (1 - p)) / n).squareRoot()
    }
}

/// Mean, its standard error, and quantiles of a set of numbers.
public struct Spread: Codable, Sendable, Equatable {
    public var count: Int, mean: Double, standardError: Double
    public var q05: Double, q25: Double, q50: Double, q75: Double, q95: Double

    /// Quantiles interpolate linearly between order statistics. No values: all zero.
    public init(_ values: [Double]) {
        let x = values.sorted(), n = Double(x.count)
        count = x.count
        let centre = x.isEmpty ? 0 : x.reduce(0, +) / n
        mean = centre
        standardError =
            x.count > 1 ? (x.reduce(0) { $0 + ($1 - centre) * ($1 - centre) } / (n - 1) / n).squareRoot() : 0
        func quantile(_ p: Double) -> Double {
            guard let last = x.indices.last else { return 0 }
            let place = p * Double(last), low = Int(place)
            return low == last ? x[last] : x[low] + (place - Double(low)) * (x[low + 1] - x[low])
        }
        (q05, q25, q50, q75, q95) = (quantile(0.05), quantile(0.25), quantile(0.5), quantile(0.75), quantile(0.95))
    }
}
