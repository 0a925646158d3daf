import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// σ known in the likelihood: evidences against dense numerical integration over what is left, and moves that leave
/// both the target and σ as they are.
@Suite struct KnownNoiseTests {
    typealias Slot = BallSticks.Slot
    typealias Quadrature = EvidenceQuadratureTests
    static let acquisition = EnsembleMovesTests.acquisition, family = BallSticks()

    static func isHeld(_ theta: ArraySlice<Double>, _ sigma: Double) -> Bool {
        let first = theta.startIndex
        return abs(theta[first + Slot.s0] / theta[first + Slot.snr] / sigma - 1) < 1e-12
    }

    /// Lattice coordinates without the noise: (log d, log s0[, log(s/d)]) of a ball, (log d, log s0, f, direction) of
    /// one stick.
    private static func coordinates(_ t: [Double], _ z: Structure) -> [Double] {
        if BallSticks.stickCount(z) > 0 { var x = Quadrature.OneStick.coordinates(t); x.remove(at: 1); return x }
        return [log(t[0]), log(t[3])] + (BallSticks.hasSpread(z) ? [log(t[1] / t[0])] : [])
    }

    /// log p(y | z, σ) by the trapezoid rule, with the plain likelihood in double precision.
    private static func exact(_ y: [Float], _ z: Structure, _ sigma: Double, draws: [Double]) -> Double {
        let n = BallSticks.stickCount(z), spread = BallSticks.hasSpread(z)
        let lattice = Lattice.spread((0..<200).map { coordinates(Array(draws[$0 * 16..<$0 * 16 + 16]), z) })
        var t = [Double](repeating: 0, count: 16)
        let total = Lattice.integrate(
            mean: lattice.mean, factor: lattice.factor, spacing: n > 0 ? 0.8 : spread ? 0.2 : 0.4, radius: 5.6
        ) { x in
            var area = 0.0
            if n > 0 {
                area = Quadrature.OneStick.move(&t, to: [x[0], 0, x[1], x[2], x[3], x[4]])
            } else {
                (t[0], t[3]) = (exp(x[0]), exp(x[1]))
                if spread { t[1] = exp(x[0] + x[2]) }
            }
            t[Slot.snr] = t[Slot.s0] / sigma
            let prior = family.logPrior(t, z, isNoiseKnown: true)
            return prior > -.infinity ? prior + area + family.logLikelihood(y, t, z, acquisition) : prior
        }
        return total + (n > 0 ? log(2) : 0)
    }

    /// Ball with and without spread and one stick, both noises; σ as it is, half of it and twice (misfit and slack),
    /// and so small that the prior forbids it.
    @Test(arguments: [0, 1, 2, 3, 4, 5], [1.0, 0.5, 2, 0.12])
    func evidencesEqualIntegrals(_ index: Int, _ factor: Double) throws {
        let z = Self.family.structureSpace.structures[index], snr = 25.0
        let (theta, y) = EvidenceSamplerTests.voxel(z, snr: snr, seed: UInt64(index + 40))
        let sigma = factor * theta[Slot.s0] / snr
        let smc = try SequentialMonteCarlo(acquisition: Self.acquisition, options: Quadrature.options(0.03)).evidence(
            y, z, sigma: sigma, seed: 8, voxel: 0)
        let exact = Self.exact(y, z, sigma, draws: smc.draws)
        #expect(smc.standardError < 0.05)
        #expect(
            abs(smc.logEvidence - exact) < 3.5 * smc.standardError + 0.01,
            "smc \(smc.logEvidence) ± \(smc.standardError), exact \(exact)")
        for i in 0..<smc.draws.count / 16 { #expect(Self.isHeld(smc.draws[16 * i..<16 * i + 16], sigma)) }

        let sampler = EvidenceSampler(acquisition: Self.acquisition), effort = EvidenceSamplerTests.fine
        var random = RandomSource(seed: 3)
        let modes = try #require(sampler.modes(y, starts: [(z, theta)], options: effort.options, sigma: sigma))
        // Normal in all but the spread: Laplace's approximation leaves little.
        if !BallSticks.hasSpread(z) {
            #expect(abs(modes.laplace - exact) < 0.3, "Laplace \(modes.laplace), exact \(exact)")
        }
        var run = sampler.start(y, modes, generations: effort.generations, options: effort.options)
        sampler.advance(&run, y, generations: effort.generations, options: effort.options, using: &random)
        let noise = BallSticks.isRician(z) ? run.sample.rician : run.sample.gaussian
        #expect(
            abs(noise.logEvidence - exact) < 4 * noise.standardError + 0.02,
            "found \(noise.logEvidence) ± \(noise.standardError), exact \(exact)")
        #expect(noise.standardError < 0.1)
        var draw = theta
        for i in 0..<run.sample.count {
            run.sample.parameters(i, hasSpread: BallSticks.hasSpread(z), into: &draw)
            if draw.allSatisfy(\.isFinite) { #expect(Self.isHeld(draw[...], sigma)) }
        }
    }

