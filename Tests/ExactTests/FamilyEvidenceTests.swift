@testable import BallSticksEngines
import Foundation
import ModelSpace
import TestFixtures
import Testing

@testable import Diffusion
@testable import Exact

/// The tempered sampler on families composed of compartments, against engines that work otherwise.
@Suite struct FamilyEvidenceTests {
    static let acquisition = TestAcquisition.shells([1000, 2500], unweighted: 3, directions: 20)

    static func voxel(
        _ family: any DiffusionFamily, _ z: Structure, snr: Double, seed: UInt64
    ) -> (theta: [Double], y: [Float]) {
        var random = RandomSource(seed: seed), theta = [Double](repeating: 0, count: family.parameterNames.count)
        var y = [Float](repeating: 0, count: acquisition.count)
        family.drawParameters(z, acquisition, using: &random, into: &theta)
        theta[family.parameterNames.firstIndex(of: "snr")!] = snr
        family.simulate(&theta, z, acquisition, using: &random, into: &y)
        return (theta, y)
    }

    /// Ball and sticks, composed, and the engine made for them: evidences of structures about the truth agree.
    @Test(arguments: [(0, 9.0), (3, 20), (11, 15)]) func agreesWithTheEngineOfBallAndSticks(
        _ truth: Int, _ snr: Double
    ) throws {
        let (_, y) = Self.voxel(BallSticks(), Structure(bits: UInt128(truth)), snr: snr, seed: UInt64(truth + 3))
        let structures = Set([truth, truth | 16, truth | 1, truth ^ 8]).sorted().map { Structure(bits: UInt128($0)) }
        let special = SequentialMonteCarlo(acquisition: Self.acquisition)
        var options = SignalMonteCarlo.Options()
        (options.targetError, options.minimumRuns) = (0.1, 3)
        let general = SignalMonteCarlo(ComposedFamily.ballSticks, design: Self.acquisition, options: options)
        for e in try general.posterior(y, structures, seed: 1, voxel: 1).evidences where !e.isRough {
            let other = try special.evidence(y, e.structure, seed: 2, voxel: 2)
            // Rician noise cannot have made what is not above 0.
            if other.logEvidence == -.infinity {
                #expect(e.logEvidence == -.infinity)
                continue
            }
            let error = (e.standardError * e.standardError + other.standardError * other.standardError).squareRoot()
            #expect(
                abs(e.logEvidence - other.logEvidence) < 3.5 * error && e.standardError < 0.31,
                "\(e.structure.bits): \(e.logEvidence) ± \(e.standardError), \(other)")
        }
    }

    /// Tissue: one bundle, straight and dispersed, NODDI's, two bundles with a ball. Importance sampling about modes
    /// climbed to from the truth and from the sampler's own draws agrees.
    @Test(arguments: [(9, [9, 33]), (89, [89, 217]), (131, [131, 1155])] as [(UInt64, [UInt64])])
    func agreesWithImportanceSampling(_ truth: UInt64, _ structures: [UInt64]) throws {
        let family = BuiltInFamilies.family("tissue")!.untimed!, kernels = family.kernels(Self.acquisition)
        let (theta, y) = Self.voxel(family, Structure(bits: UInt128(truth)), snr: 25, seed: truth)
        let list = structures.map { Structure(bits: UInt128($0)) }
        #expect(list.allSatisfy(family.rule.allows))
        var options = SignalMonteCarlo.Options()
        (options.roughMargin, options.draws) = (1e3, 64)
        let found = try SignalMonteCarlo(family, design: Self.acquisition, options: options).posterior(
            y, list, seed: 1, voxel: truth)
        let sampler = ImportanceSampler(kernels)
        for e in found.evidences {
            let layout = family.signalLayout(e.structure), noise = family.noise(e.structure), p = theta.count
            var starts: [(NoiseLikelihood, [Double])] = [], x = [Double](repeating: 0, count: layout.count)
            for d in stride(from: 0, to: 64, by: 4) {
                layout.pack(Array(e.draws[d * p..<(d + 1) * p]), into: &x)
                layout.clamp(&x)
                starts.append((noise, x))
            }
            let modes = try #require(sampler.modes(y, layout, starts: starts, options: .init()))
            var effort = ImportanceSampler.Options()
            (effort.generation, effort.components) = (2048, 12)
            let run = sampler.start(y, modes, generations: 24, options: effort, noises: [noise])
            sampler.advance(run, y, generations: 24, options: effort) {
                RandomSource(seed: 3, stream: truth, substream: UInt64($0) << 32 | UInt64(e.structure.bits))
            }
            let other = run.sample.evidence[noise]!
            let error = (e.standardError * e.standardError + other.standardError * other.standardError).squareRoot()
            #expect(
                abs(e.logEvidence - other.logEvidence) < 3.5 * error && error < 0.3,
                "\(e.structure.bits): \(e.logEvidence) ± \(e.standardError) of \(e.runs), \(other)")
        }
    }

    /// Where signals are low the two kinds of noise have modes of their own. Without a look for the other's, evidences
    /// under both are the same within their errors.
    @Test(arguments: [1033, 1057] as [UInt64]) func theOtherNoiseNeedsNoModeOfItsOwn(bits: UInt64) throws {
        let family = BuiltInFamilies.family("tissue")!.untimed!, kernels = family.kernels(Self.acquisition),
            sampler = ImportanceSampler(kernels)
        let (theta, y) = Self.voxel(family, Structure(bits: UInt128(bits)), snr: 12, seed: bits)
        // Under Rician noise, so that both kinds are possible.
        try #require(y.allSatisfy { $0 > 0 })
        let layout = family.signalLayout(family.rule.signal(Structure(bits: UInt128(bits))))
        var x = [Double](repeating: 0, count: layout.count)
        layout.pack(theta, into: &x)
        layout.clamp(&x)
        var effort = ImportanceSampler.Options()
        (effort.generation, effort.components, effort.grid.nodes) = (1024, 8, 0)
        let modes = try #require(sampler.modes(y, layout, starts: [(.gaussian, x)], options: effort))
        let both = [true, false].map { isClose in
            let run = sampler.start(
                y, modes, generations: 8, options: effort, noises: [.gaussian, .rician], isClose: isClose)
            sampler.advance(run, y, generations: 8, options: effort) {
                RandomSource(seed: 4, stream: bits, substream: UInt64($0))
            }
            return run.sample.evidence
        }
        for noise in [NoiseLikelihood.gaussian, .rician] {
            let a = try #require(both[0][noise]), b = try #require(both[1][noise])
            let error = (a.standardError * a.standardError + b.standardError * b.standardError).squareRoot()
            #expect(
                abs(a.logEvidence - b.logEvidence) < 3.5 * error && error < 0.1, "\(noise): \(a), \(b)")
        }
    }
}
