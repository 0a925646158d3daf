import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Evidence, its stated error and weighted samples by importance sampling about modes, against numerical integration
/// and repeats.
@Suite struct EvidenceSamplerTests {
    typealias Slot = BallSticks.Slot
    typealias Quadrature = EvidenceQuadratureTests
    static let acquisition = EnsembleMovesTests.acquisition, family = BallSticks()
    /// Options and number of generations.
    typealias Effort = (options: EvidenceSampler.Options, generations: Int)
    static let quick = effort(128, 2, 4), fine = effort(256, 4, 6), long = effort(2000, 4, 8)
    static func effort(_ generation: Int, _ generations: Int, _ components: Int) -> Effort {
        var options = EvidenceSampler.Options()
        (options.generation, options.components) = (generation, components)
        return (options, generations)
    }

    /// Sampling a voxel's structures from a start near the truth.
    static func sample(
        _ y: [Float], _ z: Structure, near theta: [Double], seed: UInt64, effort: Effort = quick,
        with sampler: EvidenceSampler? = nil
    ) -> StructureSample? {
        let sampler = sampler ?? EvidenceSampler(acquisition: acquisition)
        var random = RandomSource(seed: seed), start = theta
        start[Slot.diffusivity] *= 1.2; start[Slot.snr] *= 0.7
        guard let modes = sampler.modes(y, starts: [(z, start)], options: effort.options) else { return nil }
        var run = sampler.start(y, modes, generations: effort.generations, options: effort.options)
        sampler.advance(&run, y, generations: effort.generations, options: effort.options, using: &random)
        return run.sample
    }

    /// All numbers of the samples.
    static func bits(_ s: StructureSample) -> [UInt64] {
        var theta = [Double](repeating: 0, count: Slot.count)
        return (0..<s.count).flatMap { i in
            s.parameters(i, hasSpread: true, into: &theta)
            return theta.map(\.bitPattern)
        }
    }

    /// θ of 0–2 sticks, with or without spread, and its voxel.
    static func voxel(_ z: Structure, snr: Double = 20, seed: UInt64) -> (theta: [Double], y: [Float]) {
        var theta = [Double](repeating: 0, count: 16)
        theta[Slot.diffusivity] = 1.1e-3; theta[Slot.snr] = snr
        if BallSticks.hasSpread(z) { theta[Slot.spread] = 0.6e-3 }
        let axes = [0.36, 0.48, 0.8, 0.8, -0.6, 0, 0.48, 0.64, -0.6]
        for k in 0..<BallSticks.stickCount(z) {
            theta[Slot.fraction + k] = [0.45, 0.3, 0.15][k]
            for c in 0..<3 { theta[Slot.axis + 3 * k + c] = axes[3 * k + c] }
        }
        let y = Quadrature.voxel(z, &theta, seed: seed)
        return (theta, y)
    }

    /// Adds up e^v and d·e^v.
    struct Sums {
        let reference: Double
        var one = 0.0, d = 0.0
        mutating func add(_ v: Double, _ x: Double) { let w = exp(v - reference); one += w; d += w * x }
        var meanD: Double { d / one }
    }

