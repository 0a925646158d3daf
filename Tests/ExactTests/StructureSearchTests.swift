@testable import BallSticksEngines
import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// The structure posterior from rough starts: births and splits find what starts lack, and evidences meet the network's
/// word by their errors.
@Suite struct StructureSearchTests {
    typealias Slot = BallSticks.Slot
    typealias Sampler = EvidenceSamplerTests
    static let structures = BallSticks().structureSpace.structures, flat = [Double](repeating: -log(16.0), count: 16)

    /// One start of every pair, all from the prior: they know nothing of the voxel.
    static func blindStarts(_ seed: UInt64) -> [[(Structure, [Double])]] {
        var random = RandomSource(seed: seed)
        return (0..<StructureSearch.pairCount).map { p in
            var theta = [Double](repeating: 0, count: 16)
            BallSticks().drawParameters(structures[2 * p], Sampler.acquisition, using: &random, into: &theta)
            return [(structures[2 * p], theta)]
        }
    }

    static func refine(_ y: [Float], starts: UInt64 = 5, seed: UInt64 = 1, amortised: [Double] = flat)
        -> StructureSearch.Result
    {
        var random = RandomSource(seed: seed)
        return StructureSearch(acquisition: Sampler.acquisition, options: .init()).refine(
            y, starts: blindStarts(starts), amortised: amortised, using: &random)
    }

