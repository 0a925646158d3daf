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
    /// N samples as rows of N: log d, log(s/d), log snr, log s0, fractions, axes.
    public var rows: [Float] = []
    public var count = 0

    /// Sample i as θ.
    public func parameters(_ i: Int, hasSpread: Bool, into theta: UnsafeMutablePointer<Double>) {
        parameters(i, of: count, hasSpread: hasSpread, into: theta)
    }

    func parameters(_ i: Int, of stride: Int, hasSpread: Bool, into theta: UnsafeMutablePointer<Double>) {
        func row(_ k: Int) -> Double { Double(rows[k * stride + i]) }
        theta.update(repeating: 0, count: BallSticks.Slot.count)
        let d = exp(row(0))
        theta[BallSticks.Slot.diffusivity] = d
        theta[BallSticks.Slot.spread] = hasSpread ? d * exp(row(1)) : 0
        theta[BallSticks.Slot.snr] = exp(row(2))
        theta[BallSticks.Slot.s0] = exp(row(3))
        for k in 0..<12 { theta[BallSticks.Slot.fraction + k] = row(4 + k) }
    }

    /// Brings each sample's sticks into the order of falling fractions.
    mutating func sort(sticks n: Int) {
        guard n > 1 else { return }
        rows.withUnsafeMutableBufferPointer { r in
            for i in 0..<count {
                for k in 1..<n {
                    var j = k
                    while j > 0 && r[(4 + j) * count + i] > r[(3 + j) * count + i] {
                        r.swapAt((4 + j) * count + i, (3 + j) * count + i)
                        for c in 0..<3 { r.swapAt((7 + 3 * j + c) * count + i, (4 + 3 * j + c) * count + i) }
                        j -= 1
                    }
                }
            }
        }
    }
}
