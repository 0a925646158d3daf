import CKernels
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Kernels that draw weights, of any number, against closed forms and plain sums.
@Suite struct WeightProposalTests {
    /// Components without a shape: columns of numbers.
    final class Columns: SignalKernels {
        let columns: [[Float]]
        var measurementCount: Int { columns[0].count }
        init(_ columns: [[Float]]) { self.columns = columns }
        func attenuations(
            _ layout: SignalLayout, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
        ) {
            for k in columns.indices { attenuations(layout, of: k, rows: rows, stride: stride, into: e) }
        }
        func attenuations(
            _ layout: SignalLayout, of k: Int, rows: UnsafePointer<Float>, stride: Int,
            into e: UnsafeMutablePointer<Float>
        ) {
            for (i, x) in columns[k].enumerated() { for lane in 0..<16 { e[(i * columns.count + k) * 16 + lane] = x } }
        }
        func attenuations(_ layout: SignalLayout, at x: UnsafePointer<Double>, into e: UnsafeMutablePointer<Float>) {
            for k in columns.indices { (e + k * measurementCount).update(from: columns[k], count: measurementCount) }
        }
        func derivatives(
            _ layout: SignalLayout, _ x: UnsafePointer<Double>, attenuations e: UnsafeMutablePointer<Float>,
            rows: UnsafeMutablePointer<Float>
        ) { attenuations(layout, at: x, into: e) }
    }

    static func columns(_ w: Int, _ m: Int) -> [[Float]] {
        (0..<w).map { k in (0..<m).map { i in Float(exp(-0.6 * Double(k) * Double(i) / Double(m) * 3)) } }
    }

    static func layout(_ w: Int, _ chart: Parameter.Chart, scale: Bool) -> SignalLayout {
        let noise =
            scale
            ? [Parameter("snr", "", .logUniform(low: 3, high: 150)), Parameter("s0", "", .scale)]
            : [Parameter("sigma", "", .logUniform(low: 0.01, high: 1))]
        let family = try! FamilyDescription(
            "columns", shared: [],
            groups: (0..<w).map { ComponentGroup("c\($0)", .always, [Parameter("f", "", chart)]) },
            noise: ComponentGroup("noise", .oneOf(["gaussian"]), noise))
        return SignalLayout(family, ThetaLayout(family), StructureRule(family), Structure())
    }

    /// Up to twelve coefficients with a known σ: the closed form, whatever is drawn.
    @Test(arguments: [1, 2, 4, 5, 8, 12])
    func coefficients(_ w: Int) throws {
        let m = 30, sigma = 0.1, layout = Self.layout(w, .coefficient(sd: 0.7), scale: false),
            kernels = Columns(Self.columns(w, m))
        let truth = ImportanceSamplerTests.point(
            layout, sigma: sigma, weights: (0..<w).map { $0 % 2 == 0 ? 0.5 : -0.3 })
        let y = ImportanceSamplerTests.simulate(kernels, layout, truth, .gaussian, seed: UInt64(w))
        let exact = Waves.logMarginal(
            y.map(Double.init), kernels.columns.map { $0.map(Double.init) }, sds: layout.components.map(\.bound),
            sigma: sigma)
        let found = try #require(
            ImportanceSamplerTests.sample(
                y, kernels, layout, starts: [(.gaussian, truth)], noises: [.gaussian], sigma: sigma, generations: 2))
        let evidence = try #require(found.evidence[.gaussian])
        #expect(abs(evidence.logEvidence - exact) < 2e-3 && evidence.standardError < 1e-3, "\(evidence), \(exact)")
        // So is the quadratic about the only mode.
        let modes = try #require(
            ImportanceSampler(kernels).modes(y, layout, starts: [(.gaussian, truth)], sigma: sigma, options: .init()))
        #expect(abs(modes.laplace - exact) < 0.02, "\(modes.laplace), \(exact)")
    }

    /// Many fractions, with a scale or without, with a known σ: the mean of the likelihood over draws of the prior.
    @Test(arguments: [2, 4, 6, 9, 12], [true, false])
    func fractions(_ w: Int, _ hasScale: Bool) throws {
        let m = 24, sigma = 0.12, layout = Self.layout(w, .weight(floor: 0.02), scale: hasScale),
            kernels = Columns(Self.columns(w, m))
        let weights = (0..<w).map { 0.02 + (1 - 0.02 * Double(w)) * Double($0 + 1) / Double(w * (w + 1) / 2) }
        let truth = ImportanceSamplerTests.point(layout, sigma: sigma, weights: weights)
        let y = ImportanceSamplerTests.simulate(kernels, layout, truth, .gaussian, seed: UInt64(w + 20)).map(
            Double.init)
        var random = RandomSource(seed: 7, stream: UInt64(w)), sum = 0.0, squares = 0.0
        let n = 100_000, free = 1 - layout.floors, yy = y.reduce(0) { $0 + $1 * $1 },
            constant = -Double(m) * (log(sigma) + 0.5 * log(2 * .pi))
        let columns = kernels.columns.map { $0.map(Double.init) }
        var gram = [Double](repeating: 0, count: w * w), data = [Double](repeating: 0, count: w)
        for a in 0..<w {
            data[a] = zip(columns[a], y).reduce(0) { $0 + $1.0 * $1.1 }
            for b in 0..<w { gram[a * w + b] = zip(columns[a], columns[b]).reduce(0) { $0 + $1.0 * $1.1 } }
        }
        var g = [Double](repeating: 0, count: w)
        for _ in 0..<n {
            var all = 0.0, ss = 0.0, sy = 0.0
            for k in 0..<w { g[k] = random.exponential(); all += g[k] }
            for k in 0..<w { g[k] = 0.02 + free * g[k] / all }
            for a in 0..<w { sy += g[a] * data[a]; for b in 0..<w { ss += g[a] * g[b] * gram[a * w + b] } }
            func likelihood(_ s0: Double) -> Double {
                exp(constant - 0.5 * (yy - 2 * s0 * sy + s0 * s0 * ss) / (sigma * sigma))
            }
            var value = 0.0
            if hasScale {
                let centre = log(max(0.2, sy / ss)), width = 6 * sigma / ss.squareRoot()
                for k in -12...12 { value += likelihood(exp(centre + Double(k) / 12 * width)) * width / 12 }
            } else {
                value = likelihood(1)
            }
            sum += value
            squares += value * value
        }
        let exact = log(sum / Double(n)), error = (squares / (sum * sum) - 1 / Double(n)).squareRoot()
        let found = try #require(
            ImportanceSamplerTests.sample(
                y.map(Float.init), kernels, layout, starts: [(.gaussian, truth)], noises: [.gaussian], sigma: sigma,
                generations: 4))
        let evidence = try #require(found.evidence[.gaussian])
        // Bounds of those drawn later are made room for: without that, one in 200 of nine would count.
        #expect(
            error < 0.03 && evidence.standardError < 0.1 && evidence.effectiveCount > 0.15 * Double(found.count),
            "\(evidence) of \(found.count)")
        #expect(
            abs(evidence.logEvidence - exact) < 4 * (evidence.standardError + error) + 2e-3,
            "\(evidence), exact \(exact) ± \(error)")
    }
}