    /// From blind starts, the evidences of 0 to 2 sticks in two-stick data agree with sampling about the truth.
    @Test(arguments: [8, 9])
    func blindStartsFindTheModes(_ index: Int) throws {
        let z = Self.structures[index], (theta, y) = Sampler.voxel(z, snr: 40, seed: UInt64(index))
        let direct = try #require(Sampler.sample(y, z, near: theta, seed: 2, effort: Sampler.fine))
        let noise = BallSticks.isRician(z) ? direct.rician : direct.gaussian
        for starts in 0..<6 {
            let found = Self.refine(y, starts: UInt64(starts), seed: 3)
            #expect(found.samples[4] != nil)
            let error = hypot(found.standardError[index], noise.standardError)
            #expect(
                abs(found.logEvidence[index] - noise.logEvidence) < 4 * error + 0.02,
                "starts \(starts): \(found.logEvidence[index]), directly \(noise.logEvidence), error \(error)")
            // The ball and a single stick are far worse here.
            #expect(found.logEvidence[..<8].max()! < noise.logEvidence - 5)
        }
    }

    /// Structures that are nearly certain or nearly excluded get fewer samples than those in shortfall with as many
    /// sticks, whatever the amortised estimate says of the others; with more sticks there are more to get.
    @Test func samplesGoWhereTheDoubtIs() {
        var uncertain = [[Int]](repeating: [], count: 4), settled = uncertain
        for seed in 0..<12 {
            let (_, y) = Sampler.voxel(Self.structures[[0, 4, 8, 10][seed % 4]], snr: 25, seed: UInt64(seed + 60)),
                found = Self.refine(y, seed: UInt64(seed))
            let p = StructureSearch.combine(found, amortised: Self.flat).map { exp($0) }
            for pair in 0..<StructureSearch.pairCount {
                guard let count = found.samples[pair]?.count else { continue }
                let mine = p[2 * pair] + p[2 * pair + 1]
                if mine > 0.25 && mine < 0.75 {
                    uncertain[pair / 2].append(count)
                } else if mine < 1e-4 {
                    settled[pair / 2].append(count)
                }
            }
        }
        func mean(_ x: [Int]) -> Double { Double(x.reduce(0, +)) / Double(x.count) }
        let both = (0..<4).filter { uncertain[$0].count > 1 && settled[$0].count > 1 }
        #expect(both.count >= 2)
        for n in both {
            #expect(
                uncertain[n].min()! > settled[n].max()! || mean(uncertain[n]) > 1.3 * mean(settled[n]),
                "\(n) sticks: \(uncertain[n]), \(settled[n])")
        }
        let known = (0..<4).filter { !uncertain[$0].isEmpty }
        for (few, many) in zip(known, known.dropFirst()) { #expect(mean(uncertain[many]) > mean(uncertain[few])) }
    }

    @Test func sameStreamSameAnswer() {
        let (_, y) = Sampler.voxel(Self.structures[10], seed: 11), a = Self.refine(y), b = Self.refine(y)
        #expect(a.logEvidence == b.logEvidence && a.standardError == b.standardError && a.modes == b.modes)
        for (one, other) in zip(a.samples, b.samples) {
            #expect((one == nil) == (other == nil))
            if let one, let other { #expect(Sampler.bits(one) == Sampler.bits(other)) }
        }
        #expect(a.logEvidence != Self.refine(y, seed: 2).logEvidence)
    }

    /// Rician noise has no likelihood where a signal is not positive, in pairs that are sampled and in those left
    /// rough.
    @Test(arguments: [0, -0.03] as [Float])
    func signalsThatRicianNoiseCannotGive(_ value: Float) {
        var (_, y) = Sampler.voxel(Self.structures[8], snr: 40, seed: 12)
        y[30] = value
        // The network's word leaves all pairs but one unsampled.
        let amortised = StructureSpace.normalise((0..<16).map { $0 / 2 == 4 ? 0 : -60 }),
            found = Self.refine(y, amortised: amortised)
        #expect(found.samples.contains { $0 == nil } && found.samples.contains { $0 != nil })
        for p in 0..<StructureSearch.pairCount {
            #expect(found.logEvidence[2 * p].isFinite, "Gaussian, pair \(p)")
            #expect(
                found.logEvidence[2 * p + 1] == -.infinity, "Rician, pair \(p), sampled: \(found.samples[p] != nil)")
        }
        let combined = StructureSearch.combine(found, amortised: amortised)
        #expect(combined.allSatisfy { !$0.isNaN } && abs(combined.reduce(0) { $0 + exp($1) } - 1) < 1e-12)
    }

    // MARK: Not all pairs

    /// Within the amortised cutoff, or simpler than what is: others gain at no λ.
    @Test func candidatesAreLikelyOrSimpler() {
        func candidates(_ likely: [Int: Double]) -> [Int] {
            let amortised = StructureSpace.normalise((0..<16).map { likely[$0 / 2] ?? -30 })
            return StructureSearch(acquisition: Sampler.acquisition, options: .fast).candidates(amortised: amortised)
        }
        #expect(candidates([0: 0]) == [0])
        let cutoff = StructureSearch.Options.fast.amortisedCutoff
        #expect(candidates([0: 0, 5: 0.1 - cutoff]) == [0, 1, 2, 3, 4, 5])
        #expect(candidates([0: 0, 5: -0.2 - cutoff]) == [0])
        #expect(candidates([6: 0]) == [0, 1, 2, 3, 4, 5, 6])
        #expect(
            StructureSearch(acquisition: Sampler.acquisition, options: .init()).candidates(amortised: Self.flat)
                == Array(0..<8))
    }

    /// A pair that the network expects and whose one start is a saddle (two sticks in one) is looked for again, and
    /// found; without the second look it is lost.
    @Test func whatTheNetworkExpectsIsLookedForAgain() throws {
        let z = Self.structures[8], (theta, y) = Sampler.voxel(z, snr: 40, seed: 8)
        let direct = try #require(Sampler.sample(y, z, near: theta, seed: 2, effort: Sampler.fine)).gaussian.logEvidence
        let amortised = StructureSpace.normalise((0..<16).map { $0 / 2 == 4 ? 0 : $0 / 2 == 2 ? -3 : -30 })
        func worst(_ options: StructureSearch.Options) -> Double {
            (0..<12).map { seed in
                var random = RandomSource(seed: 1), starts = Self.blindStarts(UInt64(seed))
                let search = StructureSearch(acquisition: Sampler.acquisition, options: options),
                    wanted = search.candidates(amortised: amortised)
                for p in starts.indices where !wanted.contains(p) { starts[p] = [] }
                for c in 0..<3 { starts[4][0].1[Slot.axis + 3 + c] = starts[4][0].1[Slot.axis + c] }
                let found = search.refine(y, starts: starts, amortised: amortised, using: &random)
                #expect((0..<16).filter { found.isSkipped[$0] } == [10, 11, 12, 13, 14, 15])
                return abs(found.logEvidence[8] - direct)
            }.max()!
        }
        // Later generations sample their way out of the saddle, too.
        var twice = StructureSearch.Options.fast
        twice.generations = [1, 1, 1, 1]
        var once = twice
        (once.secondBirths, once.secondSplits) = (0, 0)
        #expect(worst(.fast) < 1.5 && worst(twice) < 1.5)
        #expect(worst(once) > 5)
    }
}
