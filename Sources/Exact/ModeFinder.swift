import Diffusion
import Foundation
import ModelSpace

/// Gauss–Newton ascent to modes of prior × likelihood, and the local normal there.
final class ModeFinder {
    private let acquisition: Acquisition, family = BallSticks()
    private let rows: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    private typealias Slot = BallSticks.Slot

    init(acquisition: Acquisition) {
        self.acquisition = acquisition
        rows = .allocate(capacity: LocalGeometry.capacity * acquisition.count)
        scratch = .allocate(capacity: 3 * acquisition.count)
    }

    deinit {
        rows.deallocate()
        scratch.deallocate()
    }

    /// Precision that the prior's width lends to each coordinate: one over the variance of a uniform variable on its range; of a uniform
    /// axis on the half-sphere a tangent has variance ½.
    private static func priorPrecision(_ g: LocalGeometry) -> [Double] {
        func uniform(_ range: (low: Double, high: Double)) -> Double { 12 / ((range.high - range.low) * (range.high - range.low)) }
        var p = [Double](repeating: 0, count: g.dimension)
        for k in 0..<g.sticks { p[k] = 12 }
        if g.hasSpread { p[g.sticks] = uniform(BallSticks.logSpreadRatio) }
        p[g.diffusivityIndex] = uniform(BallSticks.logDiffusivity)
        p[g.snrIndex] = uniform(BallSticks.logSNR)
        p[g.s0Index] = 0.1
        for k in 0..<2 * g.sticks { p[g.tangentIndex + k] = 2 }
        return p
    }

    /// Climbs from θ for at most `steps` steps, until another would gain less than 0.02 nats, and returns the component there.
    ///
    /// - Parameters:
    ///   - constant: log-density of the prior.
    ///   - rung: nil to climb in all coordinates. Otherwise log(s/d) stays as it is at the start, the component's centre is the mode given it, and its
    ///     standard deviation of log(s/d) is `rung`.
    /// - Returns: nil when the likelihood vanishes at the start.
    func climb(
        _ y: UnsafePointer<Float>, _ g: LocalGeometry, from start: UnsafePointer<Double>, steps: Int, constant: Double, rung: Double? = nil
    ) -> LocalMode? {
        let d = g.dimension, prior = Self.priorPrecision(g), ratio = rung == nil ? -1 : g.sticks
        var theta = Array(UnsafeBufferPointer(start: start, count: Slot.count)), tangents = [Double](repeating: 0, count: max(1, 6 * g.sticks))
        theta.withUnsafeMutableBufferPointer { g.clamp($0.baseAddress!) }
        var gradient = [Double](repeating: 0, count: d), information = [Double](repeating: 0, count: d * d)
        func evaluate(_ theta: [Double], _ tangents: inout [Double]) -> Double {
            g.tangents(theta, into: &tangents)
            return g.likelihood(y, theta, tangents, acquisition, rows: rows, scratch: scratch, gradient: &gradient, information: &information)
        }
        func isHeld(_ k: Int) -> Bool { theta[Slot.fraction + k] <= BallSticks.fractionFloor + 1e-9 && gradient[k] < 0 }
        var value = evaluate(theta, &tangents)
        guard value.isFinite else { return nil }
        var damping = 0.01, moved = theta
        for _ in 0..<steps {
            var precision = information
            for j in 0..<d {
                if j < g.sticks && isHeld(j) || j == ratio {
                    for k in 0..<d { precision[j * d + k] = 0; precision[k * d + j] = 0 }
                    precision[j * d + j] = 1
                } else {
                    precision[j * d + j] = precision[j * d + j] * (1 + damping) + prior[j]
                }
            }
            var step = gradient
            for k in 0..<g.sticks where isHeld(k) { step[k] = 0 }
            if ratio >= 0 { step[ratio] = 0 }
            let ascent = step
            guard Cholesky.factorise(&precision, d) else { break }
            Cholesky.solve(precision, d, &step)
            if zip(ascent, step).reduce(0, { $0 + $1.0 * $1.1 }) < 0.04 { break }
            for k in 0..<2 * g.sticks { step[g.tangentIndex + k] = max(-1, min(1, step[g.tangentIndex + k])) }
            g.move(theta, tangents, by: step, into: &moved)
            g.clamp(&moved)
            let oldGradient = gradient, oldInformation = information
            var newTangents = tangents
            let next = evaluate(moved, &newTangents)
            if next.isFinite && next > value {
                let gain = next - value
                theta = moved
                tangents = newTangents
                value = next
                damping = max(1e-4, damping * 0.2)
                if gain < 0.02 { break }
            } else {
                gradient = oldGradient
                information = oldInformation
                damping = max(1e-3, damping * 8)
                if damping > 1e4 { break }
            }
        }
        var precision = information
        for j in 0..<d { precision[j * d + j] += prior[j] }
        // Where the density falls off from a bound like exp(−|g| u), its scale is 1/|g|.
        for k in 0..<g.sticks where isHeld(k) { precision[k * d + k] += gradient[k] * gradient[k] }
        if let rung {
            // Marginal variance rung² whatever the other coordinates do with it: Λ_ss = 1/rung² + Λ_sr Λ_rr⁻¹ Λ_rs.
            precision[ratio * d + ratio] = 0
            var rest = precision, slope = (0..<d).map { precision[$0 * d + ratio] }
            for j in 0..<d { rest[j * d + ratio] = 0; rest[ratio * d + j] = 0 }
            rest[ratio * d + ratio] = 1
            let cross = slope
            guard Cholesky.factorise(&rest, d) else { return nil }
            Cholesky.solve(rest, d, &slope)
            precision[ratio * d + ratio] = 1 / (rung * rung) + zip(cross, slope).reduce(0) { $0 + $1.0 * $1.1 }
        } else {
            calibrate(y, g, theta, tangents, prior, value, &precision)
        }
        return LocalMode(g, centre: theta, tangents: tangents, precision: precision, logDensity: value + constant)
    }

