import Diffusion
import Foundation
import ModelSpace

/// Moves posterior draws of one voxel toward, and then about, the exact posterior p(θ | z, y) of each draw's own structure.
///
/// An ensemble Markov chain whose invariant density is prior × exact likelihood. Coordinates are log d, log(s/d), log snr, log s0 and the fractions, in all
/// of which the prior is flat on its support, and directions on the sphere, where it is uniform; so a proposal is accepted with probability
/// min(1, likelihood ratio) inside the support and never outside. Moves, all symmetric:
///
/// - differential evolution: x + γ (x_j − x_k) + ε with j, k two other draws with the same number of sticks; γ drawn from {1, 0.5, 0.15} × 2.38/√(2 D);
/// - scale and noise: log s0 and log snr by a random walk;
/// - directions: each stick turned about a random axis, by an angle whose scale was measured on the draws at the start and then kept; the last, which may
///   hardly contribute and so have many modes, now and then anywhere on the sphere.
///
/// Step sizes of the walks are drawn anew from fixed distributions, never taken from the state they move: that would break the symmetry.
///
/// Source: ter Braak, "A Markov chain Monte Carlo version of the genetic algorithm differential evolution", Statistics and Computing 16 (2006).
public final class LikelihoodCorrector {
    private let family = BallSticks()
    private let acquisition: Acquisition
    /// Attenuations: of the proposal (M), of each draw (S × M).
    private let scratch: UnsafeMutablePointer<Float>, proposal: UnsafeMutablePointer<Double>
    private var attenuations: UnsafeMutablePointer<Float>, coordinates: UnsafeMutablePointer<Double>, logLikelihood: UnsafeMutablePointer<Double>, capacity = 0
    /// log d, log(s/d), log snr, log s0, three fractions.
    private static let width = 7
    private typealias Slot = BallSticks.Slot

    public init(acquisition: Acquisition) {
        self.acquisition = acquisition
        scratch = .allocate(capacity: acquisition.count)
        proposal = .allocate(capacity: Slot.count)
        attenuations = .allocate(capacity: 0)
        coordinates = .allocate(capacity: 0)
        logLikelihood = .allocate(capacity: 0)
    }

    deinit {
        scratch.deallocate()
        proposal.deallocate()
        attenuations.deallocate()
        coordinates.deallocate()
        logLikelihood.deallocate()
    }

    private func reserve(_ draws: Int) {
        guard draws > capacity else { return }
        attenuations.deallocate()
        coordinates.deallocate()
        logLikelihood.deallocate()
        attenuations = .allocate(capacity: draws * acquisition.count)
        coordinates = .allocate(capacity: draws * Self.width)
        logLikelihood = .allocate(capacity: draws)
        capacity = draws
    }

    /// Runs sweeps over all draws, in place.
    ///
    /// - Parameters:
    ///   - y: M normalised signals.
    ///   - theta: S × P parameters in the support of the prior.
    ///   - structures: the structure of each draw.
    ///   - sweeps: their number, and that of draws with three sticks (the same unless given), which have the most to find.
    ///   - turn: scale of the direction moves (radians) instead of one measured on the draws.
    /// - Returns: the share of proposals accepted.
    @discardableResult
    public func correct(
        _ y: UnsafePointer<Float>, _ theta: inout [Double], structures: [Structure], sweeps: Int, threeSticks: Int? = nil, turn: Double? = nil,
        using random: inout RandomSource
    ) -> Double {
        let draws = structures.count
        guard sweeps > 0, draws > 0 else { return 0 }
        reserve(draws)
        let groups = (0...3).map { n in (0..<draws).filter { BallSticks.stickCount(structures[$0]) == n } }
        let turns = groups.enumerated().map { n, group in (0..<n).map { turn ?? Self.spread(theta, group, stick: $0) } }
        return theta.withUnsafeMutableBufferPointer {
            move(y, $0.baseAddress!, structures, groups, turns, sweeps: sweeps, threeSticks: threeSticks ?? sweeps, &random)
        }
    }

