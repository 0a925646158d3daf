import CKernels
import Foundation
import ModelSpace

extension ImportanceSampler {
    /// Where few measurements leave the noise open, modes at high SNR are too narrow for the posterior: they get copies
    /// so much wider, with these shares, as many as the weights get widths.
    private static let copies: [(scale: Double, share: Double)] = [(1, 1), (3, 0.5), (9, 0.25)]

    /// Below this sum over volumes of (σ/2S)², about the square of the Rician bias in standard deviations, noise of
    /// either kind gives the same normal.
    private static let negligibleBias = 0.05

    /// Normal approximations of the likelihood about the best mode: one, or where signals are low one for each kind of
    /// noise, and modes that only the other kind has.
    /// - Parameter climbs: whether the other kind's mode is looked for.
    func views(
        _ y: UnsafePointer<Float>, _ found: Modes, _ noises: Set<NoiseLikelihood>, canBeRician: Bool, sigma: Double?,
        climbs: Bool
    ) -> ([LikelihoodView], [PosteriorMode]) {
        let best = found.best, (signal, scatter) = (self.signal(best), exp(best.centre[SignalLayout.sigma]))
        let plain = noises.contains(.gaussian) || !canBeRician ? NoiseLikelihood.gaussian : .rician
        if !canBeRician || rician(bias: signal, sigma: scatter) < Self.negligibleBias {
            return ([LikelihoodView(y, signal: signal, sigma: scatter, plain)], [])
        }
        var views: [LikelihoodView] = [], extra: [PosteriorMode] = []
        for noise in [NoiseLikelihood.gaussian, .rician] where noises.contains(noise) {
            // There is where the best mode's own kind of noise led.
            if noise == best.noise || !climbs {
                views.append(LikelihoodView(y, signal: signal, sigma: scatter, noise))
                continue
            }
            let known = found.list + extra
            guard
                let mode = climber.climb(
                    y, found.layout, noise, from: best.centre, steps: Self.passage, sigma: sigma, known: known)
            else { continue }
            views.append(
                LikelihoodView(y, signal: self.signal(mode), sigma: exp(mode.centre[SignalLayout.sigma]), noise))
            if !known.contains(where: { $0.isNear(mode.centre) }) { extra.append(mode) }
        }
        if views.isEmpty { views.append(LikelihoodView(y, signal: signal, sigma: scatter, plain)) }
        if views.count == 2 && views[0].isNear(views[1]) { views = [views[0].between(views[1])] }
        return (views, extra)
    }

    /// Σ (σ/2S)² over volumes.
    func rician(bias signal: [Float], sigma: Double) -> Double {
        signal.reduce(0) { sum, s in
            let rho = max(1e-6, Double(s) / sigma)
            return sum + 1 / (4 * rho * rho)
        }
    }

    /// S at a mode.
    func signal(_ mode: PosteriorMode) -> [Float] {
        let m = measurementCount
        kernels.attenuations(mode.layout, at: mode.centre, into: attenuations)
        var v = [Double](repeating: 0, count: mode.weights.count), out = [Float](repeating: 0, count: m)
        _ = mode.weights.amplitudes(mode.centre, into: &v)
        pk_linear_signal(m, mode.weights.count, v, attenuations, &out)
        return out
    }

    /// Writes the first components, about modes, and open ones. Returns their shares of the samples.
    func first(_ run: Run, _ options: Options) -> [Double] {
        let best = run.modes.best.laplace,
            copies = Self.copies.prefix(WeightsJob.widths(measurementCount, dimension: run.modes.best.dimension))
        let memory = run.memory
        var shares: [Double] = []
        for mode in run.modes.list + run.extra {
            let share = min(1, exp(mode.laplace - best)) + 0.1
            for copy in copies {
                let out = memory.components + shares.count * run.proposal.size
                guard run.proposal.write(mode, labels: run.labels, scale: options.scale * copy.scale, into: out) else {
                    continue
                }
                memory.origins[shares.count] = -1
                shares.append(share * copy.share)
            }
        }
        addOpen(run, options, &shares)
        return shares
    }

    /// Writes components near samples of earlier generations, chosen by weight; how often each was chosen is its share.
    /// Their members have the sample's labels: where a sample's weight is heavy, that labelling has too few.
    func later(_ y: UnsafePointer<Float>, _ run: Run, _ options: Options, _ random: inout RandomSource) -> [Double] {
        let memory = run.memory, count = run.sample.count, size = run.proposal.size
        let offset = random.uniform(), noises = run.noises
        guard let one = noises.first, count > 0 else { return [] }
        let task = ModeClimber.Task(
            y, run.sample.layout, noises.count == 1 ? one : run.modes.best.noise, sigma: run.sigma)
        return withUnsafeTemporaryAllocation(of: Int.self, capacity: options.components) { chosen in
            let peak = pk_importance_choice(
                run.sample.logs(one), run.sample.logs(noises.last!), memory.mixture, count, options.components, offset,
                room.atLeast(count), chosen.baseAddress!)
            guard peak.isFinite else { return [] }
            return memory.addComponents(of: chosen, after: run.componentCount, size: size) { i, out in
                run.sample.labelled(i, into: point)
                return climber.approach(task, from: point)
                    && run.proposal.write(
                        centre: climber.point, precision: climber.precision, stride: task.stride, orders: [],
                        scale: options.scale, into: out)
            }
        }
    }
}
