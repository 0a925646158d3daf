import CKernels
import Diffusion
import Foundation
import ModelSpace

/// Moves posterior draws of one voxel toward, and then about, the exact posterior p(θ | z, y) of each draw's own
/// structure.
///
/// An ensemble Markov chain whose invariant density is prior × exact likelihood. Coordinates are log d, log(s/d), log
/// snr, log s0 and the fractions, in all of which the prior is flat on its support, and directions on the sphere, where
/// it is uniform; so a symmetric proposal is accepted with probability min(1, likelihood ratio) inside the support and
/// never outside. Moves, symmetric but for the stretch:
///
/// - differential evolution: x + γ (x_j − x_k) + ε with j, k two draws with the same number of sticks and kind of
///   diffusivity that do not move at the same time (`MoveLanes`); γ drawn from {1, 0.5, 0.15} × 2.38/√(2 D), |ε| ≤
///   1.5e-5; with too few such draws a random walk; one time in eight, to bring in draws far from the others, x + (1 −
///   z)(x_j − x) with density of z ∝ z^−½ on [½, 2], whose acceptance has z^(D − 1);
/// - scale and noise: log s0 and log snr by a random walk;
/// - directions: each stick turned about a random axis, by an angle whose scale was measured on the draws at the start
///   and then kept; the last, which may hardly contribute and so have many modes, now and then anywhere on the sphere.
///
/// Step sizes of the walks are drawn anew from fixed distributions, never taken from the state they move: that would
/// break the symmetry. Sixteen draws move together; none of them is another's partner, so that given the others each
/// makes a Metropolis step of its own.
///
/// A known σ stays: log snr follows log s0, whatever the prior's bounds of it, and is no dimension.
///
/// - Accuracy: coordinates that move are kept in single precision; log-likelihoods are within 2e-6 · Σ(1 + (y/σ)²).
/// - Source: ter Braak, "A Markov chain Monte Carlo version of the genetic algorithm differential evolution",
///   Statistics and Computing 16 (2006); Goodman & Weare, "Ensemble samplers with affine invariance", CAMCoS 5 (2010).
public final class EnsembleMoves {
    private let count: Int, tables: MoveTables
    /// Attenuations of a proposal, the lanes' parameters now and at the start, attenuations kept.
    private var floats = UnsafeMutablePointer<Float>.allocate(capacity: 0), capacity = 0
    private var values: [Double] = [], lanes = MoveLanes([])
    private typealias Slot = BallSticks.Slot
    private static let rows = PK_SAMPLE_ROWS

    public init(acquisition: Acquisition) {
        count = acquisition.count
        tables = MoveTables(acquisition)
    }

    deinit { floats.deallocate() }

    /// Runs sweeps over all draws, in place.
    ///
    /// - Parameters:
    ///   - y: M normalised signals.
    ///   - theta: S × P parameters in the support of the prior.
    ///   - structures: the structure of each draw.
    ///   - sweeps: their number, and that of draws with three sticks (the same unless given), which have the most to
    ///   find.
    ///   - turn: scale of the direction moves (radians) instead of one measured on the draws.
    ///   - sigma: the noise's standard deviation in units of y where it is known; every θ's s0 / snr is that.
    /// - Returns: the share of proposals accepted.
    @discardableResult
    public func run(
        _ y: UnsafePointer<Float>, _ theta: inout [Double], structures: [Structure], sweeps: Int,
        threeSticks: Int? = nil, turn: Double? = nil,
        sigma: Double? = nil, using random: inout RandomSource
    ) -> Double {
        let limits = [sweeps, sweeps, sweeps, threeSticks ?? sweeps]
        guard limits.max()! > 0, !structures.isEmpty else { return 0 }
        lanes = MoveLanes(structures)
        values = [Double](repeating: 0, count: lanes.draw.count)
        var accepted = 0, proposed = 0, generator = Self.lanes(&random)
        var job = self.job(y, rician: structures.contains(where: BallSticks.isRician))
        if let sigma { (job.is_known, job.known_log_sigma) = (1, Float(log(sigma))) }
        theta.withUnsafeMutableBufferPointer { theta in
            withGroups(turn: turn, theta.baseAddress!) { groups, work in
                // Draws with different numbers of sticks have nothing to do with one another.
                for group in groups where limits[group.sticks] > 0 {
                    withUnsafePointer(to: group) {
                        pk_moves_begin(&job, $0)
                        pk_moves_sweep(&job, $0, limits[group.sticks], &generator, work, &proposed, &accepted)
                    }
                }
            }
            for n in 0...3 {
                for block in lanes.groups[n] {
                    for lane in block.start..<block.start + block.draws { write(lane, n, theta.baseAddress!, sigma) }
                }
            }
        }
        return proposed > 0 ? Double(accepted) / Double(proposed) : 0
    }