    private func move(
        _ y: UnsafePointer<Float>, _ theta: UnsafeMutablePointer<Double>, _ structures: [Structure], _ groups: [[Int]], _ turns: [[Double]],
        sweeps: Int, threeSticks: Int, _ random: inout RandomSource
    ) -> Double {
        let draws = structures.count
        for i in 0..<draws {
            let t = theta + i * Slot.count
            read(t, structures[i], into: i)
            logLikelihood[i] = value(y, t, structures[i])
            keepAttenuations(i)
        }
        var accepted = 0, proposed = 0
        for sweep in 0..<max(sweeps, threeSticks) {
            for i in 0..<draws {
                let z = structures[i], n = BallSticks.stickCount(z)
                if sweep >= (n == 3 ? threeSticks : sweeps) { continue }
                // Fractions and diffusivities along a difference of two other draws.
                start(from: theta, i)
                if evolve(i, z, groups[n], &random) { accepted += take(y, theta, i, z, &random); proposed += 1 }
                // Scale and noise.
                start(from: theta, i)
                proposal[Slot.s0] *= exp(random.normal() * Self.step(0.003, 0.2, &random))
                let snr = log(proposal[Slot.snr]) + random.normal() * Self.step(0.03, 0.3, &random)
                proposal[Slot.snr] = exp(snr)
                if snr >= BallSticks.logSNR.low && snr <= BallSticks.logSNR.high { accepted += take(y, theta, i, z, &random, sameShape: true) }
                proposed += 1
                for k in 0..<n {
                    start(from: theta, i)
                    if k == n - 1 && random.index(below: 4) == 0 { place(k, &random) }
                    else { rotate(k, turns[n][k] * [1.4, 0.5, 0.15][random.index(below: 3)], &random) }
                    accepted += take(y, theta, i, z, &random)
                    proposed += 1
                }
            }
        }
        return proposed > 0 ? Double(accepted) / Double(proposed) : 0
    }

    private func value(_ y: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ z: Structure) -> Double {
        family.logLikelihood(y, theta, z, acquisition, scratch: scratch)
    }

    private func keepAttenuations(_ i: Int) {
        (attenuations + i * acquisition.count).update(from: scratch, count: acquisition.count)
    }

    private func start(from theta: UnsafePointer<Double>, _ i: Int) { proposal.update(from: theta + i * Slot.count, count: Slot.count) }

    /// Coordinates of a draw.
    private func read(_ theta: UnsafePointer<Double>, _ z: Structure, into i: Int) {
        let x = i * Self.width
        coordinates[x] = log(theta[Slot.diffusivity])
        coordinates[x + 1] = BallSticks.hasSpread(z) ? log(theta[Slot.spread] / theta[Slot.diffusivity]) : 0
        coordinates[x + 2] = log(theta[Slot.snr])
        coordinates[x + 3] = log(theta[Slot.s0])
        for k in 0..<3 { coordinates[x + 4 + k] = theta[Slot.fraction + k] }
    }

    /// Proposes along the difference of two other draws; false when that leaves the prior's support or there are too few draws.
    private func evolve(_ i: Int, _ z: Structure, _ group: [Int], _ random: inout RandomSource) -> Bool {
        guard group.count >= 4 else { return walk(i, z, &random) }
        var j = i, k = i
        while j == i { j = group[random.index(below: group.count)] }
        while k == i || k == j { k = group[random.index(below: group.count)] }
        let n = BallSticks.stickCount(z), dimension = Double(3 + n + (BallSticks.hasSpread(z) ? 1 : 0))
        let gamma = [1, 0.5, 0.15][random.index(below: 3)] * 2.38 / (2 * dimension).squareRoot()
        return propose(i, z) { c in
            gamma * (self.coordinates[j * Self.width + c] - self.coordinates[k * Self.width + c]) + 1e-5 * random.normal()
        }
    }

    /// A step size, log-uniform between two bounds.
    private static func step(_ low: Double, _ high: Double, _ random: inout RandomSource) -> Double {
        low * exp(random.uniform() * log(high / low))
    }

    /// A plain random walk for structures with few draws.
    private func walk(_ i: Int, _ z: Structure, _ random: inout RandomSource) -> Bool {
        let scale = Self.step(0.003, 0.3, &random)
        return propose(i, z) { c in scale * random.normal() * (c < 3 ? 1 : 0.3) }
    }

