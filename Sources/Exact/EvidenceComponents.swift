import Diffusion
import Foundation
import ModelSpace

extension EvidenceSampler {
    private typealias Slot = BallSticks.Slot

    /// Evidence and weights from log p(y, w|x) − log q(w|x) and log Σ_c n_c q_c(x).
    static func noise(_ logs: ArraySlice<Double>, _ mixture: [Float], _ constant: Double) -> StructureSample.Noise {
        // Samples outside every component, or that could not be drawn, weigh nothing.
        let values = zip(logs, mixture).map { $0.isFinite && $1 > -1e29 ? $0 - Double($1) : -.infinity }
        guard let peak = values.max(), peak.isFinite else { return .init() }
        // mixture is Σ n_c q_c = N × density, so the evidence is Σ w itself.
        let w = values.map { exp($0 - peak) }, sum = w.reduce(0, +), squares = w.reduce(0) { $0 + $1 * $1 }
        let variance = max(0, squares / (sum * sum) - 1 / Double(w.count))
        return .init(
            logEvidence: constant + peak + log(sum), standardError: variance.squareRoot(), weights: w.map { $0 / sum },
            effectiveCount: sum * sum / squares)
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
        let bias = a.reduce(0) { $0 + 1 / (4 * pow(best.centre[Slot.snr] * max(1e-6, Double($1)), 2)) }
        if !isPositive || bias < Self.negligibleBias { return ([.init(y, best.centre, plain, acquisition)], []) }
        var views: [ConditionalWeights.View] = [], extra: [LocalMode] = []
        for z in [plain, rician] {
            guard let mode = finder.climb(y, LocalGeometry(z), from: best.centre, steps: 5, constant: found.constant) else { continue }
            views.append(.init(y, mode.centre, z, acquisition))
            if !(found.list + extra).contains(where: { $0.isNear(mode) }) { extra.append(mode) }
        }
        if views.isEmpty { views.append(.init(y, best.centre, plain, acquisition)) }
        if views.count == 2 && views[0].isNear(views[1]) { views.removeLast() }
        return (views, extra)
    }

    /// Components near samples of earlier generations, chosen by weight.
    func later(_ y: UnsafePointer<Float>, _ run: Run, _ options: Options, _ random: inout RandomSource) -> [ShapeComponent] {
        let g = run.modes.geometry, values = (0..<run.sample.count).map { i in
            let l = max(run.logs.gaussian[i], run.logs.rician[i])
            return l.isFinite && run.mixture[i] > -1e29 ? l - Double(run.mixture[i]) : -.infinity
        }
        guard let peak = values.max(), peak.isFinite else { return [] }
        var result: [ShapeComponent] = [], theta = [Double](repeating: 0, count: Slot.count)
        for i in systematicResample(values.map { exp($0 - peak) }, count: options.components, offset: random.uniform()) {
            run.sample.parameters(i, hasSpread: g.hasSpread, into: &theta)
            guard let mode = finder.climb(y, g, from: theta, steps: 1, constant: run.modes.constant, isCalibrated: false) else { continue }
            if let c = ShapeComponent(mode, labelling: run.labelling, scale: options.scale) { result.append(c) }
        }
        return result
    }
}
