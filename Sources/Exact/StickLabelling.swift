import CKernels
import Foundation

/// Which labels sticks get, exchangeable as they are: by likeness to the sticks of a mode.
///
///     log g(μ) = Σ_k κ_k (μ_k·r_k)²,    h(μ) = g(μ) / Σ_π g(πμ)
///
/// r: the mode's axes; κ: half of what would make g fall off as the local normal does. h sums to one over the labellings of a sample, so that the integral
/// over all μ of target × h is that over one labelling each. A likeness without sharp edges wastes no samples near them.
struct StickLabelling {
    let axes: [SIMD3<Double>], sharpness: [Double]
    private static let bounds = (low: 1.0, high: 50.0)

    init(_ mode: LocalMode) {
        axes = mode.axes
        sharpness = mode.axes.indices.map { k in
            let t = mode.geometry.tangentIndex + 2 * k, a = mode.deviation(of: t), b = mode.deviation(of: t + 1)
            return max(Self.bounds.low, min(Self.bounds.high, 0.5 / (a * a + b * b)))
        }
    }

    /// By likeness to some axes, all alike.
    init(_ axes: [SIMD3<Double>]) {
        self.axes = axes
        sharpness = axes.map { _ in 1 }
    }

    /// The order π with the greatest g for axes μ_π(k), x y z each.
    func order(of others: UnsafePointer<Double>) -> [Int] {
        let n = axes.count, choices = FittedDensity.labellings[n]
        guard n > 1 else { return choices[0] }
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: 9) { likeness in
            for k in 0..<n {
                for s in 0..<n {
                    let c = (SIMD3(others[3 * s], others[3 * s + 1], others[3 * s + 2]) * axes[k]).sum()
                    likeness[3 * k + s] = sharpness[k] * c * c
                }
            }
            var best = 0, most = -Double.infinity
            for (i, order) in choices.enumerated() {
                var total = 0.0
                for k in 0..<n { total += likeness[3 * k + order[k]] }
                if total > most { (best, most) = (i, total) }
            }
            return choices[best]
        }
    }

    /// Multiplies by h the weights of the samples in rows (`proposal.h`) from `first` on.
    func share(
        _ rows: UnsafePointer<Float>, stride: Int, first: Int, count: Int, gaussian: UnsafeMutablePointer<Double>, rician: UnsafeMutablePointer<Double>
    ) {
        guard axes.count > 1 else { return }
        var shares = [Float](repeating: 0, count: count)
        pk_label_share(
            rows + first, axes.count, stride, count, axes.flatMap { [Float($0.x), Float($0.y), Float($0.z)] }, sharpness.map(Float.init), &shares)
        for i in 0..<count {
            gaussian[first + i] += Double(shares[i])
            rician[first + i] += Double(shares[i])
        }
    }
}
