import CKernels
import Foundation
import ModelSpace

/// Local coordinates of ball-and-sticks parameters about a centre θ, in which the prior is flat but for its bounds, and
/// the likelihood's gradient and information matrix in them.
///
/// Coordinates u, D = 3 + 3n (+ 1 with spread), all but the last 2n as differences from the centre:
///
///     f_1 … f_n, [log(s/d)], log d, log snr, log s0, t_11, t_12, t_21, …
///
/// (t_k1, t_k2) are Lambert's about the centre's stick: μ = (1 − ½t²) μ_k + (1 − ¼t²)^½ (t_1 e_1 + t_2 e_2), t² ≤ 2,
/// which covers the half-sphere once. The area element is dt.
///
/// Where σ is known, log snr is no coordinate: it is log s0 − log σ, whatever the prior's bounds of it. Its place
/// remains, at 0.
public struct LocalGeometry {
    public let structure: Structure
    /// The noise's standard deviation, in units of the signals, where it is known.
    public let sigma: Double?
    /// n and D.
    public let sticks: Int, dimension: Int
    public let hasSpread: Bool
    /// Offsets into u; fractions begin at 0, log(s/d) stands at n.
    public let diffusivityIndex: Int, snrIndex: Int, s0Index: Int, tangentIndex: Int

    public typealias Slot = BallSticks.Slot
    /// Largest D.
    public static let capacity = 13

    public init(_ z: Structure, sigma: Double? = nil) {
        structure = z
        self.sigma = sigma
        sticks = BallSticks.stickCount(z)
        hasSpread = BallSticks.hasSpread(z)
        diffusivityIndex = sticks + (hasSpread ? 1 : 0)
        snrIndex = diffusivityIndex + 1
        s0Index = snrIndex + 1
        tangentIndex = s0Index + 1
        dimension = tangentIndex + 2 * sticks
    }

    /// Two unit vectors at right angles to each stick and each other: 6 numbers a stick.
    public func tangents(_ theta: UnsafePointer<Double>, into out: UnsafeMutablePointer<Double>) {
        for k in 0..<sticks {
            let a = theta + Slot.axis + 3 * k, v = SIMD3(a[0], a[1], a[2])
            let (e, f) = AxisChart.tangents(v)
            for c in 0..<3 { out[6 * k + c] = e[c]; out[6 * k + 3 + c] = f[c] }
        }
    }

    /// Writes the θ at u. The result may lie outside the prior's support; t beyond the half-sphere stays at its edge.
    public func move(
        _ centre: UnsafePointer<Double>, _ tangents: UnsafePointer<Double>, by u: UnsafePointer<Double>,
        into theta: UnsafeMutablePointer<Double>
    ) {
        theta.update(repeating: 0, count: Slot.count)
        let d = centre[Slot.diffusivity] * exp(u[diffusivityIndex])
        theta[Slot.diffusivity] = d
        if hasSpread { theta[Slot.spread] = d * exp(u[sticks]) * (centre[Slot.spread] / centre[Slot.diffusivity]) }
        theta[Slot.s0] = centre[Slot.s0] * exp(u[s0Index])
        theta[Slot.snr] = sigma.map { theta[Slot.s0] / $0 } ?? centre[Slot.snr] * exp(u[snrIndex])
        for k in 0..<sticks {
            theta[Slot.fraction + k] = centre[Slot.fraction + k] + u[k]
            let t0 = u[tangentIndex + 2 * k], t1 = u[tangentIndex + 2 * k + 1], a = Slot.axis + 3 * k,
                e = tangents + 6 * k
            let beyond = t0 * t0 + t1 * t1, square = min(2, beyond), along = 1 - 0.5 * square
            let across = (1 - 0.25 * square).squareRoot() * (beyond > 2 ? (2 / beyond).squareRoot() : 1)
            for c in 0..<3 { theta[a + c] = along * centre[a + c] + across * (t0 * e[c] + t1 * e[3 + c]) }
        }
    }

    /// A range of the prior, just inside its bounds.
    private struct Bounds {
        let low: Double, high: Double
        init(_ logs: (low: Double, high: Double)) { (low, high) = (exp(logs.low + 1e-9), exp(logs.high - 1e-9)) }
        @inline(__always)
        func inside(_ x: Double) -> Double { max(low, min(high, x)) }
    }
    private static let diffusivity = Bounds(BallSticks.logDiffusivity), spreadRatio = Bounds(BallSticks.logSpreadRatio),
        snr = Bounds(BallSticks.logSNR)

    /// Brings θ into the prior's support: ranges, floors, sum, order; snr to what a known σ makes it.
    public func clamp(_ theta: UnsafeMutablePointer<Double>) {
        let ratio = hasSpread ? Self.spreadRatio.inside(theta[Slot.spread] / theta[Slot.diffusivity]) : 0
        theta[Slot.diffusivity] = Self.diffusivity.inside(theta[Slot.diffusivity])
        if hasSpread { theta[Slot.spread] = ratio * theta[Slot.diffusivity] }
        theta[Slot.snr] = sigma.map { theta[Slot.s0] / $0 } ?? Self.snr.inside(theta[Slot.snr])
        guard sticks > 0 else { return }
        let floor = BallSticks.fractionFloor
        var excess = 0.0
        for k in 0..<sticks {
            theta[Slot.fraction + k] = max(floor, theta[Slot.fraction + k])
            excess += theta[Slot.fraction + k] - floor
        }
        let free = 1 - Double(sticks) * floor
        if excess > free * (1 - 1e-9) {
            for k in 0..<sticks {
                theta[Slot.fraction + k] = floor + (theta[Slot.fraction + k] - floor) * free * (1 - 1e-9) / excess
            }
        }
        BallSticks.sortSticks(theta, count: sticks)
    }

