import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// The lanes of the moves: the log-likelihoods they keep against the plain one, and who is whose partner.
@Suite struct MoveLanesTests {
    static let family = BallSticks()

    static func acquisition(_ m: Int, using random: inout RandomSource) -> Acquisition? {
        var directions: [SIMD3<Double>] = [], b: [Double] = []
        for i in 0..<m {
            let z = random.uniform(-1, 1), phi = random.uniform(0, 2 * Double.pi), r = (1 - z * z).squareRoot()
            b.append(i % 8 == 0 ? 0 : [700, 1000, 2000, 3000][i % 4] + (i % 3 == 0 ? random.uniform(-20, 20) : 0))
            directions.append(i % 8 == 0 ? .zero : SIMD3(r * cos(phi), r * sin(phi), z))
        }
        return try? Acquisition(bValues: b, directions: directions)
    }

    /// All structures together and alone, at the start and after moves, which leave attenuations of several proposals
    /// behind.
    @Test(arguments: [2, 7, 16, 17, 100, 300])
    func keptLogLikelihoodsEqualThePlainOnes(_ m: Int) throws {
        typealias Slot = BallSticks.Slot
        var random = RandomSource(seed: 31, stream: UInt64(m))
        let acquisition = try #require(Self.acquisition(m, using: &random)), all = Self.family.structureSpace.structures
        let moves = EnsembleMoves(acquisition: acquisition)
        for counts in [
            [Int](repeating: 1, count: 16), (0..<16).map { [5, 0, 2, 9][$0 % 4] }, (0..<16).map { 1 + $0 },
            (0..<16).map { $0 == m % 16 ? 1 : 0 },
        ] {
            let structures = all.indices.flatMap { Array(repeating: all[$0], count: counts[$0]) }
            var theta: [Double] = [], truth = [Double](repeating: 0, count: 16), y = [Float](repeating: 0, count: m)
            Self.family.drawParameters(all[7], acquisition, using: &random, into: &truth)
            truth[Slot.snr] = m == 300 ? 150 : 25
            Self.family.simulate(&truth, all[7], acquisition, using: &random, into: &y)
            for z in structures {
                var one = [Double](repeating: 0, count: 16)
                Self.family.drawParameters(z, acquisition, using: &random, into: &one)
                one[Slot.s0] = truth[Slot.s0] * exp(0.05 * random.normal())
                theta += one
            }
            for sweeps in [1, 7] {
                moves.run(y, &theta, structures: structures, sweeps: sweeps, using: &random)
                let kept = moves.logLikelihoods
                for (i, z) in structures.enumerated() {
                    let one = Array(theta[16 * i..<16 * i + 16]), sigma = one[Slot.s0] / one[Slot.snr]
                    let exact = Self.family.logLikelihood(y, one, z, acquisition)
                    #expect(Self.family.logPrior(one, z) > -.infinity)
                    // Twice: coordinates are rounded to single precision, too.
                    let bound = 4e-6 * y.reduce(0) { $0 + 1 + pow(Double($1) / sigma, 2) }
                    if exact == -.infinity {
                        #expect(kept[i] == -.infinity)
                    } else {
                        #expect(abs(kept[i] - exact) <= bound, "\(kept[i]) \(exact), draw \(i)")
                    }
                }
            }
        }
    }

    /// Each draw stands in one lane; partners are others of its number of sticks that do not move at the same time.
    @Test func partnersNeverMoveTogether() {
        var random = RandomSource(seed: 3)
        for trial in 0..<60 {
            let structures = (0..<1 + trial * 2).map { _ in
                Self.family.structureSpace.structures[random.index(below: trial % 2 == 0 ? 16 : 5)]
            }
            let lanes = MoveLanes(structures)
            var seen = Set<Int>()
            for n in 0...3 {
                for block in lanes.groups[n] {
                    for lane in block.start..<block.start + block.draws {
                        #expect(
                            seen.insert(lanes.draw[lane]).inserted
                                && BallSticks.stickCount(structures[lanes.draw[lane]]) == n)
                        let half = block.halves ? (lane - block.start) & 1 : 0,
                            list = block.choices[2 * half + (lanes.hasSpread(lane) ? 1 : 0)]
                        #expect(list.isEmpty || list.count >= MoveLanes.fewest)
                        for partner in lanes.partners[list].map({ Int($0) + lanes.groups[n][0].start }) {
                            let home = lanes.groups[n].first { $0.start <= partner && partner < $0.start + $0.draws }
                            #expect(home != nil)
                            if home?.start == block.start {
                                #expect(block.halves && (partner - block.start) & 1 != half)
                            }
                        }
                    }
                }
            }
            #expect(seen.count == structures.count)
        }
    }
}
