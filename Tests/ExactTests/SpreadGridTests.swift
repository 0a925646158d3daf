import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Components at given values of log(s/d).
@Suite struct SpreadGridTests {
    typealias Slot = BallSticks.Slot
    typealias Sampler = EvidenceSamplerTests
    static let family = BallSticks(), spread = ShapeProposalTests.pairs.filter { BallSticks.hasSpread($0) }

    /// Λ⁻¹_jj by solving for a column.
    @Test(arguments: ShapeProposalTests.pairs)
    func deviationsAreThoseOfTheInverse(_ z: Structure) {
        var random = RandomSource(seed: 41, stream: UInt64(z.bits))
        for _ in 0..<5 {
            let c = ShapeProposalTests.subject(z, using: &random).mode, d = c.geometry.dimension
            for j in 0..<d {
                var column = [Double](repeating: 0, count: d)
                column[j] = 1
                Cholesky.solve(c.factor, d, &column)
                #expect(abs(c.deviation(of: j) / column[j].squareRoot() - 1) < 1e-9)
            }
        }
    }

    /// A point keeps its log(s/d), has the width asked for there, and is the mode given it: no other coordinate's step
    /// gains.
    @Test(arguments: SpreadGridTests.spread)
    func pointsAreModesGivenTheRatio(_ z: Structure) throws {
        let (theta, y) = Sampler.voxel(z, snr: 15, seed: 9), g = LocalGeometry(z),
            finder = ModeFinder(acquisition: Sampler.acquisition)
        for ratio in [0.15, 0.4, 0.9] {
            var start = theta
            start[Slot.spread] = ratio * start[Slot.diffusivity]
            let c = try #require(finder.climb(y, g, from: start, steps: 40, constant: 0, ratioDeviation: 0.3))
            #expect(abs(c.centre[Slot.spread] / c.centre[Slot.diffusivity] / ratio - 1) < 1e-9)
            #expect(abs(c.deviation(of: g.sticks) / 0.3 - 1) < 1e-9)
            let value = Self.family.logLikelihood(y, c.centre, z, Sampler.acquisition)
            var random = RandomSource(seed: 42, stream: UInt64(z.bits)), t = start,
                tangents = [Double](repeating: 0, count: max(1, 6 * g.sticks))
            g.tangents(c.centre, into: &tangents)
            for _ in 0..<200 {
                let u = (0..<g.dimension).map { $0 == g.sticks ? 0 : 0.02 * random.normal() }
                g.move(c.centre, tangents, by: u, into: &t)
                guard Self.family.logPrior(t, z) > -.infinity else { continue }
                #expect(Self.family.logLikelihood(y, t, z, Sampler.acquisition) < value + 0.1)
            }
        }
    }

    /// The less a ball's signal says of the spread, the more points: all in the mode's place, those below it, none.
    @Test func gridsWhereTheDataSayLittle() throws {
        let z = Self.family.structureSpace.structures[2], sampler = EvidenceSampler(acquisition: Sampler.acquisition)
        let range = BallSticks.logSpreadRatio, grid = SpreadGrid(),
            spacing = (range.high - range.low) / Double(grid.points)
        func ratio(_ c: LocalMode) -> Double { log(c.centre[Slot.spread] / c.centre[Slot.diffusivity]) }
        func isRung(_ c: LocalMode) -> Bool {
            let place = (ratio(c) - range.low) / spacing - 0.5
            return abs(place - place.rounded()) < 1e-6
        }
        var whole = 0, shelves = 0, bare = 0
        for snr in [4, 6, 9, 12, 18, 30, 60, 140] as [Double] {
            let (theta, y) = Sampler.voxel(z, snr: snr, seed: 43)
            var options = EvidenceSampler.Options()
            let found = try #require(sampler.modes(y, starts: [(z, theta)], options: options)).list
            options.grid.points = 0
            let alone = try #require(sampler.modes(y, starts: [(z, theta)], options: options)).list
            #expect(alone.count == 1 && !isRung(alone[0]))
            let deviation = alone[0].deviation(of: 0)
            if deviation > grid.deviation {
                #expect(found.count > 2 && found.allSatisfy(isRung))
                whole += 1
            } else if deviation > grid.shelf {
                #expect(
                    found[0].centre == alone[0].centre
                        && found[1...].allSatisfy { isRung($0) && ratio($0) < ratio(alone[0]) })
                shelves += found.count > 1 ? 1 : 0
            } else {
                #expect(found.count == 1 && found[0].centre == alone[0].centre)
                bare += 1
            }
        }
        #expect(whole > 0 && shelves > 0 && bare > 0, "\(whole) \(shelves) \(bare)")
    }
}
