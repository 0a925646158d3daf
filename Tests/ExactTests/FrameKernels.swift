import Foundation
import ModelSpace

@testable import Exact

/// Kernels of a family with one frame, by plain loops; derivatives by differences.
final class FrameKernels: SignalKernels {
    let design: [Decays.Measurement]
    var measurementCount: Int { design.count }
    init(_ design: [Decays.Measurement]) { self.design = design }

    private func signal(_ k: Int, _ i: Int, _ layout: SignalLayout, _ x: (Int) -> Double) -> Double {
        guard k == 1 else { return 1 }
        let at = layout.firstRotation, (w, a, b, c) = (x(at), x(at + 1), x(at + 2), x(at + 3)), g = design[i].g
        let e1 = SIMD3(1 - 2 * (b * b + c * c), 2 * (a * b + w * c), 2 * (a * c - w * b)),
            e2 = SIMD3(2 * (a * b - w * c), 1 - 2 * (a * a + c * c), 2 * (b * c + w * a))
        let p = (g * e1).sum(), q = (g * e2).sum()
        return exp(-exp(x(layout.firstScalar)) * design[i].t * (p * p + 0.3 * q * q))
    }

    func attenuations(
        _ layout: SignalLayout, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        for k in 0..<2 { attenuations(layout, of: k, rows: rows, stride: stride, into: e) }
    }

    func attenuations(
        _ layout: SignalLayout, of k: Int, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        for i in design.indices {
            for lane in 0..<16 {
                e[(i * 2 + k) * 16 + lane] = Float(signal(k, i, layout) { Double(rows[$0 * stride + lane]) })
            }
        }
    }

    func attenuations(_ layout: SignalLayout, at x: UnsafePointer<Double>, into e: UnsafeMutablePointer<Float>) {
        for k in 0..<2 { for i in design.indices { e[k * design.count + i] = Float(signal(k, i, layout) { x[$0] }) } }
    }

    func derivatives(
        _ layout: SignalLayout, _ x: UnsafePointer<Double>, attenuations: UnsafeMutablePointer<Float>,
        rows: UnsafeMutablePointer<Float>
    ) {
        self.attenuations(layout, at: x, into: attenuations)
        var u = [0.0, 0, 0, 0], p = [Double](repeating: 0, count: layout.count), q = p
        for j in 0..<4 {
            u[j] = 1e-4
            layout.moveShape(x, by: u, into: &p)
            u[j] = -1e-4
            layout.moveShape(x, by: u, into: &q)
            u[j] = 0
            for i in design.indices {
                rows[j * design.count + i] = Float(
                    x[3] * (signal(1, i, layout) { p[$0] } - signal(1, i, layout) { q[$0] }) / 2e-4)
            }
        }
    }
}
