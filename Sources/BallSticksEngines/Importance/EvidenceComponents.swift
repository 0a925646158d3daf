import CKernels
import Diffusion
import Exact
import Foundation
import ModelSpace

extension EvidenceSampler {
    private typealias Slot = BallSticks.Slot

    /// Where few measurements leave the noise open, modes at high SNR are too narrow for the posterior: they get copies
    /// so much wider, with these shares, as many as the weights get widths.
    private static let copies: [(scale: Double, share: Double)] = [(1, 1), (3, 0.5), (9, 0.25)]

    /// Below this sum over volumes of (σ/2S)², about the square of the Rician bias in standard deviations, noise of
    /// either kind gives the same normal.
    private static let negligibleBias = 0.05

    /// Normal approximations of the likelihood about the best mode: one, or where signals are low one for each kind of
    /// noise, and modes that only the other kind has.
    func views(_ y: UnsafePointer<Float>, _ found: Modes, _ canBeRician: Bool) -> (
        [ConditionalWeights.View], [LocalMode]
    ) {
        let g = found.geometry, best = found.best, structures = BallSticks().structureSpace.structures
        let p = 2 * g.sticks + (g.hasSpread ? 1 : 0), plain = structures[2 * p], rician = structures[2 * p + 1]
        var a = [Float](repeating: 0, count: acquisition.count)
        BallSticks().attenuations(best.centre, plain, acquisition, into: &a)
        let snr = best.centre[Slot.snr],
            bias = a.reduce(0) { sum, a in
                let rho = snr * max(1e-6, Double(a))
                return sum + 1 / (4 * rho * rho)
            }
        if !canBeRician || bias < Self.negligibleBias { return ([.init(y, best.centre, plain, acquisition)], []) }
        var views: [ConditionalWeights.View] = [], extra: [LocalMode] = []
        for z in [plain, rician] {
            // There is where the best mode's own kind of noise led.
            if z == best.geometry.structure { views.append(.init(y, best.centre, z, acquisition)); continue }
            let known = found.list + extra
            guard
                let mode = finder.climb(
                    y, LocalGeometry(z, sigma: g.sigma), from: best.centre, steps: 5, constant: found.constant,
                    known: known)
            else { continue }
            views.append(.init(y, mode.centre, z, acquisition))
            if !known.contains(where: { $0.isNear(mode) }) { extra.append(mode) }
        }
        if views.isEmpty { views.append(.init(y, best.centre, plain, acquisition)) }
        if views.count == 2 && views[0].isNear(views[1]) { views = [views[0].between(views[1])] }
        return (views, extra)
    }

    /// Writes the first components, about modes. Returns their shares of the samples.
    func first(_ run: Run, _ options: Options) -> [Double] {
        let best = run.modes.best.laplace,
            copies = Self.copies.prefix(ConditionalWeights.widths(acquisition.count, run.modes.geometry)),
            memory = run.memory
        var shares: [Double] = []
        for mode in run.modes.list + run.extra {
            let share = min(1, exp(mode.laplace - best)) + 0.1
            for copy in copies {
                let out = memory.components + shares.count * Int(PK_SHAPE_SIZE)
                guard ShapeComponent.write(mode, labelling: run.labelling, scale: options.scale * copy.scale, into: out)
                else { continue }
                memory.origins[shares.count] = -1
                shares.append(share * copy.share)
            }
        }
        return shares
    }

    /// Writes components near samples of earlier generations, chosen by weight; how often each was chosen is its share.
    /// Their sticks have the sample's labels: where a sample's weight is heavy, that labelling has too few.
    func later(_ y: UnsafePointer<Float>, _ run: Run, _ options: Options, _ random: inout RandomSource) -> [Double] {
        let g = run.modes.geometry, memory = run.memory, count = run.sample.count, size = Int(PK_SHAPE_SIZE)
        return withUnsafeTemporaryAllocation(of: Int.self, capacity: options.components) { chosen in
            let other = run.job.rician != 0 ? memory.rician : memory.gaussian
            let peak = pk_importance_choice(
                memory.gaussian, other, memory.mixture, count, options.components, random.uniform(), room(count),
                chosen.baseAddress!)
            guard peak.isFinite else { return [] }
            return memory.addComponents(of: chosen, after: run.componentCount, size: size) { i, out in
                run.sample.labelled(i, hasSpread: g.hasSpread, into: theta)
                return finder.writeComponent(y, g, from: theta, scale: options.scale, into: out)
            }
        }
    }
}
