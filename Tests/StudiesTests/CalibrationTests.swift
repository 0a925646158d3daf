import Diffusion
import Foundation
import Inference
import ModelSpace
import TestFixtures
import Testing

@testable import Studies

@Suite struct CalibrationTests {
    // Values of Q(a, x) to 12 digits: exact forms e^-x, erfc √x, e^-x Σ x^k/k!, and tables of χ².
    @Test func upperGammaHasItsKnownValues() {
        for x in [0.0, 0.1, 1, 3, 10, 50] {
            #expect(abs(CalibrationStatistics.upperGamma(1, x) - exp(-x)) < 1e-13)
            #expect(abs(CalibrationStatistics.upperGamma(0.5, x) - erfc(x.squareRoot())) < 1e-13)
            var sum = 0.0, term = 1.0
            for k in 0..<20 { sum += term; term *= x / Double(k + 1) }
            #expect(abs(CalibrationStatistics.upperGamma(20, x) - exp(-x) * sum) < 1e-12)
        }
        #expect(abs(CalibrationStatistics.chiSquaredPValue(24.9957901, degrees: 15) - 0.05) < 1e-8)
        #expect(abs(CalibrationStatistics.chiSquaredPValue(10.82756617, degrees: 1) - 0.001) < 1e-9)
        // Wilson and Hilferty's normal approximation is good to 1e-4 there.
        #expect(abs(CalibrationStatistics.upperGamma(1000, 1000) - 0.4957947559) < 1e-9)
    }

    @Test func upperGammaFallsFromOneToZero() {
        var previous = 1.0
        for x in stride(from: 0.0, through: 60, by: 0.25) {
            let q = CalibrationStatistics.upperGamma(7.5, x)
            #expect(q <= previous + 1e-15 && q >= 0)
            previous = q
        }
        #expect(CalibrationStatistics.upperGamma(3, .infinity) == 0)
    }

