import CKernels
import Diffusion
import Exact
import Foundation
import ModelSpace

/// Weighted samples of a structure's parameters for both kinds of noise, and the evidences.
public struct StructureSample {
    public struct Noise {
        /// log p(y | z) over the family's prior, log s0 flat (density 1), and its standard error (nats).
        public var logEvidence = -Double.infinity, standardError = Double.infinity
        /// 1/Σw².
        public var effectiveCount = 0.0
        /// The samples' logarithms, and how many; none where the evidence vanishes.
        private var memory: SampleMemory?, isRician = false, count = 0

        init() {}

        /// Evidence and its error from log p(y, w|x) − log q(w|x) and log Σ_c n_c q_c(x).
        init(_ memory: SampleMemory, count: Int, isRician: Bool, constant: Double) {
            var sum = 0.0, squares = 0.0
            let peak = pk_importance_sums(
                isRician ? memory.rician : memory.gaussian, memory.mixture, count, &sum, &squares)
            guard peak.isFinite else { return }
            // mixture is Σ n_c q_c = N × density, so the evidence is Σ w itself.
            logEvidence = constant + peak + log(sum)
            standardError = max(0, squares / (sum * sum) - 1 / Double(count)).squareRoot()
            effectiveCount = sum * sum / squares
            (self.memory, self.isRician, self.count) = (memory, isRician, count)
        }

        /// Normalised importance weights.
        public var weights: [Double] {
            guard let memory else { return [] }
            return [Double](unsafeUninitializedCapacity: count) { out, filled in
                _ = pk_importance_weights(
                    isRician ? memory.rician : memory.gaussian, memory.mixture, count, out.baseAddress!)
                let sum = out[0..<count].reduce(0, +)
                for i in 0..<count { out[i] /= sum }
                filled = count
            }
        }
    }
    public var gaussian = Noise(), rician = Noise()
    public internal(set) var count = 0
    let memory: SampleMemory, sticks: Int, sigma: Double?

    /// - Parameter sigma: the noise's standard deviation where it is known.
    init(_ memory: SampleMemory, sticks: Int, sigma: Double? = nil) {
        (self.memory, self.sticks, self.sigma) = (memory, sticks, sigma)
    }

    /// N samples, the first of each row of `capacity`: log d, log(s/d), log snr, log s0, fractions, axes, sticks in any
    /// order; of what is not there, anything.
    public var rows: UnsafePointer<Float> { UnsafePointer(memory.rows) }
    public var capacity: Int { memory.capacity }

    /// Sample i as θ, sticks by falling fraction.
    public func parameters(_ i: Int, hasSpread: Bool, into theta: UnsafeMutablePointer<Double>) {
        labelled(i, hasSpread: hasSpread, into: theta)
        BallSticks.sortSticks(theta, count: sticks)
    }

    /// Sample i as θ, sticks in the order of their labels.
    func labelled(_ i: Int, hasSpread: Bool, into theta: UnsafeMutablePointer<Double>) {
        let rows = rows, capacity = capacity
        func row(_ k: Int) -> Double { Double(rows[k * capacity + i]) }
        theta.update(repeating: 0, count: BallSticks.Slot.count)
        let d = exp(row(0))
        theta[BallSticks.Slot.diffusivity] = d
        theta[BallSticks.Slot.spread] = hasSpread ? d * exp(row(1)) : 0
        theta[BallSticks.Slot.s0] = exp(row(3))
        theta[BallSticks.Slot.snr] = sigma.map { theta[BallSticks.Slot.s0] / $0 } ?? exp(row(2))
        for k in 0..<sticks { theta[BallSticks.Slot.fraction + k] = row(Int(PK_ROW_FRACTION) + k) }
        for k in 0..<3 * sticks { theta[BallSticks.Slot.axis + k] = row(Int(PK_ROW_AXIS) + k) }
    }
}
