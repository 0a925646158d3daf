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
    ///   - isCalibrated: whether wide directions are brought to what the likelihood does at that distance.
    /// - Returns: nil when the likelihood vanishes at the start.
    func climb(
        _ y: UnsafePointer<Float>, _ g: LocalGeometry, from start: UnsafePointer<Double>, steps: Int, constant: Double, rung: Double? = nil, isCalibrated: Bool = true
    ) -> LocalMode? {
        let d = g.dimension, prior = Self.priorPrecision(g), ratio = g.sticks
        var theta = Array(UnsafeBufferPointer(start: start, count: Slot.count)), tangents = [Double](repeating: 0, count: max(1, 6 * g.sticks))
        theta.withUnsafeMutableBufferPointer { g.clamp($0.baseAddress!) }
        var gradient = [Double](repeating: 0, count: d), information = [Double](repeating: 0, count: d * d)
        func evaluate(_ theta: [Double], _ tangents: inout [Double]) -> Double {
            g.tangents(theta, into: &tangents)
            return g.likelihood(y, theta, tangents, acquisition, rows: rows, scratch: scratch, gradient: &gradient, information: &information)
        }
        func isHeld(_ k: Int) -> Bool { k < g.sticks && theta[Slot.fraction + k] <= BallSticks.fractionFloor + 1e-9 && gradient[k] < 0 }
        var value = evaluate(theta, &tangents)
        guard value.isFinite else { return nil }
        var damping = 0.01, moved = theta
        /// The damped Gauss–Newton step; with log(s/d) moved by `fixed` if given, and the others the best given that.
        func newton(_ fixed: Double?) -> [Double]? {
            var precision = information, step = gradient
            for j in 0..<d { precision[j * d + j] = precision[j * d + j] * (1 + damping) + prior[j] }
            func hold(_ j: Int, at value: Double) {
                for k in 0..<d {
                    step[k] -= precision[k * d + j] * value
                    precision[j * d + k] = 0
                    precision[k * d + j] = 0
                }
                precision[j * d + j] = 1
                step[j] = value
            }
            for k in 0..<g.sticks where isHeld(k) { hold(k, at: 0) }
            if let fixed { hold(ratio, at: fixed) }
            guard Cholesky.factorise(&precision, d) else { return nil }
            Cholesky.solve(precision, d, &step)
            return step
        }
        for _ in 0..<steps {
            guard var step = newton(rung == nil ? nil : 0) else { break }
            if rung == nil && g.hasSpread {
                // Where it would leave the prior's support, to the bound.
                let range = BallSticks.logSpreadRatio, x = log(theta[Slot.spread] / theta[Slot.diffusivity]), bounded = max(range.low, min(range.high, x + step[ratio]))
                if bounded != x + step[ratio] { step = newton(bounded - x) ?? step }
            }
            if (0..<d).reduce(0, { $0 + (isHeld($1) ? 0 : gradient[$1] * step[$1]) }) < 0.04 { break }
            for k in 0..<2 * g.sticks { step[g.tangentIndex + k] = max(-1, min(1, step[g.tangentIndex + k])) }
            // Of log snr the log-likelihood M t − R e^{2t}/2 is far from quadratic: the same step in σ², which alone would reach its maximum at once.
            step[g.snrIndex] = -0.5 * log(1 - 2 * min(0.48, step[g.snrIndex]))
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
        } else if isCalibrated {
            calibrate(y, g, theta, tangents, prior, value, &precision)
        }
        return LocalMode(g, centre: theta, tangents: tangents, precision: precision, logDensity: value + constant)
    }

    /// Brings the precision along wide directions to what the likelihood does at that distance, where the second derivative misleads (two sticks that nearly
    /// coincide have no first-order information on their difference).
    ///
    /// With Λ = L Lᵀ the directions v_i = L⁻ᵀ e_i are conjugate, v_iᵀ Λ v_j = δ_ij; where the log-likelihood falls by ½ at s v_i rather than at v_i, column i of L
    /// is divided by s.
    private func calibrate(
        _ y: UnsafePointer<Float>, _ g: LocalGeometry, _ theta: [Double], _ tangents: [Double], _ prior: [Double], _ value: Double,
        _ precision: inout [Double]
    ) {
        let d = g.dimension
        var l = precision
        guard Cholesky.factorise(&l, d) else { return }
        var v = [Double](repeating: 0, count: d), u = v, moved = theta, isChanged = false
        func drop(_ s: Double) -> Double? {
            for j in 0..<d { u[j] = s * v[j] }
            g.move(theta, tangents, by: u, into: &moved)
            let before = moved
            g.clamp(&moved)
            for k in 0..<g.sticks where moved[Slot.fraction + k] != before[Slot.fraction + k] { return nil }
            return max(-1, value - family.logLikelihood(y, moved, g.structure, acquisition, scratch: scratch))
        }
        for i in 0..<d {
            var square = 0.0
            for j in (0...i).reversed() {
                var x = j == i ? 1.0 : 0
                for k in j + 1..<max(i + 1, j + 1) { x -= l[k * d + j] * v[k] }
                v[j] = x / l[j * d + j]
                square += v[j] * v[j] * prior[j]
            }
            for j in i + 1..<max(d, i + 1) { v[j] = 0 }
            // Narrow beside the prior: the second derivative will do.
            if square < 1.0 / 300 { continue }
            var s = 1.0
            for _ in 0..<3 {
                let sides = [drop(s), drop(-s)].compactMap { $0 }
                guard !sides.isEmpty else { break }
                let mean = sides.reduce(0, +) / Double(sides.count)
                if mean > 1 { s *= max(0.2, pow(0.5 / mean, 0.33)) } else if mean < 0.2 && s * s * square < 1 { s *= 1.4 } else { break }
            }
            guard s != 1 else { continue }
            isChanged = true
            for j in i..<d { l[j * d + i] /= s }
        }
        guard isChanged else { return }
        for i in 0..<d {
            for j in 0...i {
                var x = 0.0
                for k in 0...j { x += l[i * d + k] * l[j * d + k] }
                precision[i * d + j] = x
                precision[j * d + i] = x
            }
        }
    }
}
