import Foundation
import ModelSpace

/// Families without any physics, for engines that must know none. Plain loops throughout.
///
/// `Waves`, linear-Gaussian: S = a + b t + Σ_k c_k cos(ω_k t), all coefficients normal, white noise of log-uniform σ.
/// Given ω and σ its evidence is a closed form, and that over both one or two integrals (`Waves.logEvidence`).
struct Waves: LinearFamily {
    static let description = try! FamilyDescription(
        "waves", shared: [],
        groups: [
            ComponentGroup("constant", .always, [Parameter("a", "", .coefficient(sd: 1))]),
            ComponentGroup("slope", .optional, [Parameter("b", "", .coefficient(sd: 0.5))]),
            ComponentGroup(
                "wave", .upTo(2),
                [Parameter("c", "", .coefficient(sd: 1)), Parameter("omega", "", .uniform(low: 1, high: 6))]),
        ],
        noise: ComponentGroup("noise", .oneOf(["gaussian"]), [Parameter("sigma", "", .logUniform(low: 0.03, high: 1))]))
    static let theta = ThetaLayout(description), rule = StructureRule(description)
    static func layout(_ z: Structure) -> SignalLayout { SignalLayout(description, theta, rule, z) }

    var description: FamilyDescription { Self.description }
    func measurementCount(_ design: [Double]) -> Int { design.count }
    func noise(_ z: Structure) -> NoiseLikelihood { .gaussian }
    func kernels(_ design: [Double]) -> any SignalKernels {
        PlainKernels(count: design.count) { component, shape, i in
            switch component.group {
            case "constant": (1, [])
            case "slope": (design[i], [])
            default: (cos(shape[0] * design[i]), [-design[i] * sin(shape[0] * design[i])])
            }
        }
    }

    /// log p(y | z) by the closed form given ω and σ and the trapezoidal rule over them; at most one wave. Error ≤
    /// 1e-3.
    /// - Parameter sigma: known σ; nil to integrate over its prior.
    static func logEvidence(_ y: [Double], _ t: [Double], _ z: Structure, sigma known: Double? = nil) -> Double {
        let layout = layout(z), nodes = layout.scalars.isEmpty ? 1 : 2001, levels = known == nil ? 161 : 1
        var terms: [Double] = []
        for n in 0..<nodes {
            let omega =
                layout.scalars.first.map { $0.low + ($0.high - $0.low) * (Double(n) + 0.5) / Double(nodes) } ?? 0
            let columns = layout.components.map { c in
                t.map { c.group == "constant" ? 1 : c.group == "slope" ? $0 : cos(omega * $0) }
            }
            for l in 0..<levels {
                let sigma =
                    known
                    ?? exp(
                        layout.noise.low + (layout.noise.high - layout.noise.low) * (Double(l) + 0.5) / Double(levels))
                terms.append(
                    logMarginal(y, columns, sds: layout.components.map(\.bound), sigma: sigma)
                        - log(Double(nodes * levels)))
            }
        }
        let peak = terms.max()!
        return peak + log(terms.reduce(0) { $0 + exp($1 - peak) })
    }

    /// log N(y; 0, σ² I + Σ_k sd_k² e_k e_kᵀ), by one rank-one update after another (Sherman and Morrison).
    static func logMarginal(_ y: [Double], _ columns: [[Double]], sds: [Double], sigma: Double) -> Double {
        func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        var solved = y.map { $0 / (sigma * sigma) }, others = columns.map { $0.map { $0 / (sigma * sigma) } }
        var logDeterminant = 2 * Double(y.count) * log(sigma)
        for k in columns.indices {
            let v = sds[k] * sds[k], gain = 1 + v * dot(columns[k], others[k]), own = others[k]
            logDeterminant += log(gain)
            func update(_ x: inout [Double], _ raw: [Double]) {
                let c = v * dot(own, raw) / gain
                for i in x.indices { x[i] -= c * own[i] }
            }
            update(&solved, y)
            for j in k + 1..<max(k + 1, columns.count) { update(&others[j], columns[j]) }
        }
        return -0.5 * (dot(y, solved) + logDeterminant + Double(y.count) * log(2 * .pi))
    }
}

/// `Decays`: fractions on the simplex, a scale, either kind of noise; S/s0 = f_0 + Σ_k f_k exp(−r_k t) + Σ_j f_j
/// exp(−r_j t (g·μ_j)²): a rest that does not decay, decays of rate r, and rods of rate r along an axis μ.
struct Decays: LinearFamily {
    static let description = try! FamilyDescription(
        "decays", shared: [],
        groups: [
            ComponentGroup("rest", .always, takesRest: true),
            ComponentGroup(
                "decay", .upTo(2),
                [Parameter("f", "", .weight(floor: 0.05)), Parameter("r", "", .logUniform(low: 0.2, high: 5))]),
            ComponentGroup(
                "rod", .upTo(2),
                [
                    Parameter("f", "", .weight(floor: 0.05)), Parameter("r", "", .logUniform(low: 0.5, high: 5)),
                    Parameter("mu", "", .axis),
                ],
                fibreAxis: "mu"),
        ],
        noise: ComponentGroup(
            "noise", .oneOf(["gaussian", "rician"]),
            [Parameter("snr", "", .logUniform(low: 3, high: 150)), Parameter("s0", "", .scale)]))
    static let theta = ThetaLayout(description), rule = StructureRule(description)
    static func layout(_ z: Structure) -> SignalLayout { SignalLayout(description, theta, rule, z) }

