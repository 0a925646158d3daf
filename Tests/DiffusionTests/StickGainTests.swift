import Foundation
import ModelSpace
import Testing

@testable import Diffusion

/// The gain of one more stick, against a plain computation in double.
@Suite struct StickGainTests {
    typealias Slot = BallSticks.Slot
    static let design = twoShells(b0: 5)

    @Test(arguments: structures.filter { !BallSticks.isRician($0) })
    func stickGain(_ z: Structure) {
        let hasSpread = BallSticks.hasSpread(z), m = Self.design.count
        var random = RandomSource(seed: 13, stream: UInt64(z.bits))
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
                    let difference =
                        BallSticks.attenuation(one, oneBits, b: b, g: g)
                        - BallSticks.attenuation(ball, bits, b: b, g: g)
                    let r = Double(voxel.y[i]) - theta[Slot.s0] * BallSticks.attenuation(theta, z, b: b, g: g)
                    product += r * difference
                    square += difference * difference
                    residual += r * r
                }
                let exact = product / square.squareRoot(),
                    found = family.stickGains(voxel.y, theta, hasSpread, axes: [along], Self.design)[0]
                // Attenuations within 2e-6 each, M of them: the residual's error as it stands, the direction's turns
                // the residual.
                let error = 2e-6 * Double(m).squareRoot(),
                    bound = error * theta[Slot.s0] + 2 * residual.squareRoot() * error / square.squareRoot()
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
