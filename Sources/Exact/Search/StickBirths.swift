import Diffusion
import Foundation
import ModelSpace

/// Starts for a structure of n sticks from a mode with n − 1: one more stick where the residual asks for it most, or a
/// stick split in two.
struct StickBirths {
    private typealias Slot = BallSticks.Slot
    private let acquisition: Acquisition, family = BallSticks()
    /// Candidate axes on the half-sphere.
    private static let axes = DirectionSets.fibonacci(48)
    /// A new stick's fraction, and the angle (radians) between the two that a stick is split into.
    private static let fraction = 0.08, splitAngle = 0.25

    init(acquisition: Acquisition) { self.acquisition = acquisition }

    /// - Parameters:
    ///   - theta: a mode of the structure with one stick fewer.
    ///   - structure: the structure with n sticks, same spread.
    ///   - births, splits: how many starts of each kind.
    func starts(_ y: UnsafePointer<Float>, from theta: [Double], to structure: Structure, births: Int, splits: Int)
        -> [[Double]]
    {
        let n = BallSticks.stickCount(structure)
        guard n > 0 else { return [] }
        var result: [[Double]] = []
        let gains =
            births > 0 ? family.stickGains(y, theta, BallSticks.hasSpread(structure), axes: Self.axes, acquisition) : []
        var chosen: [SIMD3<Double>] = []
        for i in gains.indices.sorted(by: { gains[$0] > gains[$1] }) where chosen.count < births {
            let axis = Self.axes[i]
            // Peaks, not their flanks.
            if chosen.contains(where: { abs(($0 * axis).sum()) > 0.8 }) { continue }
            chosen.append(axis)
            result.append(with(theta, n, fraction: Self.fraction, axis: axis))
        }
        for k in 0..<min(n - 1, splits) {
            var start = theta
            let a = Slot.axis + 3 * k, v = SIMD3(theta[a], theta[a + 1], theta[a + 2]), e = AxisChart.tangents(v).0
            let half = theta[Slot.fraction + k] / 2, c = cos(Self.splitAngle / 2), s = sin(Self.splitAngle / 2)
            start[Slot.fraction + k] = half
            for i in 0..<3 { start[a + i] = c * v[i] + s * e[i] }
            result.append(with(start, n, fraction: half, axis: c * v - s * e, isTaken: true))
        }
        return result
    }

    /// θ without the one of its `sticks` that has the least fraction, which the ball gets.
    static func withoutWeakest(_ theta: [Double], sticks n: Int) -> [Double] {
        var less = theta
        let weakest = (0..<n).min { theta[Slot.fraction + $0] < theta[Slot.fraction + $1] }!
        func copy(_ k: Int, to j: Int) {
            less[Slot.fraction + j] = k < n ? theta[Slot.fraction + k] : 0
            for c in 0..<3 { less[Slot.axis + 3 * j + c] = k < n ? theta[Slot.axis + 3 * k + c] : 0 }
        }
        for j in weakest..<n { copy(j + 1, to: j) }
        return less
    }

    /// θ with an n-th stick; its fraction comes from the others in proportion unless `isTaken` already.
    private func with(_ theta: [Double], _ n: Int, fraction: Double, axis: SIMD3<Double>, isTaken: Bool = false)
        -> [Double]
    {
        var start = theta
        if !isTaken { for k in 0..<n - 1 { start[Slot.fraction + k] *= 1 - fraction } }
        start[Slot.fraction + n - 1] = fraction
        for i in 0..<3 { start[Slot.axis + 3 * (n - 1) + i] = axis[i] }
        return start
    }
}
