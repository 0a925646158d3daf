import CKernels
import Foundation
import ModelSpace

/// Evidence and posterior of any structure whose signal is linear in its weights, by mixture importance sampling about
/// modes, with the exact likelihood.
///
/// Gauss–Newton climbs from given starts find modes; the local normals' marginals over shapes x make a first proposal;
/// later generations centre components near weighted samples of the earlier ones. Given its shape a sample's weights
/// and noise w are drawn from nearly their conditional posterior, which no bend or bound of the fractions upsets.
/// Samples are weighted by target over the whole mixture (deterministic mixture weights),
///
///     w_i = p(y|θ_i) p(θ_i) / (q(w_i|x_i) Σ_c (n_c/N) q_c(x_i)),    p(y|z) ≈ Σ w_i / N
///
/// Members that may change places are exchangeable: a sample counts by the share of its labelling (`MemberLikeness`),
/// and is sorted in the end. Points are a randomly shifted Kronecker sequence. Gaussian and Rician noise share the
/// samples. One a thread.
///
/// - Source: Cornuet et al., "Adaptive multiple importance sampling", Scand. J. Statistics 39 (2012); Elvira et al.,
///   Statistical Science 34 (2019).
package final class ImportanceSampler {
    /// Modes of the structures that differ by noise only.
    package struct Modes {
        package let layout: SignalLayout
        package internal(set) var list: [PosteriorMode]
        /// Laplace's approximation to the evidence under the kind of noise that it is largest under, log Σ over modes:
        /// rough.
        package var laplace: Double
        /// The best mode.
        package var best: PosteriorMode { list.max { $0.laplace < $1.laplace }! }

        init(_ layout: SignalLayout, _ list: [PosteriorMode]) {
            (self.layout, self.list) = (layout, list)
            laplace = Set(list.map(\.noise)).map { noise in
                logSum(list.filter { $0.noise == noise }.map(\.laplace))
            }.max()!
        }
    }

    /// Modes this many nats below the best are left out.
    static let depth = 8.0
    /// Steps from the mode under one kind of noise to that under another.
    static let passage = 5
    package let climber: ModeClimber
    let kernels: any SignalKernels, measurementCount: Int
    private var pool = SampleMemory.Pool()
    /// Floats of no meaning.
    let room = Room<Float>()
    /// Attenuations of sixteen samples.
    let attenuations: UnsafeMutablePointer<Float>
    /// A sample.
    let point: UnsafeMutablePointer<Double>

    package init(_ kernels: any SignalKernels) {
        self.kernels = kernels
        measurementCount = kernels.measurementCount
        climber = ModeClimber(kernels)
        attenuations = .allocate(capacity: 16 * SignalLimits.weights * measurementCount)
        point = .allocate(capacity: SignalLimits.point)
    }

    deinit {
        attenuations.deallocate()
        point.deallocate()
    }

    /// Whether a structure is small enough: at most 12 components, 48 shape coordinates, 8 members that may change
    /// places. (Importance sampling holds to some 15 to 20 shape coordinates; the standard error tells.)
    package static func canSample(_ layout: SignalLayout) -> Bool { SignalLimits.hold(layout) }

    /// Finds the modes near some starts.
    ///
    /// - Parameters:
    ///   - y: M signals.
    ///   - starts: points of the layout, with the noise under which each is to be climbed from.
    ///   - known: modes found before, which those found now join.
    ///   - sigma: the noise's standard deviation, where it is known.
    /// - Returns: nil when the likelihood vanishes at all starts.
    package func modes(
        _ y: UnsafePointer<Float>, _ layout: SignalLayout, starts: [(NoiseLikelihood, [Double])], sigma: Double? = nil,
        known: [PosteriorMode] = [], options: Options
    ) -> Modes? {
        var modes = known, tasks: [ModeClimber.Task] = []
        func task(_ noise: NoiseLikelihood) -> ModeClimber.Task {
            if let task = tasks.first(where: { $0.noise == noise }) { return task }
            tasks.append(ModeClimber.Task(y, layout, noise, sigma: sigma))
            return tasks.last!
        }
        for (noise, start) in starts {
            let mode = climber.climb(
                task(noise), from: start, steps: options.climbs, known: modes, endsNearKnown: true,
                looks: options.looks)
            guard let mode else { continue }
            if modes.contains(where: { $0.isNear(mode.centre) }) { continue }
            modes.append(mode)
        }
        guard let best = modes.map(\.laplace).max() else { return nil }
        modes.removeAll { $0.laplace < best - Self.depth }
        return Modes(layout, modes)
    }

    /// Whether signals about a mode are so low that kinds of noise may differ in evidence by what tells structures
    /// apart (about half of the sum over volumes of (σ/2S)², in nats).
    package func tellsNoise(_ found: Modes) -> Bool {
        let best = found.best
        return rician(bias: signal(best), sigma: exp(best.centre[SignalLayout.sigma])) >= 1
    }

    /// Climbs from the best mode under another kind of noise than those found. Of two modes near one another the better
    /// stays.
    package func modes(
        _ y: UnsafePointer<Float>, _ found: Modes, under noise: NoiseLikelihood, sigma: Double?
    ) -> Modes {
        guard !found.list.contains(where: { $0.noise == noise }),
            let mode = climber.climb(
                y, found.layout, noise, from: found.best.centre, steps: Self.passage, sigma: sigma)
        else { return found }
        var list = found.list
        if let near = list.firstIndex(where: { $0.isNear(mode.centre) }) {
            guard mode.laplace > list[near].laplace else { return found }
            list.remove(at: near)
        }
        list.append(mode)
        let most = list.map(\.laplace).max()!
        return Modes(found.layout, list.filter { $0.laplace >= most - Self.depth })
    }

    /// Samples of one structure, generation by generation. A class: it refers to much, and is asked often.
    package final class Run {
        let modes: Modes, labels: MemberLikeness, extra: [PosteriorMode], job: pk_linear_weights,
            proposal: ShapeProposal, constant: Double
        let noises: [NoiseLikelihood], sigma: Double?
        /// The weighted samples so far.
        package internal(set) var sample: SignalSample
        /// Components and generations so far.
        var componentCount = 0
        package internal(set) var generations = 0
        /// Where the last generation added nothing, no other will.
        package internal(set) var isExhausted = false
        var memory: SampleMemory { sample.memory }

        init(
            _ modes: Modes, extra: [PosteriorMode], job: pk_linear_weights, proposal: ShapeProposal, constant: Double,
            noises: [NoiseLikelihood], sigma: Double?, memory: SampleMemory
        ) {
            (self.modes, labels, self.extra) = (modes, MemberLikeness(modes.best), extra)
            (self.job, self.proposal, self.constant) = (job, proposal, constant)
            (self.noises, self.sigma) = (noises, sigma)
            sample = SignalSample(modes.layout, memory, knowsNoise: sigma != nil)
        }
    }

    /// Makes ready to sample about modes.
    /// - Parameters:
    ///   - generations: the most there will be.
    ///   - noises: the likelihoods that are possible; Rician noise is where all signals are above 0 only.
    ///   - isClose: whether grids are made, and the mode under each noise is looked for. Otherwise the likelihood under
    ///     the other noise is taken as it is about the best mode: samples are as right, and may be fewer that count.
    package func start(
        _ y: UnsafePointer<Float>, _ found: Modes, generations: Int, options: Options, noises: Set<NoiseLikelihood>,
        sigma: Double? = nil, isClose: Bool = true
    ) -> Run {
        let layout = found.layout, m = measurementCount
        var found = found
        if isClose {
            found.list = withGrids(
                { ModeClimber.Task(y, layout, $0, sigma: sigma) }, found.list, options.grid)
        }
        let canBeRician = noises.contains(.rician) && (0..<m).allSatisfy { y[$0] > 0 }
        let
            (views, extra) = self.views(
                y, found, noises, canBeRician: canBeRician, sigma: sigma, climbs: isClose),
            proposal = ShapeProposal(layout)
        let copies = WeightsJob.widths(m, dimension: found.best.dimension)
        let memory = pool.take(
            capacity: generations * options.generation + SampleMemory.lanes, height: layout.count,
            components: (found.list.count + extra.count) * copies + OpenShapes.count(layout) + max(0, generations - 1)
                * options.components,
            size: proposal.size, measurements: m)
        kernels.attenuations(layout, at: found.best.centre, into: attenuations)
        let job = WeightsJob.make(
            y, layout, measurements: m, views: views, attenuations: attenuations,
            scale: exp(found.best.centre[SignalLayout.scale]), canBeRician: canBeRician, sigma: sigma,
            tables: memory.tables)
        var possible: [NoiseLikelihood] = noises.contains(.gaussian) ? [.gaussian] : []
        if canBeRician { possible.append(.rician) }
        return Run(
            found, extra: extra, job: job, proposal: proposal,
            constant: ModeClimber.Task.constant(layout, knowsNoise: sigma != nil), noises: possible, sigma: sigma,
            memory: memory)
    }

    /// Adds generations and weighs all samples.
    /// - Parameter stream: the random numbers of generation g of this structure, from 0: no other generation or
    ///   structure has a part in them.
    package func advance(
        _ run: Run, _ y: UnsafePointer<Float>, generations: Int = 1, options: Options,
        stream: (Int) -> RandomSource
    ) {
        for g in 0..<generations where !run.isExhausted {
            var random = stream(run.generations)
            add(run, y, options, hasNext: g + 1 < generations, &random)
        }
        for noise in run.noises { run.sample.weigh(noise, constant: run.constant) }
    }

    private func add(
        _ run: Run, _ y: UnsafePointer<Float>, _ options: Options, hasNext: Bool, _ random: inout RandomSource
    ) {
        let proposal = run.proposal, width = proposal.dimension, w = run.sample.layout.componentCount,
            size = proposal.size, lanes = SampleMemory.lanes
        let memory = run.memory, start = run.sample.count, stride = memory.stride, isFirst = run.generations == 0
        let most = isFirst && hasNext ? options.first ?? options.generation : options.generation,
            count = min(most, memory.capacity - lanes - start)
        let hasRoom = isFirst || run.componentCount + options.components <= memory.componentCapacity
        let shares = count > 0 && hasRoom ? isFirst ? first(run, options) : later(y, run, options, &random) : []
        guard !shares.isEmpty else {
            run.isExhausted = true
            return
        }
        let fresh = memory.components + run.componentCount * size, counts = memory.counts + run.componentCount,
            sum = shares.reduce(0, +)
        for i in shares.indices { counts[i] = Float(Int(Double(count) * shares[i] / sum)) }
        for i in 0..<count - shares.indices.reduce(0, { $0 + Int(counts[$1]) }) { counts[i % shares.count] += 1 }

        // Shapes component by component, whole vectors at a time: what is too many the next ones overwrite. Weights and
        // noise of all together.
        let whole = count + lanes, uniforms = room.atLeast((width + w + 1) * whole), rest = uniforms + width * whole
        var done = start
        for i in shares.indices where counts[i] > 0 {
            let many = Int(counts[i]), vectors = (many + lanes - 1) / lanes * lanes
            KroneckerPoints.fill(0..<width, vectors, uniforms, stride: vectors, &random)
            let kept = proposal.draw(
                fresh + i * size, uniforms, count: vectors, asked: many, stride: stride, rows: memory.rows, first: done)
            KroneckerPoints.fill(width..<width + w + 1, kept, rest + done - start, stride: whole, &random)
            done += kept
        }
        run.sample.drawn += count
        draw(run, rest, stride: whole, from: start, to: done)
        run.labels.share(
            memory.rows, stride: stride, first: start, count: done - start, gaussian: memory.gaussian,
            rician: memory.rician)
        (memory.mixture + start).update(repeating: -1e30, count: done - start)
        func add(_ components: Range<Int>, _ range: Range<Int>) {
            proposal.addDensities(
                memory.components + components.lowerBound * size, memory.counts + components.lowerBound,
                components.count, rows: memory.rows, stride: stride,
                first: range.lowerBound, count: range.count, memory.mixture)
        }
        // Of the samples so far only the fresh ones are news.
        let before = run.componentCount
        run.componentCount = memory.keepSampled(before, shares.count, size: size)
        add(before..<run.componentCount, 0..<start)
        run.componentCount = memory.mergeSame(before, run.componentCount - before, size: size)
        add(0..<run.componentCount, start..<done)
        run.sample.count = done
        run.generations += 1
    }

    /// Weights and noise of samples whose shapes are in their rows, from uniforms.
    private func draw(_ run: Run, _ uniforms: UnsafePointer<Float>, stride across: Int, from start: Int, to end: Int) {
        let layout = run.sample.layout, memory = run.memory, stride = memory.stride, lanes = SampleMemory.lanes
        var job = run.job
        for from in Swift.stride(from: start, to: end, by: lanes) {
            let many = min(lanes, end - from)
            // Lanes that are nobody's yet repeat the last sample, so that what they hold is the same every time.
            if many < lanes {
                for k in layout.firstScalar..<layout.count {
                    let row = memory.rows + k * stride + from
                    for i in many..<lanes { row[i] = row[many - 1] }
                }
            }
            kernels.attenuations(layout, rows: memory.rows + from, stride: stride, into: attenuations)
            pk_draw_weights(
                &job, attenuations, uniforms + from - start, across, from - start, many, stride, memory.rows + from,
                memory.gaussian + from,
                memory.rician + from)
        }
    }
}
