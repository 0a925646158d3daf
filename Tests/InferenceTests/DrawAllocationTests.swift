import Foundation
import Inference
import ModelSpace
import Testing

/// Which draws are kept of a voxel, and that they stand for its posterior at any λ.
struct DrawAllocationTests {
    private let space = StructureSpace(
        componentCount: 2, structures: [Structure(), Structure(0), Structure(1), Structure(0, 1)],
        parameterCounts: [0, 3, 3, 6])

    private func counts(_ probability: [Double], lambda: Double = 0, total: Int, offset: Double = 0.5) -> [Int] {
        DrawAllocation.counts(
            probability.map { log($0) }, parameterCounts: space.parameterCounts, fibreCounts: [0, 1, 1, 2],
            lambda: lambda, total: total, offset: offset)
    }

    @Test func totals() {
        #expect([0, 1, 50, 100, 101, 1000].map { DrawAllocation.total(samples: $0) } == [0, 2, 64, 128, 130, 1280])
        for s in 0..<500 { #expect(Double(DrawAllocation.total(samples: s)) >= 1.28 * Double(s) - 1e-9) }
    }

    /// The same k for all: probabilities do not depend on λ, and shares are the probabilities.
    @Test func sharesAreProbabilitiesWhereLambdaSaysNothing() {
        func counts(_ p: [Double], _ total: Int, _ offset: Double) -> [Int] {
            DrawAllocation.counts(
                p.map { log($0) }, parameterCounts: [2, 2, 2, 2], fibreCounts: [0, 1, 1, 2], lambda: 0.5, total: total,
                offset: offset)
        }
        for u in [0, 0.3, 0.999] { #expect(counts([0.5, 0.25, 0.125, 0.125], 64, u) == [32, 16, 8, 8]) }
        #expect(counts([0.25, 0.25, 0.25, 0.25], 6, 0.2) == [1, 2, 1, 2])
        #expect(counts([0.25, 0.25, 0.25, 0.25], 6, 0.7) == [2, 1, 2, 1])
        #expect(counts([0.97, 0.02, 0.005, 0.005], 10, 0.35) == [10, 0, 0, 0])
        #expect(counts([0.97, 0.02, 0.005, 0.005], 10, 0.2) == [9, 1, 0, 0])
    }

    @Test func noRoomNoDraws() {
        for total in 0...5 {
            for offset in [0, 0.5, 0.999_999_999_999_999_9] {
                let found = counts([0.4, 0.3, 0.2, 0.1], total: total, offset: offset)
                #expect(found.reduce(0, +) == total && found.allSatisfy { $0 >= 0 })
            }
        }
        #expect(counts([0, 0, 0, 0], total: 8) == [2, 2, 2, 2])
    }

    @Test func theImpossibleGetsNone() {
        for offset in [0, 0.5, 0.999] {
            #expect(counts([1, 0, 0, 0], total: 64, offset: offset) == [64, 0, 0, 0])
            #expect(counts([0, 0, 0, 1], total: 64, offset: offset) == [0, 0, 0, 64])
            let two = counts([0, 0.5, 0, 0.5], lambda: 0.5, total: 64, offset: offset)
            #expect(two[0] == 0 && two[2] == 0 && two[1] + two[3] == 64 && two[1] >= 8 && two[3] >= 8)
        }
    }

    /// Most draws at the λ asked for; a share for those that lead at another.
    @Test func roomForOtherLambdas() {
        let p = [1e-3, 1e-2, 1e-2, 0.979], atZero = counts(p, lambda: 0, total: 128),
            atThree = counts(p, lambda: 3, total: 128)
        #expect(atZero.max() == atZero[3] && atThree.max() == atThree[0])
        // At λ = 3, p ∝ (1e-3, 1e-2 e⁻⁹, …): the ball has all; it keeps at least ½ / (1 + ½ · 4) of the draws at λ = 0,
        // less rounding.
        #expect(atZero[0] >= 128 / 6 - 1 && atThree[3] >= 128 / 6 - 1)
        for (z, l) in space.reweight(p.map { log($0) }, from: 0, to: 1.5).enumerated() where exp(l) > 0.01 {
            #expect(atZero[z] >= 1 && atThree[z] >= 1)
        }
    }

    /// A posterior of hundreds of structures, of which half the mass lies on those below 1 %.
    private struct Rich {
        let parameterCounts, fibreCounts: [Int]
        var log0: [Double] = []

        init(seed: UInt64, lambda: Double) {
            var random = RandomSource(seed: seed)
            fibreCounts = (0..<300).map { $0 % 4 }
            parameterCounts = fibreCounts.map { 3 * $0 + Int(random.uniform() * 6) }
            log0 = parameterCounts.map { lambda * Double($0) + 3 * random.normal() }
        }

        func probability(_ lambda: Double) -> [Double] {
            StructureSpace.normalise(zip(log0, parameterCounts).map { $0 - lambda * Double($1) }).map { exp($0) }
        }

        func counts(_ offset: Double, total: Int) -> [Int] {
            DrawAllocation.counts(
                log0, parameterCounts: parameterCounts, fibreCounts: fibreCounts, lambda: 0.5, total: total,
                offset: offset)
        }

        /// Of each number of fibres the share that draws have at λ, and what they say of a number that grows with a
        /// structure's place.
        func draws(_ counts: [Int], _ lambda: Double, isOld: Bool) -> (byFibres: [Double], mean: Double) {
            var posterior = VoxelPosterior(of: log0.indices.map { Structure($0 % 128) }, logProbability: log0)
            posterior.structures = counts.enumerated().flatMap { Array(repeating: $0, count: $1) }
            var weights = [Float](repeating: 0, count: posterior.structures.count), probability: [Double] = []
            DrawWeights(
                parameterCounts: parameterCounts, fibreCounts: fibreCounts, drawLambda: isOld ? nil : 0.5,
                target: lambda
            ).update(ListedPosterior(posterior), probability: &probability, weights: &weights)
            var by = [0.0, 0, 0, 0], mean = 0.0
            for (z, w) in zip(posterior.structures, weights) {
                by[fibreCounts[z]] += Double(w)
                mean += Double(w) * sin(Double(z))
            }
            return (by, mean)
        }
    }

    /// n_z is one of the two whole numbers beside its expectation, which it has on average.
    @Test(arguments: [1, 2, 3]) func countsAreTheirExpectationOnAverage(seed: UInt64) {
        let rich = Rich(seed: seed, lambda: 0.5), total = 64, n = 2000
        var sums = [Double](repeating: 0, count: 300), most = [Int](repeating: 0, count: 300),
            least = most.map { _ in 99 }
        for i in 0..<n {
            let found = rich.counts((Double(i) + 0.5) / Double(n), total: total)
            #expect(found.reduce(0, +) == total)
            for z in 0..<300 {
                sums[z] += Double(found[z]) / Double(n)
                most[z] = max(most[z], found[z])
                least[z] = min(least[z], found[z])
            }
        }
        // The definition, by itself.
        let grid = stride(from: 0.0, through: 3, by: 0.25).map(rich.probability)
        let share = zip(rich.probability(0.5), 0..<300).map { p, z in p + 0.5 * grid.map { $0[z] }.max()! }
        let whole = share.reduce(0, +)
        for z in 0..<300 {
            let expected = Double(total) * share[z] / whole
            #expect(abs(sums[z] - expected) < 2 / Double(n), "structure \(z): \(sums[z]), \(expected)")
            #expect(most[z] - least[z] <= 1)
        }
        #expect(most.filter { $0 == 1 }.count > 100)
    }

    /// Draws have each number of fibres at its probability wherever one draw can be expected of it, at the fit's λ and
    /// beside it; and so has, over many voxels, whatever else is asked of them. Leaving the unlikely out, as earlier
    /// versions did, has neither.
    @Test(arguments: [0.0, 0.5, 1, 2]) func drawsStandForTheWholePosterior(lambda: Double) {
        let total = 64, n = 400
        var worst = 0.0, bias = 0.0, spread = 0.0
        for seed in 1...10 as ClosedRange<UInt64> {
            let rich = Rich(seed: seed, lambda: 0.5), truth = rich.probability(lambda)
            var byFibres = [0.0, 0, 0, 0]
            for (p, f) in zip(truth, rich.fibreCounts) { byFibres[f] += p }
            let mean = zip(truth, truth.indices).reduce(0) { $0 + $1.0 * sin(Double($1.1)) }
            var sum = 0.0
            for i in 0..<n {
                let offset = (Double(i) + 0.5) / Double(n)
                let found = rich.draws(rich.counts(offset, total: total), lambda, isOld: false)
                for f in 0..<4 { worst = max(worst, abs(found.byFibres[f] - byFibres[f])) }
                sum += found.mean / Double(n)
                spread = max(spread, abs(found.mean - mean))
            }
            bias = max(bias, abs(sum - mean))
        }
        #expect(worst < 0.02, "\(worst)")
        #expect(bias < 0.02, "\(bias)")
        #expect(spread < 0.25, "\(spread)")
    }

    /// Draws of archives of earlier versions, whose numbers were not those expected, count p(z|λ)/n_z.
    @Test func earlierDrawsCountAsTheyDid() {
        let rich = Rich(seed: 4, lambda: 0.5), p = rich.probability(0.5)
        let likely = p.indices.sorted { p[$0] > p[$1] }.prefix(20)
        var counts = [Int](repeating: 0, count: 300)
        for (i, z) in likely.enumerated() { counts[z] = 1 + i % 3 }
        let covered = likely.reduce(0) { $0 + p[$1] }
        var byFibres = [0.0, 0, 0, 0]
        for z in likely { byFibres[rich.fibreCounts[z]] += p[z] / covered }
        let found = rich.draws(counts, 0.5, isOld: true).byFibres
        for f in 0..<4 { #expect(abs(found[f] - byFibres[f]) < 1e-6) }
    }

    /// None of an ensemble is twice a draw, and none is one more often than others.
    @Test(arguments: [(1, 32), (3, 32), (5, 16), (31, 32), (32, 32)]) func anyOfAnEnsemble(_ count: Int, _ whole: Int) {
        var times = [Int](repeating: 0, count: whole)
        let trials = 4 * whole
        for t in 0..<trials {
            let chosen = DrawAllocation.evenly(count, of: whole, offset: (Double(t) + 0.5) / Double(trials))
            #expect(Set(chosen).count == count && chosen.allSatisfy { (0..<whole).contains($0) })
            for i in chosen { times[i] += 1 }
        }
        #expect(times.allSatisfy { abs(Double($0) - 4 * Double(count)) <= 2 }, "\(times)")
    }
}
