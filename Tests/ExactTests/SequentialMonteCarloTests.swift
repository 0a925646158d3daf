import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

@Suite struct SequentialMonteCarloTests {
    typealias Slot = BallSticks.Slot
    static let acquisition = EnsembleMovesTests.acquisition
    static let family = BallSticks()

    static func drawn(_ z: Structure, seed: UInt64, snr: Double? = nil) -> (theta: [Double], y: [Float]) {
        var random = RandomSource(seed: seed, stream: 77), theta = [Double](repeating: 0, count: 16)
        var y = [Float](repeating: 0, count: acquisition.count)
        family.drawParameters(z, acquisition, using: &random, into: &theta)
        if let snr { theta[Slot.snr] = snr }
        family.simulate(&theta, z, acquisition, using: &random, into: &y)
        return (theta, y)
    }

    /// Bits depend on seed and voxel, not on what the engine did before.
    @Test func answersAreReproducible() throws {
        var options = SequentialMonteCarlo.Options()
        options.maximumRuns = 3
        let engine = SequentialMonteCarlo(acquisition: Self.acquisition, options: options)
        let (_, y) = Self.drawn(Structure(0), seed: 1, snr: 20),
            (_, other) = Self.drawn(Structure(0, 1, 4), seed: 2, snr: 15)
        let first = try engine.posterior(y, seed: 5, voxel: 11)
        _ = try engine.posterior(other, seed: 5, voxel: 12)
        let again = try engine.posterior(y, seed: 5, voxel: 11), elsewhere = try engine.posterior(y, seed: 5, voxel: 12)
        #expect(first.evidences.map(\.logEvidence) == again.evidences.map(\.logEvidence))
        #expect(first.evidences.map(\.draws) == again.evidences.map(\.draws))
        #expect(first.evidences.map(\.logEvidence) != elsewhere.evidences.map(\.logEvidence))
        // Two streams agree within what they say of themselves, where it matters.
        for (a, b) in zip(first.evidences, elsewhere.evidences)
        where !a.isRough && !b.isRough && a.logEvidence > -.infinity {
            let error = (a.standardError * a.standardError + b.standardError * b.standardError).squareRoot()
            #expect(abs(a.logEvidence - b.logEvidence) < 5 * error, "structure \(a.structure.bits)")
        }
        // λ-consistency and draws.
        let space = Self.family.structureSpace, zero = first.logProbabilities(lambda: 0)
        #expect(abs(zero.reduce(0) { $0 + exp($1) } - 1) < 1e-9)
        for (a, b) in zip(first.logProbabilities(lambda: 0.7), space.reweight(zero, from: 0, to: 0.7)) {
            #expect(a == b || abs(a - b) < 1e-9)
        }
        var random = RandomSource(seed: 1)
        let draws = first.draw(400, lambda: 0.7, using: &random), p = first.logProbabilities(lambda: 0.7).map(exp)
        for i in p.indices { #expect(abs(Double(draws.structures.filter { $0 == i }.count) - 400 * p[i]) <= 1 + 1e-6) }
        for (k, z) in draws.structures.enumerated() {
            let prior = draws.theta.withUnsafeBufferPointer {
                Self.family.logPrior($0.baseAddress! + k * 16, space.structures[z])
            }
            #expect(prior > -.infinity)
        }
    }

    /// Turning voxel and gradients together changes nothing but the random path.
    @Test func evidenceIsFreeOfTheFrame() throws {
        let z = Structure(0, 1), (_, y) = Self.drawn(z, seed: 3, snr: 25), c = cos(0.7), s = sin(0.7)
        let turned = Self.acquisition.rotated(by: [c, -s, 0, s * c, c * c, -s, s * s, s * c, c])
        let a = try SequentialMonteCarlo(acquisition: Self.acquisition).evidence(y, z, seed: 1, voxel: 0)
        let b = try SequentialMonteCarlo(acquisition: turned).evidence(y, z, seed: 1, voxel: 0)
        let error = (a.standardError * a.standardError + b.standardError * b.standardError).squareRoot()
        #expect(abs(a.logEvidence - b.logEvidence) < 4 * error, "\(a.logEvidence) \(b.logEvidence) ± \(error)")
    }

    /// Three sticks at high SNR, of which a pilot's few particles lose modes: the same evidence as importance sampling
    /// begun at the truth.
    @Test(arguments: [1, 3, 9])
    func findsWhatPilotsLose(_ seed: UInt64) throws {
        let z = Structure(0, 1, 2), (theta, y) = Self.drawn(z, seed: seed, snr: 50)
        let a = try SequentialMonteCarlo(acquisition: Self.acquisition).evidence(y, z, seed: 1, voxel: 0)
        let b = try #require(EvidenceSamplerTests.sample(y, z, near: theta, seed: 1, effort: EvidenceSamplerTests.long))
            .gaussian
        #expect(a.standardError < 0.2 && b.standardError < 0.1)
        let error = (a.standardError * a.standardError + b.standardError * b.standardError).squareRoot()
        #expect(abs(a.logEvidence - b.logEvidence) < 4 * error, "\(a.logEvidence) \(b.logEvidence) ± \(error)")
    }

    /// Before its first run a structure counts for what its modes promise, although its pilots found none; afterwards
    /// for what its runs say.
    @Test func modesVouchForLostPilots() throws {
        let z = Structure(0, 1), (theta, y) = Self.drawn(z, seed: 3, snr: 30),
            finder = ModeFinder(acquisition: Self.acquisition)
        let mode = try #require(finder.climb(y, LocalGeometry(z), from: theta, steps: 20, constant: 0))
        var state = StructureState(structure: z)
        state.pilots = [TemperedEstimate(logEvidence: mode.laplace - 50, relativeVariance: 0.1, temperatures: 9)]
        state.modes = [[mode]]
        #expect(state.best == mode.laplace)
        state.runs = [TemperedEstimate(logEvidence: mode.laplace - 3, relativeVariance: 0.1, temperatures: 9)]
        #expect(abs(state.best - (mode.laplace - 3)) < 1e-9)
    }

    /// What cannot be or is not given is said.
    @Test func refusesBadData() throws {
        var options = SequentialMonteCarlo.Options()
        options.maximumRuns = 1
        let engine = SequentialMonteCarlo(acquisition: Self.acquisition, options: options)
        var (_, y) = Self.drawn(Structure(0), seed: 4, snr: 10)
        #expect(throws: ExactError.measurementCount(expected: 43, found: 42)) {
            try engine.posterior(Array(y.dropLast()), seed: 1, voxel: 1)
        }
        var bad = y
        bad[7] = .nan
        #expect(throws: ExactError.notFinite(index: 7)) { try engine.posterior(bad, seed: 1, voxel: 1) }
        #expect(throws: ExactError.self) { try engine.posterior(y.map { $0 * 3 }, seed: 1, voxel: 1) }
        // Rician magnitudes are positive: a zero rules those structures out and no other.
        y[10] = 0
        let posterior = try engine.posterior(y, seed: 1, voxel: 1), p = posterior.logProbabilities(lambda: 0)
        for (i, e) in posterior.evidences.enumerated() {
            #expect((e.logEvidence == -.infinity) == BallSticks.isRician(e.structure))
            #expect((p[i] == -.infinity) == BallSticks.isRician(e.structure))
        }
    }

