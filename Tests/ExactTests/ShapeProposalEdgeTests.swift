@testable import BallSticksEngines
import CKernels
import Diffusion
import Foundation
import ModelSpace
import Testing


/// Proposals of shapes in the tails of their bounds, and what labellings share.
extension ShapeProposalTests {
    /// log d's conditional mean up to 25 standard deviations outside the prior's range: log(Φ(b) − Φ(a)) in the tails.
    @Test func intervalsInTheTails() {
        let z = Self.pairs[1], g = LocalGeometry(z), range = BallSticks.logDiffusivity,
            ratios = BallSticks.logSpreadRatio, mid = (ratios.low + ratios.high) / 2
        var theta = [Double](repeating: 0, count: 16), worst = 0.0, count = 0, furthest = 0.0
        theta[Slot.diffusivity] = 1e-3; theta[Slot.spread] = 1e-3 * exp(mid); theta[Slot.snr] = 20; theta[Slot.s0] = 1
        for root in [0.5, 3, 40] {
            // Λ = L Lᵀ over (log d, log(s/d)), L = [root; 35 0.5]: the mean of root·log d is −35 log(s/d).
            let slope = 35.0, l = [root, 0, slope, 0.5], places = [g.diffusivityIndex, g.sticks], d = g.dimension
            var precision = [Double](repeating: 0, count: d * d)
            for i in 0..<d { precision[i * d + i] = 1 }
            for i in 0..<2 {
                for j in 0..<2 {
                    precision[places[i] * d + places[j]] = l[2 * i] * l[2 * j] + l[2 * i + 1] * l[2 * j + 1]
                }
            }
            let mode = LocalMode(g, centre: theta, tangents: [0], precision: precision, logDensity: 0)!
            let s = Subject(g, mode)
            var rows = [Float](repeating: 0, count: 16 * 1200)
            for i in 0..<1200 {
                let share = Double(i % 24) / 23, t = (Double(i / 24) - 24.5) / 24.5
                rows[i] = Float(range.low + share * (range.high - range.low))
                rows[1200 + i] = Float(mid + 1.1 * t)
            }
            for (i, found) in Self.logDensity(s, rows).enumerated() {
                let x = Self.sample(rows, i), expected = Self.reference(s, x)
                #expect(found.isFinite)
                if found < -100 { continue }
                let shift = slope * (x[1] - mid),
                    away = max(shift + (range.low - log(1e-3)) * root, -shift - (range.high - log(1e-3)) * root)
                if away > 25 { continue }
                furthest = max(furthest, away)
                worst = max(worst, abs(found - expected))
                count += 1
            }
        }
        #expect(count > 300 && furthest > 15 && worst <= 2e-3, "\(worst) over \(count), as far as \(furthest)")
    }

    /// The kernel against g(μ) / Σ_π g(πμ), which sums to one over the labellings; the mode's own labelling has the
    /// most.
    @Test(arguments: ShapeProposalTests.pairs)
    func labellingsShareASample(_ z: Structure) {
        var random = RandomSource(seed: 5, stream: UInt64(z.bits))
        let n = BallSticks.stickCount(z), orders = FittedDensity.labellings[n], count = 37
        for trial in 0..<20 {
            let s = Self.subject(z, width: trial % 2 == 0 ? 1 : 8, using: &random), labelling = StickLabelling(s.mode)
            let rows = Self.draw(s, count, using: &random)
            var sums = [Double](repeating: 0, count: count), first: [Double] = []
            for order in orders {
                var permuted = rows
                for (k, from) in order.enumerated() {
                    for c in 0..<3 * count { permuted[(7 + 3 * k) * count + c] = rows[(7 + 3 * from) * count + c] }
                }
                var gaussian = [Double](repeating: 0, count: count), rician = gaussian
                var work = [Float](repeating: 0, count: count)
                labelling.share(
                    permuted, stride: count, first: 0, count: count, gaussian: &gaussian, rician: &rician, work: &work)
                #expect(gaussian == rician)
                if first.isEmpty { first = gaussian }
                for i in 0..<count { sums[i] += exp(gaussian[i]) }
            }
            for i in 0..<count {
                let x = Self.sample(rows, i)
                guard x[7..<7 + 3 * n].reduce(0, +).isFinite else { #expect(n < 2 || first[i] == -.infinity); continue }
                #expect(abs(sums[i] - 1) < 1e-3)
                let axes = (0..<n).map { SIMD3(x[7 + 3 * $0], x[8 + 3 * $0], x[9 + 3 * $0]) },
                    best = labelling.order(of: axes)
                let plain = orders.map { order in
                    zip(order, zip(labelling.axes, labelling.sharpness)).reduce(0) {
                        $0 + $1.1.1 * pow((axes[$1.0] * $1.1.0).sum(), 2)
                    }
                }
                let expected = -log(plain.reduce(0) { $0 + exp($1 - plain[0]) })
                if expected >= -80 {
                    #expect(abs(first[i] - expected) <= 2e-4, "\(first[i]), \(expected)")
                } else {
                    #expect(first[i] <= -79)
                }
                if best == orders[0] {
                    #expect(first[i] >= -log(Double(orders.count)) - 1e-3)
                } else {
                    #expect(first[i] <= -log(2) + 1e-3)
                }
            }
        }
    }
}