    /// Crossings, where modes are several: importance sampling against sequential Monte Carlo. And an unknown σ is
    /// another question.
    @Test(arguments: [8, 10, 12])
    func crossingsAgree(_ index: Int) throws {
        let z = Self.family.structureSpace.structures[index],
            (theta, y) = EvidenceSamplerTests.voxel(z, snr: 25, seed: UInt64(index + 60))
        let sigma = 0.7 * theta[Slot.s0] / theta[Slot.snr],
            engine = SequentialMonteCarlo(acquisition: Self.acquisition, options: Quadrature.options(0.06))
        let smc = try engine.evidence(y, z, sigma: sigma, seed: 8, voxel: 0),
            unknown = try engine.evidence(y, z, seed: 8, voxel: 0)
        let sampler = EvidenceSampler(acquisition: Self.acquisition), effort = EvidenceSamplerTests.long
        var random = RandomSource(seed: 3)
        let modes = try #require(sampler.modes(y, starts: [(z, theta)], options: effort.options, sigma: sigma))
        var run = sampler.start(y, modes, generations: effort.generations, options: effort.options)
        sampler.advance(&run, y, generations: effort.generations, options: effort.options, using: &random)
        let found = run.sample.gaussian, error = (pow(found.standardError, 2) + pow(smc.standardError, 2)).squareRoot()
        #expect(
            abs(found.logEvidence - smc.logEvidence) < 4 * error + 0.05,
            "\(found.logEvidence) ± \(found.standardError), \(smc.logEvidence) ± \(smc.standardError)")
        #expect(abs(unknown.logEvidence - smc.logEvidence) > 1)
    }

    /// Geweke's joint test (see `EnsembleMovesTests`) with log s0 uniform on the moves' range and σ the same for all:
    /// walks.
    @Test(arguments: [Structure(), Structure(0, 3), Structure(0, 1, 4), Structure(0, 1, 2, 3, 4)])
    func walksLeaveTheJointDistributionInvariant(_ z: Structure) {
        let m = Self.acquisition.count, n = 3000, sigma = 0.05, corrector = EnsembleMoves(acquisition: Self.acquisition)
        var before: [[Double]] = [], after: [[Double]] = [], moved = 0.0, attenuations = [Float](repeating: 0, count: m)
        for i in 0..<n {
            var random = RandomSource(seed: 22, stream: UInt64(i)), theta = Self.drawn(z, sigma, &random)
            Self.family.attenuations(theta, z, Self.acquisition, into: &attenuations)
            let y = attenuations.map { a in
                let s = theta[Slot.s0] * Double(a) + sigma * random.normal()
                return Float(BallSticks.isRician(z) ? (s * s + pow(sigma * random.normal(), 2)).squareRoot() : s)
            }
            before.append(Self.statistics(theta, z))
            moved += corrector.run(y, &theta, structures: [z], sweeps: 6, turn: 0.1, sigma: sigma, using: &random)
            #expect(Self.isHeld(theta[...], sigma))
            after.append(Self.statistics(theta, z))
        }
        #expect(moved / Double(n) > 0.1)
        Self.expectSameLaw(before, after)
    }

    /// Where the signals say nothing the posterior is the prior: ensembles drawn from it must stay so drawn, whatever
    /// the stretch moves do.
    @Test(arguments: [Structure(), Structure(0, 3), Structure(0, 1)])
    func ensemblesLeaveThePriorInvariant(_ z: Structure) {
        let draws = 36, sigma = 1e5, corrector = EnsembleMoves(acquisition: Self.acquisition)
        let y = [Float](repeating: 1, count: Self.acquisition.count)
        var before: [[Double]] = [], after: [[Double]] = []
        // Widths are told best about the prior's own centres.
        let d = BallSticks.logDiffusivity, ratio = BallSticks.logSpreadRatio
        let centres = [(d.low + d.high) / 2, (ratio.low + ratio.high) / 2, 0, 0.525, 0, 0.33, 0.33, 0.33, 0.33]
        for i in 0..<1000 {
            var random = RandomSource(seed: 23, stream: UInt64(i)),
                theta = (0..<draws).flatMap { _ in Self.drawn(z, sigma, &random) }
            // The mean of an ensemble is one observation: its draws move by one another.
            func mean() -> [Double] {
                let rows = (0..<draws).map { Self.statistics(Array(theta[16 * $0..<16 * $0 + 16]), z) }
                return rows[0].indices.flatMap { c in
                    let m = rows.reduce(0) { $0 + $1[c] } / Double(draws)
                    return [m, rows.reduce(0) { $0 + ($1[c] - centres[c]) * ($1[c] - centres[c]) } / Double(draws)]
                }
            }
            before.append(mean())
            corrector.run(
                y, &theta, structures: Array(repeating: z, count: draws), sweeps: 30, sigma: sigma, using: &random)
            for d in 0..<draws { #expect(Self.isHeld(theta[16 * d..<16 * d + 16], sigma)) }
            after.append(mean())
        }
        Self.expectSameLaw(before, after, variances: false)
    }

    private static func drawn(_ z: Structure, _ sigma: Double, _ random: inout RandomSource) -> [Double] {
        var theta = [Double](repeating: 0, count: 16)
        family.drawParameters(z, acquisition, using: &random, into: &theta)
        theta[Slot.s0] = exp(random.uniform(-5, 5))
        theta[Slot.snr] = theta[Slot.s0] / sigma
        return theta
    }

    private static func statistics(_ t: [Double], _ z: Structure) -> [Double] {
        let a = Array(t[Slot.axis..<Slot.axis + 9])
        return [
            log(t[Slot.diffusivity]), BallSticks.hasSpread(z) ? log(t[Slot.spread] / t[Slot.diffusivity]) : 0,
            log(t[Slot.s0]), t[4], t[5],
            a[0] * a[0], a[2] * a[2], a[3] * a[3], pow(a[0] * a[3] + a[1] * a[4] + a[2] * a[5], 2),
        ]
    }

    /// Means (and variances) of paired rows within four standard errors of the differences.
    private static func expectSameLaw(_ before: [[Double]], _ after: [[Double]], variances: Bool = true) {
        let n = Double(before.count)
        func mean(_ x: [Double]) -> Double { x.reduce(0, +) / n }
        func error(_ x: [Double]) -> Double {
            let m = mean(x); return (mean(x.map { ($0 - m) * ($0 - m) }) / n).squareRoot()
        }
        for c in before[0].indices {
            let a = before.map { $0[c] }, b = after.map { $0[c] }, d = zip(a, b).map { $1 - $0 }, ma = mean(a)
            #expect(abs(mean(d)) <= 4 * error(d) + 1e-12, "mean of statistic \(c): \(mean(d)) ± \(error(d))")
            let e = zip(a, b).map { ($1 - ma) * ($1 - ma) - ($0 - ma) * ($0 - ma) }
            if variances { #expect(abs(mean(e)) <= 4 * error(e) + 1e-12, "variance of statistic \(c)") }
        }
    }

    /// Without an amortised estimate the evidences stand alone, and none is ruled out beforehand.
    @Test func anEstimateForAnotherQuestionHasNoSay() {
        let structures = Self.family.structureSpace.structures, z = structures[8],
            (theta, y) = EvidenceSamplerTests.voxel(z, snr: 25, seed: 70)
        let refiner = StructureSearch(acquisition: Self.acquisition, options: .init()),
            sigma = theta[Slot.s0] / theta[Slot.snr]
        var random = RandomSource(seed: 5)
        #expect(refiner.candidates(amortised: nil) == Array(0..<StructureSearch.pairCount))
        let starts = (0..<StructureSearch.pairCount).map { p -> [(Structure, [Double])] in
            var start = theta
            for k in p / 2..<3 {
                for c in [Slot.fraction + k] + (0..<3).map({ Slot.axis + 3 * k + $0 }) { start[c] = 0 }
            }
            if p / 2 == 3 { (start[Slot.fraction + 2], start[Slot.axis + 8]) = (0.06, 1) }
            if p % 2 == 1 { start[Slot.spread] = 0.4 * start[Slot.diffusivity] }
            return [(structures[2 * p], start)]
        }
        let found = refiner.refine(y, starts: starts, amortised: nil, sigma: sigma, using: &random)
        let alone = StructureSearch.combine(found, amortised: nil)
        #expect(alone == StructureSpace.normalise(found.logEvidence))
        #expect(!found.isSkipped.contains(true) && found.samples[4] != nil)
    }
}
