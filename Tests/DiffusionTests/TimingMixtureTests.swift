import ModelSpace
import Testing

@testable import Diffusion

/// Timing as networks are trained across it, and as they are told of it.
@Suite struct TimingMixtureTests {
    @Test func drawnTimingsAreThoseOfScanners() {
        let mixture = ProtocolMixture()
        var random = RandomSource(seed: 1), several = 0
        for _ in 0..<50 {
            let timed = mixture.drawTimed(using: &random)
            #expect(mixture.timingViolations(of: timed).isEmpty && timed.timing?.count == timed.count)
            several += Set(timed.timing!).count > 1 ? 1 : 0
            for t in timed.timing! {
                #expect(t.duration >= 5 && t.separation >= t.duration + 5 && t.separation <= 65)
                #expect(t.gradient(bValue: timed.bValues.max()!) <= 0.3)
            }
        }
        #expect((1...16).contains(several))
    }

    /// What a network is told of timing is about standard normal over the acquisitions that it is trained across.
    @Test func featuresAreStandardised() {
        let mixture = ProtocolMixture()
        var random = RandomSource(seed: 2), values: [(Double, Double)] = []
        for _ in 0..<2000 {
            let a = TimingFeatures.values(mixture.drawTimed(using: &random).timing![0])
            values.append((Double(a.0), Double(a.1)))
        }
        for list in [values.map(\.0), values.map(\.1)] {
            let mean = list.reduce(0, +) / 2000, square = list.reduce(0) { $0 + $1 * $1 } / 2000
            #expect(abs(mean) < 0.1 && abs(square - mean * mean - 1) < 0.15, "\(mean), \(square - mean * mean)")
        }
    }

    /// A measurement's own timing follows its other features, which are the same as without.
    @Test func featuresFollowTheOthers() throws {
        let pulses = [TimingTests.pulses, PulseTiming(duration: 20, separation: 60)]
        let shells = try TimingTests.acquisition(nil), m = shells.count, plain = Acquisition.featureCount
        let timed = shells.timed((0..<m).map { pulses[$0 % 2] })
        var random = RandomSource(seed: 3)
        let y = (0..<m).map { _ in Float(random.uniform(0.1, 1)) }
        var own = [Float](repeating: .nan, count: m * plain), all = [Float](repeating: .nan, count: m * (plain + 2)),
            a = [Float](repeating: 0, count: Acquisition.summaryCount), b = a
        _ = timed.observe(y, features: &own, summary: &a)
        _ = timed.observeTimed(y, features: &all, summary: &b)
        #expect(a == b)
        for i in 0..<m {
            let row = Array(all[i * (plain + 2)..<(i + 1) * (plain + 2)])
            #expect(Array(row[..<plain]) == Array(own[i * plain..<(i + 1) * plain]))
            let (duration, time) = TimingFeatures.values(timed.timing![i])
            #expect(row[plain] == duration && row[plain + 1] == time)
        }
        #expect(all[plain] != all[2 * plain + 2])
    }

    /// The exact density of a series knows the timing too: what the kernels predict gives the same.
    @Test func theDensityFeelsIt() throws {
        let family = try #require(BuiltInFamilies.family("sandi")),
            design = try TimingTests.acquisition(TimingTests.pulses), slot = family.noiseSlots
        var random = RandomSource(seed: 9), y = [Float](repeating: 0, count: design.count), e = y
        for z in family.structureList!.structures where family.rule.has("soma", in: z) {
            var theta = family.draw(z, design, using: &random)
            family.simulate(&theta, z, design, using: &random, into: &y)
            family.attenuations(theta, z, design, into: &e)
            let known = design.logLikelihood(y, s0: theta[slot.s0], snr: theta[slot.snr], family.noise(z)) {
                Double(e[$0])
            }
            let exact = family.logLikelihood(y, theta, z, design)
            #expect(abs(exact - known) < 0.02, "\(family.rule.name(z)): \(exact), \(known)")
        }
    }
}