    /// Writes `proposal` = draw i shifted by `step` in the coordinates its structure has; false outside the prior's support.
    private func propose(_ i: Int, _ z: Structure, step: (Int) -> Double) -> Bool {
        let x = i * Self.width, n = BallSticks.stickCount(z), spread = BallSticks.hasSpread(z)
        let logD = coordinates[x] + step(0), ratio = spread ? coordinates[x + 1] + step(1) : 0
        let snr = coordinates[x + 2] + step(2), s0 = coordinates[x + 3] + step(3)
        func inside(_ v: Double, _ range: (low: Double, high: Double)) -> Bool { v >= range.low && v <= range.high }
        guard inside(logD, BallSticks.logDiffusivity), inside(snr, BallSticks.logSNR), abs(s0) < 5 else { return false }
        if spread && !inside(ratio, BallSticks.logSpreadRatio) { return false }
        var total = 0.0, before = 1.0
        for k in 0..<n {
            let f = coordinates[x + 4 + k] + step(4 + k)
            guard f >= BallSticks.fractionFloor, f <= before else { return false }
            proposal[Slot.fraction + k] = f
            before = f
            total += f
        }
        guard total <= 1 else { return false }
        proposal[Slot.diffusivity] = exp(logD)
        proposal[Slot.spread] = spread ? exp(logD + ratio) : 0
        proposal[Slot.snr] = exp(snr)
        proposal[Slot.s0] = exp(s0)
        return true
    }

    /// Points stick k of `proposal` anywhere.
    private func place(_ k: Int, _ random: inout RandomSource) {
        let v = SIMD3(random.normal(), random.normal(), random.normal()), length = (v * v).sum().squareRoot()
        guard length > 1e-12 else { return }
        for c in 0..<3 { proposal[Slot.axis + 3 * k + c] = v[c] / length }
    }

    /// Turns stick k of `proposal` by a normal angle in a random tangent direction (symmetric on the sphere).
    private func rotate(_ k: Int, _ scale: Double, _ random: inout RandomSource) {
        let a = Slot.axis + 3 * k
        let v = SIMD3(proposal[a], proposal[a + 1], proposal[a + 2])
        var t = SIMD3(random.normal(), random.normal(), random.normal())
        t -= (t * v).sum() * v
        let norm = (t * t).sum().squareRoot()
        guard norm > 1e-12 else { return }
        // |t| is Rayleigh-distributed in the tangent plane: with the scale it gives a two-dimensional normal step.
        let angle = scale * norm
        let turned = cos(angle) * v + (sin(angle) / norm) * t
        let length = (turned * turned).sum().squareRoot()
        for c in 0..<3 { proposal[a + c] = turned[c] / length }
    }

    /// Accepts or refuses `proposal` for draw i. `sameShape`: only s0 and snr differ, so the draw's attenuations stand.
    private func take(
        _ y: UnsafePointer<Float>, _ theta: UnsafeMutablePointer<Double>, _ i: Int, _ z: Structure, _ random: inout RandomSource, sameShape: Bool = false
    ) -> Int {
        let candidate = sameShape
            ? family.logLikelihood(y, attenuations: attenuations + i * acquisition.count, proposal, z, acquisition) : value(y, proposal, z)
        let difference = candidate - logLikelihood[i]
        // Both −∞ gives NaN, which refuses.
        guard difference >= 0 || log(random.uniform()) < difference else { return 0 }
        (theta + i * Slot.count).update(from: proposal, count: Slot.count)
        logLikelihood[i] = candidate
        if !sameShape { keepAttenuations(i) }
        read(proposal, z, into: i)
        return 1
    }

    /// Angular standard deviation of a stick over draws (radians), from its mean dyad; between 0.005 and 0.6.
    private static func spread(_ theta: [Double], _ group: [Int], stick k: Int) -> Double {
        guard group.count >= 4 else { return 0.1 }
        // 1 − Σ(v·m)²/S about the draw that agrees best with the others: enough for a proposal's scale.
        func axis(_ i: Int) -> SIMD3<Double> {
            let a = i * Slot.count + Slot.axis + 3 * k
            return SIMD3(theta[a], theta[a + 1], theta[a + 2])
        }
        var best = 0.0
        for i in group.prefix(12) {
            let m = axis(i)
            var sum = 0.0
            for j in group { let c = (axis(j) * m).sum(); sum += c * c }
            best = max(best, sum / Double(group.count))
        }
        return min(0.6, max(0.005, (max(0, 1 - best) / 2).squareRoot()))
    }
}
