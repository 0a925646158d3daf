import Diffusion
import Foundation
import ModelSpace

/// What is known of one structure so far.
struct StructureState {
    var structure: Structure
    /// Pilots by repeat: what they say of the evidence, and the density fitted to them.
    var pilots: [TemperedEstimate] = []
    var fits: [[FittedDensity]] = []
    /// Modes found from each pilot's particles, best first.
    var modes: [[LocalMode]] = []
    /// Whether each pilot is the structure's own or its Gaussian partner's.
    var borrowed: [Bool] = []
    var runs: [TemperedEstimate] = []
    /// θ of some particles of each pilot or run.
    var pilotDraws: [Double] = [], draws: [[Double]] = []
    var impossible = false

    init(structure: Structure) { self.structure = structure }

    /// Best estimate of log-evidence so far; before the first run, Laplace's approximation where it exceeds the
    /// pilots', which may have lost every mode.
    var best: Double {
        if impossible { return -.infinity }
        guard runs.isEmpty else { return EvidenceAverage.combine(runs).logEvidence }
        return modes.compactMap { $0.first?.laplace }.reduce(EvidenceAverage.combine(pilots).logEvidence, max)
    }

    func evidence(draws count: Int, rough: Bool, seed: UInt64, voxel: UInt64, index: Int) -> StructureEvidence {
        let p = BallSticks.Slot.count
        if impossible {
            return StructureEvidence(
                structure: structure, logEvidence: -.infinity, standardError: 0, runs: 0, isRough: false, draws: [])
        }
        guard !runs.isEmpty else {
            let pilot = EvidenceAverage.combine(pilots)
            return StructureEvidence(
                structure: structure, logEvidence: pilot.logEvidence, standardError: pilot.standardError, runs: 0,
                isRough: true, draws: pilotDraws)
        }
        // Draws of the runs in proportion to their evidence.
        let average = EvidenceAverage.combine(runs)
        var weights: [Double] = [], all: [Double] = []
        for (run, held) in zip(runs, draws) {
            weights += Array(repeating: exp(run.logEvidence - average.logEvidence), count: held.count / p)
            all += held
        }
        var random = RandomSource(seed: seed, stream: voxel, substream: UInt64(index) << 16 | 0xFFFF),
            chosen = [Int](repeating: 0, count: count)
        TemperedSampler.systematic(weights, into: &chosen, using: &random)
        return StructureEvidence(
            structure: structure, logEvidence: average.logEvidence, standardError: average.standardError,
            runs: runs.count, isRough: rough,
            draws: chosen.flatMap { all[$0 * p..<($0 + 1) * p] })
    }
}

extension SequentialMonteCarlo {
    /// Inflation of a fitted covariance when it serves as reference.
    static let inflation = 1.2
    /// Particles of a pilot's end from which modes are sought.
    private static let finalStarts = 8
    /// Share of a Gaussian pilot's particles that must stay effective under the Rician likelihood for the pilot to
    /// serve both.
    static let sharedShare = 0.2

    private func source(_ index: Int, _ run: Int, _ stage: UInt64, seed: UInt64, voxel: UInt64) -> RandomSource {
        RandomSource(seed: seed, stream: voxel, substream: UInt64(index) << 16 | UInt64(run) << 2 | stage)
    }

    private func canMake(_ z: Structure) -> Bool {
        !BallSticks.isRician(z) || options.noise.allowRician(population.y, count: acquisition.count)
    }

    /// Makes the pilot of repeat `run` of structure i, if it is not there yet.
    func pilot(_ states: inout [StructureState], _ i: Int, run: Int, seed: UInt64, voxel: UInt64) throws {
        let z = states[i].structure
        guard canMake(z) else { states[i].impossible = true; return }
        guard states[i].pilots.count <= run else { return }
        // Structures are listed with each Rician one after its Gaussian partner.
        let gaussian = BallSticks.isRician(z) ? i - 1 : i
        if states[gaussian].pilots.count <= run {
            try ownPilot(&states, gaussian, partner: gaussian + 1, run: run, seed: seed, voxel: voxel)
        }
        if states[i].pilots.count <= run { try ownPilot(&states, i, partner: nil, run: run, seed: seed, voxel: voxel) }
    }

