import CKernels
import Foundation
import ModelSpace
import Testing

@testable import Diffusion

/// What Gauss–Newton steps are made of, against plain loops in double precision, for numbers of measurements with and
/// without whole blocks.
@Suite struct NormalEquationTests {
    static let counts = Array(1...35) + [48, 49, 63, 64, 65, 100, 127, 128, 129, 143, 144, 256, 300]

    @Test(arguments: counts)
    func normalEquations(_ m: Int) {
        var random = RandomSource(seed: 41, stream: UInt64(m))
        for d in 2...12 {
            let gap = d / 2, stride = d + 3
            let weight = (0..<m).map { _ in Float(random.uniform(0.5, 2)) },
                score = (0..<m).map { _ in Float(random.normal()) }
            let rows = (0..<d * m).map { _ in Float(random.normal()) }
            var information = [Double](repeating: -7, count: stride * (d + 1)),
                gradient = [Double](repeating: -7, count: d + 1)
            pk_normal_equations(m, d, gap, weight, score, rows, stride, &information, &gradient)
            func scaled(_ j: Int, _ i: Int) -> Double { Double(rows[j * m + i]) * Double(weight[i]) }
            func product(_ a: (Int) -> Double, _ b: (Int) -> Double) -> (value: Double, size: Double) {
                (0..<m).reduce((0, 0)) { ($0.0 + a($1) * b($1), $0.1 + abs(a($1) * b($1))) }
            }
            func place(_ j: Int) -> Int { j < gap ? j : j + 1 }
            for j in 0..<d {
                let g = product({ scaled(j, $0) }, { Double(score[$0]) })
                #expect(abs(gradient[place(j)] - g.value) <= 3e-6 * g.size)
                for k in 0..<d {
                    let x = product({ scaled(j, $0) }, { scaled(k, $0) })
                    #expect(abs(information[place(j) * stride + place(k)] - x.value) <= 3e-6 * x.size)
                }
            }
            // The gap, and what lies beyond a row.
            #expect(gradient[gap] == -7)
            for j in 0...d {
                #expect(information[j * stride + gap] == -7 && information[gap * stride + j] == -7)
                #expect(information[j * stride + d + 1..<(j + 1) * stride].allSatisfy { $0 == -7 })
            }
        }
    }

    @Test(arguments: counts, [1, 8, 60.0])
    func scores(_ m: Int, _ snr: Double) {
        var random = RandomSource(seed: 42, stream: UInt64(m))
        let s0 = 1.3, sigma = s0 / snr
        let a = (0..<m).map { _ in Float(random.uniform(0.01, 1)) },
            y = a.map { Float(max(0.01, s0 * Double($0) + sigma * random.normal())) }
        for isRician in [false, true] {
            // Room beyond the end, to see that nothing is written there.
            var weight = [Float](repeating: -7, count: m + 20), score = weight
            let slope =
                isRician
                ? pk_rician_scores(m, a, y, s0, sigma, &weight, &score)
                : pk_gaussian_scores(m, a, y, s0, sigma, &weight, &score)
            var expected = 0.0, size = 0.0
            for i in 0..<m {
                let s = s0 * Double(a[i]) / sigma, v = Double(y[i]) / sigma, x = s * v, h = 1e-4 * max(1e-2, x)
                // I₁/I₀ = 1 + d/dx log(e^(−x) I₀(x)).
                let ratio = isRician ? 1 + (logScaledBesselI0(x + h) - logScaledBesselI0(x - h)) / (2 * h) : 1
                let information = isRician ? s * s / (1 + s * s) + 1e-3 : 1
                #expect(abs(Double(weight[i]) * sigma - information.squareRoot()) <= 1e-6)
                #expect(
                    abs(Double(score[i]) - (v * ratio - s) / information.squareRoot()) <= 3e-6 * (1 + s + v)
                        / information.squareRoot())
                let term = (v - s) * (v - s) + (isRician ? 2 * x * (1 - ratio) : 0)
                expected += term - (isRician ? 2 : 1)
                size += abs(term) + 1 + (isRician ? 2 * x : 0) + (s + v)
            }
            #expect(abs(slope - expected) <= 3e-6 * size)
            #expect(weight[m...].allSatisfy { $0 == -7 } && score[m...].allSatisfy { $0 == -7 })
        }
    }
}
