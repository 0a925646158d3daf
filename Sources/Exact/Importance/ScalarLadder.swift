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
/// Of several scalars the one that is widest beside its range has the ladder.
package struct ScalarLadder: Sendable {
    /// Number of values; 0 for no ladder.
    package var rungs = 5
    /// Standard deviation of the scalar in each component, relative to the spacing: neighbours overlap, their sum
    /// ripples by less than 1 %.
    package var width = 0.6
    /// The standard deviation, relative to the spacing, above which the whole ladder takes the mode's place: where a
    /// normal no longer follows the bend.
    package var deviation = 0.54
    /// The standard deviation, relative to the spacing, above which a mode has rungs beside it, for shelves.
    package var shelf = 0.26
    /// Gauss–Newton steps from one rung to the next, which is near.
    package var steps = 3
    /// The best only: each rung is paid for by climbs, and lesser modes hold little.
    package var modes = 1

    package init() {}

    var summary: String {
        "ladders of \(rungs) x \(width) above \(deviation), shelves above \(shelf), \(steps) steps, \(modes) modes"
    }
}

extension ImportanceSampler {
    /// Gives ladders to the best modes that barely determine a scalar.
    func withLadders(_ task: (NoiseLikelihood) -> ModeClimber.Task, _ modes: [PosteriorMode], _ ladder: ScalarLadder)
        -> [PosteriorMode]
    {
        guard ladder.rungs > 0, let scalars = modes.first?.layout.scalars, !scalars.isEmpty else { return modes }
        return modes.sorted { $0.laplace > $1.laplace }.enumerated().flatMap { i, mode -> [PosteriorMode] in
            guard i < ladder.modes else { return [mode] }
            let deviations = scalars.indices.map {
                mode.deviation(of: mode.shapeIndex + $0) / (scalars[$0].high - scalars[$0].low) * Double(ladder.rungs)
            }
            let widest = deviations.indices.max { deviations[$0] < deviations[$1] }!
            guard deviations[widest] > ladder.shelf else { return [mode] }
            let isShelf = deviations[widest] <= ladder.deviation,
                rungs = rungs(task(mode.noise), mode, widest, ladder, isShelf: isShelf)
            return isShelf || rungs.isEmpty ? [mode] + rungs : rungs
        }
    }

    /// The ladder of one mode, or only the rungs beside it: outwards from the mode's own value, each rung climbs from
    /// where its neighbour ended.
    private func rungs(
        _ task: ModeClimber.Task, _ mode: PosteriorMode, _ scalar: Int, _ ladder: ScalarLadder, isShelf: Bool
    ) -> [PosteriorMode] {
        let s = mode.layout.scalars[scalar], spacing = (s.high - s.low) / Double(ladder.rungs),
            at = mode.layout.firstScalar + scalar
        let nearest = max(0, min(ladder.rungs - 1, Int((mode.centre[at] - s.low) / spacing)))
        var result: [PosteriorMode] = []
        for side in [
            isShelf ? Array(nearest + 1..<max(nearest + 1, ladder.rungs)) : Array(nearest..<ladder.rungs),
            (0..<nearest).reversed(),
        ] {
            var x = isShelf ? mode.centre : result.first?.centre ?? mode.centre
            for i in side {
                x[at] = s.low + (Double(i) + 0.5) * spacing
                let rung = climber.climb(task, from: x, steps: ladder.steps, rung: (scalar, ladder.width * spacing))
                guard let rung, rung.laplace >= mode.laplace - Self.depth else { break }
                result.append(rung)
                x = rung.centre
            }
        }
        return result
    }
}
