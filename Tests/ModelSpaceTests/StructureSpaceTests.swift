import Foundation
import ModelSpace
import Testing

@Suite struct StructureSpaceTests {
    /// Bits: a stick, a second only with the first, a free flag.
    let space = StructureSpace(
        componentCount: 3,
        structures: [Structure(), Structure(2), Structure(0), Structure(0, 2), Structure(0, 1), Structure(0, 1, 2)],
        parameterCounts: [0, 1, 3, 4, 6, 7])

    @Test func priorCostsLambdaNatsAParameter() {
        for lambda in [0, 0.3, 2] {
            let p = space.logPrior(lambda: lambda)
            #expect(abs(p.reduce(0) { $0 + exp($1) } - 1) < 1e-12)
            for i in p.indices { #expect(abs((p[i] - p[0]) + lambda * Double(space.parameterCounts[i])) < 1e-12) }
        }
    }

    @Test func reweightingIsExactAndInvertible() {
        let evidence = [-3.0, -1, 0.5, -2, 1, 0]
        func posterior(_ lambda: Double) -> [Double] {
            StructureSpace.normalise(zip(evidence, space.logPrior(lambda: lambda)).map { $0 + $1 })
        }
        for (from, to) in [(0.0, 1.0), (2, 0.3), (0.5, 0.5)] {
            for (a, b) in zip(space.reweight(posterior(from), from: from, to: to), posterior(to)) {
                #expect(abs(a - b) < 1e-12)
            }
        }
    }

    /// Never more parameters expected at a larger λ, whatever the evidence.
    @Test func expectedParametersFallWithLambda() {
        var random = RandomSource(seed: 2)
        for _ in 0..<100 {
            let p = StructureSpace.normalise((0..<6).map { _ in 4 * random.normal() })
            var before = Double.infinity
            for lambda in stride(from: 0.0, through: 3, by: 0.25) {
                let expected = zip(space.reweight(p, from: 0, to: lambda), space.parameterCounts).reduce(0) {
                    $0 + exp($1.0) * Double($1.1)
                }
                #expect(expected <= before + 1e-12)
                before = expected
            }
        }
    }

    @Test func prefixTreeHoldsEveryPathOnce() {
        let nodes = space.prefixes
        #expect(nodes.count == 1 + 2 + 3)  // root; 0, 1; 00, 10, 11
        for z in space.structures {
            for depth in 0..<3 {
                #expect(nodes.filter { $0.depth == depth && $0.bits.sharesPrefix(z, length: depth) }.count == 1)
            }
        }
        for (i, node) in nodes.enumerated() {
            #expect(
                node.depth == 0 ? node.parent == -1 : (node.parent < i && nodes[node.parent].depth == node.depth - 1))
            for bit in [false, true] {
                var next = node.bits
                next[node.depth] = bit
                let exists = space.structures.contains { $0.sharesPrefix(next, length: node.depth + 1) }
                #expect(exists == (bit ? node.allowsOne : node.allowsZero))
            }
        }
    }

    @Test func drawsFollowThePrior() {
        var random = RandomSource(seed: 7), counts = [Double](repeating: 0, count: 6)
        let n = 40_000
        for _ in 0..<n { counts[space.draw(lambda: 0.4, using: &random)] += 1 }
        let chi = zip(counts, space.logPrior(lambda: 0.4)).reduce(0) {
            $0 + pow($1.0 - Double(n) * exp($1.1), 2) / (Double(n) * exp($1.1))
        }
        #expect(chi < 25)  // χ² with 5 degrees of freedom: p ≈ 1e-4
    }
}

@Suite struct RandomSourceTests {
    @Test func streamsAreReproducibleAndDistinct() {
        var a = RandomSource(seed: 1, stream: 2, substream: 3), b = a,
            c = RandomSource(seed: 1, stream: 3, substream: 2)
        var d = RandomSource(seed: 2, stream: 2, substream: 3)
        let first = (0..<8).map { _ in a.next() }
        #expect(first == (0..<8).map { _ in b.next() })
        #expect(first != (0..<8).map { _ in c.next() } && first != (0..<8).map { _ in d.next() })
    }

    @Test func momentsOfTheDistributions() {
        var random = RandomSource(seed: 5)
        let n = 200_000
        var moments = [Double](repeating: 0, count: 5)
        for _ in 0..<n {
            let x = random.normal(), u = random.uniform()
            moments[0] += x; moments[1] += x * x; moments[2] += x * x * x * x; moments[3] += u;
            moments[4] += random.exponential()
        }
        let expected = [0, 1, 3, 0.5, 1], tolerance = [0.012, 0.016, 0.11, 0.004, 0.012]
        for i in 0..<5 { #expect(abs(moments[i] / Double(n) - expected[i]) < tolerance[i]) }
        #expect((0..<1000).allSatisfy { _ in (0..<7).contains(random.index(below: 7)) })
    }
}
