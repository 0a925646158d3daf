import Diffusion
import Exact
import Foundation
import ModelSpace

/// The exact engine for ball and sticks: evidences of all 16 structures and posterior draws of one voxel, by tempered
/// sequential Monte Carlo.
///
/// Each of a structure's independent runs has two stages. A *pilot* leads particles from the prior to the posterior in
/// large steps; a density is fitted to where they end. The *run* proper starts anew from that density (mixed with the
/// prior) and leads its particles the short rest of the way: its evidence is unbiased whatever the fit, and many times
/// less variable than the pilot's. Pilots and runs are independent from one repeat to the next, so that what a pilot
/// may have missed shows as scatter between runs. A Rician structure uses the Gaussian one's pilot where that covers
/// it. Runs are averaged until the standard error falls to `Options.targetError`.
///
/// The answer depends on (y, acquisition, options, seed, voxel) alone. One engine serves one thread.
public final class SequentialMonteCarlo {
    public struct Options: Sendable {
        /// Particles of a pilot and of a run.
        public var pilotParticles = 160, particles = 512
        /// Conditional effective sample kept at each temperature.
        public var pilotRetention = 0.85, retention = 0.7
        /// Standard error of log-evidence at which runs stop, nats; three times that for structures more than 4 nats
        /// below the best.
        public var targetError = 0.1
        public var maximumRuns = 8
        /// Least number of runs for structures of 0–1 and of 2–3 sticks: the latter have several modes, and only
        /// repeats tell whether all were seen.
        public var minimumRuns = 2, minimumCrossingRuns = 3
        /// Structures whose evidence is this far (nats) below the best at each λ of `lambdas` keep the pilot's answer.
        public var roughMargin = 12.0
        public var lambdas: ClosedRange<Double> = 0...1
        /// S, posterior draws returned of each structure.
        public var draws = 200
        /// The kinds of noise that are possible.
        public var noise = NoiseKinds.either

        public init() {}

        /// Runs on to another standard error: below 0.1 nats with twice the particles and at least six runs, as few
        /// runs understate what they missed.
        public init(targetError: Double) {
            self.targetError = targetError
            guard targetError < 0.1 else { return }
            (particles, minimumRuns, minimumCrossingRuns, maximumRuns) = (1024, 6, 6, 24)
        }
    }

    /// Pilots may come out this much too low (nats) where modes are hard to find: what they say prunes with so much
    /// patience.
    static let pilotMargin = 18.0

    public let acquisition: Acquisition
    public let options: Options
    /// Called at every temperature of every run, some milliseconds apart; what it throws ends the voxel.
    public var check: () throws -> Void = {}
    let family = BallSticks()
    let population: BallSticksPopulation
    let finder: ModeFinder, births: StickBirths

    public init(acquisition: Acquisition, options: Options = Options()) {
        self.acquisition = acquisition
        self.options = options
        population = BallSticksPopulation(
            acquisition: acquisition, capacity: max(options.pilotParticles, options.particles))
        finder = ModeFinder(acquisition: acquisition)
        births = StickBirths(acquisition: acquisition)
    }

    /// Evidences and draws of all structures.
    ///
    /// - Parameters:
    ///   - y: M signals, divided by the mean of their b≈0 volumes.
    ///   - sigma: the noise's standard deviation in units of y where it is known: evidences are then p(y | z, σ).
    ///   - voxel: key of the voxel, which names its random streams.
    /// - Errors: `ExactError` for data of the wrong length, not finite or not normalised.
    public func posterior(_ y: [Float], sigma: Double? = nil, seed: UInt64, voxel: UInt64) throws -> ExactPosterior {
        try adopt(y, sigma)
        let structures = family.structureSpace.structures
        var states = structures.map { StructureState(structure: $0) }
        for i in states.indices { try pilot(&states, i, run: 0, seed: seed, voxel: voxel) }
        for run in 0..<options.maximumRuns {
            let gaps = StructureExplorer.gaps(
                states.map(\.best), family.structureSpace.parameterCounts, lambdas: options.lambdas)
            for i in states.indices
            where !states[i].impossible && gaps[i] <= options.roughMargin + (run == 0 ? Self.pilotMargin : 0) {
                if run >= leastRuns(states[i].structure) {
                    let target = options.targetError * (gaps[i] > 4 ? 3 : 1)
                    if EvidenceAverage.combine(states[i].runs).standardError <= target { continue }
                }
                // Structures that come into reach late start late; each counts its own runs.
                try self.run(&states, i, seed: seed, voxel: voxel)
            }
        }
        let final = StructureExplorer.gaps(
            states.map(\.best), family.structureSpace.parameterCounts, lambdas: options.lambdas)
        return ExactPosterior(
            evidences: states.indices.map {
                states[$0].evidence(
                    draws: options.draws, rough: final[$0] > options.roughMargin, seed: seed, voxel: voxel, index: $0)
            },
            parameterCounts: family.structureSpace.parameterCounts,
            parameterCount: BallSticks.Slot.count)
    }

    /// Evidence and draws of one structure, to the target error.
    public func evidence(_ y: [Float], _ structure: Structure, sigma: Double? = nil, seed: UInt64, voxel: UInt64) throws
        -> StructureEvidence
    {
        try adopt(y, sigma)
        var states = family.structureSpace.structures.map { StructureState(structure: $0) }
        guard let i = family.structureSpace.index(of: structure) else {
            preconditionFailure("not a structure of the family")
        }
        try pilot(&states, i, run: 0, seed: seed, voxel: voxel)
        while !states[i].impossible && states[i].runs.count < options.maximumRuns {
            try run(&states, i, seed: seed, voxel: voxel)
            if states[i].runs.count >= leastRuns(structure)
                && EvidenceAverage.combine(states[i].runs).standardError <= options.targetError
            {
                break
            }
        }
        return states[i].evidence(draws: options.draws, rough: false, seed: seed, voxel: voxel, index: i)
    }

    private func leastRuns(_ z: Structure) -> Int {
        BallSticks.stickCount(z) < 2 ? options.minimumRuns : options.minimumCrossingRuns
    }

    /// Checks y and hands it to the population.
    private func adopt(_ y: [Float], _ sigma: Double?) throws {
        guard y.count == acquisition.count else {
            throw ExactError.measurementCount(expected: acquisition.count, found: y.count)
        }
        if let bad = y.firstIndex(where: { !$0.isFinite }) { throw ExactError.notFinite(index: bad) }
        let mean = acquisition.unweightedIndices.reduce(0) { $0 + Double(y[$1]) } / Double(acquisition.unweightedCount)
        guard abs(mean - 1) < 0.02 else { throw ExactError.notNormalised(mean: mean) }
        population.y.update(from: y, count: y.count)
        population.sigma = sigma
    }
}
