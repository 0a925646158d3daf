import CKernels
import Foundation
import ModelSpace

/// Points of one structure in blocks of sixteen lanes, which keep their attenuations and log-likelihoods, and sweeps of
/// moves over them (`point_moves.h`).
///
/// Points that move together take no partners from one another: where the other blocks hold enough points a block has
/// those; otherwise its even and its odd points evolve in turn, and each half may also choose from the other.
final class SignalLanes {
    static let size = 16
    /// With fewer partners to choose from a point walks; with fewer in other blocks a block moves in halves.
    static let fewest = 3, enough = 6
    /// Plans remembered: a family may have more structures than there is memory.
    private static let mostPlans = 512

    let kernels: any SignalKernels, m: Int
    private(set) var plan: MovePlan
    var job = pk_points()
    private(set) var count = 0, blockCount = 0
    var blocks: [pk_point_block] = []
    private(set) var partners: [Int32] = []
    private var plans: [SignalLayout: MovePlan] = [:]
    private let y: UnsafeMutablePointer<Float>
    private var memory = UnsafeMutablePointer<Float>.allocate(capacity: 0), capacity = 0
    private var logs = UnsafeMutablePointer<Double>.allocate(capacity: 0), logCapacity = 0
    /// Rows of all blocks; those of a proposal, its bonus, its attenuations.
    private(set) var rows: UnsafeMutablePointer<Float>
    private(set) var proposal, bonus, fresh: UnsafeMutablePointer<Float>
    private(set) var logLikelihood, logWindow: UnsafeMutablePointer<Double>
    var generator = pk_lane_random()
    var proposed = 0, accepted = 0
    private(set) var evolution: (rows: UnsafePointer<Int32>, count: Int),
        weights: (rows: UnsafePointer<Int32>, count: Int)

    init(_ kernels: any SignalKernels, _ layout: SignalLayout) {
        self.kernels = kernels
        m = kernels.measurementCount
        y = .allocate(capacity: m)
        plan = MovePlan(layout, kernels)
        plans[layout] = plan
        (rows, proposal, bonus, fresh) = (memory, memory, memory, memory)
        (logLikelihood, logWindow) = (logs, logs)
        evolution = plan.evolution(knowsNoise: false, collapsed: false, scalars: true)
        weights = evolution
    }

    deinit {
        y.deallocate()
        memory.deallocate()
        logs.deallocate()
    }

    var layout: SignalLayout { plan.layout }
    /// Whether coefficients are integrated out.
    var isCollapsed: Bool { job.collapsed != 0 }
    var sharesPartners: Bool { blocks.contains { $0.halves != 0 } }

    static func canCollapse(_ layout: SignalLayout, _ noise: NoiseLikelihood) -> Bool {
        layout.weights == .normal && noise == .gaussian && layout.componentCount <= PK_POINT_COLLAPSED
    }

