import CKernels
import Foundation

/// Which labels sticks get, exchangeable as they are: by likeness to the sticks of a mode.
///
///     log g(μ) = Σ_k κ_k (μ_k·r_k)²,    h(μ) = g(μ) / Σ_π g(πμ)
///
/// r: the mode's axes; κ: half of what would make g fall off as the local normal does. h sums to one over the
/// labellings of a sample, so that the integral over all μ of target × h is that over one labelling each. A likeness
/// without sharp edges wastes no samples near them.
struct StickLabelling {
    let axes: [SIMD3<Double>], sharpness: [Double]
    /// The same for the kernel.
    private let plainAxes: [Float], plainSharpness: [Float]
    private static let bounds = (low: 1.0, high: 50.0)

    init(_ mode: LocalMode) {
        axes = mode.axes
        sharpness = mode.axes.indices.map { k in
            let t = mode.geometry.tangentIndex + 2 * k, a = mode.deviation(of: t), b = mode.deviation(of: t + 1)
            return max(Self.bounds.low, min(Self.bounds.high, 0.5 / (a * a + b * b)))
        }
        plainAxes = axes.flatMap { [Float($0.x), Float($0.y), Float($0.z)] }
        plainSharpness = sharpness.map(Float.init)
    }

    /// The order π with the greatest g for axes μ_π(k).
    func order(of others: [SIMD3<Double>]) -> [Int] {
        Self.order(axes.count) { k, s in
            let c = (others[s] * axes[k]).sum()
            return sharpness[k] * c * c
        }
    }

    /// The order π with the greatest Σ_k likeness(k, π(k)).
    @inline(__always)
    static func order(_ n: Int, likeness: (Int, Int) -> Double) -> [Int] {
        let choices = FittedDensity.labellings[n]
        guard n > 1 else { return choices[0] }
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: 9) { table in
            for k in 0..<n { for s in 0..<n { table[3 * k + s] = likeness(k, s) } }
            var best = 0, most = -Double.infinity
            for (i, order) in choices.enumerated() {
                var total = 0.0
                for k in 0..<n { total += table[3 * k + order[k]] }
                if total > most { (best, most) = (i, total) }
            }
            return choices[best]
        }
    }

    /// Multiplies by h the weights of the samples in rows (`proposal.h`) from `first` on.
    /// - Parameter work: `count` floats.
    func share(
        _ rows: UnsafePointer<Float>, stride: Int, first: Int, count: Int, gaussian: UnsafeMutablePointer<Double>,
        rician: UnsafeMutablePointer<Double>,
        work: UnsafeMutablePointer<Float>
    ) {
        guard axes.count > 1 else { return }
        pk_label_share(rows + first, axes.count, stride, count, plainAxes, plainSharpness, work)
        for i in 0..<count {
            gaussian[first + i] += Double(work[i])
            rician[first + i] += Double(work[i])
        }
    }
}
