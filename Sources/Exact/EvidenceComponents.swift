import CKernels
import Diffusion
import Foundation
import ModelSpace

extension EvidenceSampler {
    private typealias Slot = BallSticks.Slot

    /// Evidence and weights from log p(y, w|x) − log q(w|x) and log Σ_c n_c q_c(x).
    static func noise(_ logs: ArraySlice<Double>, _ mixture: [Float], _ constant: Double) -> StructureSample.Noise {
        guard let (peak, w) = relativeWeights(logs, mixture) else { return .init() }
        // mixture is Σ n_c q_c = N × density, so the evidence is Σ w itself.
        let sum = w.reduce(0, +), squares = w.reduce(0) { $0 + $1 * $1 }
        let variance = max(0, squares / (sum * sum) - 1 / Double(w.count))
        return .init(
            logEvidence: constant + peak + log(sum), standardError: variance.squareRoot(), weights: w.map { $0 / sum },
            effectiveCount: sum * sum / squares)
    }

    /// Weights relative to the largest, whose logarithm comes first; nil where no sample counts.
    private static func relativeWeights(_ logs: ArraySlice<Double>, _ mixture: [Float]) -> (peak: Double, weights: [Double])? {
        var peak = 0.0
        let w = [Double](unsafeUninitializedCapacity: logs.count) { out, count in
            peak = logs.withUnsafeBufferPointer { pk_importance_weights($0.baseAddress!, mixture, logs.count, out.baseAddress!) }
            count = logs.count
        }
        return peak.isFinite ? (peak, w) : nil
    }

    /// Below this sum over volumes of (σ/2S)², about the square of the Rician bias in standard deviations, noise of either kind gives the same normal.
    private static let negligibleBias = 0.05

    /// Normal approximations of the likelihood about the best mode: one, or where signals are low one for each kind of noise, and modes that only the
    /// other kind has.
    func views(_ y: UnsafePointer<Float>, _ found: Modes, _ isPositive: Bool) -> ([ConditionalWeights.View], [LocalMode]) {
        let g = found.geometry, best = found.best, structures = BallSticks().structureSpace.structures
        let p = 2 * g.sticks + (g.hasSpread ? 1 : 0), plain = structures[2 * p], rician = structures[2 * p + 1]
        var a = [Float](repeating: 0, count: acquisition.count)
        BallSticks().attenuations(best.centre, plain, acquisition, into: &a)
        let snr = best.centre[Slot.snr], bias = a.reduce(0) { sum, a in
            let rho = snr * max(1e-6, Double(a))
            return sum + 1 / (4 * rho * rho)
        }
        if !isPositive || bias < Self.negligibleBias { return ([.init(y, best.centre, plain, acquisition)], []) }
        var views: [ConditionalWeights.View] = [], extra: [LocalMode] = []
        for z in [plain, rician] {
            let known = found.list + extra
            guard let mode = finder.climb(y, LocalGeometry(z), from: best.centre, steps: 5, constant: found.constant, known: known) else { continue }
            views.append(.init(y, mode.centre, z, acquisition))
            if !known.contains(where: { $0.isNear(mode) }) { extra.append(mode) }
        }
        if views.isEmpty { views.append(.init(y, best.centre, plain, acquisition)) }
        if views.count == 2 && views[0].isNear(views[1]) { views.removeLast() }
        return (views, extra)
    }

    /// Components near samples of earlier generations, chosen by weight, and how often each was chosen. Their sticks have the sample's labels: where a
    /// sample's weight is heavy, that labelling has too few.
    func later(
        _ y: UnsafePointer<Float>, _ run: Run, _ options: Options, _ random: inout RandomSource
    ) -> (components: [ShapeComponent], shares: [Double]) {
        let g = run.modes.geometry
        guard let (_, weights) = Self.relativeWeights(run.larger[...], run.mixture) else { return ([], []) }
        var result: [ShapeComponent] = [], shares: [Double] = [], theta = [Double](repeating: 0, count: Slot.count)
        for i in systematicResample(weights, count: options.components, offset: random.uniform()) {
            if result.last?.origin == i { shares[shares.count - 1] += 1; continue }
            run.sample.parameters(i, hasSpread: g.hasSpread, into: &theta)
            let labelling = StickLabelling(run.sample.axes(i, sticks: g.sticks))
            guard let c = finder.component(y, g, from: theta, labelling: labelling, scale: options.scale, origin: i) else { continue }
            result.append(c)
            shares.append(1)
        }
        return (result, shares)
    }
}

extension EvidenceSampler.Run {
    /// Of each sample the larger of log p(y, w|x) − log q(w|x) for either noise.
    fileprivate var larger: [Double] {
        let n = sample.count
        return [Double](unsafeUninitializedCapacity: n) { out, count in
            logs.gaussian.withUnsafeBufferPointer { a in
                logs.rician.withUnsafeBufferPointer { b in
                    for i in 0..<n { out[i] = max(a[i], b[i]) }
                }
            }
            count = n
        }
    }
}
