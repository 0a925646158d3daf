import Foundation
import ModelSpace

/// The exact engine for any family whose signal is linear in its weights: evidences of structures and posterior draws
/// of one observation, by tempered sequential Monte Carlo.
///
/// Each of a structure's independent runs leads particles from the prior to the posterior, with the moves of
/// `PosteriorMoves`, hops between components besides (`pk_points_hop`), at every temperature, until the particles have
/// forgotten where they were. Runs are averaged until the standard error falls to `Options.targetError`. A short pilot
/// of each structure tells which lie too far below the best to matter: they keep its answer.
///
/// The answer depends on (y, design, options, σ, seed, voxel) and, of each structure, on nothing about the others but
/// whether it stays rough and how precise it is to be. One engine serves one thread.
public final class SignalMonteCarlo {
    public struct Options: Sendable {
        /// Particles of a pilot and of a run.
        public var pilotParticles = 256, particles = 512
        /// Conditional effective sample kept at each temperature.
        public var pilotRetention = 0.8, retention = 0.9
        /// At each temperature particles move until no coordinate is correlated more than this with what it was, or
        /// for so many sweeps.
        public var pilotCorrelation = 0.4, correlation = 0.1
        public var pilotSweeps = 24, mostSweeps = 200
        /// Standard error of log-evidence at which runs stop, nats; three times that for structures more than 4 nats
        /// below the best.
        public var targetError = 0.05
        /// Few runs understate what they missed.
        public var minimumRuns = 4, maximumRuns = 24
        /// Structures whose evidence is this far (nats) below the best at each λ of `lambdas` keep the pilot's answer;
        /// pilots may come out so much too low.
        public var roughMargin = 12.0, pilotMargin = 6.0
        public var lambdas: ClosedRange<Double> = 0...1
        /// S, posterior draws returned of each structure.
        public var draws = 200

        public init() {}
    }

    public let options: Options, rule: StructureRule
    /// Called at every temperature of every run; what it throws ends the observation.
    public var check: () throws -> Void = {}
    let theta: ThetaLayout, kernels: any SignalKernels
    private let noise: (Structure) -> NoiseLikelihood
    private var population: SignalPopulation?

    public convenience init<F: LinearFamily>(_ family: F, design: F.Design, options: Options = Options()) {
        self.init(family, kernels: family.kernels(design), options: options)
    }

    init<F: LinearFamily>(_ family: F, kernels: any SignalKernels, options: Options) {
        self.options = options
        self.kernels = kernels
        rule = StructureRule(family.description)
        theta = ThetaLayout(family.description)
        noise = family.noise
    }

    /// What is known of a structure so far.
    private struct State {
        let structure: Structure, layout: SignalLayout, noise: NoiseLikelihood
        var pilot: TemperedEstimate?, pilotDraws: [Double] = []
        var runs: [TemperedEstimate] = [], draws: [[Double]] = []
        var isImpossible = false
        var best: Double {
            if isImpossible { return -.infinity }
            return runs.isEmpty ? pilot?.logEvidence ?? -.infinity : EvidenceAverage.combine(runs).logEvidence
        }
    }

    /// Evidences and draws of the structures given.
    ///
    /// - Parameters:
    ///   - y: M signals.
    ///   - structures: allowed ones, each with a component.
    ///   - allows: whether a kind of noise is possible for these data.
    ///   - sigma: the noise's standard deviation, where it is known.
    ///   - voxel: key of the observation, which names its random streams.
    /// - Errors: `ExactError` for data of the wrong length or not finite; what `check` throws.
    public func posterior(
        _ y: [Float], _ structures: [Structure], allows: (NoiseLikelihood) -> Bool = { _ in true },
        sigma: Double? = nil, seed: UInt64, voxel: UInt64
    ) throws -> ExactPosterior {
        guard y.count == kernels.measurementCount else {
            throw ExactError.measurementCount(expected: kernels.measurementCount, found: y.count)
        }
        if let bad = y.firstIndex(where: { !$0.isFinite }) { throw ExactError.notFinite(index: bad) }
        var states = structures.map {
            State(structure: $0, layout: SignalLayout(rule.family, theta, rule, $0), noise: noise($0))
        }
        let isPositive = y.allSatisfy { $0 > 0 }
        for i in states.indices {
            if !allows(states[i].noise) || states[i].noise == .rician && !isPositive {
                states[i].isImpossible = true
                continue
            }
            let (estimate, draws) = try run(
                y, states[i], sigma, isPilot: true, random: source(states[i].structure, 0, seed, voxel))
            (states[i].pilot, states[i].pilotDraws) = (estimate, draws)
        }
        for round in 0..<options.maximumRuns {
            let gaps = gaps(states)
            for i in states.indices
            where !states[i].isImpossible && gaps[i] <= options.roughMargin + (round == 0 ? options.pilotMargin : 0) {
                let done = states[i].runs.count
                if done >= options.minimumRuns {
                    let target = options.targetError * (gaps[i] > 4 ? 3 : 1)
                    if EvidenceAverage.combine(states[i].runs).standardError <= target { continue }
                }
                // Structures that come into reach late start late; each counts its own runs.
                let (estimate, draws) = try run(
                    y, states[i], sigma, isPilot: false, random: source(states[i].structure, done + 1, seed, voxel))
                states[i].runs.append(estimate)
                states[i].draws.append(draws)
            }
        }
        let final = gaps(states)
        return ExactPosterior(
            evidences: states.indices.map {
                evidence(states[$0], isRough: final[$0] > options.roughMargin, seed, voxel)
            },
            parameterCounts: structures.map(rule.parameterCount), parameterCount: theta.count)
    }

