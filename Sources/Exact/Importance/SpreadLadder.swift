import Diffusion
import Foundation

/// Values of log(s/d), evenly spaced over its prior's range, at each of which a component helps a mode that barely determines log(s/d).
///
/// The other parameters follow x = log(s/d) along a bend that no single normal covers. The signal depends on s through s², so that towards small s the
/// posterior ends in a shelf: about a mode x₀ of standard deviation σ
///
///     log p(x) ≈ −(e^{2(x − x₀)} − 1)² / 8σ²,   which at x ≪ x₀ is only 1/8σ² nats below the mode
public struct SpreadLadder: Sendable {
    /// Number of values; 0 for no ladder.
    public var rungs = 5
    /// Standard deviation of log(s/d) in each component, relative to the spacing: neighbours overlap, their sum ripples by less than 1 %.
    public var width = 0.6
    /// The standard deviation of log(s/d) above which the whole ladder takes the mode's place: half a spacing, where a normal still follows the bend.
    public var deviation = 0.25
    /// The standard deviation above which a mode has rungs on the shelf below it: a shelf 8.7 nats down, which holds 0.1 % of the mode's mass
    /// (13 % at a standard deviation of 0.2).
    public var shelf = 0.12
    /// Gauss–Newton steps from one rung to the next, which is near.
    public var steps = 3
    /// The best only: each rung is paid for by climbs, and lesser modes hold little.
    public var modes = 1

    public init() {}

    var summary: String { "ladders of \(rungs) x \(width) above \(deviation), shelves above \(shelf), \(steps) steps, \(modes) modes" }
}

extension EvidenceSampler {
    /// Gives ladders to the best modes that barely determine log(s/d).
    func withLadders(
        _ y: UnsafePointer<Float>, _ modes: [LocalMode], _ constant: Double, _ ladder: SpreadLadder
    ) -> [LocalMode] {
        modes.sorted { $0.laplace > $1.laplace }.enumerated().flatMap { i, mode in
            let deviation = mode.deviation(of: mode.geometry.sticks)
            guard i < ladder.modes, deviation > ladder.shelf else { return [mode] }
            let isShelf = deviation <= ladder.deviation, rungs = rungs(y, mode, constant, ladder, isShelf: isShelf)
            return isShelf || rungs.isEmpty ? [mode] + rungs : rungs
        }
    }

    /// The ladder of one mode, or only the rungs below it: outwards from the mode's own log(s/d), each rung climbs from where its neighbour ended.
    private func rungs(
        _ y: UnsafePointer<Float>, _ mode: LocalMode, _ constant: Double, _ ladder: SpreadLadder, isShelf: Bool
    ) -> [LocalMode] {
        typealias Slot = BallSticks.Slot
        guard ladder.rungs > 0 else { return [] }
        let low = BallSticks.logSpreadRatio.low, spacing = (BallSticks.logSpreadRatio.high - low) / Double(ladder.rungs)
        let here = log(mode.centre[Slot.spread] / mode.centre[Slot.diffusivity])
        let nearest = max(0, min(ladder.rungs - 1, Int((here - low) / spacing)))
        var result: [LocalMode] = []
        for side in [isShelf ? [] : Array(nearest..<ladder.rungs), (0..<nearest).reversed()] {
            var theta = result.first?.centre ?? mode.centre
            for i in side {
                theta[Slot.spread] = theta[Slot.diffusivity] * exp(low + (Double(i) + 0.5) * spacing)
                let rung = finder.climb(y, mode.geometry, from: theta, steps: ladder.steps, constant: constant, rung: ladder.width * spacing)
                guard let rung, rung.laplace >= mode.laplace - Self.depth else { break }
                result.append(rung)
                theta = rung.centre
            }
        }
        return result
    }
}