    /// Log-likelihood at θ, its gradient in u at u = 0 and (about) the Fisher information: `predict`, then
    /// `derivatives`.
    ///
    /// Shapes: gradient D, information D × D; rows: room for D × M floats, attenuation, weight, score: M floats each.
    public func likelihood(
        _ y: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ tangents: UnsafePointer<Double>,
        _ design: Acquisition,
        rows: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Double>,
        information: UnsafeMutablePointer<Double>
    ) -> Double {
        let value = predict(y, theta, tangents, design, rows: rows, scratch: scratch)
        derivatives(
            y, theta, design, rows: rows, scratch: scratch, gradient: gradient, information: information,
            stride: dimension)
        return value
    }

    /// Log-likelihood at θ; leaves attenuations in the first M of `scratch`, derivatives of the signal in `rows`.
    public func predict(
        _ y: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ tangents: UnsafePointer<Double>,
        _ design: Acquisition,
        rows: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) -> Double {
        let t = design.tables
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 4 + 9 + 18) { buffer in
            let f = buffer.baseAddress!
            var rest = 1.0
            for k in 0..<sticks { rest -= theta[Slot.fraction + k]; f[k + 1] = Float(theta[Slot.fraction + k]) }
            f[0] = Float(rest)
            for k in 0..<3 * sticks { f[4 + k] = Float(theta[Slot.axis + k]) }
            for k in 0..<6 * sticks { f[13 + k] = Float(tangents[k]) }
            pk_ball_sticks_gradient(
                t.count, t.b, t.gx, t.gy, t.gz, Float(theta[Slot.diffusivity]),
                hasSpread ? Float(theta[Slot.spread]) : 0, Float(theta[Slot.s0]),
                sticks, f, f + 4, f + 13, scratch, rows)
        }
        return BallSticks().logLikelihood(y, attenuations: scratch, theta, structure, design)
    }

    /// The gradient and information of `likelihood` from what `predict` left, which is spoilt; rows of the information
    /// lie `stride` numbers apart.
    public func derivatives(
        _ y: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ design: Acquisition,
        rows: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Double>,
        information: UnsafeMutablePointer<Double>, stride: Int
    ) {
        let m = design.tables.count, weight = scratch + m, score = scratch + 2 * m
        let s0 = theta[Slot.s0], sigma = s0 / theta[Slot.snr]
        let slope =
            BallSticks.isRician(structure)
            ? pk_rician_scores(m, scratch, y, s0, sigma, weight, score)
            : pk_gaussian_scores(m, scratch, y, s0, sigma, weight, score)
        pk_normal_equations(m, dimension - 1, snrIndex, weight, score, rows, stride, information, gradient)
        for j in 0..<dimension {
            information[snrIndex * stride + j] = 0
            information[j * stride + snrIndex] = 0
        }
        // A known σ stays as s0 moves.
        if self.sigma != nil {
            gradient[snrIndex] = 0
            return
        }
        // log σ = log s0 − log snr has information 2M (more at low signal).
        let n = 2 * Double(m)
        gradient[s0Index] += slope
        gradient[snrIndex] = -slope
        information[s0Index * stride + s0Index] += n
        information[snrIndex * stride + snrIndex] = n
        information[s0Index * stride + snrIndex] = -n
        information[snrIndex * stride + s0Index] = -n
    }
}

extension BallSticks {
    /// How much a stick along each of some axes would help θ: the residual's normalised product with the stick's signal
    /// against the ball's, r·(A_stick − A_ball) / |A_stick − A_ball|, r = y − s0·A(θ).
    public func stickGains(
        _ y: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ hasSpread: Bool, axes: [SIMD3<Double>],
        _ design: Acquisition
    ) -> [Double] {
        let t = design.tables, m = t.count, s0 = Float(theta[Slot.s0])
        let n = (0..<3).count { theta[Slot.fraction + $0] > 0 }
        var residual = [Float](repeating: 0, count: m), gains = [Float](repeating: 0, count: axes.count)
        attenuations(
            theta, Structure(bits: (1 << n) - 1 | (hasSpread ? 1 << Self.spreadBit : 0)), design, into: &residual)
        for i in 0..<m { residual[i] = y[i] - s0 * residual[i] }
        pk_stick_gains(
            m, t.b, t.gx, t.gy, t.gz, Float(theta[Slot.diffusivity]), hasSpread ? Float(theta[Slot.spread]) : 0,
            residual, axes.count,
            axes.flatMap { [Float($0.x), Float($0.y), Float($0.z)] }, &gains)
        return gains.map(Double.init)
    }
}