    /// The log-likelihoods kept of the draws last corrected, for tests.
    package var logLikelihoods: [Double] {
        var all = [Double](repeating: 0, count: (lanes.draw.max() ?? -1) + 1)
        for (lane, draw) in lanes.draw.enumerated().reversed() { all[draw] = values[lane] }
        return all
    }

    private func job(_ y: UnsafePointer<Float>, rician: Bool) -> pk_moves {
        tables.load(y, splits: Set(lanes.groups.joined().map(\.split)))
        var job = pk_moves()
        job.table = (tables.tables[0], tables.tables[1], tables.tables[2], tables.tables[3], tables.tables[4])
        job.measurements = count
        job.support = LocalMode.support
        job.positive = rician && (0..<count).allSatisfy { y[$0] > 0 } ? 1 : 0
        if job.positive != 0 { for i in 0..<count { job.log_signals += log(Double(y[i])) } }
        return job
    }

    private static func lanes(_ random: inout RandomSource) -> pk_lane_random {
        var generator = pk_lane_random()
        withUnsafeMutableBytes(of: &generator) { bytes in
            for i in stride(from: 0, to: bytes.count, by: 8) {
                bytes.storeBytes(of: random.next(), toByteOffset: i, as: UInt64.self)
            }
        }
        return generator
    }
}

/// Parameters in and out of the lanes.
extension EnsembleMoves {
    /// Work for proposals, rows of parameters, their copy, attenuations.
    private func reserve() -> (
        work: UnsafeMutablePointer<Float>, kept: UnsafeMutablePointer<Float>, attenuations: UnsafeMutablePointer<Float>
    ) {
        let size = MoveLanes.size, work = 4 * size * count, parameters = Self.rows * lanes.draw.count
        let needed = work + 2 * parameters + (0...3).reduce(0) { $0 + lanes.groups[$1].count * size * ($1 + 1) * count }
        if needed > capacity {
            floats.deallocate()
            floats = .allocate(capacity: needed)
            capacity = needed
        }
        return (floats, floats + work, floats + work + 2 * parameters)
    }

    /// Fills the groups that have draws.
    private func withGroups(
        turn: Double?, _ theta: UnsafePointer<Double>, _ body: ([pk_moves_group], UnsafeMutablePointer<Float>) -> Void
    ) {
        let size = MoveLanes.size, room = reserve(), all = lanes.groups.joined()
        var next = room.attenuations, blocks: [pk_moves_block] = []
        blocks.reserveCapacity(all.count)
        lanes.partners.withUnsafeBufferPointer { partners in
            for n in 0...3 {
                for b in lanes.groups[n] {
                    func list(_ k: Int) -> UnsafePointer<Int32>? {
                        partners.baseAddress.map { $0 + b.choices[k].lowerBound }
                    }
                    func length(_ k: Int) -> Int32 { Int32(b.choices[k].count) }
                    blocks.append(
                        pk_moves_block(
                            split: Int32(b.split), halves: b.halves ? 1 : 0,
                            partners: ((list(0), list(1)), (list(2), list(3))),
                            count: ((length(0), length(1)), (length(2), length(3))), attenuations: next))
                    next += size * (n + 1) * count
                }
            }
            lanes.kind.withUnsafeBufferPointer { kind in
                blocks.withUnsafeBufferPointer { blocks in
                    values.withUnsafeMutableBufferPointer { values in
                        var groups: [pk_moves_group] = [], first = 0
                        for n in 0...3 where !lanes.groups[n].isEmpty {
                            let own = lanes.groups[n], at = own[0].start
                            var group = pk_moves_group()
                            (group.sticks, group.blocks, group.block) = (n, own.count, blocks.baseAddress! + first)
                            (group.rows, group.kinds, group.log_likelihood) = (
                                room.kept + Self.rows * at, kind.baseAddress! + at, values.baseAddress! + at
                            )
                            for block in own { read(block, theta, group, at) }
                            let turns = (0..<3).map { k in k < n ? Float(turn ?? spread(theta, n, stick: k)) : 0 }
                            group.turn = (turns[0], turns[1], turns[2])
                            groups.append(group)
                            first += own.count
                        }
                        (room.kept + Self.rows * lanes.draw.count).update(
                            from: room.kept, count: Self.rows * lanes.draw.count)
                        body(groups, room.work)
                    }
                }
            }
        }
    }

