import CKernels
import Foundation
import ModelSpace

extension ModeClimber {
    /// Into the prior's support, members as they stand.
    func bringInside(_ task: Task, _ x: UnsafeMutablePointer<Double>) {
        task.layout.clamp(x, sorts: false)
        if let known = task.logSigma { x[SignalLayout.sigma] = known }
        if task.weights.kind == PK_FRACTIONS { x[SignalLayout.scale] = 0 }
    }

    /// Log-likelihood and what varies of the prior's density by local coordinates, from attenuations in `rows`; leaves
    /// the signal.
    private func value(_ task: Task, _ x: UnsafePointer<Double>) -> Double {
        let m = measurementCount, sigma = exp(x[SignalLayout.sigma])
        guard sigma > 0, (1 / (sigma * sigma)).isFinite else { return -.infinity }
        _ = withUnsafeTemporaryAllocation(of: Double.self, capacity: SignalLimits.weights) { v in
            let s0 = task.weights.amplitudes(x, into: v.baseAddress!)
            pk_linear_signal(m, task.weights.count, v.baseAddress!, rows, signal)
            return s0
        }
        let value =
            task.noise == .rician
            ? pk_rician_log_likelihood(m, signal, task.y, 1, sigma)
            : pk_gaussian_log_likelihood(m, signal, task.y, 1, sigma)
        return value.isNaN ? -.infinity : value + task.weights.logDensity(x)
    }

    /// The value at a point, with derivatives of the signal in `rows`.
    func predict(_ task: Task, _ x: UnsafePointer<Double>) -> Double {
        kernels.derivatives(task.layout, x, attenuations: rows, rows: rows + task.weights.count * measurementCount)
        return value(task, x)
    }

    /// Gradient and information from what `predict` left.
    private func derive(_ task: Task) {
        let m = measurementCount, w = task.weights.count, sigma = exp(point[SignalLayout.sigma]),
            s0 = exp(point[SignalLayout.scale])
        let slope =
            task.noise == .rician
            ? pk_rician_scores(m, signal, task.y, 1, sigma, weight, score)
            : pk_gaussian_scores(m, signal, task.y, 1, sigma, weight, score)
        pk_linear_information(
            m, w, task.layout.shapeDimension, task.weights.share, s0, weight, score, rows, task.stride, information,
            gradient)
        gradient[w] = slope
        // At low signal it is more.
        information[w * task.stride + w] = 2 * Double(m)
        switch task.weights.kind {
        case PK_SCALED_FRACTIONS:
            // Of the density's s0^−W.
            let fall = Double(w) / (s0 * task.weights.free)
            for k in 0..<w { gradient[k] -= fall }
        case PK_COEFFICIENTS: for k in 0..<w { gradient[k] -= u[k] / (task.weights.bound[k] * task.weights.bound[k]) }
        default:
            // Weights cannot all grow: what counts is by how much each gains more than the others.
            var mean = 0.0, most = 0.0
            for k in 0..<w {
                mean += u[k] / task.weights.free * gradient[k]
                most = max(most, information[k * task.stride + k])
            }
            for k in 0..<w { gradient[k] -= mean }
            penalty = 1e6 * (1 + most)
        }
        if task.logSigma != nil { gradient[w] = 0 }
    }

    /// Precision that the prior's width lends to each coordinate: one over the variance of a uniform variable on its
    /// range; of a uniform axis on the half-sphere a tangent has variance ½, of a rotation in its quarter an angle
    /// about 0.8.
    private func setPrior(_ task: Task) {
        let layout = task.layout, w = task.weights.count
        func uniform(_ low: Double, _ high: Double) -> Double { 12 / ((high - low) * (high - low)) }
        let s0 = exp(point[SignalLayout.scale])
        for k in 0..<w {
            prior[k] = task.weights.areFractions ? 12 / (s0 * s0) : 1 / (task.weights.bound[k] * task.weights.bound[k])
        }
        prior[w] = uniform(layout.noise.low, layout.noise.high)
        var at = w + 1
        for s in layout.scalars {
            prior[at] = uniform(s.low, s.high)
            at += 1
        }
        for _ in 0..<2 * layout.axes.count {
            prior[at] = 2
            at += 1
        }
        for _ in 0..<3 * layout.rotations.count {
            prior[at] = 1.25
            at += 1
        }
    }

    /// Whether weight k is at its least and would have less.
    @inline(__always)
    private func isHeld(_ task: Task, _ k: Int) -> Bool {
        task.weights.areFractions && u[k] <= 1e-9 * (1 + u[0]) && gradient[k] < 0
    }

    static let firstDamping = 0.01

    /// Keeps a step where what it was made from holds: angles within a radian; and of log σ the log-likelihood −M t −
    /// R e^{−2t}/2 is far from quadratic: the same step in σ², which alone would reach its maximum at once.
    func limitStep(_ task: Task) {
        let w = task.weights.count, first = w + 1 + task.layout.scalars.count
        for j in first..<max(task.dimension, first) { step[j] = max(-1, min(1, step[j])) }
        step[w] = 0.5 * log(1 + 2 * max(-0.48, step[w]))
    }

