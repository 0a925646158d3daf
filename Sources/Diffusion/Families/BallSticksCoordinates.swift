import Foundation
import ModelSpace

/// Coordinates, T = 4 tokens (shared, stick 1–3) × Q = 11 columns:
///
///     0  Φ⁻¹ of the prior's distribution function of log d         4–9   the dyad of μ in the canonical frame, μμᵀ −
///     I/3 1  the same of log(s/d), with spread only                          (xx yy zz xy xz yz), scaled to unit
///     variance on the sphere 2  the same of log snr                                       10    stick-breaking logit
///     of the fraction, standardised 3  log(s0 · Ā_b0) · snr · √n0
///
/// The fraction: w_k = (f_k − 0.05)/(1 − 0.05 n), v_1 = w_1, v_2 = w_2/(1 − w_1), v_3 = w_3/(1 − w_1 − w_2), x = (logit
/// v_k − mean)/sd.
extension BallSticks {
    static let s0Bound = CoordinateCharts.s0Bound
    /// Means and standard deviations under the prior of logit v_k, by number of sticks.
    static let logitMoments: [[(mean: Double, sd: Double)]] = [
        [], [(0, 1.8138)], [(0, 1.0167), (-0.6931, 1.8138)], [(-0.1835, 0.7418), (-0.4317, 1.0423), (-1.0986, 1.8138)],
    ]

    /// θ → coordinates (4 × 11), zero where the mask is.
    public func encode(
        _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition, _ frame: CanonicalFrame,
        into coordinates: UnsafeMutablePointer<Float>
    ) {
        coordinates.update(repeating: 0, count: tokenCount * coordinateCount)
        let d = theta[Slot.diffusivity], snr = theta[Slot.snr], n = Self.stickCount(z)
        coordinates[0] = CoordinateCharts.probit(log(d), Self.logDiffusivity)
        if Self.hasSpread(z) {
            coordinates[1] = CoordinateCharts.probit(log(theta[Slot.spread] / d), Self.logSpreadRatio)
        }
        coordinates[2] = CoordinateCharts.probit(log(snr), Self.logSNR)
        let offset =
            log(theta[Slot.s0] * unweightedAttenuation(theta, z, design)) * snr
            * Double(frame.unweightedCount).squareRoot()
        coordinates[3] = Float(max(-Self.s0Bound, min(Self.s0Bound, offset.isNaN ? 0 : offset)))

        let free = 1 - Double(n) * Self.fractionFloor
        var rest = 1.0
        for k in 0..<n {
            let row = coordinates + (k + 1) * coordinateCount, axis = theta + Slot.axis + 3 * k
            CoordinateCharts.encodeAxis(frame.enter(SIMD3(axis[0], axis[1], axis[2])), into: row + 4)
            let w = max(0, (theta[Slot.fraction + k] - Self.fractionFloor) / free)
            let v = rest > 1e-12 ? w / rest : 0.5
            rest = max(0, rest - w)
            row[10] = CoordinateCharts.logit(v, Self.logitMoments[n][k])
        }
    }

    /// Coordinates → θ in the prior's support, whatever the coordinates hold: sticks sorted by falling fraction, unit
    /// directions, s0 > 0.
    ///
    /// - Accuracy: decode(encode(θ)) gives back d, s, snr and s0 within 1e-5 relative (s0 where its coordinate is
    ///   within ±10), fractions within 2e-5, directions within 1e-6 rad.
    public func decode(
        _ coordinates: UnsafePointer<Float>, _ z: Structure, _ design: Acquisition, _ frame: CanonicalFrame,
        into theta: UnsafeMutablePointer<Double>
    ) {
        theta.update(repeating: 0, count: Slot.count)
        let n = Self.stickCount(z)
        let d = exp(CoordinateCharts.unprobit(coordinates[0], Self.logDiffusivity))
        theta[Slot.diffusivity] = d
        if Self.hasSpread(z) {
            theta[Slot.spread] = d * exp(CoordinateCharts.unprobit(coordinates[1], Self.logSpreadRatio))
        }
        let snr = exp(CoordinateCharts.unprobit(coordinates[2], Self.logSNR))
        theta[Slot.snr] = snr

        let free = 1 - Double(n) * Self.fractionFloor
        var rest = 1.0
        for k in 0..<n {
            let row = coordinates + (k + 1) * coordinateCount, axis = theta + Slot.axis + 3 * k
            let u = frame.leave(CoordinateCharts.decodeAxis(row + 4))
            axis[0] = u.x; axis[1] = u.y; axis[2] = u.z
            let w = CoordinateCharts.part(of: rest, row[10], Self.logitMoments[n][k])
            rest -= w
            theta[Slot.fraction + k] = Self.fractionFloor + free * w
        }
        Self.sortSticks(theta, count: n)
        let offset = max(-Self.s0Bound, min(Self.s0Bound, coordinates[3].isNaN ? 0 : Double(coordinates[3])))
        theta[Slot.s0] =
            exp(offset / (snr * Double(frame.unweightedCount).squareRoot())) / unweightedAttenuation(theta, z, design)
    }

    /// Puts the first n sticks of θ in order of falling fraction; equal ones keep their order.
    @inline(__always)
    public static func sortSticks(_ theta: UnsafeMutablePointer<Double>, count n: Int) {
        let f = theta + Slot.fraction, a = theta + Slot.axis
        for i in 1..<max(1, n) {
            var k = i
            while k > 0 && f[k] > f[k - 1] {
                swap(&f[k], &f[k - 1])
                for c in 0..<3 { swap(&a[3 * k + c], &a[3 * k + c - 3]) }
                k -= 1
            }
        }
    }
}
