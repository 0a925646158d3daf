import CKernels
import Diffusion
import Exact
import Foundation
import ModelSpace

/// Evidence and posterior of structures by mixture importance sampling about modes, with the exact likelihood.
///
/// Gauss–Newton climbs from given starts find modes; the local normals' marginals over shapes x (diffusivities and
/// directions) make a first proposal; later generations centre components near weighted samples of the earlier ones.
/// Given its shape a sample's weights and noise w are drawn from nearly their conditional posterior, which no bend or
/// bound of the fractions upsets. Samples are weighted by target over the whole mixture (deterministic mixture
/// weights),
///
///     w_i = p(y|θ_i) p(θ_i) / (q(w_i|x_i) Σ_c (n_c/N) q_c(x_i)),    p(y|z) ≈ Σ w_i / N
///
/// Sticks are exchangeable: a sample counts by the share of its labelling (`StickLabelling`), and is sorted by fraction
/// in the end. Points are a randomly shifted Kronecker sequence. Gaussian and Rician noise share the samples.
///
/// - Source: Cornuet et al., "Adaptive multiple importance sampling", Scand. J. Statistics 39 (2012); Elvira et al.,
///   Statistical Science 34 (2019).
public final class EvidenceSampler {
    public struct Options: Sendable {
        /// Samples of a generation (of the first half as many), and components that one after the first adds.
        public var generation = 256, components = 4
        /// Gauss–Newton steps from a start to a mode.
        public var climbs = 8
        /// Standard deviations of components relative to the local normal's: somewhat wide, to guard the tails.
        public var scale = 1.2
        public var grid = SpreadGrid()
        public init() {}
        /// What the answers depend on, in a line.
        var summary: String { "\(generation)x\(components), \(climbs) climbs, scale \(scale), \(grid.summary)" }
    }

    /// Modes of the structures that differ by noise only.
    public struct Modes {
        let geometry: LocalGeometry
        let constant: Double
        var list: [LocalMode]
        /// log Σ of the modes' Laplace approximations to the evidence: rough.
        public var laplace: Double
        /// The best mode.
        var best: LocalMode { list.max { $0.laplace < $1.laplace }! }
    }

    /// Modes this many nats below the best are left out.
    static let depth = 8.0
    let acquisition: Acquisition, finder: ModeFinder
    private let family = BallSticks(), weights: ConditionalWeights
    private var pool = SampleMemory.Pool(), scratch: UnsafeMutablePointer<Float>, scratchCount = 0
    /// θ of a sample.
    let theta: UnsafeMutablePointer<Double>
    private typealias Slot = BallSticks.Slot

    public init(acquisition: Acquisition) {
        self.acquisition = acquisition
        finder = ModeFinder(acquisition: acquisition)
        weights = ConditionalWeights(acquisition: acquisition)
        scratch = .allocate(capacity: 0)
        theta = .allocate(capacity: Slot.count)
    }

    deinit {
        scratch.deallocate()
        theta.deallocate()
    }

    /// At least so many floats, of no meaning.
    func room(_ count: Int) -> UnsafeMutablePointer<Float> {
        if count > scratchCount {
            scratch.deallocate()
            scratch = .allocate(capacity: count)
            scratchCount = count
        }
        return scratch
    }

    /// Finds the modes near some starts.
    ///
    /// - Parameters:
    ///   - y: M normalised signals.
    ///   - starts: structures of one number of sticks and spread, and θ of each.
    ///   - sigma: the noise's standard deviation in units of y where it is known: evidences are then p(y | z, σ).
    /// - Returns: nil when the likelihood vanishes at all starts.
    public func modes(
        _ y: UnsafePointer<Float>, starts: [(Structure, [Double])], options: Options, sigma: Double? = nil
    ) -> Modes? {
        guard let first = starts.first else { return nil }
        let g = LocalGeometry(first.0, sigma: sigma)
        // The prior's density is constant on its support; axes count on the half-sphere.
        var inside = first.1
        LocalGeometry(first.0).clamp(&inside)
        let constant = family.logPrior(inside, first.0, isNoiseKnown: sigma != nil) + Double(g.sticks) * log(2)
        var modes: [LocalMode] = []
        for (z, start) in starts {
            guard
                let c = finder.climb(
                    y, LocalGeometry(z, sigma: sigma), from: start, steps: options.climbs, constant: constant,
                    known: modes)
            else { continue }
            if modes.contains(where: { $0.isNear(c) }) { continue }
            modes.append(c)
        }
        guard let best = modes.map(\.laplace).max() else { return nil }
        modes.removeAll { $0.laplace < best - Self.depth }
        if g.hasSpread { modes = withSpreadGrids(y, modes, constant, options.grid) }
        return Modes(geometry: g, constant: constant, list: modes, laplace: logSum(modes.map(\.laplace)))
    }

