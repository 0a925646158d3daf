import Foundation
import ModelSpace

/// A maximum of a structure's density over the scores of σ and the inner parameters, and its extent.
struct Mode: Sendable {
    /// σ's score, then each term's, terms rising.
    var point: [Double]
    /// log of density times prior there.
    var logDensity: Double
    /// Lower factor of the covariance, row-major.
    var spread: [Double]

    /// Of coordinate i.
    func variance(_ i: Int) -> Double {
        let row = i * point.count
        return (0...i).reduce(0) { $0 + spread[row + $1] * spread[row + $1] }
    }

    /// Whether a point is within two standard deviations in every coordinate.
    func isNear(_ other: [Double]) -> Bool {
        point.indices.allSatisfy { abs(point[$0] - other[$0]) <= 2 * variance($0).squareRoot() }
    }

    /// Laplace's integral.
    var logMass: Double {
        let d = point.count
        var total = logDensity + 0.5 * Double(d) * log(2 * .pi)
        for i in 0..<d { total += log(spread[i * d + i]) }
        return total
    }
}

/// Where a function that rises and then falls is highest, and its value there, by golden section: after s steps within
/// 0.618^(s+1) of the interval, as a test asserts.
func highest(from first: Double, to last: Double, steps: Int, _ f: (Double) -> Double) -> (x: Double, value: Double) {
    let ratio = (5.0.squareRoot() - 1) / 2
    var (low, high) = (first, last), left = high - ratio * (high - low), right = low + ratio * (high - low)
    var (atLeft, atRight) = (f(left), f(right))
    for _ in 0..<steps {
        if atLeft > atRight {
            (high, right, atRight) = (right, left, atLeft)
            left = high - ratio * (high - low)
            atLeft = f(left)
        } else {
            (low, left, atLeft) = (left, right, atRight)
            right = low + ratio * (high - low)
            atRight = f(right)
        }
    }
    return atLeft > atRight ? (left, atLeft) : (right, atRight)
}

/// The density of one structure as a function of a point.
struct StructureDensity {
    let density: CollapsedDensity, counts: [Int]

    /// - Parameter point: loaded.
    init(_ density: CollapsedDensity, _ z: Structure, at point: [Double]) {
        self.density = density
        counts = density.family.active(z).map { density.family.terms[$0].inner.count }
        var at = 1
        density.load(
            z,
            inner: counts.map { n in
                defer { at += n }; return Array(point[at..<at + n])
            })
    }

    /// log of density times prior.
    func value(_ point: [Double]) -> Double {
        var at = 1, prior = 0.0
        for z in point {
            guard abs(z) < 8 else { return -.infinity }
            prior -= 0.5 * z * z
        }
        for (c, n) in counts.enumerated() where n > 0 {
            let own = point[at..<at + n]
            at += n
            if !own.elementsEqual(density.inner[c]) { density.setInner(c, Array(own)) }
        }
        return density.logDensity(point[0]) + prior - 0.5 * Double(point.count) * log(2 * .pi)
    }

    /// A point with σ where it suits the rest best: a neighbour's is far too small where a term has gone.
    func levelled(_ point: [Double]) -> [Double] {
        var x = point
        func at(_ level: Double) -> Double { x[0] = level; return value(x) }
        x[0] = highest(from: -4, to: 4, steps: 12, at).x
        return x
    }

    /// Uphill by BFGS with differences for slopes, then the extent.
    func climb(_ start: [Double], steps: Int = 40) -> Mode {
        let d = start.count, h = 1e-5
        var x = start, f = value(x), inverse = [Double](repeating: 0, count: d * d)
        for i in 0..<d { inverse[i * d + i] = 0.05 }
        func slope(_ x: [Double], _ f: Double) -> [Double] {
            (0..<d).map { i in
                var other = x
                other[i] += h
                let up = value(other)
                return up.isFinite ? (up - f) / h : 0
            }
        }
        guard f.isFinite else { return Mode(point: x, logDensity: -1e300, spread: inverse) }
        var g = slope(x, f)
        for _ in 0..<steps {
            var step = (0..<d).map { i in (0..<d).reduce(0) { $0 + inverse[i * d + $1] * g[$1] } }
            var gain = zip(step, g).reduce(0) { $0 + $1.0 * $1.1 }
            if gain <= 0 {
                inverse = [Double](repeating: 0, count: d * d)
                for i in 0..<d { inverse[i * d + i] = 0.01 }
                step = g.map { 0.01 * $0 }
                gain = zip(step, g).reduce(0) { $0 + $1.0 * $1.1 }
            }
            if gain < 1e-4 { break }
            let far = step.map(abs).max()!
            var t = min(1, 1 / far), next = x, value = -Double.infinity
            for _ in 0..<20 {
                next = zip(x, step).map { $0 + t * $1 }
                value = self.value(next)
                if value > f + 1e-4 * t * gain { break }
                t *= 0.4
            }
            guard value > f else { break }
            let slopes = slope(next, value), s = zip(next, x).map { $0 - $1 }, y = zip(g, slopes).map { $0 - $1 }
            let sy = zip(s, y).reduce(0) { $0 + $1.0 * $1.1 }
            if sy > 1e-12 {
                let by = (0..<d).map { i in (0..<d).reduce(0) { $0 + inverse[i * d + $1] * y[$1] } }
                let yby = zip(y, by).reduce(0) { $0 + $1.0 * $1.1 }
                for i in 0..<d {
                    for j in 0..<d {
                        inverse[i * d + j] += (1 + yby / sy) * s[i] * s[j] / sy - (by[i] * s[j] + s[i] * by[j]) / sy
                    }
                }
            }
            let gained = value - f
            (x, f, g) = (next, value, slopes)
            if gained < 1e-5 { break }
        }
        return Mode(point: x, logDensity: f, spread: extent(x, f))
    }