    @Test func ranksOfExchangeableValuesAreUniformEvenWithTies() {
        var random = RandomSource(seed: 1)
        for coarse in [0.0, 2, 5] {
            let ranks = (0..<8000).map { _ in
                let x = (0..<16).map { _ in coarse > 0 ? (random.normal() * coarse).rounded() : random.normal() }
                return CalibrationStatistics.rank(of: x[0], among: Array(x.dropFirst()), using: &random)
            }
            let test = RankTest(name: "x", label: "x", draws: 15, ranks: ranks)
            #expect(test.pValue > 1e-3, "\(coarse): \(test.binned)")
            for c in test.coverage { #expect(abs(c.observed - c.level) < 4 * c.standardError) }
        }
    }

    /// y ~ N(θ, 1), θ ~ N(0, 1): the posterior is N(y/2, ½). Draws whose deviation or mean is off by a fifth are found
    /// out, exact ones pass.
    @Test func wrongPosteriorsAreToldFromRightOnes() {
        func pValue(width: Double, shift: Double) -> (p: Double, coverage: [RankTest.Coverage]) {
            var random = RandomSource(seed: 2)
            let ranks = (0..<4000).map { _ in
                let theta = random.normal(), y = theta + random.normal()
                let draws = (0..<31).map { _ in 0.5 * y + (shift + width * random.normal()) * 0.5.squareRoot() }
                return CalibrationStatistics.rank(of: theta, among: draws, using: &random)
            }
            let test = RankTest(name: "θ", label: "θ", draws: 31, ranks: ranks)
            return (test.pValue, test.coverage)
        }
        let right = pValue(width: 1, shift: 0), narrow = pValue(width: 0.8, shift: 0),
            wide = pValue(width: 1.25, shift: 0)
        #expect(right.p > 0.01)
        for c in right.coverage { #expect(abs(c.observed - c.level) < 4 * c.standardError) }
        #expect(narrow.p < 1e-6 && narrow.coverage.allSatisfy { $0.observed < $0.level - 3 * $0.standardError })
        #expect(wide.p < 1e-6 && wide.coverage.allSatisfy { $0.observed > $0.level + 3 * $0.standardError })
        #expect(pValue(width: 1, shift: 0.2).p < 1e-6)
    }

    @Test func calibrationErrorTellsOverconfidenceFromCalibration() {
        var random = RandomSource(seed: 3)
        var exact: [[Double]] = [], sharpened: [[Double]] = [], truth: [Int] = []
        for _ in 0..<4000 {
            let w = (0..<5).map { _ in random.exponential() * random.exponential() }, total = w.reduce(0, +),
                p = w.map { $0 / total }
            let squares = p.map { $0 * $0 }, sum = squares.reduce(0, +)
            exact.append(p)
            sharpened.append(squares.map { $0 / sum })
            var u = random.uniform()
            truth.append(
                p.firstIndex {
                    u -= $0; return u <= 0
                } ?? 4)
        }
        let right = ProbabilityScores(exact, truth: truth, seed: 1),
            wrong = ProbabilityScores(sharpened, truth: truth, seed: 1)
        #expect(right.calibrationError < 2 * right.calibrationErrorIfPerfect)
        #expect(wrong.calibrationError > 4 * wrong.calibrationErrorIfPerfect)
        #expect(right.logScore < wrong.logScore && right.brier < wrong.brier)
        #expect(right.top1 == wrong.top1 && right.top5 == 1)
        #expect(right.reliability.reduce(0) { $0 + $1.count } == 20_000)
        // Lists of the likeliest three, in their own order: as good where they can be, and no worse than the rest's
        // mass allows elsewhere.
        let kept = exact.map { p in p.indices.sorted { p[$0] > p[$1] }.prefix(3).map { $0 } }
        let lists = zip(exact, kept).map { p, kept in kept.map { p[$0] } },
            rest = lists.map { max(0, 1 - $0.reduce(0, +)) }
        let short = ProbabilityScores(
            lists: lists, rest: rest, truth: zip(kept, truth).map { $0.firstIndex(of: $1) }, seed: 1)
        #expect(short.top1 == right.top1 && short.top5 < 1 && short.logScore < right.logScore && short.logScore > 0)
        #expect(
            short.calibrationError < 2 * short.calibrationErrorIfPerfect
                && short.reliability.reduce(0) { $0 + $1.count } == 12_000)
    }

    @Test func spreadOfKnownNumbers() {
        let s = Spread([4, 1, 3, 2, 5])
        #expect(s.mean == 3 && s.q50 == 3 && s.q25 == 2 && s.q75 == 4 && abs(s.q05 - 1.2) < 1e-12 && s.count == 5)
        #expect(abs(s.standardError - 0.5.squareRoot()) < 1e-12)
        #expect(Spread([]).mean == 0)
    }

    @Test func exchangeableDrawsFollowTheProbabilitiesAndDoNotRepeat() {
        // Three structures with unequal numbers of draws: how many there are must not matter.
        let structures =
            Array(repeating: 0, count: 40) + Array(repeating: 1, count: 12) + Array(repeating: 2, count: 40)
        let posterior = VoxelPosterior(
            of: Array(BallSticks().structureSpace.structures.prefix(3)),
            logProbability: [0.2, 0.1, 0.7].map { log($0) }, structures: structures, parameters: [])
        var random = RandomSource(seed: 4), counts = [0, 0, 0]
        for _ in 0..<2000 {
            let drawn = ExchangeableDraws(
                posterior, weights: structures.map { [0.2 / 40, 0.1 / 12, 0.7 / 40][$0] }, count: 20, using: &random)
            #expect(drawn.indices.count == 20)
            #expect(Set(drawn.indices).count == 20 - drawn.repeated || drawn.repeated > 0)
            for d in drawn.indices { counts[structures[d]] += 1 }
        }
        for (n, p) in zip(counts, [0.2, 0.1, 0.7]) { #expect(abs(Double(n) / 40_000 - p) < 0.01) }
        #expect(ExchangeableDraws.of(structure: 1, posterior, count: 13, using: &random) == nil)
        #expect(Set(ExchangeableDraws.of(structure: 1, posterior, count: 12, using: &random) ?? []) == Set(40..<52))
    }

    /// One likely structure and many that can expect less than a draw each: whatever few of these have one, they stand
    /// for all of them.
    @Test func unlikelyStructuresAreDrawnAsOftenAsTheyShould() {
        let family = StudyFamily(BallSticks()), list = BallSticks().structureSpace.structures
        // All of one number of fibres and of parameters, so that only their number makes them unlikely.
        let alike = list.filter { family.fibreCount($0) == 2 }
        let k = Dictionary(grouping: alike, by: family.parameterCount).values.max { $0.count < $1.count }!
        let likely = list.first { family.fibreCount($0) == 1 }!, listed = [likely] + k
        let p = [0.9] + k.map { _ in 0.1 / Double(k.count) }, total = 12
        var random = RandomSource(seed: 9), unlikely = 0, trials = 4000
        for _ in 0..<trials {
            let counts = DrawAllocation.counts(
                p.map { log($0) }, parameterCounts: listed.map(family.parameterCount),
                fibreCounts: listed.map { family.fibreCount($0) }, lambda: 0, total: total, offset: random.uniform())
            let structures = counts.enumerated().flatMap { Array(repeating: $0.offset, count: $0.element) }
            let posterior = VoxelPosterior(
                of: listed, logProbability: p.map { log($0) }, structures: structures,
                parameters: [Double](repeating: 0, count: total * family.count))
            let drawn = ExchangeableDraws(
                posterior, weights: family.weights(posterior, lambda: 0).weights, count: 5, using: &random)
            unlikely += drawn.indices.count { structures[$0] > 0 }
        }
        trials *= 5
        #expect(k.count >= 2 && abs(Double(unlikely) / Double(trials) - 0.1) < 0.01, "\(unlikely) of \(trials)")
    }

    /// Truth and draws alike from the prior: every quantity's rank must be uniform, directions and ties included.
    @Test func ranksOfEveryQuantityAreUniformUnderExchangeability() {
        let family = BallSticks(), acquisition = TestScan.acquisition, space = family.structureSpace
        let quantities = CalibrationQuantities(StudyFamily(family))
        var joint = [[Int]](repeating: [], count: quantities.joint.count)
        var conditional = [[Int]](repeating: [], count: quantities.conditional.count)
        for v in 0..<1500 {
            var random = RandomSource(seed: 6, stream: UInt64(v))
            func item(_ z: Int) -> CalibrationQuantities.Item {
                var theta = [Double](repeating: 0, count: BallSticks.Slot.count)
                family.drawParameters(space.structures[z], acquisition, using: &random, into: &theta)
                return (theta, space.structures[z])
            }
            var other = item(15).theta, y = [Float](repeating: 0, count: acquisition.count)
            family.simulate(&other, space.structures[15], acquisition, using: &random, into: &y)
            let mixed = (0..<16).map { _ in item(space.draw(lambda: 0, using: &random)) }
            for (q, rank) in quantities.jointRanks(mixed, y, acquisition, using: &random).enumerated() {
                rank.map { joint[q].append($0) }
            }
            let same = (0..<16).map { _ in item(v % 16) }
            for (q, rank) in quantities.conditionalRanks(same, y, acquisition, using: &random).enumerated() {
                rank.map { conditional[q].append($0) }
            }
        }
        for (labels, ranks) in [(quantities.joint, joint), (quantities.conditional, conditional)] {
            for (label, list) in zip(labels, ranks) {
                let test = RankTest(name: label.name, label: label.text, draws: 15, ranks: list)
                #expect(list.count >= 350 && test.pValue > 2e-4, "\(label.name): \(test.binned)")
            }
        }
    }
}