    /// Simulation-based calibration: the truth's rank among posterior draws is uniform. Two sticks, Rician noise, the
    /// whole prior.
    @Test func drawsAreCalibrated() throws {
        let z = Structure(0, 1, 4), voxels = 60, bins = 4
        var options = SequentialMonteCarlo.Options()
        options.maximumRuns = 1
        options.draws = 59
        let engine = SequentialMonteCarlo(acquisition: Self.acquisition, options: options)
        func statistics(_ t: [Double]) -> [Double] {
            [
                t[0], t[2], t[4], t[5], t[7] * t[7], t[9] * t[9], t[10] * t[10],
                pow(t[7] * t[10] + t[8] * t[11] + t[9] * t[12], 2),
            ]
        }
        var counts = [[Double]](repeating: [Double](repeating: 0, count: bins), count: 8)
        for v in 0..<voxels {
            let (theta, y) = Self.drawn(z, seed: UInt64(100 + v))
            let found = try engine.evidence(y, z, seed: 2, voxel: UInt64(v)), truth = statistics(theta)
            let draws = (0..<59).map { statistics(Array(found.draws[$0 * 16..<$0 * 16 + 16])) }
            for c in truth.indices { counts[c][draws.filter { $0[c] < truth[c] }.count * bins / 60] += 1 }
        }
        let expected = Double(voxels) / Double(bins)
        for c in counts.indices {
            let chi = counts[c].reduce(0) { $0 + ($1 - expected) * ($1 - expected) / expected }
            // χ²₃ exceeds 18.5 three times in ten thousand.
            #expect(chi < 18.5, "statistic \(c): \(counts[c])")
        }
    }
}