    /// Leaves where it arrives in `point` and `u`, gradient and information there; returns the value.
    /// - Parameters:
    ///   - held: a scalar that stays as it is.
    ///   - known: modes near which it ends with nil, as it would end there.
    func ascend(
        _ task: Task, from x: UnsafePointer<Double>, steps: Int, held: Int? = nil, avoiding known: [PosteriorMode] = []
    ) -> Double? {
        let layout = task.layout, w = task.weights.count, d = task.dimension
        if task.noise == .rician { for i in 0..<measurementCount where !(task.y[i] > 0) { return nil } }
        point.update(from: x, count: layout.count)
        bringInside(task, point)
        task.weights.take(point, into: u)
        setPrior(task)
        var value = predict(task, point), damping = Self.firstDamping
        guard value.isFinite else { return nil }
        derive(task)
        for _ in 0..<steps {
            guard newton(task, damping, held) else { break }
            var gain = 0.0
            for j in 0..<d where !(j < w && isHeld(task, j)) { gain += gradient[j] * step[j] }
            if gain < 0.04 { break }
            limitStep(task)
            move(task, by: step)
            let next = predict(task, trial)
            if next.isFinite && next > value {
                let gain = next - value
                point.update(from: trial, count: layout.count)
                task.weights.take(point, into: u)
                value = next
                if gain < 1, known.contains(where: { $0.squaredDistance(to: point) < 1 }) { return nil }
                derive(task)
                damping = max(1e-4, damping * 0.2)
                if gain < 0.02 { break }
            } else {
                damping = max(1e-3, damping * 8)
                if damping > 1e4 { break }
            }
        }
        return value
    }

    /// Puts the point at local coordinates `by` into `trial`, in the support.
    func move(_ task: Task, by v: UnsafePointer<Double>) {
        let w = task.weights.count
        task.layout.moveShape(point, by: v + w + 1, into: trial)
        for k in 0..<w { trialU[k] = task.weights.areFractions ? max(0, u[k] + v[k]) : u[k] + v[k] }
        task.weights.put(trialU, into: trial)
        trial[SignalLayout.sigma] += v[w]
        bringInside(task, trial)
    }

    /// Puts the damped Gauss–Newton step into `step`: weights and scalars that it would take out of their ranges go to
    /// the bound, and the others to the best given that. False, and no step, where the damped information is not
    /// positive definite.
    func newton(_ task: Task, _ damping: Double, _ heldScalar: Int?) -> Bool {
        let layout = task.layout, w = task.weights.count, d = task.dimension, row = task.stride
        // Bits of the coordinates held.
        var held: UInt64 = 0
        func solve() -> Bool {
            precision.update(from: information, count: d * row)
            for j in 0..<d {
                precision[j * row + j] = precision[j * row + j] * (1 + damping) + prior[j]
                precision[j * row + d] = gradient[j]
            }
            addPenalty(task)
            for j in 0..<d where held >> UInt64(j) & 1 == 1 {
                let value = vector[j]
                for k in 0..<d {
                    precision[k * row + d] -= precision[min(k, j) * row + max(k, j)] * value
                    precision[j * row + k] = 0
                    precision[k * row + j] = 0
                }
                precision[j * row + j] = 1
            }
            for j in 0..<d where held >> UInt64(j) & 1 == 1 { precision[j * row + d] = vector[j] }
            return pk_system_solve(d, row, precision, step) != 0
        }
        func hold(_ j: Int, at value: Double) {
            held |= 1 << UInt64(j)
            vector[j] = value
        }
        for k in 0..<w where isHeld(task, k) { hold(k, at: 0) }
        if task.logSigma != nil { hold(w, at: 0) }
        if let heldScalar { hold(w + 1 + heldScalar, at: 0) }
        guard solve() else { return false }
        for _ in 0..<3 {
            let before = held
            if task.weights.areFractions {
                for k in 0..<w where held >> UInt64(k) & 1 == 0 && u[k] + step[k] < 0 { hold(k, at: -u[k]) }
            }
            for (j, s) in layout.scalars.enumerated() where held >> UInt64(w + 1 + j) & 1 == 0 {
                let x = point[layout.firstScalar + j], there = x + step[w + 1 + j],
                    bounded = max(s.low, min(s.high, there))
                if bounded != there { hold(w + 1 + j, at: bounded - x) }
            }
            if held == before { break }
            if !solve() { return false }
        }
        return true
    }

    /// Where Σ u is known.
    private func addPenalty(_ task: Task) {
        guard task.weights.kind == PK_FRACTIONS else { return }
        for j in 0..<task.weights.count {
            for k in 0..<task.weights.count { precision[j * task.stride + k] += penalty }
        }
    }

    /// Sets `precision` to information and prior.
    func setPrecision(_ task: Task) {
        let d = task.dimension, row = task.stride, w = task.weights.count
        precision.update(from: information, count: d * row)
        for j in 0..<d { precision[j * row + j] += prior[j] }
        // Where the density falls off from a bound like exp(−|g| u), its scale is 1/|g|.
        for k in 0..<w where isHeld(task, k) { precision[k * row + k] += gradient[k] * gradient[k] }
        addPenalty(task)
        guard task.logSigma != nil else { return }
        for j in 0..<d { (precision[w * row + j], precision[j * row + w]) = (0, 0) }
        precision[w * row + w] = 1
    }

    /// Gives a scalar the marginal variance deviation² whatever the other coordinates do with it: Λ_ss = 1/deviation² +
    /// Λ_sr Λ_rr⁻¹ Λ_rs.
    func widen(_ task: Task, _ scalar: Int, to deviation: Double) -> Bool {
        let d = task.dimension, row = task.stride, s = task.weights.count + 1 + scalar
        precision[s * row + s] = 0
        other.update(from: precision, count: d * row)
        for j in 0..<d {
            other[j * row + d] = precision[j * row + s]
            other[j * row + s] = 0
            other[s * row + j] = 0
        }
        other[s * row + s] = 1
        guard pk_system_solve(d, row, other, vector) != 0 else { return false }
        var square = 0.0
        for j in 0..<d { square += precision[j * row + s] * vector[j] }
        precision[s * row + s] = 1 / (deviation * deviation) + square
        return true
    }
}
