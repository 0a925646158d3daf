import CKernels
import Foundation
import ModelSpace

/// Coordinates of a layout's weights in which its signal is linear and their prior simple (`linear_weights.h`).
///
///     fractions      f_k = φ_k + u_k / s0,  u ≥ 0,  Σ u = c s0,  c = 1 − Σφ        no component is special
///     coefficients   u_k themselves
///
/// The prior's density by (u, log σ, shape) is that by (log s0, free fractions, …) divided by c s0^W.
struct WeightCoordinates {
    let count: Int, kind: pk_weight_kind
    /// φ_k or standard deviations; φ_k / c, or 0.
    let bound: [Double], share: [Double]
    /// c, or 1.
    let free: Double

    init(_ layout: SignalLayout) {
        count = layout.componentCount
        bound = layout.components.map(\.bound)
        kind =
            layout.weights == .normal ? PK_COEFFICIENTS : layout.scalePlace == nil ? PK_FRACTIONS : PK_SCALED_FRACTIONS
        let free = 1 - layout.floors
        self.free = free
        share = layout.weights == .normal ? bound.map { _ in 0 } : bound.map { $0 / free }
    }

    var areFractions: Bool { kind != PK_COEFFICIENTS }

    /// u of a point.
    @inline(__always)
    func take(_ x: UnsafePointer<Double>, into u: UnsafeMutablePointer<Double>) {
        let s0 = areFractions ? exp(x[SignalLayout.scale]) : 1
        for k in 0..<count {
            u[k] = areFractions ? s0 * (x[SignalLayout.firstWeight + k] - bound[k]) : x[SignalLayout.firstWeight + k]
        }
    }

    /// Writes u ≥ 0 into a point, and its scale.
    @inline(__always)
    func put(_ u: UnsafePointer<Double>, into x: UnsafeMutablePointer<Double>) {
        guard areFractions else {
            for k in 0..<count { x[SignalLayout.firstWeight + k] = u[k] }
            return
        }
        var sum = 0.0
        for k in 0..<count { sum += u[k] }
        x[SignalLayout.scale] = kind == PK_FRACTIONS ? 0 : log(max(1e-30, sum / free))
        for k in 0..<count {
            x[SignalLayout.firstWeight + k] = bound[k] + (sum > 0 ? u[k] * free / sum : free / Double(count))
        }
    }

    /// Factors v of the attenuations, S = Σ v_k E_k; returns s0.
    @inline(__always)
    func amplitudes(_ x: UnsafePointer<Double>, into v: UnsafeMutablePointer<Double>) -> Double {
        let s0 = exp(x[SignalLayout.scale])
        for k in 0..<count { v[k] = s0 * x[SignalLayout.firstWeight + k] }
        return s0
    }

    /// log of the prior's density by u over that which `SignalLayout.logPriorDensity` is of.
    func logDensity(_ x: UnsafePointer<Double>) -> Double {
        switch kind {
        case PK_SCALED_FRACTIONS: return -log(free) - Double(count) * x[SignalLayout.scale]
        case PK_FRACTIONS: return 0
        default:
            var total = 0.0
            for k in 0..<count {
                let z = x[SignalLayout.firstWeight + k] / bound[k]
                total -= 0.5 * z * z + log(bound[k]) + 0.5 * log(2 * .pi)
            }
            return total
        }
    }
}

/// The largest layouts that modes and importance samples are made for.
enum SignalLimits {
    static let weights = Int(PK_WEIGHTS_MOST), shape = Int(PK_SHAPE_MOST), members = Int(PK_MEMBERS_MOST)
    /// Numbers of a point, local coordinates (weights, log σ, shape).
    static let point = 2 + weights + shape * 3 / 2, coordinates = weights + 1 + shape

    static func hold(_ layout: SignalLayout) -> Bool {
        layout.componentCount <= weights && layout.shapeDimension <= shape
            && layout.exchangeable.allSatisfy { $0.count <= members }
    }

    /// The stride of systems with so many unknowns (`linear_modes.h`).
    @inline(__always)
    static func stride(_ d: Int) -> Int { d < 16 ? 16 : d < 32 ? 32 : 64 }
}
