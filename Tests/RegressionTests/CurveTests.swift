import Foundation
import ModelSpace
import Testing

@testable import Regression

/// Columns and their linear algebra in eights, against plain definitions.
@Suite struct CurveTests {
    /// What a kernel fills, by the system's mathematics; nil where Swift fills it.
    private static func plain(_ form: Term.Form, _ x: Double, _ a: Double, _ b: Double, _ c: Double) -> Double? {
        let u = (x - a) / b
        switch form {
        case .decay: return exp(-a * x)
        case .growth: return exp(a * (x - 10))
        case .gamma: return a * x * exp(1 - a * x)
        case .rational: return 1 / (1 + a * x)
        case .saturation: return x / (a + x)
        case .freePower: return pow(x / 10, a)
        case .freeLogarithm: return log1p(a * x) / log1p(10 * a)
        case .sine: return sin(a * x)
        case .cosine: return cos(a * x)
        case .squareWave: return tanh(5 * sin(a * x))
        case .triangleWave: return 2 / Double.pi * asin(0.99 * sin(a * x))
        case .sawtooth: return 2 / Double.pi * atan(sin(a * x) / (1.05 + cos(a * x)))
        case .dampedSine: return exp(-b * x) * sin(a * x)
        case .dampedCosine: return exp(-b * x) * cos(a * x)
        case .chirpSine: return sin(a * x * x / 10)
        case .chirpCosine: return cos(a * x * x / 10)
        case .growingSine: return x / 5 * sin(a * x)
        case .growingCosine: return x / 5 * cos(a * x)
        case .logarithmicSine: return sin(a * log1p(x))
        case .step: return 1 / (1 + exp(min(40, (a - x) / 0.05)))
        case .sigmoid: return 1 / (1 + exp(min(40, (a - x) / b)))
        case .bump: return exp(-0.5 * u * u)
        case .peak: return 1 / (1 + u * u)
        case .box: return 0.5 * (tanh((x - a) / 0.1) - tanh((x - a - b) / 0.1))
        case .hat: return (1 - u * u) * exp(-0.5 * u * u)
        case .slope: return u * exp(0.5 - 0.5 * u * u)
        case .packet: return exp(-0.5 * u * u) * cos(c * (x - a))
        default: return nil
        }
    }

    /// Also at both ends and beyond, where predictions are asked for.
    @Test func kernelsAreTheirDefinitions() {
        var random = RandomSource(seed: 3), filled = 0
        let x = [0, 1e-9, 10, 12] + (0..<29).map { _ in random.uniform(0, 10) }
        for term in TermLibrary.all {
            for _ in 0..<40 {
                let p = term.inner.map { $0.value(1.5 * random.normal()) }
                let a = p.first ?? 0, b = p.count > 1 ? p[1] : 0, c = p.count > 2 ? p[2] : 0
                var y = [Double](repeating: 0, count: x.count)
                y.withUnsafeMutableBufferPointer { term.fill(x, x.count, p, into: $0.baseAddress!) }
                for (x, y) in zip(x, y) {
                    guard let plain = Self.plain(term.form, x, a, b, c) else { continue }
                    filled += 1
                    // Angles of up to a hundred are rounded before anything else; a power of 0 is 0 but for rounding.
                    #expect(abs(y - plain) < 5e-14, "\(term.name) \(p) at \(x): \(y) against \(plain)")
                }
            }
        }
        #expect(filled > 40 * x.count * 40)
    }

    @Test(arguments: [1, 5, 8, 9, 23]) func factorsAreThoseOfCholesky(_ k: Int) {
        var random = RandomSource(seed: UInt64(k))
        let stride = 26, rows = (0..<k).map { _ in (0..<30).map { _ in random.normal() } }
        var a = [Double](repeating: 0, count: stride * stride)
        for i in 0..<k {
            for j in 0..<k { a[i * stride + j] = zip(rows[i], rows[j]).reduce(0) { $0 + $1.0 * $1.1 } }
        }
        let square = SquareFactor(most: 25), columns = ColumnFactor(most: 25)
        #expect(square.factorise(a, stride: stride, size: k, ridge: 0.3))
        #expect(columns.factorise(a, stride: stride, size: k, ridge: 0.3))
        #expect(abs(square.logDeterminant - columns.logDeterminant) < 1e-10)
        let b = (0..<k).map { _ in random.normal() }
        func solved(_ solve: (UnsafeMutablePointer<Double>) -> Void) -> [Double] {
            var x = b
            x.withUnsafeMutableBufferPointer { solve($0.baseAddress!) }
            return x
        }
        let forward = solved { square.forward($0) }, backward = solved { square.backward($0) }
        for (own, other) in zip(solved { columns.forward($0) } + solved { columns.backward($0) }, forward + backward) {
            #expect(abs(own - other) < 1e-10)
        }
        var lanes = [Double](repeating: 0, count: 8 * k)
        for i in 0..<k { for lane in 0..<8 { lanes[8 * i + lane] = Double(lane) * b[i] } }
        lanes.withUnsafeMutableBufferPointer { columns.forward(lanes: $0.baseAddress!) }
        for i in 0..<k { for lane in 0..<8 { #expect(abs(lanes[8 * i + lane] - Double(lane) * forward[i]) < 1e-9) } }
        a[0] = -1
        #expect(!columns.factorise(a, stride: stride, size: k, ridge: 0.3))
    }

    /// What a rejected exchange leaves is what was there, to the bit; the exchanged density is the one of a fresh load.
    @Test func replacedColumnsComeBack() {
        let family = RegressionFamily(terms: TermLibrary.prefix(12), noises: [.white, .smooth])
        let (series, _) = simulated(family, count: 21, lambda: 0.3, seed: 5), density = CollapsedDensity(family, series)
        for noise in 0..<2 {
            let z = family.with(Structure(1, 5, 6, 10), noise: noise)
            density.load(z, inner: [[], [0.2], [-0.4], [0.1, 0.3]])
            let before = density.logDensity(0.3)
            density.replace(2, 7, [0.7])
            let changed = density.logDensity(0.3)
            density.restore(2, 6, [-0.4])
            #expect(density.logDensity(0.3) == before && density.structure == z && changed != before)
            density.load(family.with(Structure(1, 5, 7, 10), noise: noise), inner: [[], [0.2], [0.7], [0.1, 0.3]])
            #expect(abs(density.logDensity(0.3) - changed) < 1e-9)
        }
    }
}
