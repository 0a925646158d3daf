import CKernels
import Diffusion
import Foundation
import ModelSpace

/// Evidence and posterior of structures by mixture importance sampling about modes, with the exact likelihood.
///
/// Gauss–Newton climbs from given starts find modes; the local normals' marginals over shapes x (diffusivities and directions) make a first proposal; later
/// generations centre components near weighted samples of the earlier ones. Given its shape a sample's weights and noise w are drawn from nearly their
/// conditional posterior, which no bend or bound of the fractions upsets. Samples are weighted by target over the whole mixture (deterministic mixture weights),
///
///     w_i = p(y|θ_i) p(θ_i) / (q(w_i|x_i) Σ_c (n_c/N) q_c(x_i)),    p(y|z) ≈ Σ w_i / N
///
/// Sticks are exchangeable: a sample counts by the share of its labelling (`StickLabelling`), and is sorted by fraction in the end. Points are a randomly
/// shifted Kronecker sequence. Gaussian and Rician noise share the samples.
///
/// - Source: Cornuet et al., "Adaptive multiple importance sampling", Scand. J. Statistics 39 (2012); Elvira et al., Statistical Science 34 (2019).
public final class EvidenceSampler {
    public struct Options: Sendable {
        /// Samples of a generation (of the first half as many), and components that one after the first adds.
        public var generation = 192, components = 5
        /// Gauss–Newton steps from a start to a mode.
        public var climbs = 12
        /// Standard deviations of components relative to the local normal's: somewhat wide, to guard the tails.
        public var scale = 1.2
        public var ladder = SpreadLadder()
        public init() {}
        /// What the answers depend on, in a line.
        var summary: String { "\(generation)x\(components), \(climbs) climbs, scale \(scale), \(ladder.summary)" }
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
    /// Where few measurements leave the noise open, modes at high SNR are too narrow for the posterior: they get copies so much wider, with these shares,
    /// as many as the weights get widths.
    private static let copies: [(scale: Double, share: Double)] = [(1, 1), (3, 0.5), (9, 0.25)]

    let acquisition: Acquisition, finder: ModeFinder
    private let family = BallSticks(), weights: ConditionalWeights
    private typealias Slot = BallSticks.Slot

    public init(acquisition: Acquisition) {
        self.acquisition = acquisition
        finder = ModeFinder(acquisition: acquisition)
        weights = ConditionalWeights(acquisition: acquisition)
    }

    /// Finds the modes near some starts.
    ///
    /// - Parameters:
    ///   - y: M normalised signals.
    ///   - starts: structures of one number of sticks and spread, and θ of each.
    /// - Returns: nil when the likelihood vanishes at all starts.
    public func modes(_ y: UnsafePointer<Float>, starts: [(Structure, [Double])], options: Options) -> Modes? {
        guard let first = starts.first else { return nil }
        let g = LocalGeometry(first.0)
        // The prior's density is constant on its support; axes count on the half-sphere.
        var inside = first.1
        g.clamp(&inside)
        let constant = family.logPrior(inside, first.0) + Double(g.sticks) * log(2)
        var modes: [LocalMode] = []
        for (z, start) in starts {
            guard let c = finder.climb(y, LocalGeometry(z), from: start, steps: options.climbs, constant: constant, known: modes) else { continue }
            if modes.contains(where: { $0.isNear(c) }) { continue }
            modes.append(c)
        }
        guard let best = modes.map(\.laplace).max() else { return nil }
        modes.removeAll { $0.laplace < best - Self.depth }
        if g.hasSpread { modes = withLadders(y, modes, constant, options.ladder) }
        let top = modes.map(\.laplace).max()!
        return Modes(geometry: g, constant: constant, list: modes, laplace: top + log(modes.reduce(0) { $0 + exp($1.laplace - top) }))
    }

    /// Samples of one pair of structures, generation by generation.
    public struct Run {
        let modes: Modes, labelling: StickLabelling, views: [ConditionalWeights.View], extra: [LocalMode], isPositive: Bool
        /// The weighted samples so far.
        public internal(set) var sample: StructureSample
        var logs: (gaussian: [Double], rician: [Double])
        /// log Σ_c n_c q_c(x_i)
        var mixture: [Float]
        /// The components so far, as the kernels take them, how many samples each gave, and the sample that it was made from, if any.
        var components: [Float] = [], counts: [Float] = [], origins: [Int?] = []
        /// Where the last generation added nothing, no other will.
        var isExhausted = false
    }

    /// Makes ready to sample about modes.
    /// - Parameter generations: the most there will be.
    public func start(_ y: UnsafePointer<Float>, _ found: Modes, generations: Int, options: Options) -> Run {
        let isPositive = (0..<acquisition.count).allSatisfy { y[$0] > 0 }, (views, extra) = self.views(y, found, isPositive)
        let capacity = generations * options.generation + Self.lanes, none = [Double](repeating: -.infinity, count: capacity)
        return Run(
            modes: found, labelling: StickLabelling(found.best), views: views, extra: extra, isPositive: isPositive, sample: StructureSample(capacity: capacity),
            logs: (none, none), mixture: Array(repeating: -1e30, count: capacity))
    }

