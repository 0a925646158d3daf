import Diffusion
import Foundation
import ModelSpace

/// Modes that a pilot's few particles may have lost on their way, found by climbing from where they came through and
/// from modes with one stick fewer.
extension SequentialMonteCarlo {
    /// Gauss–Newton steps of a climb; modes kept, no more than so many nats below the best.
    private static let climbs = 12, mostModes = 6, depth = 8.0
    /// Starts made from each of the best modes with one stick fewer.
    private static let parents = 2, births = 4, splits = 3
    /// Share of the modes in a reference, and inflation of their covariance.
    private static let modeShare = 0.3, modeInflation = 1.5
    /// A candidate is new where the densities about the modes kept lie this many nats below their peaks.
    private static let novelty = 4.0

    /// Modes of a structure, best first, and densities about them.
    ///
    /// - Parameters:
    ///   - fewer: modes of the structure with one stick fewer.
    ///   - starts: θ of some particles.
    func modes(_ z: Structure, fewer: [LocalMode], starts: [[Double]]) -> [(mode: LocalMode, density: FittedDensity)] {
        let g = LocalGeometry(z, sigma: population.sigma), y = UnsafePointer(population.y)
        // Half the sphere holds each axis once.
        let constant = population.logPrior + Double(g.sticks) * log(2)
        var starts = starts
        for parent in fewer.prefix(Self.parents) {
            starts += births.starts(y, from: parent.centre, to: z, births: Self.births, splits: Self.splits)
        }
        let found = starts.compactMap { finder.climb(y, g, from: $0, steps: Self.climbs, constant: constant) }.sorted {
            $0.laplace > $1.laplace
        }
        var kept: [(mode: LocalMode, density: FittedDensity)] = [], peaks: [Double] = []
        for mode in found where mode.laplace > found[0].laplace - Self.depth && kept.count < Self.mostModes {
            let x = BallSticksPopulation.particle(mode.centre, hasSpread: g.hasSpread)
            if zip(kept, peaks).contains(where: { $0.density.logDensity(x) > $1 - Self.novelty }) { continue }
            let density = FittedDensity()
            density.fit(mode, inflation: Self.modeInflation)
            kept.append((mode, density))
            peaks.append(density.logDensity(x))
        }
        return kept
    }

    /// Adds densities about modes to a pilot's, whose weights sum to 1.
    func blend(_ fit: [FittedDensity], _ modes: [(mode: LocalMode, density: FittedDensity)]) -> [FittedDensity] {
        guard let best = modes.first?.mode.laplace else { return fit }
        for g in fit { g.weight *= 1 - Self.modeShare }
        let shares = modes.map { exp($0.mode.laplace - best) + 0.1 }, total = shares.reduce(0, +)
        for (share, m) in zip(shares, modes) { m.density.weight = Self.modeShare * share / total }
        return fit + modes.map(\.density)
    }
}

extension BallSticksPopulation {
    static func particle(_ theta: [Double], hasSpread: Bool) -> [Double] {
        var x = theta
        particle(theta, hasSpread: hasSpread, into: &x)
        return x
    }

    /// θ of some of the particles, evenly spaced.
    func some(_ n: Int) -> [[Double]] {
        (0..<min(n, count)).map { k in
            natural(x + k * count / n * Self.width)
            return Array(UnsafeBufferPointer(start: theta, count: Slot.count))
        }
    }
}
