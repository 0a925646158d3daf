import Foundation
import ModelSpace

/// Values of a scalar with bounds, evenly spaced over its range, at each of which a component helps a mode that barely
/// determines it.
///
/// The other parameters follow such a scalar x along a bend that no single normal covers. Where the signal depends on x
/// through e^{2x}, as on the relative spread of a diffusivity, the posterior towards small x ends in a shelf: about a
/// mode x₀ of standard deviation σ
///
///     log p(x) ≈ −(e^{2(x − x₀)} − 1)² / 8σ²,   which at x ≪ x₀ is only 1/8σ² nats below the mode
///
/// Of several scalars the one that is widest beside its range has the grid.
package struct ScalarGrid: Sendable {
    /// Number of values (nodes); 0 for no grid.
    package var nodes = 5
    /// Standard deviation of the scalar in each component, relative to the spacing: neighbours overlap, their sum
    /// ripples by less than 1 %.
    package var width = 0.6
    /// The standard deviation, relative to the spacing, above which the whole grid takes the mode's place: where a
    /// normal no longer follows the bend.
    package var deviation = 0.54
    /// The standard deviation, relative to the spacing, above which a mode has nodes beside it, for shelves.
    package var shelf = 0.26
    /// Gauss–Newton steps from one node to the next, which is near.
    package var steps = 3
    /// The best only: each node is paid for by climbs, and lesser modes hold little.
    package var modes = 1

    package init() {}

    var summary: String {
        "grids of \(nodes) x \(width) above \(deviation), shelves above \(shelf), \(steps) steps, \(modes) modes"
    }
}

extension ImportanceSampler {
    /// Gives grids to the best modes that barely determine a scalar.
    func withGrids(_ task: (NoiseLikelihood) -> ModeClimber.Task, _ modes: [PosteriorMode], _ grid: ScalarGrid)
        -> [PosteriorMode]
    {
        guard grid.nodes > 0, let scalars = modes.first?.layout.scalars, !scalars.isEmpty else { return modes }
        return modes.sorted { $0.laplace > $1.laplace }.enumerated().flatMap { i, mode -> [PosteriorMode] in
            guard i < grid.modes else { return [mode] }
            let deviations = scalars.indices.map {
                mode.deviation(of: mode.shapeIndex + $0) / (scalars[$0].high - scalars[$0].low) * Double(grid.nodes)
            }
            let widest = deviations.indices.max { deviations[$0] < deviations[$1] }!
            guard deviations[widest] > grid.shelf else { return [mode] }
            let isShelf = deviations[widest] <= grid.deviation,
                nodes = nodes(task(mode.noise), mode, widest, grid, isShelf: isShelf)
            return isShelf || nodes.isEmpty ? [mode] + nodes : nodes
        }
    }

    /// The grid of one mode, or only the nodes beside it: outwards from the mode's own value, each node climbs from
    /// where its neighbour ended.
    private func nodes(
        _ task: ModeClimber.Task, _ mode: PosteriorMode, _ scalar: Int, _ grid: ScalarGrid, isShelf: Bool
    ) -> [PosteriorMode] {
        let s = mode.layout.scalars[scalar], spacing = (s.high - s.low) / Double(grid.nodes),
            at = mode.layout.firstScalar + scalar
        let nearest = max(0, min(grid.nodes - 1, Int((mode.centre[at] - s.low) / spacing)))
        var result: [PosteriorMode] = []
        for side in [
            isShelf ? Array(nearest + 1..<max(nearest + 1, grid.nodes)) : Array(nearest..<grid.nodes),
            (0..<nearest).reversed(),
        ] {
            var x = isShelf ? mode.centre : result.first?.centre ?? mode.centre
            for i in side {
                x[at] = s.low + (Double(i) + 0.5) * spacing
                let node = climber.climb(task, from: x, steps: grid.steps, node: (scalar, grid.width * spacing))
                guard let node, node.laplace >= mode.laplace - Self.depth else { break }
                result.append(node)
                x = node.centre
            }
        }
        return result
    }
}
