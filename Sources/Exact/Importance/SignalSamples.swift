import CKernels
import Foundation
import ModelSpace

/// Weighted samples of a structure's parameters for each kind of noise that is possible, and the evidences.
package struct SignalSample {
    /// log p(y | z) over the family's prior, log s0 flat (density 1), its standard error (nats), and 1/Σw² of the
    /// samples.
    package struct Evidence: Sendable {
        package var logEvidence = -Double.infinity, standardError = Double.infinity, effectiveCount = 0.0
    }

    /// The evidence under each kind of noise; nil where it is not possible. (A dictionary of two would cost more to ask
    /// than what is asked for.)
    package struct Evidences: Sendable {
        private var gaussian: Evidence?, rician: Evidence?

        package subscript(noise: NoiseLikelihood) -> Evidence? {
            get { noise == .rician ? rician : gaussian }
            set { if noise == .rician { rician = newValue } else { gaussian = newValue } }
        }
    }

    package let layout: SignalLayout
    package internal(set) var evidence = Evidences()
    /// Samples.
    package internal(set) var count = 0
    /// Samples drawn, some of which were no shapes and are left out.
    var drawn = 0
    let memory: SampleMemory

    private let knowsNoise: Bool

    init(_ layout: SignalLayout, _ memory: SampleMemory, knowsNoise: Bool) {
        (self.layout, self.memory, self.knowsNoise) = (layout, memory, knowsNoise)
    }

    func logs(_ noise: NoiseLikelihood) -> UnsafeMutablePointer<Double> {
        noise == .rician ? memory.rician : memory.gaussian
    }

    /// Evidence and its error from log p(y, w|x) − log q(w|x) and log Σ_c n_c q_c(x).
    mutating func weigh(_ noise: NoiseLikelihood, constant: Double) {
        var sum = 0.0, squares = 0.0, found = Evidence()
        let peak = pk_importance_sums(logs(noise), memory.mixture, count, &sum, &squares)
        if peak.isFinite {
            // mixture is Σ n_c q_c = N × density, so the evidence is Σ w itself.
            found.logEvidence = constant + peak + log(sum)
            found.standardError = max(0, squares / (sum * sum) - 1 / Double(drawn)).squareRoot()
            found.effectiveCount = sum * sum / squares
        }
        evidence[noise] = found
    }

    /// Normalised importance weights; none where the evidence vanishes.
    package func weights(_ noise: NoiseLikelihood) -> [Double] {
        guard let found = evidence[noise], found.logEvidence.isFinite else { return [] }
        return [Double](unsafeUninitializedCapacity: count) { out, filled in
            _ = pk_importance_weights(logs(noise), memory.mixture, count, out.baseAddress!)
            let sum = out[0..<count].reduce(0, +)
            for i in 0..<count { out[i] /= sum }
            filled = count
        }
    }

    /// Sample i as a point of the prior's support, members by falling weight.
    package func point(_ i: Int, into x: UnsafeMutablePointer<Double>) {
        labelled(i, into: x)
        let logSigma = x[SignalLayout.sigma]
        // Rounding may have led out of it.
        layout.clamp(x)
        if knowsNoise { x[SignalLayout.sigma] = logSigma }
    }

    /// Sample i as a point, members in the order of their labels.
    func labelled(_ i: Int, into x: UnsafeMutablePointer<Double>) {
        for k in 0..<layout.count { x[k] = Double(memory.rows[k * memory.stride + i]) }
    }
}
