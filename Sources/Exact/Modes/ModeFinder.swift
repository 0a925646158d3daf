import CKernels
import Diffusion
import Foundation
import ModelSpace

/// Gauss–Newton ascent to modes of prior × likelihood, and the local normal there.
///
/// Climbs are short and many: they work in memory that the finder owns.
final class ModeFinder {
    let acquisition: Acquisition, family = BallSticks()
    typealias Slot = BallSticks.Slot
    /// D × M and 3 M floats for `LocalGeometry`.
    let rows: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    /// Where a climb stands: θ, tangents, gradient, information; the prior's precision there, and the precision of the
    /// normal about it, damped for a step.
    let theta: UnsafeMutablePointer<Double>, tangents: UnsafeMutablePointer<Double>, prior: UnsafeMutablePointer<Double>
    let precision: UnsafeMutablePointer<Double>
    private let gradient: UnsafeMutablePointer<Double>, information: UnsafeMutablePointer<Double>
    /// A step and where it leads.
    let step: UnsafeMutablePointer<Double>, trial: UnsafeMutablePointer<Double>
    private let trialTangents: UnsafeMutablePointer<Double>
    /// Another matrix and vector.
    let other: UnsafeMutablePointer<Double>, vector: UnsafeMutablePointer<Double>
    private let memory: UnsafeMutablePointer<Double>

    init(acquisition: Acquisition) {
        self.acquisition = acquisition
        rows = .allocate(capacity: LocalGeometry.capacity * acquisition.count)
        scratch = .allocate(capacity: 3 * acquisition.count)
        let row = SmallMatrix.stride, matrix = SmallMatrix.size, count = 3 * matrix + 10 * row
        let start = UnsafeMutablePointer<Double>.allocate(capacity: count)
        start.initialize(repeating: 0, count: count)
        memory = start
        (information, precision, other) = (start, start + matrix, start + 2 * matrix)
        let rest = start + 3 * matrix
        (theta, trial, gradient, step, prior, vector) = (
            rest, rest + row, rest + 2 * row, rest + 3 * row, rest + 4 * row, rest + 5 * row
        )
        // 18 numbers each.
        (tangents, trialTangents) = (rest + 6 * row, rest + 8 * row)
    }

    deinit {
        rows.deallocate()
        scratch.deallocate()
        memory.deallocate()
    }

    /// One over the variance of a uniform variable on a range.
    private static func uniform(_ range: (low: Double, high: Double)) -> Double {
        12 / ((range.high - range.low) * (range.high - range.low))
    }
    private static let ofSpread = uniform(BallSticks.logSpreadRatio),
        ofDiffusivity = uniform(BallSticks.logDiffusivity), ofSNR = uniform(BallSticks.logSNR)

    /// Precision that the prior's width lends to each coordinate: one over the variance of a uniform variable on its
    /// range; of a uniform axis on the half-sphere a tangent has variance ½. What a known σ leaves of log snr is a
    /// factor of its own that integrates to 1.
    private func setPrior(_ g: LocalGeometry) {
        for k in 0..<g.sticks { prior[k] = 12 }
        if g.hasSpread { prior[g.sticks] = Self.ofSpread }
        prior[g.diffusivityIndex] = Self.ofDiffusivity
        prior[g.snrIndex] = g.sigma == nil ? Self.ofSNR : 2 * .pi
        prior[g.s0Index] = 0.1
        for k in 0..<2 * g.sticks { prior[g.tangentIndex + k] = 2 }
    }

    /// Climbs from θ for at most `steps` steps, until another would gain less than 0.02 nats, and returns the component
    /// there.
    ///
    /// - Parameters:
    ///   - constant: log-density of the prior.
    ///   - ratioDeviation: nil to climb in all coordinates. Otherwise log(s/d) stays as it is at the start, the
    ///   component's centre is the mode given it, and its
    ///     standard deviation of log(s/d) is `ratioDeviation`. Wide directions are brought to what the likelihood does
    ///     at that distance only where all coordinates climb.
    ///   - known: modes near which this one's width does not matter, and is not looked at.
    /// - Returns: nil when the likelihood vanishes at the start.
    func climb(
        _ y: UnsafePointer<Float>, _ g: LocalGeometry, from start: UnsafePointer<Double>, steps: Int, constant: Double,
        ratioDeviation: Double? = nil,
        known: [LocalMode] = []
    ) -> LocalMode? {
        guard let value = ascend(y, g, from: start, steps: steps, holdsRatio: ratioDeviation != nil) else { return nil }
        setPrecision(g)
        if let ratioDeviation {
            guard widen(g, to: ratioDeviation) else { return nil }
        } else if !known.contains(where: { $0.squaredDistance(to: theta) < 1 }) {
            calibrate(y, g, value)
        }
        let d = g.dimension
        let matrix = [Double](unsafeUninitializedCapacity: d * d) { out, count in
            for i in 0..<d { for j in 0..<d { out[i * d + j] = precision[i * SmallMatrix.stride + j] } }
            count = d * d
        }
        return LocalMode(
            g, centre: Array(UnsafeBufferPointer(start: theta, count: Slot.count)),
            tangents: Array(UnsafeBufferPointer(start: tangents, count: max(1, 6 * g.sticks))),
            precision: matrix, logDensity: value + constant)
    }

    /// Writes the component of shapes about where one step leads, without a look at how wide it ought to be; its sticks
    /// have the labels of the start's.
    /// - Parameter start: θ, sticks in the order of their labels.
    func writeComponent(
        _ y: UnsafePointer<Float>, _ g: LocalGeometry, from start: UnsafePointer<Double>, scale: Double,
        into out: UnsafeMutablePointer<Float>
    ) -> Bool {
        guard ascend(y, g, from: start, steps: 1) != nil else { return false }
        setPrecision(g)
        let order = StickLabelling.order(g.sticks) { k, s in
            let a = start + Slot.axis + 3 * k, b = theta + Slot.axis + 3 * s,
                c = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
            return c * c
        }
        return ShapeComponent.write(
            g, centre: theta, tangents: tangents, precision: precision, stride: SmallMatrix.stride, order: order,
            scale: scale, into: out)
    }

