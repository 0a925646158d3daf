import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Components of the proposal in which a part of the shape is open.
@Suite struct OpenComponentsTests {
    /// What is left of a mode's normal when a part is open has the covariance that it had among all: the block of Λ⁻¹.
    @Test func restKeepsItsMarginal() throws {
        let layout = Decays.layout(Structure(bits: 0b01101)), kernels = Decays().kernels(StartFinderTests.design)
        var random = RandomSource(seed: 5), x = [Double](repeating: 0, count: layout.count)
        (x[SignalLayout.sigma], x[SignalLayout.scale]) = (log(0.05), 0)
        for k in 0..<layout.componentCount { x[SignalLayout.firstWeight + k] = 1 / Double(layout.componentCount) }
        for (j, s) in layout.scalars.enumerated() { x[layout.firstScalar + j] = (s.low + s.high) / 2 }
        for a in layout.axes.indices { x[layout.firstAxis + 3 * a + a] = 1 }
        let y = StartFinderTests.signal(layout, x).map { $0 + 0.05 * Float(random.normal()) }
        let mode = try #require(ModeClimber(kernels).climb(y, layout, .gaussian, from: x, steps: 8))
        let d = mode.dimension, sets = OpenShapes.sets(layout)
        // The whole shape and each of two axes.
        #expect(sets.count == 3 && sets.count == OpenShapes.count(layout))
        #expect(sets[0].count == layout.shapeDimension && sets[1...].allSatisfy { $0.count == 2 })
        func inverse(_ matrix: [Double]) throws -> [[Double]] {
            var l = matrix
            #expect(Cholesky.factorise(&l, d))
            return (0..<d).map { i in
                var e = [Double](repeating: 0, count: d)
                e[i] = 1
                Cholesky.solve(l, d, &e)
                return e
            }
        }
        let before = try inverse(Array(UnsafeBufferPointer(start: mode.precision, count: d * d)))
        for set in sets {
            let after = try inverse(try #require(OpenShapes.precision(mode, open: set)))
            for i in 0..<d {
                for j in 0..<d where !set.contains(i) && !set.contains(j) {
                    #expect(abs(after[i][j] - before[i][j]) < 1e-8 * (before[i][i] * before[j][j]).squareRoot())
                }
                for j in 0..<d where i != j && set.contains(i) { #expect(after[i][j] == 0) }
            }
            for i in set { #expect(after[i][i].squareRoot() >= 1.2 - 1e-12) }
        }
    }

    /// Noise hides a wave nearly: its frequency could be any, and a normal about the one mode that was started from
    /// knows of none elsewhere. The evidence holds all the same (without open components it lacks up to 0.1 nats).
    @Test(arguments: [2, 3] as [UInt64]) func whatNoStartKnewIsFound(bits: UInt64) throws {
        let t = ImportanceSamplerTests.times, layout = Waves.layout(Structure(bits: UInt128(bits))),
            kernels = Waves().kernels(t)
        var options = ImportanceSamplerTests.effort(256, 4)
        options.grid.nodes = 0
        for seed in 1...24 as ClosedRange<UInt64> {
            let weights = [0.3] + (bits & 1 == 1 ? [0.2] : []) + [0.3]
            let truth = ImportanceSamplerTests.point(layout, sigma: 0.4, weights: weights, scalars: [4.5])
            let y = ImportanceSamplerTests.simulate(kernels, layout, truth, .gaussian, seed: seed)
            let found = try #require(
                ImportanceSamplerTests.sample(
                    y, kernels, layout, starts: [(.gaussian, truth.dropLast() + [1.1])], noises: [.gaussian],
                    generations: 4, options: options, seed: seed))
            let evidence = try #require(found.evidence[.gaussian])
            let difference =
                evidence.logEvidence - Waves.logEvidence(y.map(Double.init), t, layout.structure)
            #expect(abs(difference) < 0.04, "seed \(seed): \(difference), \(evidence)")
        }
    }

    /// Of two rods the one that is reopened may be anywhere; the other and all else stay as they are.
    @Test func reopeningKeepsTheRest() {
        let layout = Decays.layout(Structure(bits: 0b01100))
        var x = [Double](repeating: 0, count: layout.count)
        for k in 0..<3 { x[SignalLayout.firstWeight + k] = [0.4, 0.35, 0.25][k] }
        for j in layout.scalars.indices { x[layout.firstScalar + j] = 0.5 + 0.25 * Double(j) }
        for a in layout.axes.indices { x[layout.firstAxis + 3 * a + a] = 1 }
        let (other, member) = (layout.exchangeable[0][0], layout.exchangeable[0][1]),
            transfer = LayoutTransfer(layout, reopening: member)
        #expect(transfer.dimension == 3 && transfer.axes == member.axes && transfer.scalars == member.scalars)
        let carried = transfer.carry(x)
        for j in other.scalars { #expect(carried[layout.firstScalar + j] == x[layout.firstScalar + j]) }
        for a in other.axes {
            for c in 0..<3 { #expect(carried[layout.firstAxis + 3 * a + c] == x[layout.firstAxis + 3 * a + c]) }
        }
        #expect(carried[layout.firstScalar + member.scalars[0]] != x[layout.firstScalar + member.scalars[0]])
    }
}