    /// A stream of its own for each (voxel, structure, run).
    private func source(_ z: Structure, _ run: Int, _ seed: UInt64, _ voxel: UInt64) -> RandomSource {
        var own = RandomSource(seed: seed, stream: voxel, substream: UInt64(truncatingIfNeeded: z.bits))
        return RandomSource(seed: own.next(), stream: UInt64(truncatingIfNeeded: z.bits >> 64), substream: UInt64(run))
    }

    private func run(
        _ y: [Float], _ state: State, _ sigma: Double?, isPilot: Bool, random: RandomSource
    ) throws -> (TemperedEstimate, draws: [Double]) {
        var random = random
        let population = population ?? SignalPopulation(kernels, state.layout), layout = state.layout
        self.population = population
        let particles = isPilot ? options.pilotParticles : options.particles
        population.prepare(y, layout, state.noise, sigma: sigma, count: particles, using: &random)
        population.correlation = isPilot ? options.pilotCorrelation : options.correlation
        population.mostSweeps = isPilot ? options.pilotSweeps : options.mostSweeps
        let sampler = TemperedSampler(retention: isPilot ? options.pilotRetention : options.retention, finalMoves: 1)
        let estimate = try sampler.run(population, using: &random, check: check)
        guard estimate.logEvidence > -.infinity else { return (estimate, []) }
        // Evenly through the particles from a random place on.
        let points = population.points(), start = random.uniform()
        var thetas = [Double](repeating: 0, count: options.draws * theta.count)
        for d in 0..<options.draws {
            let i = Int((Double(d) + start) / Double(options.draws) * Double(particles)) % particles
            points.withUnsafeBufferPointer { points in
                thetas.withUnsafeMutableBufferPointer {
                    layout.unpack(points.baseAddress! + i * layout.count, into: $0.baseAddress! + d * theta.count)
                }
            }
        }
        return (estimate, thetas)
    }

    private func evidence(_ state: State, isRough: Bool, _ seed: UInt64, _ voxel: UInt64) -> StructureEvidence {
        let p = theta.count
        guard !state.isImpossible, let pilot = state.pilot else {
            return StructureEvidence(
                structure: state.structure, logEvidence: -.infinity, standardError: 0, runs: 0, isRough: false,
                draws: [])
        }
        guard !state.runs.isEmpty else {
            return StructureEvidence(
                structure: state.structure, logEvidence: pilot.logEvidence,
                standardError: pilot.relativeVariance.squareRoot(), runs: 0, isRough: true,
                draws: state.pilotDraws)
        }
        // Draws of the runs in proportion to their evidence.
        let average = EvidenceAverage.combine(state.runs)
        var weights: [Double] = [], all: [Double] = []
        for (run, held) in zip(state.runs, state.draws) {
            weights += Array(repeating: exp(run.logEvidence - average.logEvidence), count: held.count / p)
            all += held
        }
        var random = source(state.structure, 0xFFFF, seed, voxel)
        let chosen = all.isEmpty ? [] : systematicResample(weights, count: options.draws, offset: random.uniform())
        return StructureEvidence(
            structure: state.structure, logEvidence: average.logEvidence, standardError: average.standardError,
            runs: state.runs.count, isRough: isRough,
            draws: chosen.flatMap { all[$0 * p..<($0 + 1) * p] })
    }

    /// How far each structure stays below the best, at the λ most favourable to it.
    private func gaps(_ states: [State]) -> [Double] {
        StructureExplorer.gaps(
            states.map(\.best), states.map { rule.parameterCount($0.structure) }, lambdas: options.lambdas)
    }
}
