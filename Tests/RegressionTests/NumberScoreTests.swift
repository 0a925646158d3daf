import Foundation
import ModelSpace
import Testing

@testable import Regression

/// Scores of numbers tell draws of the posterior from others.
@Suite struct NumberScoreTests {
    private static let family = RegressionFamily(terms: TermLibrary.prefix(3), noises: [.white])

    /// Truths are standard normal; draws are normal with this standard deviation.
    private static func scores(sd: Double) -> NumberScores {
        let z = Structure(0, 2), mask = family.coordinateMask(z)
        var random = RandomSource(seed: 4)
        func draw(_ sd: Double) -> [Float] { mask.map { $0 * Float(sd * random.normal()) } }
        let checks = (0..<400).map { _ -> NumberCheck in
            let truth = draw(1), draws = (0..<127).map { _ in draw(sd) }
            var ties = RandomSource(seed: 5)
            return NumberCheck(family, z, truth: truth, draws: draws, using: &ties)
        }
        return NumberScores(checks)!
    }

    @Test func ranksAreUniformForThePosteriorOnly() {
        for (sd, isPosterior) in [(1.0, true), (0.6, false), (1.6, false)] {
            for (kind, ranks) in Self.scores(sd: sd).ranks {
                #expect((ranks.distance < 1.2 * ranks.chance) == isPosterior, "\(kind), \(sd): \(ranks)")
            }
        }
        #expect(Self.scores(sd: 1).ranks["amplitude"]?.count == 800 && Self.scores(sd: 1).ranks["sigma"]?.count == 400)
    }

    /// Of a standard normal truth and the same distribution the score is 1/√π; any other's is larger.
    @Test func rankedProbabilityScoreIsProper() {
        let own = Self.scores(sd: 1).rankedProbabilityScore
        #expect(abs(own - 1 / Double.pi.squareRoot()) < 0.03)
        #expect(Self.scores(sd: 0.6).rankedProbabilityScore > own + 0.01)
        #expect(Self.scores(sd: 1.6).rankedProbabilityScore > own + 0.01)
    }

    /// Of a truth that is not on its list a search says no more than the list leaves, whatever the truth's evidence:
    /// what it missed is not to its credit.
    @Test func scoreIsWhatTheSearchSays() {
        var study = SimulatedSeriesStudy(RegressionFamily(terms: TermLibrary.prefix(15), noises: [.white, .growing]))
        (study.subspace, study.lambda) = (1, 0.2)
        var options = SearchOptions(), missed = 0
        (options.expansions, options.sampled, options.draws, options.sweeps) = (2, 5, 50, 80)
        for i in 0..<12 {
            let simulated = study.simulate(i)
            options.seed = simulated.seed
            let (answer, _, listed, _) = simulated.search(options, starts: [])
            let said = exp(answer.logTruth), all = listed.values.reduce(0, +)
            if let own = listed[simulated.truth] {
                #expect(abs(said - own) < 1e-12)
            } else {
                missed += 1
                #expect(said <= max(1 - all, 0.5 / 40) + 1e-9, "\(said) of what \(all) leaves")
            }
        }
        #expect(missed > 2)
    }

    /// The search's draws are of the posterior, its density of the truth beats the prior's, and it predicts better told
    /// the formula than not.
    @Test func searchKnowsItsNumbers() throws {
        var study = SimulatedSeriesStudy(RegressionFamily(terms: TermLibrary.prefix(5), noises: [.white, .growing]))
        (study.seriesCount, study.subspace, study.threads, study.lambda) = (60, 1, 2, 0.5)
        study.options.sweeps = 0
        let report = try study.run(), search = try #require(report.search),
            numbers = try #require(search.numbers)
        for (kind, ranks) in numbers.ranks {
            #expect(ranks.distance < 1.3 * ranks.chance, "\(kind): \(ranks)")
        }
        #expect(try #require(numbers.logDensity) > 0 && numbers.rankedProbabilityScore < 0.4)
        let (known, found) = (try #require(report.beyondWithFormula), try #require(search.beyond))
        #expect(known.median <= found.median && found.median < 0.5, "\(known) \(found)")
    }
}
