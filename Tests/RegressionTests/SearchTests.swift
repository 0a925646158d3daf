import Foundation
import ModelSpace
import Testing

@testable import Regression

@Suite struct FormulaSearchTests {
    /// A cosine and a step whose places a climb from elsewhere does not find.
    private static let family = RegressionFamily(
        terms: ["linear", "cosine", "step"].map { name in TermLibrary.all.first { $0.name == name }! },
        noises: [.white, .growing])
    private static let truth = Structure(1, 2), more = Structure(0, 1, 2)
    private static let good = [-0.5, 0.7, 0.3], poor = [0.3, -1.2, -1.5]

    private static func search() -> FormulaSearch {
        var random = RandomSource(seed: 5)
        let x = (0..<200).map { _ in random.uniform(0, 10) }.sorted(), p = family.terms
        let y = x.map {
            p[1].value($0, [p[1].inner[0].value(good[1])]) + 0.8 * p[2].value($0, [p[2].inner[0].value(good[2])])
                + 0.1 * random.normal()
        }
        let search = FormulaSearch(family, Series(x: x, y: y), lambda: 1)
        search.visit(truth, from: poor)
        return search
    }

    /// What a structure was first met by does not stay its best mode where a neighbour or the sampler finds a better.
    @Test func structuresTakeBetterModesThatAreOffered() {
        let search = Self.search(), first = search.found[Self.truth]!.logEvidence
        search.expanded.insert(Self.truth)
        search.offer(Self.truth, Self.good)
        let second = search.found[Self.truth]!.logEvidence
        #expect(second > first + 50)
        #expect(!search.expanded.contains(Self.truth), "its neighbours are worth another look")
        // Neither the same place again nor a far worse one is climbed from.
        let modes = search.found[Self.truth]!.modes.count
        search.offer(Self.truth, Self.good)
        search.offer(Self.truth, [1.5, -2, -2])
        #expect(search.found[Self.truth]!.modes.count == modes)
    }

    @Test(arguments: ["a term less", "another noise", "a term more"])
    func expandingOffersModes(_ direction: String) {
        let search = Self.search(), first = search.found[Self.truth]!.logEvidence, family = Self.family
        var from = Self.truth
        switch direction {
        case "a term less": from = Self.more
        case "another noise": from = family.with(Self.truth, noise: 1)
        default: from[2] = false
        }
        let inner = family.active(from).flatMap { family.terms[$0].inner.isEmpty ? [] : [Self.good[$0]] }
        search.visit(from, from: [Self.good[0]] + inner)
        search.expand(search.found[from]!)
        #expect(search.found[Self.truth]!.logEvidence > first + 50, "\(direction)")
    }

    /// Of many modes the best are kept.
    @Test func theBestModesAreKept() {
        let search = Self.search()
        for w in stride(from: -2.0, through: 2, by: 0.4) {
            for c in stride(from: -1.5, through: 1.5, by: 0.5) { search.visit(Self.truth, from: [0.5, w, c]) }
        }
        search.visit(Self.truth, from: Self.good)
        let modes = search.found[Self.truth]!.modes
        #expect(modes.count == 5)
        #expect(modes.map(\.logMass).max()! > modes.map(\.logMass).min()! + 20)
    }
}

@Suite struct HeavyTailTests {
    /// Newton's steps against plain reweighting to its end, and the curvature of the definition by differences.
    @Test func modeAndCurvatureAreTheDefinitions() {
        let family = RegressionFamily(terms: plainTerms, noises: [.white, .heavy])
        for seed in 0..<6 {
            let (series, _) = simulated(family, count: 40, lambda: 0, seed: UInt64(40 + seed))
            let z = family.with(Structure(0, 2, 5, 7), noise: 1), density = CollapsedDensity(family, series)
            density.load(z, inner: [[], [], [], []])
            let k = 4, sigma = NoiseModel.level.value(-0.3)
            let log = density.heavy.logDensity(density, sigma), mode = density.heavy.mode
            func top(_ a: [Double]) -> Double {
                var theta = [Double](repeating: 0, count: family.parameterNames.count)
                for (c, t) in family.active(z).enumerated() { theta[family.places[t]] = a[c] }
                theta[family.places[family.terms.count]] = sigma
                return family.logLikelihood(series, theta, z) - a.reduce(0) { $0 + 0.5 * $1 * $1 }
                    - 0.5 * Double(k) * Foundation.log(2 * .pi)
            }
            func at(_ steps: [(Int, Double)]) -> Double {
                var a = mode
                for (i, h) in steps { a[i] += h }
                return top(a)
            }
            let h = 1e-4
            var curvature = [Double](repeating: 0, count: k * k)
            for i in 0..<k {
                let slope = (at([(i, h)]) - at([(i, -h)])) / (2 * h)
                for j in 0..<k {
                    let pp = at([(i, h), (j, h)]), pm = at([(i, h), (j, -h)]), mp = at([(i, -h), (j, h)]),
                        mm = at([(i, -h), (j, -h)])
                    curvature[i * k + j] = -(pp - pm - mp + mm) / (4 * h * h)
                }
                #expect(abs(slope) < 1e-4 * max(1, curvature[i * k + i].squareRoot()), "stationary: \(slope)")
            }
            let factor = SquareFactor(most: k)
            #expect(factor.factorise(curvature, stride: k, size: k, ridge: 0))
            let laplace = top(mode) + 0.5 * Double(k) * Foundation.log(2 * .pi) - 0.5 * factor.logDeterminant
            #expect(abs(log - laplace) < 1e-4, "\(log) against \(laplace)")
        }
    }
}
