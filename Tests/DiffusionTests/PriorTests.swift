import Foundation
import ModelSpace
import Testing

@testable import Diffusion

@Suite struct PriorTests {
    @Test("Sixteen structures in the documented order, k(z) = 3 n + spread")
    func structureList() {
        let space = family.structureSpace
        #expect(space.structures.count == 16 && space.componentCount == 5)
        #expect(
            space.structures[0] == Structure() && space.structures[1] == Structure(4)
                && space.structures[2] == Structure(3))
        #expect(space.structures[15] == Structure(0, 1, 2, 3, 4))
        #expect(space.parameterCounts == [0, 0, 1, 1, 3, 3, 4, 4, 6, 6, 7, 7, 9, 9, 10, 10])
        for z in space.structures { #expect(!(z[1] && !z[0]) && !(z[2] && !z[1])) }
    }

    @Test("Draws lie in the support, sorted, with unit directions", arguments: 0..<16)
    func support(_ index: Int) {
        var random = RandomSource(seed: 11, stream: UInt64(index))
        let z = structures[index], design = twoShells(), n = BallSticks.stickCount(z)
        var theta = [Double](repeating: .nan, count: 16)
        for _ in 0..<500 {
            family.drawParameters(z, design, using: &random, into: &theta)
            #expect(family.logPrior(theta, z).isFinite)
            #expect(theta[3] == 1 && (theta[1] > 0) == z[3])
            for k in 0..<3 {
                if k < n {
                    #expect(abs((axis(theta, k) * axis(theta, k)).sum() - 1) < 1e-12)
                } else {
                    #expect(theta[4 + k] == 0)
                }
            }
        }
    }

    @Test("Fractions are uniform on the floored simplex, directions on the sphere, scales log-uniform")
    func moments() {
        var random = RandomSource(seed: 12)
        let z = Structure(0, 1, 2, 3), design = twoShells()
        var theta = [Double](repeating: 0, count: 16)
        var ball = Moments(), first = Moments(), logD = Moments(), logS = Moments(), logSNR = Moments(),
            dyad = Moments(), cross = Moments()
        for _ in 0..<40_000 {
            family.drawParameters(z, design, using: &random, into: &theta)
            ball.add((1 - theta[4] - theta[5] - theta[6]) / 0.85)
            first.add((theta[4] - 0.05) / 0.85)
            logD.add(log(theta[0])); logS.add(log(theta[1] / theta[0])); logSNR.add(log(theta[2]))
            dyad.add(theta[7] * theta[7]); cross.add(theta[10] * theta[12])
        }
        // Ball: Beta(1, 3), mean 1/4, variance 3/80. Largest of three: (3/4)·(1 + 1/2 + 1/3)/3 = 11/24.
        #expect(abs(ball.mean - 0.25) < 0.004 && abs(ball.sd - (3.0 / 80).squareRoot()) < 0.004)
        #expect(abs(first.mean - 11.0 / 24) < 0.004)
        #expect(
            abs(logD.mean - 0.5 * (log(1e-4) + log(5e-3))) < 0.03 && abs(logD.sd - log(50) / 12.0.squareRoot()) < 0.02)
        #expect(abs(logS.mean - 0.5 * log(0.1)) < 0.02 && abs(logS.sd - log(10) / 12.0.squareRoot()) < 0.01)
        #expect(abs(logSNR.mean - 0.5 * (log(3) + log(150))) < 0.03)
        #expect(abs(dyad.mean - 1.0 / 3) < 0.008 && abs(dyad.sd - (4.0 / 45).squareRoot()) < 0.005)
        #expect(abs(cross.mean) < 0.008 && abs(cross.sd - (1.0 / 15).squareRoot()) < 0.005)
    }

    @Test("The prior's density integrates to one over two sorted fractions")
    func density() {
        // Midpoint rule over the triangle; d, snr fixed inside their ranges.
        let step = 0.0005, z = Structure(0, 1)
        var total = 0.0
        var theta = [Double](repeating: 0, count: 16)
        theta[0] = 1e-3; theta[2] = 20; theta[3] = 1
        for i in 0..<2000 {
            for j in 0..<2000 {
                theta[4] = (Double(i) + 0.5) * step
                theta[5] = (Double(j) + 0.5) * step
                if theta[5] > theta[4] { break }
                let p = family.logPrior(theta, z)
                if p.isFinite { total += exp(p) * step * step }
            }
        }
        let rest = 1 / (log(50) * log(50) * 16 * Double.pi * Double.pi)
        #expect(abs(total / rest - 1) < 0.005)
        theta[4] = 0.5; theta[5] = 0.04
        #expect(family.logPrior(theta, z) == -.infinity)
        theta[5] = 0.3; theta[0] = 6e-3
        #expect(family.logPrior(theta, z) == -.infinity)
    }
}

@Suite struct FamilyAsDataTests {
    @Test(
        "Structures, names and places in θ follow from the family's description as the kernels and archives know them")
    func description() {
        let family = BallSticks()
        #expect(family.componentNames == ["stick1", "stick2", "stick3", "spread", "rician"])
        #expect(
            family.parameterNames == [
                "d", "s", "snr", "s0", "f1", "f2", "f3", "mu1x", "mu1y", "mu1z", "mu2x", "mu2y", "mu2z", "mu3x", "mu3y",
                "mu3z",
            ])
        let layout = ThetaLayout(BallSticks.family)
        typealias Slot = BallSticks.Slot
        #expect(layout.count == Slot.count && layout.offset(of: "d") == Slot.diffusivity)
        #expect(
            layout.offset(of: "s", in: "spread") == Slot.spread && layout.offset(of: "snr", in: "noise") == Slot.snr)
        #expect(layout.offset(of: "s0", in: "noise") == Slot.s0)
        for k in 0..<3 {
            #expect(layout.offset(of: "f", in: "stick", member: k) == Slot.fraction + k)
            #expect(layout.offset(of: "mu", in: "stick", member: k) == Slot.axis + 3 * k)
        }
        let space = family.structureSpace
        #expect(space.structures.count == 16)
        for (i, z) in space.structures.enumerated() {
            #expect(
                BallSticks.stickCount(z) == i / 4 && BallSticks.hasSpread(z) == (i / 2 % 2 == 1)
                    && BallSticks.isRician(z) == (i % 2 == 1))
            #expect(space.parameterCounts[i] == 3 * (i / 4) + i / 2 % 2)
        }
    }
}