    /// The lower factor of the covariance: curvatures over distances at which the density falls by about half a nat,
    /// so that what is flat up to an edge counts as wide as it is.
    private func extent(_ x: [Double], _ f: Double) -> [Double] {
        let d = x.count
        func at(_ steps: [(Int, Double)]) -> Double {
            var other = x
            for (i, h) in steps { other[i] += h }
            return max(value(other), f - 1e6)
        }
        var width = [Double](repeating: 0, count: d), curvature = width
        for i in 0..<d {
            var h = 0.05, drop = 0.0
            for _ in 0..<24 {
                drop = f - 0.5 * (at([(i, h)]) + at([(i, -h)]))
                if drop > 1 { h *= drop > 100 ? 0.1 : 0.5 } else if drop < 0.2, h < 1 { h *= 1.7 } else { break }
            }
            width[i] = h
            curvature[i] = max(0.3, 2 * drop / (h * h))
        }
        var precision = [Double](repeating: 0, count: d * d)
        for i in 0..<d {
            precision[i * d + i] = curvature[i]
            for j in 0..<i {
                let (a, b) = (width[i], width[j])
                let mixed =
                    (at([(i, a), (j, b)]) - at([(i, a), (j, -b)]) - at([(i, -a), (j, b)])
                        + at([(i, -a), (j, -b)])) / (4 * a * b)
                precision[i * d + j] = -mixed
            }
        }
        // Correlations that no normal has are drawn in until it is one.
        let factor = SquareFactor(most: d)
        var shrink = 1.0
        for _ in 0..<40 {
            var trial = precision
            for i in 0..<d {
                for j in 0..<i {
                    let most = 0.99 * (curvature[i] * curvature[j]).squareRoot()
                    trial[i * d + j] = max(-most, min(most, precision[i * d + j])) * shrink
                }
            }
            if factor.factorise(trial, stride: d, size: d, ridge: 0) { break }
            shrink *= 0.8
            if shrink < 0.01 { shrink = 0 }
        }
        return Self.covarianceFactor(factor, d)
    }

    /// L of Σ = P⁻¹ from the factor of P.
    private static func covarianceFactor(_ precision: SquareFactor, _ d: Int) -> [Double] {
        var covariance = [Double](repeating: 0, count: d * d)
        for j in 0..<d {
            var e = [Double](repeating: 0, count: d)
            e[j] = 1
            e.withUnsafeMutableBufferPointer {
                precision.forward($0.baseAddress!); precision.backward($0.baseAddress!)
            }
            for i in 0..<d { covariance[i * d + j] = e[i] }
        }
        return lower(covariance, d)
    }

    /// Cholesky's factor of a covariance; its diagonal's where it has none.
    static func lower(_ covariance: [Double], _ d: Int) -> [Double] {
        let factor = SquareFactor(most: d)
        var lower = [Double](repeating: 0, count: d * d)
        guard factor.factorise(covariance, stride: d, size: d, ridge: 1e-14) else {
            for i in 0..<d { lower[i * d + i] = max(1e-8, covariance[i * d + i]).squareRoot() }
            return lower
        }
        for j in 0..<d {
            var e = [Double](repeating: 0, count: d)
            e[j] = 1
            e.withUnsafeMutableBufferPointer { factor.multiply($0.baseAddress!) }
            for i in j..<d { lower[i * d + j] = e[i] }
        }
        return lower
    }
}
