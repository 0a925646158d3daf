import Foundation
import ModelSpace

@testable import Exact

/// Draws from the prior and observations of the test families, plainly.
enum TestPoints {
    static func simplex(_ layout: SignalLayout, using random: inout RandomSource) -> [Double] {
        let g = layout.components.map { _ in random.exponential() }, total = g.reduce(0, +)
        return zip(layout.components, g).map { $0.bound + (1 - layout.floors) * $1 / total }
    }

    static func unit(_ n: Int, using random: inout RandomSource) -> [Double] {
        let v = (0..<n).map { _ in random.normal() }, length = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return v.map { $0 / length }
    }

    /// A point of the prior, log s0 given.
    static func prior(_ layout: SignalLayout, scale: Double = 0, sigma: Double? = nil, using random: inout RandomSource)
        -> [Double]
    {
        let level = random.uniform(layout.noise.low, layout.noise.high)
        var x = layout.scalePlace == nil ? [level, 0] : [scale - level, scale]
        if let sigma { x[0] = log(sigma) }
        x +=
            layout.weights == .simplex
            ? simplex(layout, using: &random) : layout.components.map { $0.bound * random.normal() }
        for s in layout.scalars { x.append(random.uniform(s.low, s.high)) }
        for _ in layout.axes { x += unit(3, using: &random) }
        for _ in layout.rotations { x += unit(4, using: &random) }
        x.withUnsafeMutableBufferPointer { layout.sort($0.baseAddress!) }
        return x
    }

    static func signals(_ kernels: any SignalKernels, _ layout: SignalLayout, _ x: [Double]) -> [Double] {
        let m = kernels.measurementCount, w = layout.componentCount
        var e = [Float](repeating: 0, count: w * m)
        kernels.attenuations(layout, at: x, into: &e)
        return (0..<m).map { i in exp(x[1]) * (0..<w).reduce(0) { $0 + x[2 + $1] * Double(e[$1 * m + i]) } }
    }

    static func observe(
        _ kernels: any SignalKernels, _ layout: SignalLayout, _ x: [Double], _ noise: NoiseLikelihood,
        using random: inout RandomSource
    ) -> [Float] {
        let sigma = exp(x[0])
        return signals(kernels, layout, x).map { s in
            let real = s + sigma * random.normal()
            return Float(noise == .gaussian ? real : (real * real + pow(sigma * random.normal(), 2)).squareRoot())
        }
    }

    /// log p(y | x), plainly.
    static func logLikelihood(
        _ y: [Float], _ kernels: any SignalKernels, _ layout: SignalLayout, _ x: [Double], _ noise: NoiseLikelihood
    ) -> Double {
        let sigma = exp(x[0])
        return zip(y, signals(kernels, layout, x)).reduce(0) { total, point in
            let v = Double(point.0), s = noise == .rician ? abs(point.1) : point.1, r = (v - s) / sigma
            guard noise == .rician else { return total - 0.5 * r * r - log(sigma) - 0.5 * log(2 * .pi) }
            return v > 0
                ? total - 0.5 * r * r + log(v / (sigma * sigma)) + logScaledBessel(v * s / (sigma * sigma)) : -.infinity
        }
    }

    /// log(e^−x I₀(x)): series, then asymptotic.
    static func logScaledBessel(_ x: Double) -> Double {
        var term = 1.0, sum = 1.0
        for k in 1...(x > 20 ? 12 : 80) {
            term *= x > 20 ? pow(Double(2 * k - 1), 2) / (8 * x * Double(k)) : x * x / 4 / Double(k * k)
            sum += term
        }
        return x > 20 ? log(sum) - 0.5 * log(2 * .pi * x) : log(sum) - x
    }

    static let times = (0..<24).map { Double($0) / 8 }
    static let decays: [Decays.Measurement] = (0..<28).map { i in
        let z = 1 - (2 * Double(i) + 1) / 28, phi = 2.4 * Double(i), r = (1 - z * z).squareRoot()
        return Decays.Measurement(t: [0, 0.4, 1, 2][i % 4], g: SIMD3(r * cos(phi), r * sin(phi), z))
    }
}

/// `Frames`, with a rotation: S/s0 = f_0 + f_1 exp(−Σ_c λ_c (g·e_c)²), e_c the axes of a frame.
struct Frames: LinearFamily {
    static let description = try! FamilyDescription(
        "frames", shared: [],
        groups: [
            ComponentGroup("rest", .always, takesRest: true),
            ComponentGroup(
                "frame", .always,
                [
                    Parameter("f", "", .weight(floor: 0.2)), Parameter("size", "", .logUniform(low: 0.5, high: 2)),
                    Parameter("turn", "", .rotation),
                ]),
        ],
        noise: ComponentGroup(
            "noise", .oneOf(["gaussian"]),
            [Parameter("snr", "", .logUniform(low: 3, high: 150)), Parameter("s0", "", .scale)]))
    static let layout = SignalLayout(description, ThetaLayout(description), StructureRule(description), Structure())
    var description: FamilyDescription { Self.description }
    func measurementCount(_ design: [SIMD3<Double>]) -> Int { design.count }
    func noise(_ z: Structure) -> NoiseLikelihood { .gaussian }
    func kernels(_ design: [SIMD3<Double>]) -> any SignalKernels { QuickFrames(design) }