    /// Whether stick k is at its least fraction and would have less.
    @inline(__always)
    private func isHeld(_ k: Int, _ g: LocalGeometry) -> Bool {
        k < g.sticks && theta[Slot.fraction + k] <= BallSticks.fractionFloor + 1e-9 && gradient[k] < 0
    }

    private func derive(_ y: UnsafePointer<Float>, _ g: LocalGeometry) {
        g.derivatives(
            y, theta, acquisition, rows: rows, scratch: scratch, gradient: gradient, information: information,
            stride: SmallMatrix.stride)
    }

    /// Leaves where it arrives in `theta`, `tangents`, `gradient` and `information`; returns the log-likelihood there.
    private func ascend(
        _ y: UnsafePointer<Float>, _ g: LocalGeometry, from start: UnsafePointer<Double>, steps: Int,
        holdsRatio: Bool = false
    ) -> Double? {
        let d = g.dimension, ratio = g.sticks
        theta.update(from: start, count: Slot.count)
        g.clamp(theta)
        g.tangents(theta, into: tangents)
        setPrior(g)
        var value = g.predict(y, theta, tangents, acquisition, rows: rows, scratch: scratch), damping = 0.01
        guard value.isFinite else { return nil }
        derive(y, g)
        for _ in 0..<steps {
            guard newton(g, damping, holdsRatio ? 0 : nil) else { break }
            if !holdsRatio && g.hasSpread {
                // Where it would leave the prior's support, to the bound.
                let range = BallSticks.logSpreadRatio, x = log(theta[Slot.spread] / theta[Slot.diffusivity]),
                    there = x + step[ratio]
                let bounded = max(range.low, min(range.high, there))
                if bounded != there { _ = newton(g, damping, bounded - x) }
            }
            var gain = 0.0
            for j in 0..<d where !isHeld(j, g) { gain += gradient[j] * step[j] }
            if gain < 0.04 { break }
            for k in g.tangentIndex..<d { step[k] = max(-1, min(1, step[k])) }
            // Of log snr the log-likelihood M t − R e^{2t}/2 is far from quadratic: the same step in σ², which alone
            // would reach its maximum at once.
            step[g.snrIndex] = -0.5 * log(1 - 2 * min(0.48, step[g.snrIndex]))
            g.move(theta, tangents, by: step, into: trial)
            g.clamp(trial)
            g.tangents(trial, into: trialTangents)
            let next = g.predict(y, trial, trialTangents, acquisition, rows: rows, scratch: scratch)
            if next.isFinite && next > value {
                let gain = next - value
                theta.update(from: trial, count: Slot.count)
                tangents.update(from: trialTangents, count: 6 * g.sticks)
                value = next
                derive(y, g)
                damping = max(1e-4, damping * 0.2)
                if gain < 0.02 { break }
            } else {
                damping = max(1e-3, damping * 8)
                if damping > 1e4 { break }
            }
        }
        return value
    }

    /// Puts the damped Gauss–Newton step into `step`; with log(s/d) moved by `fixed` if given, and the others the best
    /// given that. False, and no step, where the damped information is not positive definite.
    private func newton(_ g: LocalGeometry, _ damping: Double, _ fixed: Double?) -> Bool {
        let d = g.dimension, row = SmallMatrix.stride
        precision.update(from: information, count: d * row)
        for j in 0..<d {
            precision[j * row + j] = precision[j * row + j] * (1 + damping) + prior[j]
            precision[j * row + d] = gradient[j]
        }
        func hold(_ j: Int, at value: Double) {
            for k in 0..<d {
                precision[k * row + d] -= precision[k * row + j] * value
                precision[j * row + k] = 0
                precision[k * row + j] = 0
            }
            precision[j * row + j] = 1
            precision[j * row + d] = value
        }
        for k in 0..<g.sticks where isHeld(k, g) { hold(k, at: 0) }
        if let fixed { hold(g.sticks, at: fixed) }
        return pk_solve(d, precision, step) != 0
    }

    /// Sets `precision` to information and prior.
    private func setPrecision(_ g: LocalGeometry) {
        let d = g.dimension, row = SmallMatrix.stride
        precision.update(from: information, count: d * row)
        for j in 0..<d { precision[j * row + j] += prior[j] }
        // Where the density falls off from a bound like exp(−|g| u), its scale is 1/|g|.
        for k in 0..<g.sticks where isHeld(k, g) { precision[k * row + k] += gradient[k] * gradient[k] }
    }

    /// Gives log(s/d) the marginal variance deviation² whatever the other coordinates do with it: Λ_ss = 1/deviation² +
    /// Λ_sr Λ_rr⁻¹ Λ_rs.
    private func widen(_ g: LocalGeometry, to deviation: Double) -> Bool {
        let d = g.dimension, row = SmallMatrix.stride, ratio = g.sticks
        precision[ratio * row + ratio] = 0
        other.update(from: precision, count: d * row)
        for j in 0..<d {
            other[j * row + d] = precision[j * row + ratio]
            other[j * row + ratio] = 0
            other[ratio * row + j] = 0
        }
        other[ratio * row + ratio] = 1
        guard pk_solve(d, other, vector) != 0 else { return false }
        var square = 0.0
        for j in 0..<d { square += precision[j * row + ratio] * vector[j] }
        precision[ratio * row + ratio] = 1 / (deviation * deviation) + square
        return true
    }
}
