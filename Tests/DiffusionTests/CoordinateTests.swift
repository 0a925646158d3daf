import Foundation
import ModelSpace
import Testing

@testable import Diffusion

@Suite struct CoordinateTests {
    @Test("decode ∘ encode is the identity to the stated accuracy", arguments: 0..<16)
    func roundTrip(_ index: Int) {
        var random = RandomSource(seed: 21, stream: UInt64(index))
        let z = structures[index], n = BallSticks.stickCount(z), mixture = ProtocolMixture()
        var back = [Double](repeating: .nan, count: 16)
        for _ in 0..<200 {
            let design = mixture.draw(using: &random), voxel = Voxel(z, design, using: &random)
            family.decode(voxel.coordinates, z, design, voxel.frame, into: &back)
            for k in 0..<3 where k != 1 || z[3] { #expect(abs(back[k] / voxel.theta[k] - 1) < 1e-5) }
            if abs(voxel.coordinates[3]) < 9.9 { #expect(abs(back[3] / voxel.theta[3] - 1) < 1e-5) }
            if z[3] { #expect(back[1] > 0) } else { #expect(back[1] == 0) }
            var gap = 1.0
            for k in 1..<max(n, 2) where n > 1 { gap = min(gap, voxel.theta[3 + k] - voxel.theta[4 + k]) }
            for k in 0..<3 {
                #expect(abs(back[4 + k] - voxel.theta[4 + k]) < 2e-5)
                // Sticks of all but equal fractions may change places.
                guard k < n, gap > 1e-4 else { continue }
                let sine = SymmetricMatrix3.cross(axis(back, k), axis(voxel.theta, k))
                #expect((sine * sine).sum().squareRoot() < 1e-6)
            }
            #expect(family.logPrior(back, z).isFinite)
        }
    }

    @Test("Coordinates have mean 0 and variance 1 under the prior, switched off exactly where the mask is 0")
    func standardised() {
        var random = RandomSource(seed: 22)
        let mixture = ProtocolMixture()
        var shared = [Moments](repeating: Moments(), count: 4),
            fractions: [[Moments]] = Array(repeating: Array(repeating: Moments(), count: 3), count: 4)
        for k in 0..<16_000 {
            let z = structures[k % 16], n = BallSticks.stickCount(z), design = mixture.draw(using: &random)
            let voxel = Voxel(z, design, using: &random), mask = family.coordinateMask(z)
            #expect(
                (0..<44).allSatisfy {
                    mask[$0] == 1 ? abs(voxel.coordinates[$0]) <= 15 : mask[$0] == 0 && voxel.coordinates[$0] == 0
                })
            for c in 0..<4 where mask[c] == 1 { shared[c].add(Double(voxel.coordinates[c])) }
            for t in 0..<n { fractions[n][t].add(Double(voxel.coordinates[(t + 1) * 11 + 10])) }
        }
        for m in shared { #expect(abs(m.mean) < 0.06 && abs(m.sd - 1) < 0.05) }
        for n in 1...3 {
            for t in 0..<n { #expect(abs(fractions[n][t].mean) < 0.06 && abs(fractions[n][t].sd - 1) < 0.05) }
        }
    }

    @Test("The stick-breaking constants are those of the prior")
    func logitConstants() {
        var random = RandomSource(seed: 23)
        let design = twoShells()
        var theta = [Double](repeating: 0, count: 16)
        for n in 1...3 {
            var moments = [Moments](repeating: Moments(), count: n)
            for _ in 0..<100_000 {
                family.drawParameters(Structure(bits: (1 << UInt64(n)) - 1), design, using: &random, into: &theta)
                var rest = 1.0
                for k in 0..<n {
                    let w = (theta[4 + k] - 0.05) / (1 - 0.05 * Double(n)), v = w / rest
                    rest -= w
                    moments[k].add(log(v / (1 - v)))
                }
            }
            for k in 0..<n {
                #expect(abs(moments[k].mean - BallSticks.logitMoments[n][k].mean) < 0.03)
                #expect(abs(moments[k].sd - BallSticks.logitMoments[n][k].sd) < 0.02)
            }
        }
    }

    @Test("Whatever the coordinates hold, decoding lands in the prior's support", arguments: 0..<16)
    func hostileCoordinates(_ index: Int) {
        var random = RandomSource(seed: 24, stream: UInt64(index))
        let z = structures[index], design = twoShells(b0: 50)
        let frame = Voxel(z, design, using: &random).frame
        var theta = [Double](repeating: .nan, count: 16)
        let specials: [Float] = [0, .nan, .infinity, -.infinity, 1e30, -1e30, 1e-30]
        for trial in 0..<200 {
            let c = (0..<44).map { _ in trial % 2 == 0 ? Float(6 * random.normal()) : specials[random.index(below: 7)] }
            family.decode(c, z, design, frame, into: &theta)
            #expect(theta.allSatisfy { $0.isFinite })
            #expect(family.logPrior(theta, z).isFinite)
            for k in 0..<BallSticks.stickCount(z) { #expect(abs((axis(theta, k) * axis(theta, k)).sum() - 1) < 1e-9) }
        }
    }

    @Test("s0 is undone with the b≈0 volumes' own predicted attenuation")
    func unweightedAttenuation() {
        let design = twoShells(n0: 3, b0: 65), z = Structure(0)
        var theta = [Double](repeating: 0, count: 16)
        theta[0] = 3e-3; theta[2] = 50; theta[3] = 1.3; theta[4] = 0.6; theta[9] = 1
        var expected = 0.0
        for i in 0..<3 {
            let c = design.directions[i].z; expected += (0.4 * exp(-0.195) + 0.6 * exp(-0.195 * c * c)) / 3
        }
        #expect(abs(family.unweightedAttenuation(theta, z, design) - expected) < 1e-7)
        let frame = CanonicalFrame(
            axis1: SIMD3(1, 0, 0), axis2: SIMD3(0, 1, 0), axis3: SIMD3(0, 0, 1), unweightedCount: 3)
        var coordinates = [Float](repeating: 0, count: 44)
        theta[3] = 1.01 / expected
        family.encode(theta, z, design, frame, into: &coordinates)
        #expect(abs(Double(coordinates[3]) - log(1.01) * 50 * 3.0.squareRoot()) < 1e-4)
    }
}