    private func ownPilot(
        _ states: inout [StructureState], _ i: Int, partner: Int?, run: Int, seed: UInt64, voxel: UInt64
    ) throws {
        var random = source(i, run, 0, seed: seed, voxel: voxel), fewer: [LocalMode] = []
        // The same noise and spread with one stick fewer stands four places before.
        if BallSticks.stickCount(states[i].structure) > 0 {
            try pilot(&states, i - 4, run: run, seed: seed, voxel: voxel)
            fewer = states[i - 4].modes[min(run, states[i - 4].modes.count - 1)]
        }
        population.prepare(states[i].structure, count: options.pilotParticles, fitted: [])
        let estimate = try TemperedSampler(retention: options.pilotRetention, finalMoves: 1).run(
            population, using: &random, check: check)
        population.expand(to: options.particles)
        population.move(at: 1, using: &random)
        var fit = population.fitClusters(inflation: Self.inflation)
        if let early = population.early {
            for g in fit { g.weight *= 1 - BallSticksPopulation.earlyShare }
            early.weight = BallSticksPopulation.earlyShare
            fit.append(early)
        }
        let modes = modes(
            states[i].structure, fewer: fewer, starts: population.earlyParticles + population.some(Self.finalStarts))
        fit = blend(fit, modes)
        states[i].modes.append(modes.map(\.mode))
        states[i].pilots.append(estimate)
        states[i].fits.append(fit)
        states[i].borrowed.append(false)
        let all = [Double](repeating: 0, count: population.count)
        if states[i].pilotDraws.isEmpty { states[i].pilotDraws = chosenDraws(all, using: &random) }
        guard let partner, canMake(states[partner].structure), states[partner].pilots.count == run else { return }
        // The same particles under the other likelihood.
        let weights = population.logLikelihoodRatio(of: states[partner].structure)
        let peak = weights.max()!
        guard peak > -.infinity else { return }
        let w = weights.map { exp($0 - peak) }, total = w.reduce(0, +), squares = w.reduce(0) { $0 + $1 * $1 }
        guard total * total / squares >= Self.sharedShare * Double(w.count) else { return }
        var shared = estimate
        shared.logEvidence += peak + log(total / Double(w.count))
        shared.relativeVariance += squares / (total * total)
        states[partner].pilots.append(shared)
        states[partner].modes.append(modes.map(\.mode))
        states[partner].fits.append(fit)
        states[partner].borrowed.append(true)
        if states[partner].pilotDraws.isEmpty {
            states[partner].pilotDraws = chosenDraws(weights.map { $0 - peak }, using: &random)
        }
    }

    /// One more run of structure i.
    func run(_ states: inout [StructureState], _ i: Int, seed: UInt64, voxel: UInt64) throws {
        let r = states[i].runs.count
        try pilot(&states, i, run: r, seed: seed, voxel: voxel)
        guard !states[i].impossible else { return }
        var random = source(i, r, 1, seed: seed, voxel: voxel)
        // The same noise and spread with one stick fewer stands four places before.
        var fewer: [FittedDensity] = []
        if BallSticks.stickCount(states[i].structure) > 0 {
            try pilot(&states, i - 4, run: r, seed: seed, voxel: voxel)
            fewer = Array(
                states[i - 4].fits[min(r, states[i - 4].fits.count - 1)].sorted { $0.weight > $1.weight }.prefix(2))
        }
        population.prepare(states[i].structure, count: options.particles, fitted: states[i].fits[r], fewer: fewer)
        states[i].runs.append(
            try TemperedSampler(retention: options.retention, finalMoves: 1).run(
                population, using: &random, check: check))
        states[i].draws.append(chosenDraws([Double](repeating: 0, count: options.particles), using: &random))
    }

    /// θ of S particles, systematically by weight.
    private func chosenDraws(_ logWeights: [Double], using random: inout RandomSource) -> [Double] {
        var chosen = [Int](repeating: 0, count: options.draws), theta: [Double] = []
        TemperedSampler.systematic(logWeights.map(exp), into: &chosen, using: &random)
        theta.reserveCapacity(options.draws * BallSticks.Slot.count)
        for c in chosen {
            population.natural(population.x + c * BallSticksPopulation.width)
            theta.append(contentsOf: UnsafeBufferPointer(start: population.theta, count: BallSticks.Slot.count))
        }
        return theta
    }
}

extension BallSticksPopulation {
    /// log L′ − log L of every particle, L′ the likelihood of a structure that differs in its noise only.
    func logLikelihoodRatio(of other: Structure) -> [Double] {
        (0..<count).map { i in
            natural(x + i * Self.width)
            return family.logLikelihood(y, attenuations: attenuations + i * m, theta, other, acquisition)
                - logLikelihood[i]
        }
    }
}
