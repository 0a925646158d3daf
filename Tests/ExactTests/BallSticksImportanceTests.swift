@testable import BallSticksEngines
import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Ball and sticks through what any family goes through, against the sampler that is made for it.
@Suite struct BallSticksImportanceTests {
    static let family = BallSticks(), acquisition = EnsembleMovesTests.acquisition

    /// Attenuations of sixteen samples and of a point against the plain formula; derivatives against differences.
    @Test(arguments: BallSticks().structureSpace.structures.filter { !BallSticks.isRician($0) })
    func kernels(_ z: Structure) {
        let layout = BallSticks.signalLayout(z), kernels = Self.family.kernels(Self.acquisition),
            m = Self.acquisition.count, w = layout.componentCount
        var random = RandomSource(seed: 1, stream: UInt64(z.bits)), theta = [Double](repeating: 0, count: 16),
            rows = [Float](repeating: 0, count: layout.count * 16)
        var points: [[Double]] = []
        for lane in 0..<16 {
            Self.family.drawParameters(z, Self.acquisition, using: &random, into: &theta)
            var x = [Double](repeating: 0, count: layout.count)
            layout.pack(theta, into: &x)
            points.append(x)
            for k in 0..<layout.count { rows[k * 16 + lane] = Float(x[k]) }
        }
        // A sample that is not there disturbs no other.
        for k in 0..<layout.count { rows[k * 16 + 3] = .nan }
        var e = [Float](repeating: 0, count: 16 * w * m), own = [Float](repeating: 0, count: w * m),
            slopes = [Float](repeating: 0, count: layout.shapeDimension * m)
        var other = own, single = e
        kernels.attenuations(layout, rows: rows, stride: 16, into: &e)
        for k in 0..<w { kernels.attenuations(layout, of: k, rows: rows, stride: 16, into: &single) }
        var worst = 0.0, worstSlope = 0.0
        func plain(_ x: [Double], _ k: Int, _ i: Int) -> Double {
            var t = [Double](repeating: 0, count: 16)
            layout.unpack(x, into: &t)
            for s in 0..<3 { t[BallSticks.Slot.fraction + s] = 0 }
            guard k > 0 else {
                return BallSticks.attenuation(
                    t, Structure(bits: z.bits & ~7), b: Self.acquisition.bValues[i], g: Self.acquisition.directions[i])
            }
            t[BallSticks.Slot.fraction] = 1
            for c in 0..<3 { t[BallSticks.Slot.axis + c] = x[layout.firstAxis + 3 * (k - 1) + c] }
            return BallSticks.attenuation(
                t, Structure(bits: z.bits & ~7 | 1), b: Self.acquisition.bValues[i], g: Self.acquisition.directions[i])
        }
        for (lane, x) in points.enumerated() where lane != 3 {
            kernels.derivatives(layout, x, attenuations: &own, rows: &slopes)
            kernels.attenuations(layout, at: x, into: &other)
            #expect(own == other)
            for k in 0..<w {
                for i in 0..<m {
                    let exact = plain(x, k, i), lanes = e[(i * w + k) * 16 + lane]
                    worst = max(worst, abs(Double(lanes) - exact), abs(Double(own[k * m + i]) - exact))
                    #expect(single[(i * w + k) * 16 + lane] == lanes)
                }
            }
            var u = [Double](repeating: 0, count: layout.shapeDimension), high = x, low = x
            for j in u.indices {
                let h = 1e-5
                u[j] = h
                layout.moveShape(x, by: u, into: &high)
                u[j] = -h
                layout.moveShape(x, by: u, into: &low)
                u[j] = 0
                for i in 0..<m {
                    let slope =
                        (0..<w).reduce(0) { $0 + x[2 + $1] * (plain(high, $1, i) - plain(low, $1, i)) } / (2 * h)
                    worstSlope = max(worstSlope, abs(Double(slopes[j * m + i]) - slope) / max(1, abs(slope)))
                }
            }
        }
        #expect(worst <= 2e-6 && worstSlope <= 2e-5, "\(worst), \(worstSlope)")
    }

    /// Evidences of all structures, and posterior means, agree within their errors.
    @Test(arguments: [0, 5, 6, 9, 11, 12, 15], [8.0, 40])
    func evidencesAgree(_ truth: Int, _ snr: Double) throws {
        let structures = Self.family.structureSpace.structures
        let (theta, y) = EvidenceSamplerTests.voxel(structures[truth], snr: snr, seed: UInt64(truth + 71))
        let special = EvidenceSampler(acquisition: Self.acquisition),
            general = ImportanceSampler(Self.family.kernels(Self.acquisition))
        var (options, other) = (EvidenceSampler.Options(), ImportanceSampler.Options())
        (options.generation, options.components, other.generation, other.components) = (384, 8, 384, 8)
        let generations = 8
        for p in 0..<8 {
            let z = structures[2 * p], layout = BallSticks.signalLayout(z)
            var start = EvidenceSamplerTests.voxel(z, snr: snr, seed: 1).theta,
                x = [Double](repeating: 0, count: layout.count)
            for k in [0, 3] { start[k] = theta[k] }
            start[1] = BallSticks.hasSpread(z) ? 0.5 * theta[0] : 0
            layout.pack(start, into: &x)
            let noises = y.allSatisfy { $0 > 0 } ? [2 * p, 2 * p + 1] : [2 * p]
            let a = try #require(special.modes(y, starts: noises.map { (structures[$0], start) }, options: options))
            let b = try #require(
                general.modes(y, layout, starts: noises.map { (Self.family.noise(structures[$0]), x) }, options: other))
            // The nearest of the two to a bound aside, modes are the same.
            var random = RandomSource(seed: 4, stream: UInt64(p)),
                one = special.start(y, a, generations: generations, options: options)
            special.advance(&one, y, generations: generations, options: options, using: &random)
            let two = general.start(y, b, generations: generations, options: other, noises: [.gaussian, .rician])
            general.advance(two, y, generations: generations, options: other) {
                RandomSource(seed: 5, stream: UInt64(p), substream: UInt64($0))
            }
            for (old, noise) in [(one.sample.gaussian, NoiseLikelihood.gaussian), (one.sample.rician, .rician)] {
                guard let new = two.sample.evidence[noise] else {
                    #expect(old.logEvidence == -.infinity)
                    continue
                }
                // What importance sampling says of its error falls short of it the more dimensions there are.
                let error =
                    (old.standardError * old.standardError + new.standardError * new.standardError).squareRoot()
                    * (p < 4 ? 1 : p < 6 ? 1.5 : 2.5)
                #expect(
                    abs(old.logEvidence - new.logEvidence) < 4 * error + 0.02,
                    """
                    pair \(p), \(noise): \(old.logEvidence) ± \(old.standardError), \(new.logEvidence) ± \
                    \(new.standardError)
                    """
                )
            }
        }
    }
}