    /// Checks both kinds of weights against exact log-evidence and posterior mean of d.
    static func check(
        _ found: StructureSample, _ z: Structure, logEvidence: Double, meanD: Double,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let noise = BallSticks.isRician(z) ? found.rician : found.gaussian
        // Four times the samples, half the error: 256 default ones may state 0.25.
        let about = "of \(found.count) samples"
        #expect(noise.standardError < 4 / Double(found.count).squareRoot(), "\(about)", sourceLocation: sourceLocation)
        #expect(
            abs(noise.logEvidence - logEvidence) < 4 * noise.standardError + 0.02,
            "found \(noise.logEvidence) ± \(noise.standardError) \(about), exact \(logEvidence)",
            sourceLocation: sourceLocation)
        #expect(
            abs(noise.weights.reduce(0, +) - 1) < 1e-9 && noise.weights.count == found.count,
            sourceLocation: sourceLocation)
        #expect(
            abs(noise.effectiveCount * noise.weights.reduce(0) { $0 + $1 * $1 } - 1) < 1e-9,
            sourceLocation: sourceLocation)
        let d = (0..<found.count).map { exp(Double(found.rows[$0])) }
        var mean = 0.0, square = 0.0
        for (w, x) in zip(noise.weights, d) { mean += w * x }
        for (w, x) in zip(noise.weights, d) { square += w * w * (x - mean) * (x - mean) }
        // Standard error of a self-normalised mean.
        let error = square.squareRoot()
        #expect(
            abs(mean - meanD) < 4 * error, "mean of d \(mean) ± \(error) \(about), exact \(meanD)",
            sourceLocation: sourceLocation)
    }

    /// Seven volumes, which many θ fit perfectly, leave the noise open: the evidence is still that of sequential Monte
    /// Carlo.
    @Test(arguments: [4, 8])
    func fewMeasurements(_ index: Int) throws {
        let zero = SIMD3<Double>(0, 0, 0), z = Self.family.structureSpace.structures[index]
        let few = try Acquisition(
            bValues: [0] + Array(repeating: 1000, count: 6), directions: [zero] + DirectionSets.fibonacci(6))
        var theta = Self.voxel(z, seed: 1).theta, y = [Float](repeating: 0, count: few.count),
            random = RandomSource(seed: 5)
        Self.family.simulate(&theta, z, few, using: &random, into: &y)
        // Weights have heavy tails here: one run in ten states 0.3 nats, whatever the seed.
        let sampler = EvidenceSampler(acquisition: few)
        let runs = try (1...8).map {
            try #require(Self.sample(y, z, near: theta, seed: $0, effort: Self.long, with: sampler)).gaussian
        }
        let sum = runs.reduce(0) { $0 + exp($1.logEvidence) }, a = log(sum / Double(runs.count))
        let b = try SequentialMonteCarlo(acquisition: few).evidence(y, z, seed: 1, voxel: 0)
        let square = runs.reduce(0) { $0 + pow(exp($1.logEvidence) * $1.standardError / sum, 2) },
            error = (square + b.standardError * b.standardError).squareRoot()
        #expect(
            error < 0.15 && abs(a - b.logEvidence) < 4 * error,
            "\(a) ± \(square.squareRoot()), \(b.logEvidence) ± \(b.standardError)")
    }

    /// Where to put the lattice: moments of an independent sampler's draws; and that sampler's evidence.
    static func lattice(
        _ y: [Float], _ z: Structure, _ coordinates: ([Double]) -> [Double]
    ) throws -> (mean: [Double], factor: [[Double]], other: StructureEvidence) {
        let other = try SequentialMonteCarlo(acquisition: acquisition, options: Quadrature.options(0.1)).evidence(
            y, z, seed: 8, voxel: 0)
        let found = Lattice.spread((0..<200).map { coordinates(Array(other.draws[$0 * 16..<$0 * 16 + 16])) })
        return (found.mean, found.factor, other)
    }

    /// The integral itself, against the independent sampler.
    static func check(_ exact: Double, _ other: StructureEvidence) {
        #expect(
            abs(other.logEvidence - exact) < 4 * other.standardError + 0.02,
            "\(exact), smc \(other.logEvidence) ± \(other.standardError)")
    }

    /// Ball only: a lattice over (log d, log snr, log s0), midpoints over log(s/d) where there is spread (its posterior
    /// fills the prior's range).
    @Test(arguments: [0, 1, 2, 3])
    func ball(_ index: Int) throws {
        let z = Self.family.structureSpace.structures[index], hasSpread = BallSticks.hasSpread(z),
            nodes = hasSpread ? 48 : 1
        let (theta, y) = Self.voxel(z, snr: 12, seed: UInt64(index + 41))
        let lattice = try Self.lattice(y, z) { [log($0[0]), log($0[2]), log($0[3])] }
        let range = BallSticks.logSpreadRatio, width = (range.high - range.low) / Double(nodes)
        var t = theta, scratch = [Float](repeating: 0, count: Self.acquisition.count), logs: [Double] = []
        var sums = Sums(reference: Self.family.logLikelihood(y, theta, z, Self.acquisition))
        for k in 0..<nodes {
            let ratio = exp(range.low + (Double(k) + 0.5) * width)
            logs.append(
                Lattice.integrate(mean: lattice.mean, factor: lattice.factor, spacing: 0.45, radius: 7) { x in
                    t[0] = exp(x[0]); t[2] = exp(x[1]); t[3] = exp(x[2])
                    if hasSpread { t[1] = t[0] * ratio }
                    let prior = Self.family.logPrior(t, z)
                    guard prior > -.infinity else { return prior }
                    let value = prior + Self.family.logLikelihood(y, t, z, Self.acquisition, scratch: &scratch)
                    sums.add(value, t[0])
                    return value
                })
        }
        let peak = logs.max()!,
            exact = peak + log(logs.reduce(0) { $0 + exp($1 - peak) }) + (hasSpread ? log(width) : 0)
        Self.check(exact, lattice.other)
        func repeats() throws {
            for seed in 0..<3 {
                for effort in [Self.quick, Self.fine] {
                    Self.check(
                        try #require(Self.sample(y, z, near: theta, seed: UInt64(seed), effort: effort)), z,
                        logEvidence: exact,
                        meanD: sums.meanD)
                }
            }
        }
        try repeats()
    }

    /// One stick, direction in polar coordinates about the truth, twice for its two signs.
    @Test(arguments: [4, 5])
    func oneStick(_ index: Int) throws {
        let z = Self.family.structureSpace.structures[index], (theta, y) = Self.voxel(z, seed: UInt64(index + 41))
        let lattice = try Self.lattice(y, z, Quadrature.OneStick.coordinates)
        var t = theta, scratch = [Float](repeating: 0, count: Self.acquisition.count)
        var sums = Sums(reference: Self.family.logLikelihood(y, theta, z, Self.acquisition))
        let exact =
            log(2)
            + Lattice.integrate(mean: lattice.mean, factor: lattice.factor, spacing: 0.8, radius: 5.6) { x in
                let area = Quadrature.OneStick.move(&t, to: x)
                let prior = Self.family.logPrior(t, z)
                guard prior > -.infinity else { return prior }
                let value = prior + area + Self.family.logLikelihood(y, t, z, Self.acquisition, scratch: &scratch)
                sums.add(value, t[0])
                return value
            }
        Self.check(exact, lattice.other)
        for seed in 0..<3 {
            for effort in [Self.quick, Self.fine] {
                Self.check(
                    try #require(Self.sample(y, z, near: theta, seed: UInt64(seed), effort: effort)), z,
                    logEvidence: exact, meanD: sums.meanD)
            }
        }
    }

    /// Repeats scatter as they say they do, and about the value of much longer runs.
    @Test(arguments: [5, 6, 8, 11])
    func repeatsScatterAsStated(_ index: Int) throws {
        let z = Self.family.structureSpace.structures[index], (theta, y) = Self.voxel(z, seed: UInt64(index + 61)),
            n = 40
        func noise(_ s: StructureSample) -> StructureSample.Noise { BallSticks.isRician(z) ? s.rician : s.gaussian }
        let repeats = try (0..<n).map { noise(try #require(Self.sample(y, z, near: theta, seed: UInt64($0 + 100)))) }
        let long = try (0..<4).map {
            noise(try #require(Self.sample(y, z, near: theta, seed: UInt64($0 + 900), effort: Self.long)))
        }
        func mean(_ x: [Double]) -> Double { x.reduce(0, +) / Double(x.count) }
        let values = repeats.map(\.logEvidence), average = mean(values)
        let scatter = (values.reduce(0) { $0 + ($1 - average) * ($1 - average) } / Double(n - 1)).squareRoot()
        let stated = mean(repeats.map { $0.standardError * $0.standardError }).squareRoot()
        #expect(scatter / stated > 0.3 && scatter / stated < 3, "scatter \(scatter), stated \(stated)")
        // Estimates of the evidence itself are unbiased, their logarithm low by half its variance.
        let exact = mean(long.map(\.logEvidence)), evidence = log(mean(values.map { exp($0 - exact) })),
            error = max(scatter, stated)
        #expect(
            abs(evidence) < 4 * error / Double(n).squareRoot() + 4 * mean(long.map(\.standardError)) / 2,
            "\(evidence) nats off, error \(error)")
    }

    /// The same voxel and stream give the same samples to the bit, whatever the sampler did before.
    @Test func sameStreamSameAnswer() throws {
        let space = Self.family.structureSpace.structures, sampler = EvidenceSampler(acquisition: Self.acquisition)
        let (theta, y) = Self.voxel(space[8], seed: 5), (other, otherY) = Self.voxel(space[15], seed: 6)
        let first = try #require(Self.sample(y, space[8], near: theta, seed: 3, with: sampler))
        _ = Self.sample(otherY, space[15], near: other, seed: 3, effort: Self.fine, with: sampler)
        let again = try #require(Self.sample(y, space[8], near: theta, seed: 3, with: sampler))
        #expect(
            Self.bits(first) == Self.bits(again) && first.gaussian.weights == again.gaussian.weights
                && first.rician.weights == again.rician.weights)
        #expect(
            first.gaussian.logEvidence == again.gaussian.logEvidence
                && first.rician.logEvidence == again.rician.logEvidence)
        let elsewhere = try #require(Self.sample(y, space[8], near: theta, seed: 4, with: sampler))
        #expect(Self.bits(first) != Self.bits(elsewhere))
    }

    @Test(arguments: [0, -0.02] as [Float])
    func signalsThatRicianNoiseCannotGive(_ value: Float) throws {
        let z = Self.family.structureSpace.structures[4]
        var (theta, y) = Self.voxel(z, seed: 7)
        y[30] = value
        let found = try #require(Self.sample(y, z, near: theta, seed: 1))
        #expect(found.gaussian.logEvidence.isFinite && found.gaussian.standardError < 0.5)
        #expect(found.rician.logEvidence == -.infinity && found.rician.weights.isEmpty)
        let none = Self.sample(y, Self.family.structureSpace.structures[5], near: theta, seed: 1) == nil
        #expect(none, "no start has a Rician likelihood")
    }
}