    /// Brings the precision along its weakest axes to what the likelihood does at that distance, where the second derivative misleads (two sticks that
    /// nearly coincide have no first-order information on their difference).
    private func calibrate(
        _ y: UnsafePointer<Float>, _ g: LocalGeometry, _ theta: [Double], _ tangents: [Double], _ prior: [Double], _ value: Double,
        _ precision: inout [Double]
    ) {
        let d = g.dimension
        let unit = prior.map { 1 / $0.squareRoot() }
        var a = precision
        for j in 0..<d { for k in 0..<d { a[j * d + k] *= unit[j] * unit[k] } }
        var vectors = [Double](repeating: 0, count: d * d)
        Self.jacobi(&a, &vectors, d)
        var u = [Double](repeating: 0, count: d), moved = theta
        func drop(_ i: Int, _ s: Double) -> Double {
            for j in 0..<d { u[j] = s * vectors[j * d + i] * unit[j] }
            g.move(theta, tangents, by: u, into: &moved)
            let before = moved
            g.clamp(&moved)
            for k in 0..<g.sticks where moved[Slot.fraction + k] != before[Slot.fraction + k] { return -1 }
            return value - family.logLikelihood(y, moved, g.structure, acquisition, scratch: scratch)
        }
        for i in 0..<d where a[i * d + i] < 300 {
            var s = 1 / a[i * d + i].squareRoot()
            let start = s
            for _ in 0..<3 {
                let x = drop(i, s), z = drop(i, -s)
                var mean = 0.0, n = 0.0
                if x != -1 { mean += max(x, -1); n += 1 }
                if z != -1 { mean += max(z, -1); n += 1 }
                guard n > 0 else { break }
                mean /= n
                if mean > 1 { s *= max(0.2, pow(0.5 / mean, 0.33)) } else if mean < 0.2 && s < 1 { s *= 1.4 } else { break }
            }
            guard s != start else { continue }
            let new = 1 / (s * s), old = a[i * d + i]
            for j in 0..<d { for k in 0..<d { precision[j * d + k] += (new - old) * vectors[j * d + i] * vectors[k * d + i] / (unit[j] * unit[k]) } }
        }
    }

    /// Eigenvectors (columns) of a positive symmetric matrix, whose diagonal is left holding the eigenvalues; cyclic Jacobi, stopped when the
    /// off-diagonal elements are 3 % of the diagonal's geometric mean.
    static func jacobi(_ a: inout [Double], _ v: inout [Double], _ d: Int) {
        for j in 0..<d { v[j * d + j] = 1 }
        a.withUnsafeMutableBufferPointer { a in
            v.withUnsafeMutableBufferPointer { v in
                for _ in 0..<12 {
                    var off = 0.0
                    for p in 0..<d { for q in p + 1..<max(d, p + 1) { off += a[p * d + q] * a[p * d + q] / (a[p * d + p] * a[q * d + q]) } }
                    if off < 1e-3 { break }
                    for p in 0..<d {
                        for q in p + 1..<max(d, p + 1) {
                            let apq = a[p * d + q]
                            if apq * apq <= 1e-6 * a[p * d + p] * a[q * d + q] { continue }
                            let theta = (a[q * d + q] - a[p * d + p]) / (2 * apq)
                            let t = (theta >= 0 ? 1 : -1) / (abs(theta) + (theta * theta + 1).squareRoot())
                            let c = 1 / (t * t + 1).squareRoot(), s = t * c
                            for k in 0..<d {
                                let x = a[k * d + p], y = a[k * d + q]
                                a[k * d + p] = c * x - s * y
                                a[k * d + q] = s * x + c * y
                            }
                            for k in 0..<d {
                                let x = a[p * d + k], y = a[q * d + k]
                                a[p * d + k] = c * x - s * y
                                a[q * d + k] = s * x + c * y
                            }
                            for k in 0..<d {
                                let x = v[k * d + p], y = v[k * d + q]
                                v[k * d + p] = c * x - s * y
                                v[k * d + q] = s * x + c * y
                            }
                        }
                    }
                }
            }
        }
    }
}
