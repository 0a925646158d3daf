import CKernels
import Foundation
import ModelSpace

/// Log-densities of sixteen points of a structure at once, in single precision: sixteen attenuations cost hardly more
/// than one. One a thread.
///
/// - Accuracy: |error| ≤ 2e-6 Σ(1 + (y/σ)²), far below what a log-density is asked for here.
final class PointLanes {
    static let size = 16
    private let m: Int
    private let rows, attenuations, amplitudes, signals: UnsafeMutablePointer<Float>
    /// Of each lane: σ, what varies of the prior's density, and the log-density.
    private let sigma, prior, density: UnsafeMutablePointer<Double>

    init(_ m: Int) {
        self.m = m
        let size = Self.size, most = SignalLimits.weights
        rows = .allocate(capacity: size * (SignalLimits.point + most + m * (most + 1)))
        rows.initialize(repeating: 0, count: size * (SignalLimits.point + most))
        amplitudes = rows + size * SignalLimits.point
        attenuations = amplitudes + size * most
        signals = attenuations + size * most * m
        sigma = .allocate(capacity: 3 * size)
        sigma.initialize(repeating: 1, count: 3 * size)
        (prior, density) = (sigma + size, sigma + 2 * size)
    }

    deinit {
        rows.deallocate()
        sigma.deallocate()
    }

    func set(_ task: ModeClimber.Task, _ x: UnsafePointer<Double>, at lane: Int) {
        let w = task.weights.count
        for i in 0..<task.layout.count { rows[Self.size * i + lane] = Float(x[i]) }
        sigma[lane] = exp(x[SignalLayout.sigma])
        prior[lane] = task.weights.logDensity(x)
        withUnsafeTemporaryAllocation(of: Double.self, capacity: w) { v in
            _ = task.weights.amplitudes(x, into: v.baseAddress!)
            for k in 0..<w { amplitudes[Self.size * k + lane] = Float(v[k]) }
        }
    }

    /// Log-likelihood and what varies of the prior's density (as `ModeClimber.evaluate` says it) of the first `count`
    /// lanes; −∞ where there is none. They hold until the next call.
    func values(_ task: ModeClimber.Task, count: Int, _ kernels: any SignalKernels) -> UnsafeBufferPointer<Double> {
        let w = task.weights.count, size = Self.size
        // Lanes without a point of their own repeat the last.
        for lane in count..<size {
            for i in 0..<task.layout.count { rows[size * i + lane] = rows[size * i + count - 1] }
        }
        kernels.attenuations(task.layout, rows: rows, stride: size, into: attenuations)
        pk_lane_signals(m, w, amplitudes, attenuations, signals)
        for lane in 0..<count {
            density[lane] = -.infinity
            guard sigma[lane] > 0, (1 / (sigma[lane] * sigma[lane])).isFinite else { continue }
            let value =
                task.noise == .rician
                ? pk_rician_log_likelihood(m, signals + lane * m, task.y, 1, sigma[lane])
                : pk_gaussian_log_likelihood(m, signals + lane * m, task.y, 1, sigma[lane])
            if !value.isNaN { density[lane] = value + prior[lane] }
        }
        return UnsafeBufferPointer(start: density, count: count)
    }
}
