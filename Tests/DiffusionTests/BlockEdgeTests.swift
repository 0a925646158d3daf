import Foundation
import ModelSpace
import Testing

@testable import Diffusion

/// Kernels work on blocks of 16 measurements; every number of measurements, whole blocks or not, must give what plain
/// loops give.
@Suite struct BlockEdgeTests {
    static let counts = Array(8...35) + [48, 49, 63, 64, 65, 100, 127, 128]

    static func acquisition(_ m: Int) -> Acquisition {
        let g = DirectionSets.fibonacci(m - 1)
        return try! Acquisition(bValues: [0] + (1..<m).map { 500 * Double(1 + $0 % 6) }, directions: [.zero] + g)
    }

    @Test("Signal and likelihood agree with the plain formulas", arguments: counts)
    func likelihoods(_ m: Int) {
        let design = Self.acquisition(m)
        var random = RandomSource(seed: 21, stream: UInt64(m))
        for z in structures {
            var theta = [Double](repeating: 0, count: 16), y = [Float](repeating: 0, count: m)
            family.drawParameters(z, design, using: &random, into: &theta)
            family.simulate(&theta, z, design, using: &random, into: &y)
            // Room beyond the end, to see that nothing is written there.
            var scratch = [Float](repeating: -7, count: m + 32)
            let exact = family.logLikelihood(y, theta, z, design),
                fast = family.logLikelihood(y, theta, z, design, scratch: &scratch)
            let sigma = theta[3] / theta[2], bound = 2e-6 * y.reduce(0) { $0 + 1 + pow(Double($1) / sigma, 2) }
            #expect(abs(fast - exact) <= bound)
            #expect(scratch[m...].allSatisfy { $0 == -7 })
            for i in 0..<m {
                #expect(
                    abs(
                        Double(scratch[i])
                            - BallSticks.attenuation(theta, z, b: design.bValues[i], g: design.directions[i])) < 1e-6)
            }
        }
    }

    @Test("Gradient and information agree with finite differences", arguments: counts)
    func gradients(_ m: Int) {
        let design = Self.acquisition(m)
        var random = RandomSource(seed: 22, stream: UInt64(m))
        for z in structures where !BallSticks.isRician(z) {
            let g = LocalGeometry(z), d = g.dimension
            var theta = [Double](repeating: 0, count: 16), y = [Float](repeating: 0, count: m)
            family.drawParameters(z, design, using: &random, into: &theta)
            theta[2] = 20
            family.simulate(&theta, z, design, using: &random, into: &y)
            var tangents = [Double](repeating: 0, count: 18),
                rows = [Float](repeating: 0, count: LocalGeometry.capacity * m)
            var scratch = [Float](repeating: 0, count: 3 * m), gradient = [Double](repeating: 0, count: d),
                information = [Double](repeating: 0, count: d * d)
            g.tangents(theta, into: &tangents)
            _ = g.likelihood(
                y, theta, tangents, design, rows: &rows, scratch: &scratch, gradient: &gradient,
                information: &information)
            for j in 0..<d {
                func value(_ step: Double) -> Double {
                    var u = [Double](repeating: 0, count: d), moved = theta
                    u[j] = step
                    g.move(theta, tangents, by: u, into: &moved)
                    return family.logLikelihood(y, moved, z, design)
                }
                let slope = (value(1e-5) - value(-1e-5)) / 2e-5
                #expect(
                    abs(gradient[j] - slope) <= 2e-3 * (1 + information[j * d + j].squareRoot() + abs(slope)),
                    "coordinate \(j) of \(m) measurements")
                for k in 0..<d { #expect(information[j * d + k] == information[k * d + j]) }
            }
        }
    }

    @Test("Gains of a stick agree with the plain formula", arguments: counts)
    func gains(_ m: Int) {
        let design = Self.acquisition(m), axes = DirectionSets.fibonacci(7)
        var random = RandomSource(seed: 23, stream: UInt64(m))
        for hasSpread in [false, true] {
            let z = hasSpread ? Structure(3) : Structure(), stick = hasSpread ? Structure(0, 3) : Structure(0)
            var theta = [Double](repeating: 0, count: 16), y = [Float](repeating: 0, count: m)
            family.drawParameters(z, design, using: &random, into: &theta)
            family.simulate(&theta, z, design, using: &random, into: &y)
            let found = family.stickGains(y, theta, hasSpread, axes: axes, design)
            for (axis, gain) in zip(axes, found) {
                var one = theta, product = 0.0, square = 0.0, length = 0.0
                one[4] = 1
                for c in 0..<3 { one[7 + c] = axis[c] }
                for i in 0..<m {
                    let b = design.bValues[i], g = design.directions[i],
                        ball = BallSticks.attenuation(theta, z, b: b, g: g)
                    let difference = BallSticks.attenuation(one, stick, b: b, g: g) - ball,
                        r = Double(y[i]) - theta[3] * ball
                    product += r * difference
                    square += difference * difference
                    length += r * r
                }
                let error = 2e-6 * Double(m).squareRoot(),
                    bound = error * theta[3] + 2 * length.squareRoot() * error / square.squareRoot()
                #expect(abs(gain - product / square.squareRoot()) <= bound)
            }
        }
    }
}