    /// Makes room for points of a structure.
    /// - Parameters:
    ///   - y: M signals.
    ///   - collapses: false to keep coefficients as coordinates that could be integrated out.
    func prepare(
        _ y: UnsafePointer<Float>, _ layout: SignalLayout, _ noise: NoiseLikelihood, sigma: Double?, count: Int,
        windowed: Bool, collapses: Bool = true,
        using random: inout RandomSource
    ) {
        precondition(layout.componentCount <= PK_POINT_COMPONENTS, "at most 64 components")
        if plans.count >= Self.mostPlans { plans.removeAll() }
        plan = plans[layout] ?? MovePlan(layout, kernels)
        plans[layout] = plan
        self.count = count
        blockCount = (count + Self.size - 1) / Self.size
        let n = layout.count, w = layout.componentCount, size = Self.size, own = m * w * size
        let needed = blockCount * (n * size + own) + n * size + size + own
        if needed > capacity {
            memory.deallocate()
            memory = .allocate(capacity: needed)
            capacity = needed
        }
        if 2 * size * blockCount > logCapacity {
            logs.deallocate()
            logCapacity = 2 * size * blockCount
            logs = .allocate(capacity: logCapacity)
        }
        rows = memory
        let attenuations = rows + blockCount * n * size
        proposal = attenuations + blockCount * own
        bonus = proposal + n * size
        fresh = bonus + size
        (logLikelihood, logWindow) = (logs, logs + size * blockCount)
        self.y.update(from: y, count: m)

        job = pk_points()
        (job.measurements, job.components, job.count, job.y) = (m, w, n, UnsafePointer(self.y))
        job.positive = 1
        for i in 0..<m {
            job.squares += Double(y[i]) * Double(y[i])
            if y[i] > 0 { job.log_signals += log(Double(y[i])) } else { job.positive = 0 }
        }
        job.rician = noise == .rician ? 1 : 0
        job.has_scale = layout.scalePlace == nil ? 0 : 1
        job.simplex = layout.weights == .simplex ? 1 : 0
        job.collapsed = collapses && Self.canCollapse(layout, noise) ? 1 : 0
        job.knows_noise = sigma == nil ? 0 : 1
        (job.bound, job.rest, job.after) = (UnsafePointer(plan.bound), plan.rest, UnsafePointer(plan.after))
        (job.noise_low, job.noise_high) = (Float(layout.noise.low) + 1e-6, Float(layout.noise.high) - 1e-6)
        (job.first_scalar, job.scalars, job.low, job.high) = (
            layout.firstScalar, layout.scalars.count, UnsafePointer(plan.low), UnsafePointer(plan.high)
        )
        (job.first_axis, job.axes, job.frames) = (layout.firstAxis, layout.axes.count, UnsafePointer(plan.frames))
        (job.walk, job.all, job.power, job.windowed) = (
            UnsafePointer(plan.walk), UnsafePointer(rows), 1, windowed ? 1 : 0
        )
        evolution = plan.evolution(knowsNoise: sigma != nil, collapsed: isCollapsed, scalars: true)
        weights = plan.evolution(knowsNoise: sigma != nil, collapsed: isCollapsed, scalars: false)
        // One free direction is a walk's affair.
        if weights.count < 2 { weights.count = 0 }

        partners.removeAll(keepingCapacity: true)
        blocks.removeAll(keepingCapacity: true)
        for b in 0..<blockCount {
            var block = pk_point_block()
            block.rows = rows + b * n * size
            block.attenuations = attenuations + b * own
            (block.log_likelihood, block.log_window) = (logLikelihood + b * size, logWindow + b * size)
            block.draws = Int32(min(size, count - b * size))
            blocks.append(block)
        }
        choosePartners()
        withUnsafeMutableBytes(of: &generator) { bytes in
            for i in stride(from: 0, to: bytes.count, by: 8) {
                bytes.storeBytes(of: random.next(), toByteOffset: i, as: UInt64.self)
            }
        }
        (proposed, accepted) = (0, 0)
    }

    /// Lanes that each block's points may choose from: by block the ranges of `partners` of its two halves.
    private(set) var choices: [[Range<Int>]] = []
    private func choosePartners() {
        choices.removeAll(keepingCapacity: true)
        for b in 0..<blockCount {
            let draws = Int(blocks[b].draws), outside = count - draws,
                halves = outside < Self.enough && count > Self.fewest
            blocks[b].halves = halves ? 1 : 0
            var own: [Range<Int>] = []
            for half in 0..<(halves ? 2 : 1) {
                let from = partners.count
                for lane in 0..<count where lane / Self.size != b || (halves && lane & 1 != half) {
                    partners.append(Int32(lane))
                }
                if partners.count - from < Self.fewest { partners.removeSubrange(from...) }
                own.append(from..<partners.count)
            }
            choices.append(own)
        }
    }

    func isHalved(_ block: Int) -> Bool { blocks[block].halves != 0 }

    /// Puts a point into its lane; lanes of the last block that have none repeat the last.
    func load(_ x: UnsafePointer<Double>, at i: Int) {
        for lane in i..<(i == count - 1 ? blockCount * Self.size : i + 1) {
            let to = rows + lane / Self.size * layout.count * Self.size + lane % Self.size
            for c in 0..<layout.count { to[c * Self.size] = Float(x[c]) }
        }
    }

    func value(_ i: Int, _ row: Int) -> Float { rows[(i / Self.size * layout.count + row) * Self.size + i % Self.size] }
    func set(_ i: Int, _ row: Int, _ value: Float) {
        rows[(i / Self.size * layout.count + row) * Self.size + i % Self.size] = value
    }

    /// Attenuations of the points as they are.
    func computeAttenuations() {
        for block in blocks {
            kernels.attenuations(layout, rows: block.rows, stride: Self.size, into: block.attenuations)
        }
    }

    /// Attenuations and log-likelihoods of the points as they are.
    func evaluate() {
        computeAttenuations()
        for b in 0..<blockCount { pk_points_evaluate(&job, &blocks[b]) }
    }

    /// Centre and width of the scale's window of a block's points, from attenuations that are computed first.
    func window(_ b: Int, centre: UnsafeMutablePointer<Float>, width: UnsafeMutablePointer<Float>) {
        kernels.attenuations(layout, rows: blocks[b].rows, stride: Self.size, into: blocks[b].attenuations)
        pk_points_window(&job, &blocks[b], centre, width)
    }

    /// Coefficients from their conditional posterior, where they were integrated out.
    func drawCoefficients() {
        guard isCollapsed else { return }
        for b in 0..<blockCount { pk_points_coefficients(&job, &blocks[b], &generator) }
    }

    var power: Double {
        get { Double(job.power) }
        set { job.power = Float(newValue) }
    }
}
