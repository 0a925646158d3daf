import CKernels
import Diffusion
import Foundation
import ModelSpace

/// Weighted samples of a structure's parameters for both kinds of noise, and the evidences.
public struct StructureSample {
    public struct Noise {
        /// log p(y | z) over the family's prior, log s0 flat (density 1), and its standard error (nats).
        public var logEvidence = -Double.infinity, standardError = Double.infinity
        /// Normalised importance weights.
        public var weights: [Double] = []
        /// 1/Σw².
        public var effectiveCount = 0.0
    }
    public var gaussian = Noise(), rician = Noise()
    /// N samples, the first of each row of `capacity`: log d, log(s/d), log snr, log s0, fractions, axes, sticks in any order.
    public internal(set) var rows: [Float]
    public let capacity: Int
    public internal(set) var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        rows = Array(repeating: 0, count: PK_SAMPLE_ROWS * capacity)
    }

    /// Axes of sample i in the order of its labels.
    func axes(_ i: Int, sticks: Int) -> [SIMD3<Double>] {
        func row(_ k: Int) -> Double { Double(rows[(PK_ROW_AXIS + k) * capacity + i]) }
        return (0..<sticks).map { SIMD3(row(3 * $0), row(3 * $0 + 1), row(3 * $0 + 2)) }
    }

    /// Sample i as θ, sticks by falling fraction.
    public func parameters(_ i: Int, hasSpread: Bool, into theta: UnsafeMutablePointer<Double>) {
        func row(_ k: Int) -> Double { Double(rows[k * capacity + i]) }
        theta.update(repeating: 0, count: BallSticks.Slot.count)
        let d = exp(row(0))
        theta[BallSticks.Slot.diffusivity] = d
        theta[BallSticks.Slot.spread] = hasSpread ? d * exp(row(1)) : 0
        theta[BallSticks.Slot.snr] = exp(row(2))
        theta[BallSticks.Slot.s0] = exp(row(3))
        for k in 0..<12 { theta[BallSticks.Slot.fraction + k] = row(4 + k) }
        // Absent sticks have fraction 0 and stay last.
        BallSticks.sortSticks(theta, count: 3)
    }
}