    private func read(_ block: MoveLanes.Block, _ all: UnsafePointer<Double>, _ group: pk_moves_group, _ start: Int) {
        let size = MoveLanes.size, stride = group.blocks * size, rows = group.rows! + block.start - start
        for lane in 0..<size {
            let x = rows + lane, own = lane & (size >> block.split - 1)
            if own < lane || own >= block.draws {
                for k in 0..<Self.rows { x[k * stride] = rows[k * stride + min(own, block.draws - 1)] }
                continue
            }
            let theta = all + lanes.draw[block.start + lane] * Slot.count
            x[0] = Float(log(theta[Slot.diffusivity]))
            x[stride] = theta[Slot.spread] > 0 ? Float(log(theta[Slot.spread] / theta[Slot.diffusivity])) : 0
            x[2 * stride] = Float(log(theta[Slot.snr]))
            x[3 * stride] = Float(log(theta[Slot.s0]))
            for k in 4..<Slot.count { x[k * stride] = Float(theta[k]) }
        }
    }

    /// Coordinates that moved, of one draw; those that did not keep all their digits.
    private func write(_ lane: Int, _ n: Int, _ all: UnsafeMutablePointer<Double>, _ sigma: Double?) {
        let theta = all + lanes.draw[lane] * Slot.count, size = MoveLanes.size, stride = lanes.groups[n].count * size,
            start = lanes.groups[n][0].start
        let now = floats + 4 * size * count + Self.rows * start + lane - start,
            before = now + Self.rows * lanes.draw.count
        func hasMoved(_ row: Int) -> Bool { now[row * stride] != before[row * stride] }
        func value(_ row: Int, _ range: (low: Double, high: Double)) -> Double {
            exp(min(range.high, max(range.low, Double(now[row * stride]))))
        }
        let ratio = hasMoved(1) ? value(1, BallSticks.logSpreadRatio) : theta[Slot.spread] / theta[Slot.diffusivity]
        if hasMoved(0) || hasMoved(1) {
            if hasMoved(0) { theta[Slot.diffusivity] = value(0, BallSticks.logDiffusivity) }
            if theta[Slot.spread] > 0 { theta[Slot.spread] = theta[Slot.diffusivity] * ratio }
        }
        if hasMoved(3) { theta[Slot.s0] = exp(Double(now[3 * stride])) }
        if let sigma {
            theta[Slot.snr] = theta[Slot.s0] / sigma
        } else if hasMoved(2) {
            theta[Slot.snr] = value(2, BallSticks.logSNR)
        }
        if (0..<n).contains(where: { hasMoved(Slot.fraction + $0) }) {
            for k in Slot.fraction..<Slot.fraction + n { theta[k] = Double(now[k * stride]) }
        }
        for k in 0..<n where (0..<3).contains(where: { hasMoved(Slot.axis + 3 * k + $0) }) {
            let a = Slot.axis + 3 * k,
                v = SIMD3(Double(now[a * stride]), Double(now[(a + 1) * stride]), Double(now[(a + 2) * stride]))
            let length = (v * v).sum().squareRoot()
            for c in 0..<3 { theta[a + c] = v[c] / length }
        }
    }

    /// Angular standard deviation of a stick over the draws with n (radians), about the one of twelve that agrees best
    /// with all: from its mean dyad D, 1 − max mᵀDm = 2 sd²; between 0.005 and 0.6.
    private func spread(_ theta: UnsafePointer<Double>, _ n: Int, stick k: Int) -> Double {
        var members = 0, dyad = (SIMD3<Double>.zero, SIMD3<Double>.zero, SIMD3<Double>.zero)
        func each(_ body: (SIMD3<Double>) -> Void) {
            for block in lanes.groups[n] {
                for lane in block.start..<block.start + block.draws {
                    let a = theta + lanes.draw[lane] * Slot.count + Slot.axis + 3 * k
                    body(SIMD3(a[0], a[1], a[2]))
                }
            }
        }
        each { v in
            members += 1
            dyad = (dyad.0 + v.x * v, dyad.1 + v.y * v, dyad.2 + v.z * v)
        }
        guard members >= 4 else { return 0.1 }
        var best = 0.0, seen = 0
        let every = (members + 11) / 12
        each { v in
            if seen % every == 0 {
                best = max(
                    best,
                    (v * SIMD3((dyad.0 * v).sum(), (dyad.1 * v).sum(), (dyad.2 * v).sum())).sum() / Double(members))
            }
            seen += 1
        }
        return min(0.6, max(0.005, (max(0, 1 - best) / 2).squareRoot()))
    }
}