    /// Samples of one pair of structures, generation by generation.
    public struct Run {
        let modes: Modes, labelling: StickLabelling, extra: [LocalMode], job: pk_weights
        /// The weighted samples so far.
        public internal(set) var sample: StructureSample
        /// Components and generations so far.
        var componentCount = 0, generations = 0
        /// Where the last generation added nothing, no other will.
        var isExhausted = false
        var memory: SampleMemory { sample.memory }
    }

    /// Makes ready to sample about modes.
    /// - Parameters:
    ///   - generations: the most there will be.
    ///   - noise: the kinds of noise that are possible; where Rician is not, all samples serve Gaussian noise alone.
    public func start(
        _ y: UnsafePointer<Float>, _ found: Modes, generations: Int, options: Options, noise: NoiseKinds = .either
    ) -> Run {
        let canBeRician = noise.allowRician(y, count: acquisition.count),
            (views, extra) = self.views(y, found, canBeRician)
        let copies = ConditionalWeights.widths(acquisition.count, found.geometry)
        let memory = pool.take(
            capacity: generations * options.generation + SampleMemory.lanes, height: Int(PK_SAMPLE_ROWS),
            components: (found.list.count + extra.count) * copies + max(0, generations - 1) * options.components,
            size: Int(PK_SHAPE_SIZE), measurements: acquisition.count)
        let job = weights.job(
            y, found.geometry, views: views, scale: found.best.centre[Slot.s0], canBeRician: canBeRician,
            tables: memory.tables)
        return Run(
            modes: found, labelling: StickLabelling(found.best), extra: extra, job: job,
            sample: StructureSample(memory, sticks: found.geometry.sticks, sigma: found.geometry.sigma))
    }

    /// Adds generations and weighs all samples.
    public func advance(
        _ run: inout Run, _ y: UnsafePointer<Float>, generations: Int = 1, options: Options,
        using random: inout RandomSource
    ) {
        for _ in 0..<generations where !run.isExhausted { add(&run, y, options, &random) }
        run.sample.gaussian = .init(run.memory, count: run.sample.count, isRician: false, constant: run.modes.constant)
        if run.job.rician != 0 {
            run.sample.rician = .init(run.memory, count: run.sample.count, isRician: true, constant: run.modes.constant)
        }
    }

    private func add(_ run: inout Run, _ y: UnsafePointer<Float>, _ options: Options, _ random: inout RandomSource) {
        let g = run.modes.geometry, n = g.sticks, spread: Int32 = g.hasSpread ? 1 : 0, width = 1 + Int(spread) + 2 * n,
            size = Int(PK_SHAPE_SIZE)
        let memory = run.memory, start = run.sample.count, stride = memory.capacity
        // The first, about modes, fits worst.
        let count = min(start == 0 ? options.generation / 2 : options.generation, stride - SampleMemory.lanes - start)
        let hasRoom = start == 0 || run.componentCount + options.components <= memory.componentCapacity
        let shares = count > 0 && hasRoom ? start == 0 ? first(run, options) : later(y, run, options, &random) : []
        guard !shares.isEmpty else { run.isExhausted = true; return }
        let fresh = memory.components + run.componentCount * size, counts = memory.counts + run.componentCount,
            sum = shares.reduce(0, +)
        for i in shares.indices { counts[i] = Float(Int(Double(count) * shares[i] / sum)) }
        for i in 0..<count - shares.indices.reduce(0, { $0 + Int(counts[$1]) }) { counts[i % shares.count] += 1 }

        // Shapes component by component, whole vectors at a time: what is too many the next ones overwrite. Weights and
        // noise of all together.
        let whole = count + SampleMemory.lanes, shapes = room((width + n + 2) * whole), rest = shapes + width * whole
        var support = LocalMode.support, done = start
        for i in shares.indices where counts[i] > 0 {
            let many = Int(counts[i]),
                vectors = (many + SampleMemory.lanes - 1) / SampleMemory.lanes * SampleMemory.lanes
            KroneckerPoints.fill(0..<width, vectors, shapes, stride: vectors, &random)
            KroneckerPoints.fill(width..<width + n + 2, many, rest + done - start, stride: count, &random)
            pk_shape_draw(fresh + i * size, n, spread, &support, shapes, done, vectors, stride, memory.rows)
            done += many
        }
        weights.draw(
            run.job, uniforms: rest, first: start, count: count, stride: stride, rows: memory.rows,
            gaussian: memory.gaussian, rician: memory.rician)
        run.labelling.share(
            memory.rows, stride: stride, first: start, count: count, gaussian: memory.gaussian, rician: memory.rician,
            work: rest)
        (memory.mixture + start).update(repeating: -1e30, count: count)
        func add(_ components: Range<Int>, _ range: Range<Int>) {
            guard !range.isEmpty, !components.isEmpty else { return }
            let i = range.lowerBound, c = components.lowerBound
            pk_add_shape_densities(
                memory.components + c * size, memory.counts + c, components.count, n, spread, &support, memory.rows + i,
                stride, range.count,
                memory.mixture + i)
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
}