    static func axes(_ q: (Double, Double, Double, Double)) -> [SIMD3<Double>] {
        let (w, x, y, z) = q
        return [
            SIMD3(1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)),
            SIMD3(2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)),
            SIMD3(2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)),
        ]
    }
}

final class QuickFrames: SignalKernels {
    let design: [SIMD3<Double>], measurementCount: Int
    init(_ design: [SIMD3<Double>]) { (self.design, measurementCount) = (design, design.count) }

    private func values(size: Double, _ q: (Double, Double, Double, Double), _ put: (Int, Float) -> Void) {
        let e = Frames.axes(q), s = exp(size)
        for i in design.indices {
            let a = (design[i] * e[0]).sum(), b = (design[i] * e[1]).sum(), c = (design[i] * e[2]).sum()
            put(i, Float(exp(-s * (0.2 * a * a + b * b + 2.5 * c * c))))
        }
    }

    func attenuations(
        _ layout: SignalLayout, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        for k in 0..<2 { attenuations(layout, of: k, rows: rows, stride: stride, into: e) }
    }
    func attenuations(
        _ layout: SignalLayout, of k: Int, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        for lane in 0..<16 {
            func x(_ c: Int) -> Double { Double(rows[c * stride + lane]) }
            let r = layout.firstRotation
            if k == 0 {
                for i in design.indices { e[i * 32 + lane] = 1 }
            } else {
                values(size: x(layout.firstScalar), (x(r), x(r + 1), x(r + 2), x(r + 3))) { i, value in
                    e[i * 32 + 16 + lane] = value
                }
            }
        }
    }
    func attenuations(_ layout: SignalLayout, at x: UnsafePointer<Double>, into e: UnsafeMutablePointer<Float>) {
        let r = x + layout.firstRotation
        for i in design.indices { e[i] = 1 }
        values(size: x[layout.firstScalar], (r[0], r[1], r[2], r[3])) { i, value in e[design.count + i] = value }
    }
    func derivatives(
        _ layout: SignalLayout, _ x: UnsafePointer<Double>, attenuations: UnsafeMutablePointer<Float>,
        rows: UnsafeMutablePointer<Float>
    ) { preconditionFailure("nobody asks") }
}

/// The lanes of `Waves` and `Decays` in loops that need no lists, for tests that ask for millions; single points as
/// those families have them.
final class QuickKernels: SignalKernels {
    private let plain: any SignalKernels, t: [Float], g: [SIMD3<Float>]
    var measurementCount: Int { t.count }
    init(_ times: [Double]) { (plain, t, g) = (Waves().kernels(times), times.map { Float($0) }, []) }
    init(_ design: [Decays.Measurement]) {
        (plain, t, g) = (Decays().kernels(design), design.map { Float($0.t) }, design.map { SIMD3<Float>($0.g) })
    }

    func attenuations(
        _ layout: SignalLayout, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        for k in 0..<layout.componentCount { attenuations(layout, of: k, rows: rows, stride: stride, into: e) }
    }

    func attenuations(
        _ layout: SignalLayout, of k: Int, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        let c = layout.components[k], w = layout.componentCount,
            n = layout.components[..<k].count { $0.group == c.group }
        let decays = layout.components.count { $0.group == "decay" },
            scalar = layout.firstScalar + n + (c.group == "rod" ? decays : 0)
        let axis = layout.firstAxis + 3 * n
        for lane in 0..<16 {
            func fill(_ value: (Int) -> Float) { for i in t.indices { e[(i * w + k) * 16 + lane] = value(i) } }
            switch c.group {
            case "slope": fill { t[$0] }
            case "wave":
                let omega = rows[scalar * stride + lane]
                fill { cos(omega * t[$0]) }
            case "decay":
                let r = exp(rows[scalar * stride + lane])
                fill { exp(-r * t[$0]) }
            case "rod":
                let r = exp(rows[scalar * stride + lane])
                let mu = SIMD3(
                    rows[axis * stride + lane], rows[(axis + 1) * stride + lane], rows[(axis + 2) * stride + lane])
                fill { i in
                    let cosine = (g[i] * mu).sum()
                    return exp(-r * t[i] * cosine * cosine)
                }
            default: fill { _ in 1 }
            }
        }
    }

    func attenuations(_ layout: SignalLayout, at x: UnsafePointer<Double>, into e: UnsafeMutablePointer<Float>) {
        plain.attenuations(layout, at: x, into: e)
    }
    func derivatives(
        _ layout: SignalLayout, _ x: UnsafePointer<Double>, attenuations: UnsafeMutablePointer<Float>,
        rows: UnsafeMutablePointer<Float>
    ) { plain.derivatives(layout, x, attenuations: attenuations, rows: rows) }
}

extension TestPoints {
    static func start(_ layout: SignalLayout) -> [Double] {
        var random = RandomSource(seed: 0)
        return prior(layout, using: &random)
    }
}