    /// Adds generations and weighs all samples.
    public func advance(
        _ run: inout Run, _ y: UnsafePointer<Float>, generations: Int = 1, options: Options, using random: inout RandomSource
    ) {
        for _ in 0..<generations { add(&run, y, options, &random) }
        let count = run.sample.count
        run.sample.gaussian = Self.noise(run.logs.gaussian.prefix(count), run.mixture, run.modes.constant)
        if run.isPositive { run.sample.rician = Self.noise(run.logs.rician.prefix(count), run.mixture, run.modes.constant) }
    }

    private func add(_ run: inout Run, _ y: UnsafePointer<Float>, _ options: Options, _ random: inout RandomSource) {
        let g = run.modes.geometry, n = g.sticks, spread: Int32 = g.hasSpread ? 1 : 0, width = 1 + Int(spread) + 2 * n
        let start = run.sample.count, stride = run.sample.capacity
        // The first, about modes, fits worst.
        let count = min(start == 0 ? options.generation / 2 : options.generation, stride - Self.lanes - start)
        var fresh: [ShapeComponent] = [], shares: [Double] = []
        if start == 0 {
            let best = run.modes.best.laplace, copies = Self.copies.prefix(ConditionalWeights.widths(acquisition.count, g))
            for mode in run.modes.list + run.extra {
                let share = min(1, exp(mode.laplace - best)) + 0.1
                for copy in copies {
                    guard let c = ShapeComponent(mode, labelling: run.labelling, scale: options.scale * copy.scale) else { continue }
                    fresh.append(c)
                    shares.append(share * copy.share)
                }
            }
        } else {
            (fresh, shares) = later(y, run, options, &random)
        }
        guard !fresh.isEmpty, count > 0 else { run.isExhausted = true; return }
        let sum = shares.reduce(0, +)
        for i in fresh.indices { fresh[i].count = Int(Double(count) * shares[i] / sum) }
        for i in 0..<count - fresh.reduce(0, { $0 + $1.count }) { fresh[i % fresh.count].count += 1 }

        let job = weights.job(y, g, views: run.views, scale: run.modes.best.centre[Slot.s0], isPositive: run.isPositive)
        // Shapes component by component, whole vectors at a time: what is too many the next ones overwrite. Weights and noise of all together.
        func whole(_ count: Int) -> Int { (count + Self.lanes - 1) / Self.lanes * Self.lanes }
        var shapes = [Float](repeating: 0, count: width * whole(count)), rest = [Float](repeating: 0, count: (n + 2) * count)
        var work = [Float](repeating: 0, count: (width + 1) * whole(count)), support = LocalMode.support, done = start
        for c in fresh where c.count > 0 {
            kronecker(0..<width, whole(c.count), &shapes, stride: whole(c.count), &random)
            rest.withUnsafeMutableBufferPointer { kronecker(width..<width + n + 2, c.count, $0.baseAddress! + done - start, stride: count, &random) }
            run.sample.rows.withUnsafeMutableBufferPointer {
                pk_shape_draw(c.block, n, spread, &support, shapes, done, whole(c.count), stride, $0.baseAddress!, &work)
            }
            done += c.count
        }
        run.sample.rows.withUnsafeMutableBufferPointer {
            weights.draw(
                job, uniforms: rest, first: start, count: count, stride: stride, rows: $0.baseAddress!, gaussian: &run.logs.gaussian,
                rician: &run.logs.rician)
            run.labelling.share($0.baseAddress!, stride: stride, first: start, count: count, gaussian: &run.logs.gaussian, rician: &run.logs.rician)
        }
        let given = fresh.filter { $0.count > 0 }
        func add(_ components: [Float], _ counts: [Float], _ range: Range<Int>) {
            guard !range.isEmpty else { return }
            run.sample.rows.withUnsafeBufferPointer { rows in
                run.mixture.withUnsafeMutableBufferPointer {
                    let i = range.lowerBound
                    pk_add_shape_densities(
                        components, counts, counts.count, n, spread, &support, rows.baseAddress! + i, stride, range.count, $0.baseAddress! + i)
                }
            }
        }
        add(given.flatMap(\.block), given.map { Float($0.count) }, 0..<start)
        for c in given {
            // Heavy samples are chosen by more than one generation.
            if let origin = c.origin, let same = run.origins.firstIndex(of: origin) { run.counts[same] += Float(c.count); continue }
            run.components += c.block
            run.counts.append(Float(c.count))
            run.origins.append(c.origin)
        }
        add(run.components, run.counts, start..<done)
        run.sample.count = done
    }

    /// Samples in the widest vector.
    private static let lanes = 16
    /// Fractional parts of the roots of the first primes.
    private static let kroneckerSteps = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41].map { Double($0).squareRoot().truncatingRemainder(dividingBy: 1) }

    /// Fills a row of `count` uniforms for each of some dimensions: a Kronecker sequence with a random shift.
    private func kronecker(_ dimensions: Range<Int>, _ count: Int, _ out: UnsafeMutablePointer<Float>, stride: Int, _ random: inout RandomSource) {
        for j in dimensions {
            var x = random.uniform()
            let step = Self.kroneckerSteps[j], row = out + (j - dimensions.lowerBound) * stride
            for i in 0..<count {
                row[i] = Float(min(1 - 1e-6, max(1e-6, x)))
                x += step
                if x >= 1 { x -= 1 }
            }
        }
    }
}
