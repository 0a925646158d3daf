import Diffusion
import Foundation

/// Values of log(s/d), evenly spaced over its prior's range, at each of which a component helps a mode that barely
/// determines log(s/d).
///
/// The other parameters follow x = log(s/d) along a bend that no single normal covers. The signal depends on s through
/// s², so that towards small s the posterior ends in a shelf: about a mode x₀ of standard deviation σ
///
///     log p(x) ≈ −(e^{2(x − x₀)} − 1)² / 8σ²,   which at x ≪ x₀ is only 1/8σ² nats below the mode
public struct SpreadGrid: Sendable {
    /// Number of values; 0 for none.
    public var points = 5
    /// Standard deviation of log(s/d) in each component, relative to the spacing: neighbours overlap, their sum ripples
    /// by less than 1 %.
    public var width = 0.6
    /// The standard deviation of log(s/d) above which the whole grid takes the mode's place: half a spacing, where a
    /// normal still follows the bend.
    public var deviation = 0.25
    /// The standard deviation above which a mode has points on the shelf below it: a shelf 8.7 nats down, which holds
    /// 0.1 % of the mode's mass (13 % at a standard deviation of 0.2).
    public var shelf = 0.12
    /// Gauss–Newton steps from one point to the next, which is near.
    public var steps = 3
    /// The best only: each point is paid for by climbs, and lesser modes hold little.
    public var modes = 1

    public init() {}

    var summary: String {
        "ladders of \(points) x \(width) above \(deviation), shelves above \(shelf), \(steps) steps, \(modes) modes"
    }
}

extension EvidenceSampler {
    /// Gives grids to the best modes that barely determine log(s/d).
    func withSpreadGrids(
        _ y: UnsafePointer<Float>, _ modes: [LocalMode], _ constant: Double, _ grid: SpreadGrid
    ) -> [LocalMode] {
        modes.sorted { $0.laplace > $1.laplace }.enumerated().flatMap { i, mode in
            let deviation = mode.deviation(of: mode.geometry.sticks)
            guard i < grid.modes, deviation > grid.shelf else { return [mode] }
            let isShelf = deviation <= grid.deviation, points = points(y, mode, constant, grid, isShelf: isShelf)
            return isShelf || points.isEmpty ? [mode] + points : points
        }
    }

    /// The grid of one mode, or only the points below it: outwards from the mode's own log(s/d), each of them climbs
    /// from where its neighbour ended.
    private func points(
        _ y: UnsafePointer<Float>, _ mode: LocalMode, _ constant: Double, _ grid: SpreadGrid, isShelf: Bool
    ) -> [LocalMode] {
        typealias Slot = BallSticks.Slot
        guard grid.points > 0 else { return [] }
        let low = BallSticks.logSpreadRatio.low, spacing = (BallSticks.logSpreadRatio.high - low) / Double(grid.points)
        let here = log(mode.centre[Slot.spread] / mode.centre[Slot.diffusivity])
        let nearest = max(0, min(grid.points - 1, Int((here - low) / spacing)))
        var result: [LocalMode] = []
        for side in [isShelf ? [] : Array(nearest..<grid.points), (0..<nearest).reversed()] {
            var theta = result.first?.centre ?? mode.centre
            for i in side {
                theta[Slot.spread] = theta[Slot.diffusivity] * exp(low + (Double(i) + 0.5) * spacing)
                let point = finder.climb(
                    y, mode.geometry, from: theta, steps: grid.steps, constant: constant,
                    ratioDeviation: grid.width * spacing)
                guard let point, point.laplace >= mode.laplace - Self.depth else { break }
                result.append(point)
                theta = point.centre
            }
        }
        return result
    }
}
