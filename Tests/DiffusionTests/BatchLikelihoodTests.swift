import Foundation
import ModelSpace
import Testing

@testable import Diffusion

/// Likelihoods of many samples at once, and the gain of one more stick, against plain computations in double.
@Suite struct BatchLikelihoodTests {
    typealias Slot = BallSticks.Slot
    static let design = twoShells(b0: 5)

    @Test(arguments: 0..<8)
    func equalsThePlainOne(_ pair: Int) {
        let z = structures[2 * pair], rician = structures[2 * pair + 1], m = Self.design.count, stride = 60, range = 7..<53
        let n = BallSticks.stickCount(z), hasSpread = BallSticks.hasSpread(z)
        var random = RandomSource(seed: 12, stream: UInt64(pair)), rows = [Float](repeating: 0, count: 16 * stride)
        let voxel = Voxel(rician, Self.design, using: &random)  // all positive
        for i in 0..<stride {
            var theta = [Double](repeating: 0, count: 16)
            family.drawParameters(z, Self.design, using: &random, into: &theta)
            rows[i] = Float(log(theta[Slot.diffusivity]))
            rows[stride + i] = hasSpread ? Float(log(theta[Slot.spread] / theta[Slot.diffusivity])) : 0
            rows[2 * stride + i] = Float(log(theta[Slot.snr]))
            rows[3 * stride + i] = Float(log(voxel.theta[Slot.s0]) + 0.1 * random.normal())
            for k in 0..<12 { rows[(4 + k) * stride + i] = Float(theta[Slot.fraction + k]) }
        }
        var gaussian = [Double](repeating: 77, count: stride), both = gaussian, second = gaussian, work = [Float](repeating: 0, count: m)
        Self.design.batchLogLikelihood(
            voxel.y, sticks: n, hasSpread: hasSpread, rows: rows, range: range, stride: stride, gaussian: &gaussian, rician: nil, work: &work)
        Self.design.batchLogLikelihood(
            voxel.y, sticks: n, hasSpread: hasSpread, rows: rows, range: range, stride: stride, gaussian: &both, rician: &second, work: &work)
        #expect(gaussian == both)
        for i in 0..<stride {
            guard range.contains(i) else {
                #expect(both[i] == 77 && second[i] == 77)
                continue
            }
            func row(_ k: Int) -> Double { Double(rows[k * stride + i]) }
            var theta = [Double](repeating: 0, count: 16)
            theta[Slot.diffusivity] = exp(row(0))
            theta[Slot.spread] = hasSpread ? exp(row(0) + row(1)) : 0
            theta[Slot.snr] = exp(row(2))
            theta[Slot.s0] = exp(row(3))
            for k in 0..<12 { theta[Slot.fraction + k] = row(4 + k) }
            let sigma = theta[Slot.s0] / theta[Slot.snr], bound = 2e-6 * voxel.y.reduce(0) { $0 + 1 + pow(Double($1) / sigma, 2) }
            let exact = family.logLikelihood(voxel.y, theta, z, Self.design), exactRician = family.logLikelihood(voxel.y, theta, rician, Self.design)
            #expect(abs(both[i] - exact) <= bound, "Gaussian \(both[i]), not \(exact) ± \(bound)")
            #expect(abs(second[i] - exactRician) <= bound, "Rician \(second[i]), not \(exactRician) ± \(bound)")
        }
    }

    @Test(arguments: structures.filter { !BallSticks.isRician($0) })
    func stickGain(_ z: Structure) {
        let hasSpread = BallSticks.hasSpread(z), m = Self.design.count
        var random = RandomSource(seed: 13, stream: z.bits)
        for _ in 0..<20 {
            let voxel = Voxel(structures[12], Self.design, using: &random)
            var theta = [Double](repeating: 0, count: 16)
            family.drawParameters(z, Self.design, using: &random, into: &theta)
            theta[Slot.s0] = voxel.theta[Slot.s0]
            for along in DirectionSets.fibonacci(12) {
                // A full stick, and the ball alone.
                var one = theta
                for k in 4..<16 { one[k] = 0 }
                let ball = one
                one[Slot.fraction] = 1
                for c in 0..<3 { one[Slot.axis + c] = along[c] }
                let bits = hasSpread ? Structure(3) : Structure(), oneBits = hasSpread ? Structure(0, 3) : Structure(0)
                var product = 0.0, square = 0.0, residual = 0.0
                for i in 0..<m {
                    let b = Self.design.bValues[i], g = Self.design.directions[i]
                    let difference = BallSticks.attenuation(one, oneBits, b: b, g: g) - BallSticks.attenuation(ball, bits, b: b, g: g)
                    let r = Double(voxel.y[i]) - theta[Slot.s0] * BallSticks.attenuation(theta, z, b: b, g: g)
                    product += r * difference
                    square += difference * difference
                    residual += r * r
                }
                let exact = product / square.squareRoot(), found = family.stickGains(voxel.y, theta, hasSpread, axes: [along], Self.design)[0]
                // Attenuations within 2e-6 each, M of them: the residual's error as it stands, the direction's turns the residual.
                let error = 2e-6 * Double(m).squareRoot(), bound = error * theta[Slot.s0] + 2 * residual.squareRoot() * error / square.squareRoot()
                #expect(abs(found - exact) <= bound, "\(found), not \(exact) ± \(bound)")
            }
        }
    }

    /// Data of one stick and a ball's prediction: the gain is greatest along the stick, among many axes.
    @Test func stickGainPointsAtTheMissingStick() {
        var random = RandomSource(seed: 14)
        for along in DirectionSets.fibonacci(9) {
            var theta = [Double](repeating: 0, count: 16), y = [Float](repeating: 0, count: Self.design.count)
            theta[Slot.diffusivity] = 1.2e-3; theta[Slot.snr] = 60; theta[Slot.fraction] = 0.5
            for c in 0..<3 { theta[Slot.axis + c] = along[c] }
            family.simulate(&theta, Structure(0), Self.design, using: &random, into: &y)
            var ball = theta
            for k in 4..<16 { ball[k] = 0 }
            let candidates = DirectionSets.fibonacci(200) + [along]
            let gains = family.stickGains(y, ball, false, axes: candidates, Self.design)
            let best = candidates[gains.indices.max { gains[$0] < gains[$1] }!]
            #expect(abs((best * along).sum()) > cos(12 * Double.pi / 180) && gains.last! > 0)
        }
    }
}
