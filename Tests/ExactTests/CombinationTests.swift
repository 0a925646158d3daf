@testable import BallSticksEngines
import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Evidences and the amortised estimate meet by their errors.
@Suite struct CombinationTests {
    private static func result(
        _ logEvidence: [Double], errors: [Double], skipped: (Int) -> Bool = { _ in false },
        sampled: (Int) -> Bool = { _ in true }
    ) -> StructureSearch.Result {
        .init(
            logEvidence: logEvidence, standardError: errors, isSkipped: (0..<16).map { skipped($0 / 2) },
            samples: (0..<8).map {
                sampled($0)
                    ? StructureSample(
                        SampleMemory(capacity: 0, height: 0, components: 0, room: 0, measurements: 0), sticks: 0) : nil
            },
            modes: Array(repeating: nil, count: 8))
    }

    private static func words(_ seed: UInt64) -> (evidence: [Double], amortised: [Double]) {
        var random = RandomSource(seed: seed)
        return (
            (0..<16).map { _ in 300 + 2 * random.normal() },
            StructureSpace.normalise((0..<16).map { _ in 2 * random.normal() })
        )
    }

    private static func distance(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).map { abs($0 - $1) }.max()! }

    @Test func withoutErrorTheEvidenceStands() {
        for seed in 0..<20 {
            let (evidence, amortised) = Self.words(UInt64(seed))
            let found = StructureSearch.combine(
                Self.result(evidence, errors: Array(repeating: 0, count: 16)), amortised: amortised)
            #expect(Self.distance(found, StructureSpace.normalise(evidence)) < 1e-9)
        }
    }

    @Test func withoutEvidenceTheNetworksWordStands() {
        for seed in 0..<20 {
            let (evidence, amortised) = Self.words(UInt64(seed))
            let found = StructureSearch.combine(
                Self.result(evidence, errors: Array(repeating: 1e9, count: 16)), amortised: amortised)
            #expect(Self.distance(found, amortised) < 1e-9)
        }
    }

    /// As the error grows, differences of log-probability go from the evidence's to the network's, half-way where both
    /// errors are alike.
    @Test func inBetweenByTheErrors() {
        let (evidence, amortised) = Self.words(3)
        let trust = EvidenceCombination.Trust.fewStructures
        func share(_ error: Double) -> Double {
            let found = StructureSearch.combine(
                Self.result(evidence, errors: Array(repeating: error, count: 16)), amortised: amortised,
                learnsError: false)
            let a = amortised[3] - amortised[9], e = evidence[3] - evidence[9]
            return (found[3] - found[9] - a) / (e - a)
        }
        let shares = [0, 0.05, 0.1, 0.2, 0.5, 1, 5].map(share)
        #expect(zip(shares, shares.dropFirst()).allSatisfy { $0 > $1 } && shares[0] > 1 - 1e-9 && shares[6] < 0.01)
        #expect(abs(share(trust.amortisedError / trust.errorScale) - 0.5) < 1e-9)
    }

    /// One structure is known badly, the others well: the network's word about it counts by how right it is about them.
    @Test func anEstimateThatIsWrongElsewhereCountsLess() {
        let doubtful = 6, errors = (0..<16).map { $0 == doubtful ? 1.2 : 0.01 },
            evidence = (0..<16).map { $0 == doubtful ? 298.0 : 300 }
        /// How far between the evidence (1) and the network (0) the doubtful structure comes out, where the network
        /// gives it 2 nats more than the rest has.
        func share(wrong: Double, learns: Bool) -> Double {
            let amortised = StructureSpace.normalise(
                (0..<16).map { $0 == doubtful ? 2 : wrong * ($0 % 2 == 0 ? 1 : -1) })
            let found = StructureSearch.combine(
                Self.result(evidence, errors: errors), amortised: amortised, learnsError: learns)
            let rest = (0..<16).filter { $0 != doubtful }, mean = rest.reduce(0) { $0 + found[$1] } / 15
            return (2 - (found[doubtful] - mean)) / 4
        }
        let plain = share(wrong: 0, learns: false), right = share(wrong: 0, learns: true),
            wrong = share(wrong: 1.5, learns: true)
        #expect(abs(right - plain) < 0.02 && plain < 0.05, "\(right), \(plain)")
        #expect(wrong > 0.25, "\(wrong)")
    }

    /// Structures not sampled never rise above what their mode says, nor above the network's word.
    @Test func whatWasNotSampledIsTheLesser() {
        for seed in 0..<20 {
            let (evidence, amortised) = Self.words(UInt64(seed)), errors = [Double](repeating: 0, count: 16)
            let found = StructureSearch.combine(
                Self.result(evidence, errors: errors, sampled: { $0 % 2 == 0 }), amortised: amortised)
            let l = StructureSpace.normalise(evidence), sampled = (0..<16).filter { $0 / 2 % 2 == 0 }
            var shift = 0.0, total = 0.0
            for z in sampled {
                shift += exp(l[z]) * (l[z] - amortised[z])
                total += exp(l[z])
            }
            shift /= total
            let expected = StructureSpace.normalise(
                (0..<16).map { sampled.contains($0) ? l[$0] : min(l[$0], amortised[$0] + shift) })
            #expect(Self.distance(found, expected) < 1e-9)
            #expect(
                Self.distance(
                    StructureSearch.combine(
                        Self.result(evidence, errors: errors, sampled: { _ in false }), amortised: amortised), l) < 1e-9
            )
        }
    }

    /// A structure that was not sampled counts by the error of its rough evidence, half-way where the network's is the
    /// same; without one it is the less likely of the two.
    @Test func roughEvidenceByItsError() {
        let evidence = [300.0, 299, 301, 300], amortised = StructureSpace.normalise([0.0, -1, 1, 2])
        let trust = EvidenceCombination.Trust.manyStructures
        func combined(_ error: Double?, above: Double = 0) -> Double {
            let found = EvidenceCombination.combine(
                evidence: evidence.enumerated().map { $0 == 3 ? $1 + above : $1 },
                standardError: [0, 0, 0, .infinity], isSampled: [true, true, true, false], amortised: amortised,
                trust: trust, learnsError: false, roughError: error)
            return found[3] - found[0]
        }
        #expect(abs(combined(0)) < 1e-9 && abs(combined(1e9) - 2) < 1e-9)
        #expect(abs(combined(trust.amortisedError) - 1) < 1e-9)
        #expect(abs(combined(nil)) < 1e-9 && abs(combined(nil, above: 5) - 2) < 1e-9)
    }

    /// An estimate that is right about what is likely is not believed about what the evidence rules out by far more
    /// than its errors: at a larger λ that is what counts.
    @Test(arguments: [true, false]) func noEstimateBringsBackWhatTheDataRuleOut(_ isSampled: Bool) {
        let evidence = [0, -0.7, -1.4, -40.0], amortised = [-0.6, -1.3, -2.0, -7]
        let p = EvidenceCombination.combine(
            evidence: evidence, standardError: [0.05, 0.05, 0.05, isSampled ? 0.1 : .infinity],
            isSampled: [true, true, true, isSampled], amortised: amortised, trust: .manyStructures, roughError: 0.9)
        #expect(p[3] - p[0] < -39)
        for z in 1...2 { #expect(abs(p[z] - p[0] - evidence[z]) < 0.05) }
    }

    /// On the level of each λ: plain structures that the network cannot tell from impossible stay where those are that
    /// were looked at, and none of the others moves.
    @Test func whatWasNotLookedAtHasALevelForEachLambda() {
        // Words that are right of the rich, and 20 nats too good of the plain.
        let seen: [(word: Double, found: Double, k: Int)] = [(-1, -1, 10), (-2, -2, 9), (-14, -34, 2), (-15, -35, 3)]
        let level = NetworkLevel(lambdas: [0.5, 1, 2, 3], exclusion: 2.5, seen: seen)!
        #expect(abs(level.value(-3, 10) + 3) < 0.1 && abs(level.first) < 0.01)
        #expect(abs(level.value(-14.5, 2) + 34.5) < 0.5 && abs(level.gap(-14.5, 2) - 11.5) < 0.5)
        // Between: nowhere nearer to the best that was found than to the network's best.
        for (word, k) in [(-4.0, 6), (-5, 5), (-6, 4)] {
            let value = level.value(word, k)
            for lambda in [0.5, 1, 2, 3] {
                func best(_ l: (Double, Double) -> Double) -> Double {
                    seen.map { l($0.word, $0.found) - lambda * Double($0.k) }.max()!
                }
                let own = best { a, _ in a } - (word - lambda * Double(k))
                #expect(best { _, b in b } - (value - lambda * Double(k)) > min(own, 2.5) - 1e-9)
            }
        }
        #expect(NetworkLevel(lambdas: [0], exclusion: 2.5, seen: [(-.infinity, 0, 3)]) == nil)
    }

    /// What was not looked at has the network's word, at the level of what was.
    @Test func theUnseenHaveTheNetworksWord() {
        let (evidence, amortised) = Self.words(4)
        let l = (0..<16).map { $0 / 2 == 5 ? -.infinity : evidence[$0] }
        let found = StructureSearch.combine(
            Self.result(l, errors: Array(repeating: 0, count: 16), skipped: { $0 == 5 }, sampled: { $0 != 5 }),
            amortised: amortised)
        let seen = StructureSpace.normalise(l),
            shift = (0..<16).reduce(0) { $0 + (seen[$1].isFinite ? exp(seen[$1]) * (seen[$1] - amortised[$1]) : 0) }
        #expect(
            Self.distance(
                found, StructureSpace.normalise((0..<16).map { $0 / 2 == 5 ? amortised[$0] + shift : seen[$0] })) < 1e-9
        )
    }
}
