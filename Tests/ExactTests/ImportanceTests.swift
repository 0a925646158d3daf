import CKernels
import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Points, weights, their sums and choices by weight against plain computations in double.
@Suite struct ImportanceTests {
    /// Logs and mixtures of samples, some outside or not there, and the weights.
    static func samples(_ count: Int) -> (logs: [Double], mixture: [Float], best: Double, weights: [Double]) {
        var random = RandomSource(seed: 6, stream: UInt64(count))
        var logs = (0..<count).map { _ in -300 + 20 * random.normal() },
            mixture = (0..<count).map { _ in Float(5 * random.normal()) }
        if count > 5 { logs[1] = -.infinity; logs[3] = .nan; mixture[5] = -1e30 }
        let counts = (0..<count).map { logs[$0].isFinite && mixture[$0] > -1e29 },
            values = (0..<count).map { logs[$0] - Double(mixture[$0]) }
        let best = (0..<count).filter { counts[$0] }.map { values[$0] }.max()!
        return (logs, mixture, best, (0..<count).map { counts[$0] ? exp(values[$0] - best) : 0 })
    }

    /// What lies outside, or could not be drawn, weighs nothing.
    @Test(arguments: [1, 15, 16, 37, 200])
    func weights(_ count: Int) {
        let (logs, mixture, best, expected) = Self.samples(count)
        var weights = [Double](repeating: -1, count: count), sum = 0.0, squares = 0.0
        #expect(pk_importance_weights(logs, mixture, count, &weights) == best)
        for i in 0..<count {
            #expect(abs(weights[i] - expected[i]) <= 1e-5 * expected[i] + 1e-37, "\(i): \(weights[i]), \(expected[i])")
        }
        #expect(pk_importance_sums(logs, mixture, count, &sum, &squares) == best)
        let plain = expected.reduce(0, +), plainSquares = expected.reduce(0) { $0 + $1 * $1 }
        #expect(abs(sum - plain) <= 1e-5 * plain && abs(squares - plainSquares) <= 2e-5 * plainSquares)
        let none = [Double](repeating: -.infinity, count: count)
        #expect(
            pk_importance_weights(none, mixture, count, &weights) == -.infinity
                && pk_importance_sums(none, mixture, count, &sum, &squares) == -.infinity)
    }

    /// Systematic resampling by the larger of two weights, as `systematicResample` does it.
    @Test(arguments: [1, 15, 16, 37, 200])
    func choice(_ count: Int) {
        let (logs, mixture, best, _) = Self.samples(count)
        // Flatter, so that many are chosen; the other kind of noise favours every third.
        let one = logs.map { best + ($0 - best) / 20 }, other = one.enumerated().map { $1 + ($0 % 3 == 0 ? 1 : -1) }
        let mixture2 = mixture.map { $0 > -1e29 ? $0 / 20 : $0 }, many = 23
        let larger = (0..<count).map { i in
            mixture2[i] > -1e29 && one[i].isFinite ? exp(max(one[i], other[i]) - Double(mixture2[i]) - best) : 0
        }
        var work = [Float](repeating: 0, count: count), chosen = [Int](repeating: -1, count: many)
        for offset in [0.013, 0.4, 0.987] {
            #expect(pk_importance_choice(one, other, mixture2, count, many, offset, &work, &chosen).isFinite)
            #expect(chosen == systematicResample(larger, count: many, offset: offset))
        }
        let none = [Double](repeating: .nan, count: count)
        #expect(pk_importance_choice(none, none, mixture, count, many, 0.5, &work, &chosen) == -.infinity)
    }

    @Test func kroneckerPoints() {
        let shift: UInt32 = 0xFFFF_0000, step: UInt32 = 0x6A09_E667, count = 1000
        var x = [Float](repeating: 0, count: count)
        pk_kronecker(shift, step, count, &x)
        for i in 0..<count {
            let exact = (Double(shift) + Double(i) * Double(step)) / 0x1p32, plain = exact - exact.rounded(.down)
            #expect(abs(Double(x[i]) - min(1 - 1e-6, max(1e-6, plain))) <= 0x1p-23)
            #expect(x[i] >= 1e-6 && x[i] <= 1 - 1e-6)
        }
    }
}
