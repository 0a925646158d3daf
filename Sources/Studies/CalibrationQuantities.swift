import Diffusion
import Foundation
import Inference
import ModelSpace

/// What ball-and-sticks posteriors are asked about in simulation-based calibration: functions of (z, θ, y), one rank each.
///
/// Joint quantities are defined for every structure (an absent fibre has fraction 0 and shares the last place); conditional ones for draws of the true structure
/// only, where it has them. Directions enter in two ways that no choice of axes or signs can bias:
///
///     reference   |μ·r|, r an axis drawn at random for each voxel
///     cone        −|μ·μ̄|, μ̄ the leading eigenvector of Σ μμᵀ over all L + 1 of truth and draws, so that these stay exchangeable
///
/// The log-likelihood as a quantity sees faults that all parameters miss.
/// - Source: Modrák et al., Bayesian Analysis 20 (2025), "Simulation-based calibration checking … the importance of test quantities".
struct CalibrationQuantities {
    /// A quantity's name, the words for it, and whether it is a cone.
    struct Label { var name: String, text: String, isCone = false }

    private typealias Slot = BallSticks.Slot
    private static let scalars = [
        Label(name: "d", text: "diffusivity d"), Label(name: "s", text: "spread of diffusivity s"), Label(name: "snr", text: "SNR"),
        Label(name: "s0", text: "S0"), Label(name: "f1", text: "fraction 1"), Label(name: "f2", text: "fraction 2"),
        Label(name: "f3", text: "fraction 3"),
    ]
    private static let axes = (1...3).flatMap {
        [Label(name: "mu\($0)", text: "direction \($0)"), Label(name: "mu\($0)_cone", text: "direction \($0), cone", isCone: true)]
    }
    private static let likelihood = Label(name: "loglik", text: "log-likelihood"), sum = Label(name: "fsum", text: "sum of fractions")

    static let joint = [
        Label(name: "fibres", text: "number of fibres"), Label(name: "rician", text: "noise: Rician or not"),
    ] + scalars + [sum, likelihood] + axes[0..<2]
    static let conditional = scalars + [sum, likelihood] + axes

    private let family = BallSticks()
    private let acquisition: Acquisition

    init(acquisition: Acquisition) { self.acquisition = acquisition }

    /// Ranks of the truth in the order of `joint`.
    /// - Parameters:
    ///   - items: θ and structure of the truth, then of the draws.
    func jointRanks(_ items: [(theta: [Double], z: Structure)], _ y: UnsafePointer<Float>, using random: inout RandomSource) -> [Int?] {
        let reference = DirectionSets.uniform(using: &random)
        var values = [items.map { Double(BallSticks.stickCount($0.z)) }, items.map { BallSticks.isRician($0.z) ? 1.0 : 0 }]
        values += scalarValues(items, y)
        values += axisValues(items, 0, reference)
        return values.map { CalibrationStatistics.rank(of: $0[0], among: Array($0.dropFirst()), using: &random) }
    }

    /// Ranks of the truth in the order of `conditional`, all items having the same structure; nil for what it lacks.
    func conditionalRanks(_ items: [(theta: [Double], z: Structure)], _ y: UnsafePointer<Float>, using random: inout RandomSource) -> [Int?] {
        let z = items[0].z, n = BallSticks.stickCount(z), reference = DirectionSets.uniform(using: &random)
        let has = [true, BallSticks.hasSpread(z), true, true, n > 0, n > 1, n > 2, n > 1, true]
        var values = zip(scalarValues(items, y), has).map { $1 ? $0 : nil }
        for k in 0..<3 { values += k < n ? axisValues(items, k, reference) : [nil, nil] }
        return values.map { x in x.map { CalibrationStatistics.rank(of: $0[0], among: Array($0.dropFirst()), using: &random) } }
    }

    /// d … f3, sum of fractions, log-likelihood: one row a quantity, one column an item.
    private func scalarValues(_ items: [(theta: [Double], z: Structure)], _ y: UnsafePointer<Float>) -> [[Double]] {
        let offsets = [Slot.diffusivity, Slot.spread, Slot.snr, Slot.s0, Slot.fraction, Slot.fraction + 1, Slot.fraction + 2]
        var rows = offsets.map { offset in items.map { $0.theta[offset] } }
        rows.append(items.map { $0.theta[Slot.fraction] + $0.theta[Slot.fraction + 1] + $0.theta[Slot.fraction + 2] })
        var scratch = [Float](repeating: 0, count: acquisition.count)
        rows.append(items.map { item in item.theta.withUnsafeBufferPointer { theta in
            scratch.withUnsafeMutableBufferPointer { family.logLikelihood(y, theta.baseAddress!, item.z, acquisition, scratch: $0.baseAddress!) }
        } })
        return rows
    }

    /// Reference and cone quantities of stick k; −1 and +1 where it is absent.
    private func axisValues(_ items: [(theta: [Double], z: Structure)], _ k: Int, _ reference: SIMD3<Double>) -> [[Double]] {
        let axes = items.map { item -> SIMD3<Double>? in
            guard BallSticks.stickCount(item.z) > k else { return nil }
            let at = Slot.axis + 3 * k
            return SIMD3(item.theta[at], item.theta[at + 1], item.theta[at + 2])
        }
        var dyad = SymmetricEigen.Matrix()
        for case let axis? in axes { dyad.add(axis, weight: 1) }
        let mean = SymmetricEigen.largest(dyad).vector
        return [axes.map { $0.map { abs(($0 * reference).sum()) } ?? -1 }, axes.map { $0.map { -abs(($0 * mean).sum()) } ?? 1 }]
    }
}
