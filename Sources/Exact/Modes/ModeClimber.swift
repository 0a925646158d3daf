import CKernels
import Foundation
import ModelSpace

/// Gauss–Newton ascent to modes of prior × likelihood of any signal that is linear in its weights, and the local normal there.
///
/// It climbs in weights u, log σ and the local coordinates of the shape (`PosteriorMode`). Weights that would fall below 0 and scalars that would leave
/// their bounds go to the bound, and the others to the best given that. Climbs are short and many: they work in memory that the climber owns. One a thread.
package final class ModeClimber {
    package let kernels: any SignalKernels
    let measurementCount: Int
    /// Attenuations and derivatives (W + shape rows of M); M each.
    private let rows: UnsafeMutablePointer<Float>, signal: UnsafeMutablePointer<Float>, weight: UnsafeMutablePointer<Float>
    private let score: UnsafeMutablePointer<Float>
    /// Where a climb stands, and where a step leads: points and weights.
    let point: UnsafeMutablePointer<Double>, trial: UnsafeMutablePointer<Double>
    let u: UnsafeMutablePointer<Double>, trialU: UnsafeMutablePointer<Double>
    /// Of local coordinates: gradient, step, precision that the prior's width lends, a direction.
    private let gradient: UnsafeMutablePointer<Double>, prior: UnsafeMutablePointer<Double>
    let step: UnsafeMutablePointer<Double>, vector: UnsafeMutablePointer<Double>
    /// Information; precision of the normal about the point, damped for a step; another.
    private let information: UnsafeMutablePointer<Double>
    let precision: UnsafeMutablePointer<Double>, other: UnsafeMutablePointer<Double>
    private let memory: UnsafeMutablePointer<Double>

    package init(_ kernels: any SignalKernels) {
        self.kernels = kernels
        let m = kernels.measurementCount, most = SignalLimits.weights + SignalLimits.shape
        measurementCount = m
        rows = .allocate(capacity: (most + 3) * m)
        (signal, weight, score) = (rows + most * m, rows + (most + 1) * m, rows + (most + 2) * m)
        let row = 96, matrix = 64 * 64, count = 3 * matrix + 8 * row
        memory = .allocate(capacity: count)
        memory.initialize(repeating: 0, count: count)
        (information, precision, other) = (memory, memory + matrix, memory + 2 * matrix)
        let rest = memory + 3 * matrix
        (point, trial, u, trialU) = (rest, rest + row, rest + 2 * row, rest + 3 * row)
        (gradient, prior, step, vector) = (rest + 4 * row, rest + 5 * row, rest + 6 * row, rest + 7 * row)
    }

    deinit {
        rows.deallocate()
        memory.deallocate()
    }

    /// What a climb is about.
    struct Task {
        let y: UnsafePointer<Float>, layout: SignalLayout, weights: WeightCoordinates, noise: NoiseLikelihood
        /// log σ where it is known.
        let logSigma: Double?
        let dimension: Int, stride: Int

        init(_ y: UnsafePointer<Float>, _ layout: SignalLayout, _ noise: NoiseLikelihood, sigma: Double?) {
            (self.y, self.layout, self.noise, logSigma) = (y, layout, noise, sigma.map { log($0) })
            weights = WeightCoordinates(layout)
            dimension = layout.componentCount + 1 + layout.shapeDimension
            stride = SignalLimits.stride(dimension)
        }
        /// log of the prior's density, but for what varies.
        var constant: Double { layout.logPriorDensity + (logSigma == nil ? 0 : log(layout.noise.high - layout.noise.low)) }
    }

    /// Climbs from a point for at most `steps` steps, until another would gain less than 0.02 nats, and returns the mode there.
    ///
    /// - Parameters:
    ///   - y: M signals.
    ///   - sigma: the noise's standard deviation, where it is known.
    ///   - known: modes near which this one's width does not matter, and is not looked at.
    /// - Returns: nil when the likelihood vanishes at the start.
    package func climb(
        _ y: UnsafePointer<Float>, _ layout: SignalLayout, _ noise: NoiseLikelihood, from x: UnsafePointer<Double>, steps: Int, sigma: Double? = nil,
        known: [PosteriorMode] = []
    ) -> PosteriorMode? {
        climb(Task(y, layout, noise, sigma: sigma), from: x, steps: steps, known: known)
    }

    /// - Parameter rung: nil to climb in all coordinates. Otherwise a scalar that stays as it is at the start, about which the mode given back has this
    ///   standard deviation, members as they stand. Wide directions are brought to what the likelihood does at that distance without a rung only.
    func climb(
        _ task: Task, from x: UnsafePointer<Double>, steps: Int, known: [PosteriorMode] = [], rung: (scalar: Int, deviation: Double)? = nil
    ) -> PosteriorMode? {
        precondition(SignalLimits.hold(task.layout), "a structure with more components or shape coordinates than modes are looked for")
        guard let value = ascend(task, from: x, steps: steps, held: rung?.scalar) else { return nil }
        setPrecision(task)
        if let rung {
            guard widen(task, rung.scalar, to: rung.deviation) else { return nil }
        } else if !known.contains(where: { $0.squaredDistance(to: point) < 1 }) {
            calibrate(task, value)
        }
        var density = value + task.constant
        if task.weights.kind == PK_FRACTIONS { density += 0.5 * log(penalty / (2 * .pi)) }
        return PosteriorMode(
            task.layout, task.noise, centre: rung == nil ? sorted(task) : Array(UnsafeBufferPointer(start: point, count: task.layout.count)), precision: precision, stride: task.stride, logDensity: density, knowsNoise: task.logSigma != nil)
    }

    /// The point as a mode has it: members by falling weight. What is known of their local coordinates changes places with them.
    private func sorted(_ task: Task) -> [Double] {
        let layout = task.layout, w = SignalLayout.firstWeight
        for members in layout.exchangeable {
            for i in 1..<members.count {
                var k = i
                while k > 0, point[w + members[k].component] > point[w + members[k - 1].component] {
                    layout.exchange(members[k], members[k - 1], point)
                    exchangeCoordinates(task, members[k], members[k - 1])
                    k -= 1
                }
            }
        }
        return Array(UnsafeBufferPointer(start: point, count: layout.count))
    }

    private func exchangeCoordinates(_ task: Task, _ a: SignalLayout.Member, _ b: SignalLayout.Member) {
        let layout = task.layout, d = task.dimension, stride = task.stride, s = layout.componentCount + 1, t = s + layout.scalars.count
        var pairs = [(a.component, b.component)]
        for (i, j) in zip(a.scalars, b.scalars) { pairs.append((s + i, s + j)) }
        for (i, j) in zip(a.axes, b.axes) { for c in 0..<2 { pairs.append((t + 2 * i + c, t + 2 * j + c)) } }
        let r = t + 2 * layout.axes.count
        for (i, j) in zip(a.rotations, b.rotations) { for c in 0..<3 { pairs.append((r + 3 * i + c, r + 3 * j + c)) } }
        for i in 0..<d { for j in 0..<i { precision[i * stride + j] = precision[j * stride + i] } }
        for (i, j) in pairs {
            for k in 0..<d { (precision[i * stride + k], precision[j * stride + k]) = (precision[j * stride + k], precision[i * stride + k]) }
            for k in 0..<d { (precision[k * stride + i], precision[k * stride + j]) = (precision[k * stride + j], precision[k * stride + i]) }
        }
    }

    /// Leaves one step from a point, and the precision there without a look at how wide it ought to be, in `point` and `precision`; members keep their places.
    func approach(_ task: Task, from x: UnsafePointer<Double>) -> Bool {
        guard ascend(task, from: x, steps: 1) != nil else { return false }
        setPrecision(task)
        return true
    }

    // MARK: Likelihood

    /// Into the prior's support, members as they stand.
    func bringInside(_ task: Task, _ x: UnsafeMutablePointer<Double>) {
        task.layout.clamp(x, sorts: false)
        if let known = task.logSigma { x[SignalLayout.sigma] = known }
        if task.weights.kind == PK_FRACTIONS { x[SignalLayout.scale] = 0 }
    }

    /// Log-likelihood and what varies of the prior's density by local coordinates, from attenuations in `rows`; leaves the signal.
    private func value(_ task: Task, _ x: UnsafePointer<Double>) -> Double {
        let m = measurementCount, sigma = exp(x[SignalLayout.sigma])
        guard sigma > 0, (1 / (sigma * sigma)).isFinite else { return -.infinity }
        _ = withUnsafeTemporaryAllocation(of: Double.self, capacity: SignalLimits.weights) { v in
            let s0 = task.weights.amplitudes(x, into: v.baseAddress!)
            pk_linear_signal(m, task.weights.count, v.baseAddress!, rows, signal)
            return s0
        }
        let value = task.noise == .rician ? pk_rician_log_likelihood(m, signal, task.y, 1, sigma) : pk_gaussian_log_likelihood(m, signal, task.y, 1, sigma)
        return value.isNaN ? -.infinity : value + task.weights.logDensity(x)
    }

    /// The value at a point, from attenuations alone.
    func evaluate(_ task: Task, _ x: UnsafePointer<Double>) -> Double {
        kernels.attenuations(task.layout, at: x, into: rows)
        return value(task, x)
    }

    /// The value at a point, with derivatives of the signal in `rows`.
    private func predict(_ task: Task, _ x: UnsafePointer<Double>) -> Double {
        kernels.derivatives(task.layout, x, attenuations: rows, rows: rows + task.weights.count * measurementCount)
        return value(task, x)
    }

    /// Gradient and information from what `predict` left.
    private func derive(_ task: Task) {
        let m = measurementCount, w = task.weights.count, sigma = exp(point[SignalLayout.sigma]), s0 = exp(point[SignalLayout.scale])
        let slope = task.noise == .rician ? pk_rician_scores(m, signal, task.y, 1, sigma, weight, score) : pk_gaussian_scores(m, signal, task.y, 1, sigma, weight, score)
        pk_linear_information(m, w, task.layout.shapeDimension, task.weights.share, s0, weight, score, rows, task.stride, information, gradient)
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
    /// Precision of Σ u where it is known.
    private var penalty = 1.0

    // MARK: Ascent

    /// Precision that the prior's width lends to each coordinate: one over the variance of a uniform variable on its range; of a uniform axis on the
    /// half-sphere a tangent has variance ½, of a rotation in its quarter an angle about 0.8.
    private func setPrior(_ task: Task) {
        let layout = task.layout, w = task.weights.count
        func uniform(_ low: Double, _ high: Double) -> Double { 12 / ((high - low) * (high - low)) }
        let s0 = exp(point[SignalLayout.scale])
        for k in 0..<w { prior[k] = task.weights.areFractions ? 12 / (s0 * s0) : 1 / (task.weights.bound[k] * task.weights.bound[k]) }
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
    private func isHeld(_ task: Task, _ k: Int) -> Bool { task.weights.areFractions && u[k] <= 1e-9 * (1 + u[0]) && gradient[k] < 0 }

    /// Leaves where it arrives in `point` and `u`, gradient and information there; returns the value.
    /// - Parameter held: a scalar that stays as it is.
    private func ascend(_ task: Task, from x: UnsafePointer<Double>, steps: Int, held: Int? = nil) -> Double? {
        let layout = task.layout, w = task.weights.count, d = task.dimension, firstScalar = w + 1
        if task.noise == .rician { for i in 0..<measurementCount where !(task.y[i] > 0) { return nil } }
        point.update(from: x, count: layout.count)
        bringInside(task, point)
        task.weights.take(point, into: u)
        setPrior(task)
        var value = predict(task, point), damping = 0.01
        guard value.isFinite else { return nil }
        derive(task)
        for _ in 0..<steps {
            guard newton(task, damping, held) else { break }
            var gain = 0.0
            for j in 0..<d where !(j < w && isHeld(task, j)) { gain += gradient[j] * step[j] }
            if gain < 0.04 { break }
            for j in firstScalar + layout.scalars.count..<max(d, firstScalar + layout.scalars.count) { step[j] = max(-1, min(1, step[j])) }
            // Of log σ the log-likelihood −M t − R e^{−2t}/2 is far from quadratic: the same step in σ², which alone would reach its maximum at once.
            step[w] = 0.5 * log(1 + 2 * max(-0.48, step[w]))
            move(task, by: step)
            let next = predict(task, trial)
            if next.isFinite && next > value {
                let gain = next - value
                point.update(from: trial, count: layout.count)
                task.weights.take(point, into: u)
                value = next
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
    private func move(_ task: Task, by v: UnsafePointer<Double>) {
        let w = task.weights.count
        task.layout.moveShape(point, by: v + w + 1, into: trial)
        for k in 0..<w { trialU[k] = task.weights.areFractions ? max(0, u[k] + v[k]) : u[k] + v[k] }
        task.weights.put(trialU, into: trial)
        trial[SignalLayout.sigma] += v[w]
        bringInside(task, trial)
    }

    /// Puts the damped Gauss–Newton step into `step`: weights and scalars that it would take out of their ranges go to the bound, and the others to the best
    /// given that. False, and no step, where the damped information is not positive definite.
    private func newton(_ task: Task, _ damping: Double, _ heldScalar: Int?) -> Bool {
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
            if task.weights.areFractions { for k in 0..<w where held >> UInt64(k) & 1 == 0 && u[k] + step[k] < 0 { hold(k, at: -u[k]) } }
            for (j, s) in layout.scalars.enumerated() where held >> UInt64(w + 1 + j) & 1 == 0 {
                let x = point[layout.firstScalar + j], there = x + step[w + 1 + j], bounded = max(s.low, min(s.high, there))
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
        for j in 0..<task.weights.count { for k in 0..<task.weights.count { precision[j * task.stride + k] += penalty } }
    }

    /// Sets `precision` to information and prior.
    private func setPrecision(_ task: Task) {
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

    /// Gives a scalar the marginal variance deviation² whatever the other coordinates do with it: Λ_ss = 1/deviation² + Λ_sr Λ_rr⁻¹ Λ_rs.
    private func widen(_ task: Task, _ scalar: Int, to deviation: Double) -> Bool {
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

    // MARK: Calibration

    /// Brings the precision along wide directions to what the posterior does at that distance, where the second derivative misleads (two members that nearly
    /// coincide have no first-order information on their difference).
    ///
    /// With Λ = Uᵀ U the directions v_i = U⁻¹ e_i are conjugate, v_iᵀ Λ v_j = δ_ij; where the log-density falls by ½ at s v_i rather than at v_i, row i of U
    /// is divided by s.
    private func calibrate(_ task: Task, _ value: Double) {
        let d = task.dimension, row = task.stride, u = other, v = vector
        u.update(from: precision, count: d * row)
        guard pk_system_factorise(d, row, u) != 0 else { return }
        for i in 0..<d {
            if i == task.weights.count && task.logSigma != nil { continue }
            var square = 0.0
            for j in (0...i).reversed() {
                var x = j == i ? 1.0 : 0
                for k in j + 1..<max(i + 1, j + 1) { x -= u[j * row + k] * v[k] }
                v[j] = x / u[j * row + j]
                square += v[j] * v[j] * prior[j]
            }
            // Narrow beside the prior: the second derivative will do.
            if square < 1.0 / 300 { continue }
            for j in i + 1..<max(d, i + 1) { v[j] = 0 }
            let s = scale(task, v, value, square)
            if s == 1 { continue }
            let change = 1 / (s * s) - 1
            for a in i..<d { for b in i..<d { precision[a * row + b] += change * u[i * row + a] * u[i * row + b] } }
        }
    }

    /// The distance along ±v at which the log-density falls by ½ on average, about.
    private func scale(_ task: Task, _ v: UnsafePointer<Double>, _ value: Double, _ square: Double) -> Double {
        var s = 1.0
        for _ in 0..<3 {
            var sum = 0.0, sides = 0.0
            for sign in [s, -s] {
                guard let fall = drop(task, v, sign, value) else { continue }
                sum += fall
                sides += 1
            }
            if sides == 0 { break }
            let mean = sum / sides
            if mean > 1 { s *= max(0.2, pow(0.5 / mean, 0.33)) } else if mean < 0.2 && s * s * square < 1 { s *= 1.4 } else { break }
        }
        return s
    }

    /// By how much the log-density falls from the point to s v; nil where weights leave the prior's support.
    private func drop(_ task: Task, _ v: UnsafePointer<Double>, _ s: Double, _ value: Double) -> Double? {
        for j in 0..<task.dimension { step[j] = s * v[j] }
        if task.weights.areFractions { for k in 0..<task.weights.count where u[k] + step[k] < 0 { return nil } }
        move(task, by: step)
        return max(-1, value - evaluate(task, trial))
    }
}
