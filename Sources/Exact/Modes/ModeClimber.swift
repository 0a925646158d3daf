import CKernels
import Foundation
import ModelSpace

/// Gauss–Newton ascent to modes of prior × likelihood of any signal that is linear in its weights, and the local normal
/// there.
///
/// It climbs in weights u, log σ and the local coordinates of the shape (`PosteriorMode`). Weights that would fall
/// below 0 and scalars that would leave their bounds go to the bound, and the others to the best given that. Climbs are
/// short and many: they work in memory that the climber owns. One a thread.
package final class ModeClimber {
    package let kernels: any SignalKernels
    let measurementCount: Int
    /// Attenuations and derivatives (W + shape rows of M); M each.
    let rows: UnsafeMutablePointer<Float>, signal: UnsafeMutablePointer<Float>, weight: UnsafeMutablePointer<Float>
    let score: UnsafeMutablePointer<Float>
    /// Where a climb stands, and where a step leads: points and weights.
    let point: UnsafeMutablePointer<Double>, trial: UnsafeMutablePointer<Double>
    let u: UnsafeMutablePointer<Double>, trialU: UnsafeMutablePointer<Double>
    /// Of local coordinates: gradient, step, precision that the prior's width lends, a direction.
    let gradient: UnsafeMutablePointer<Double>, prior: UnsafeMutablePointer<Double>
    let step: UnsafeMutablePointer<Double>, vector: UnsafeMutablePointer<Double>
    /// Information; precision of the normal about the point, damped for a step; another.
    let information: UnsafeMutablePointer<Double>
    let precision: UnsafeMutablePointer<Double>, other: UnsafeMutablePointer<Double>
    /// Conjugate directions (`pk_system_directions`), and the prior's precision along each.
    let vectors: UnsafeMutablePointer<Double>, squares: UnsafeMutablePointer<Double>
    let lanes: PointLanes
    private let memory: UnsafeMutablePointer<Double>
    /// Precision of Σ u where it is known.
    var penalty = 1.0

    package init(_ kernels: any SignalKernels) {
        self.kernels = kernels
        let m = kernels.measurementCount, most = SignalLimits.weights + SignalLimits.shape
        measurementCount = m
        rows = .allocate(capacity: (most + 3) * m)
        (signal, weight, score) = (rows + most * m, rows + (most + 1) * m, rows + (most + 2) * m)
        let row = 96, matrix = 64 * 64, count = 4 * matrix + 9 * row
        memory = .allocate(capacity: count)
        memory.initialize(repeating: 0, count: count)
        (information, precision, other, vectors) = (
            memory, memory + matrix, memory + 2 * matrix, memory + 3 * matrix
        )
        lanes = PointLanes(m)
        let rest = memory + 4 * matrix
        (point, trial, u, trialU) = (rest, rest + row, rest + 2 * row, rest + 3 * row)
        (gradient, prior, step, vector) = (rest + 4 * row, rest + 5 * row, rest + 6 * row, rest + 7 * row)
        squares = rest + 8 * row
    }

    deinit {
        rows.deallocate()
        memory.deallocate()
    }

    /// How much of what wide directions are stretched by (`calibrate`) counts for nothing in Laplace's approximation.
    /// Samples are drawn from normals so wide; the evidence is about halfway. Of 36,000 structures of 600 voxels
    /// (`tissue`, two shells) it is off by 1.29 nats about the mean of a voxel's, root mean square, with the whole
    /// stretch and all weights' sides, by 1.14 with none, and by 0.94 with half of it and weights above 0 alone
    /// (`PosteriorMode.laplace`).
    private static let narrowing = 0.5

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
        var constant: Double { Self.constant(layout, knowsNoise: logSigma != nil) }
        static func constant(_ layout: SignalLayout, knowsNoise: Bool) -> Double {
            layout.logPriorDensity + (knowsNoise ? log(layout.noise.high - layout.noise.low) : 0)
        }
    }

    /// Climbs from a point for at most `steps` steps, until another would gain less than 0.02 nats, and returns the
    /// mode there.
    ///
    /// - Parameters:
    ///   - y: M signals.
    ///   - sigma: the noise's standard deviation, where it is known.
    ///   - known: modes near which this one's width does not matter, and is not looked at.
    /// - Returns: nil when the likelihood vanishes at the start.
    package func climb(
        _ y: UnsafePointer<Float>, _ layout: SignalLayout, _ noise: NoiseLikelihood, from x: UnsafePointer<Double>,
        steps: Int, sigma: Double? = nil,
        known: [PosteriorMode] = []
    ) -> PosteriorMode? {
        climb(Task(y, layout, noise, sigma: sigma), from: x, steps: steps, known: known)
    }

    /// - Parameters:
    ///   - endsNearKnown: whether a climb that leads to a known mode ends with nil before it is there.
    ///   - node: nil to climb in all coordinates. Otherwise a scalar that stays as it is at the start, about which the
    ///     mode given back has this standard deviation, members as they stand. Wide directions are brought to what the
    ///     likelihood does at that distance without a node only.
    ///   - looks: how often such a distance is looked for at most.
    func climb(
        _ task: Task, from x: UnsafePointer<Double>, steps: Int, known: [PosteriorMode] = [],
        endsNearKnown: Bool = false, node: (scalar: Int, deviation: Double)? = nil, looks: Int = 3
    ) -> PosteriorMode? {
        precondition(
            SignalLimits.hold(task.layout),
            "a structure with more components or shape coordinates than modes are looked for")
        let value = ascend(task, from: x, steps: steps, held: node?.scalar, avoiding: endsNearKnown ? known : [])
        guard let value else { return nil }
        setPrecision(task)
        var density = value + task.constant
        if let node {
            guard widen(task, node.scalar, to: node.deviation) else { return nil }
        } else if !known.contains(where: { $0.squaredDistance(to: point) < 1 }) {
            density -= Self.narrowing * calibrate(task, value, looks: looks)
        }
        if task.weights.kind == PK_FRACTIONS { density += 0.5 * log(penalty / (2 * .pi)) }
        return PosteriorMode(
            task.layout, task.weights, task.noise,
            centre: node == nil ? sorted(task) : Array(UnsafeBufferPointer(start: point, count: task.layout.count)),
            precision: precision, stride: task.stride, logDensity: density, knowsNoise: task.logSigma != nil,
            room: other)
    }

    /// The point as a mode has it: members by falling weight. What is known of their local coordinates changes places
    /// with them.
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
        let layout = task.layout, d = task.dimension, stride = task.stride, s = layout.componentCount + 1,
            t = s + layout.scalars.count
        var pairs = [(a.component, b.component)]
        for (i, j) in zip(a.scalars, b.scalars) { pairs.append((s + i, s + j)) }
        for (i, j) in zip(a.axes, b.axes) { for c in 0..<2 { pairs.append((t + 2 * i + c, t + 2 * j + c)) } }
        let r = t + 2 * layout.axes.count
        for (i, j) in zip(a.rotations, b.rotations) { for c in 0..<3 { pairs.append((r + 3 * i + c, r + 3 * j + c)) } }
        for i in 0..<d { for j in 0..<i { precision[i * stride + j] = precision[j * stride + i] } }
        for (i, j) in pairs {
            for k in 0..<d {
                (precision[i * stride + k], precision[j * stride + k]) = (
                    precision[j * stride + k], precision[i * stride + k]
                )
            }
            for k in 0..<d {
                (precision[k * stride + i], precision[k * stride + j]) = (
                    precision[k * stride + j], precision[k * stride + i]
                )
            }
        }
    }

    /// Leaves in `point` where one step leads from a point, and in `precision` that of the point, without a look at how
    /// wide it ought to be; members keep their places. What is there at the end of the step would cost derivatives once
    /// more, and serves the evidence no better.
    func approach(_ task: Task, from x: UnsafePointer<Double>) -> Bool {
        guard ascend(task, from: x, steps: 0) != nil else { return false }
        if newton(task, Self.firstDamping, nil) {
            limitStep(task)
            move(task, by: step)
            point.update(from: trial, count: task.layout.count)
        }
        setPrecision(task)
        return true
    }
}