    struct Measurement: Sendable { var t: Double, g: SIMD3<Double> }

    var description: FamilyDescription { Self.description }
    func measurementCount(_ design: [Measurement]) -> Int { design.count }
    func noise(_ z: Structure) -> NoiseLikelihood { z[Self.description.bitCount - 1] ? .rician : .gaussian }
    func kernels(_ design: [Measurement]) -> any SignalKernels {
        PlainKernels(count: design.count) { component, shape, i in
            let t = design[i].t
            switch component.group {
            case "rest": return (1, [])
            case "decay":
                let r = exp(shape[0]), e = exp(-r * t)
                return (e, [-r * t * e])
            default:
                // Of the axis the derivative is by its three numbers.
                let r = exp(shape[0]), g = design[i].g, c = g.x * shape[1] + g.y * shape[2] + g.z * shape[3],
                    e = exp(-r * t * c * c)
                return (
                    e,
                    [-r * t * c * c * e, -2 * r * t * c * e * g.x, -2 * r * t * c * e * g.y, -2 * r * t * c * e * g.z]
                )
            }
        }
    }
}

/// Kernels by plain loops: E and its derivatives, by a component's own scalars then its axis, of one measurement.
final class PlainKernels: SignalKernels {
    typealias Signal = (_ component: SignalLayout.Component, _ shape: [Double], _ measurement: Int) -> (
        value: Double, slopes: [Double]
    )
    let measurementCount: Int
    private let signal: Signal

    init(count: Int, _ signal: @escaping Signal) { (measurementCount, self.signal) = (count, signal) }

    /// A component's own scalars and axes.
    private func own(_ layout: SignalLayout, _ k: Int) -> (scalars: [Int], axes: [Int]) {
        let c = layout.components[k]
        return (
            layout.scalars.indices.filter {
                layout.scalars[$0].group == c.group && layout.scalars[$0].member == c.member
            },
            layout.axes.indices.filter { layout.axes[$0].group == c.group && layout.axes[$0].member == c.member }
        )
    }

    private func shape(_ layout: SignalLayout, _ k: Int, _ x: (Int) -> Double) -> [Double] {
        let (scalars, axes) = own(layout, k)
        return scalars.map { x(layout.firstScalar + $0) }
            + axes.flatMap { a in (0..<3).map { x(layout.firstAxis + 3 * a + $0) } }
    }

    func attenuations(
        _ layout: SignalLayout, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        for k in 0..<layout.componentCount { attenuations(layout, of: k, rows: rows, stride: stride, into: e) }
    }

    func attenuations(
        _ layout: SignalLayout, of k: Int, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        for lane in 0..<16 {
            let p = shape(layout, k) { Double(rows[$0 * stride + lane]) }
            for i in 0..<measurementCount {
                e[(i * layout.componentCount + k) * 16 + lane] = Float(signal(layout.components[k], p, i).value)
            }
        }
    }

    func attenuations(_ layout: SignalLayout, at x: UnsafePointer<Double>, into e: UnsafeMutablePointer<Float>) {
        for k in 0..<layout.componentCount {
            let p = shape(layout, k) { x[$0] }
            for i in 0..<measurementCount {
                e[k * measurementCount + i] = Float(signal(layout.components[k], p, i).value)
            }
        }
    }

    func derivatives(
        _ layout: SignalLayout, _ x: UnsafePointer<Double>, attenuations: UnsafeMutablePointer<Float>,
        rows: UnsafeMutablePointer<Float>
    ) {
        let m = measurementCount
        rows.update(repeating: 0, count: layout.shapeDimension * m)
        for k in 0..<layout.componentCount {
            let p = shape(layout, k) { x[$0] }, weight = x[SignalLayout.firstWeight + k],
                (scalars, axes) = own(layout, k)
            for i in 0..<m {
                let (value, slopes) = signal(layout.components[k], p, i)
                attenuations[k * m + i] = Float(value)
                for (n, j) in scalars.enumerated() { rows[j * m + i] += Float(weight * slopes[n]) }
                for (n, a) in axes.enumerated() {
                    let at = layout.firstAxis + 3 * a, (e, f) = AxisChart.tangents(SIMD3(x[at], x[at + 1], x[at + 2]))
                    let g = SIMD3(
                        slopes[scalars.count + 3 * n], slopes[scalars.count + 3 * n + 1],
                        slopes[scalars.count + 3 * n + 2])
                    let row = layout.scalars.count + 2 * a
                    rows[row * m + i] += Float(weight * (g * e).sum())
                    rows[(row + 1) * m + i] += Float(weight * (g * f).sum())
                }
            }
        }
    }
}
