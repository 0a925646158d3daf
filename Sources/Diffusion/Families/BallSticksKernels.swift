import CKernels
import Foundation
import ModelSpace

/// Ball and sticks as a family whose signal is linear in its weights.
///
/// A layout's components are the ball and the sticks; its scalars log d and, with spread, log(s/d).
extension BallSticks: LinearFamily {
    public var description: FamilyDescription { Self.family }
    public static let rule = StructureRule(family)

    public func noise(_ z: Structure) -> NoiseLikelihood { Self.isRician(z) ? .rician : .gaussian }

    /// The layout of a structure, noise aside.
    public static func signalLayout(_ z: Structure) -> SignalLayout { SignalLayout(family, layout, rule, z) }

    public func diffusionKernels(_ design: Acquisition) -> any DiffusionKernels { BallSticksKernels(design) }
}

/// Attenuations of a ball and sticks (`ball_sticks_components.h`).
final class BallSticksKernels: DiffusionKernels {
    private var design: Acquisition

    init(_ design: Acquisition) { self.design = design }

    func take(_ design: Acquisition) { self.design = design }

    var measurementCount: Int { design.count }

    private static func sticks(_ layout: SignalLayout) -> Int { layout.axes.count }
    private static func hasSpread(_ layout: SignalLayout) -> Bool { layout.scalars.count > 1 }

    func attenuations(
        _ layout: SignalLayout, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        let t = design.tables
        pk_ball_sticks_lanes(
            t.count, t.b, t.gx, t.gy, t.gz, Self.sticks(layout), Self.hasSpread(layout) ? 1 : 0,
            rows + layout.firstScalar * stride, stride, e)
    }

    func attenuations(
        _ layout: SignalLayout, of k: Int, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        let t = design.tables
        pk_ball_sticks_lane(
            t.count, t.b, t.gx, t.gy, t.gz, Self.sticks(layout), k, Self.hasSpread(layout) ? 1 : 0,
            rows + layout.firstScalar * stride, stride, e)
    }

    func derivatives(
        _ layout: SignalLayout, _ x: UnsafePointer<Double>, attenuations: UnsafeMutablePointer<Float>,
        rows: UnsafeMutablePointer<Float>
    ) {
        components(layout, x, attenuations, rows)
    }

    func attenuations(_ layout: SignalLayout, at x: UnsafePointer<Double>, into e: UnsafeMutablePointer<Float>) {
        components(layout, x, e, nil)
    }

    private func components(
        _ layout: SignalLayout, _ x: UnsafePointer<Double>, _ attenuations: UnsafeMutablePointer<Float>,
        _ rows: UnsafeMutablePointer<Float>?
    ) {
        let t = design.tables, n = Self.sticks(layout), d = exp(x[layout.firstScalar])
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 4 + 9 + 18) { buffer in
            let f = buffer.baseAddress!
            for k in 0...n { f[k] = Float(x[SignalLayout.firstWeight + k]) }
            for k in 0..<n {
                let a = x + layout.firstAxis + 3 * k, axis = SIMD3(a[0], a[1], a[2])
                for c in 0..<3 { f[4 + 3 * k + c] = Float(axis[c]) }
                guard rows != nil else { continue }
                let (first, second) = AxisChart.tangents(axis)
                for c in 0..<3 { (f[13 + 6 * k + c], f[16 + 6 * k + c]) = (Float(first[c]), Float(second[c])) }
            }
            let spread = Self.hasSpread(layout) ? Float(d * exp(x[layout.firstScalar + 1])) : 0
            pk_ball_sticks_components(
                t.count, t.b, t.gx, t.gy, t.gz, Float(d), spread, n, f, f + 4, f + 13, attenuations, rows)
        }
    }
}
