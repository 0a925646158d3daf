import Diffusion
import Foundation
import ModelSpace

/// The classical ball-and-sticks sampler: single-parameter Metropolis moves with automatic relevance determination,
/// Gaussian noise of unknown precision, integrated out. It answers the question FSL's bedpostx puts (models 1 and 2, 1
/// to 3 fibres) under the same priors.
///
///     S_i = S0 (f_0 A(b_i) + Σ f_k A(b_i (g_i·μ_k)²)),      A(b) = exp(−b d), with spread (1 + b s²/d)^(−d²/s²)
///     p(S0) ∝ 1 on S0 ≥ 0;  d uniform on [0, 0.005] mm²/s;  p(s) ∝ 1/s up to 0.01;  μ uniform on the sphere;  p(σ) ∝
///     1/σ; p(f_k) ∝ 1/f_k for the second and third fibre, uniform for the first, on Σ f ≤ 1
///
/// 1/f and 1/s begin at `ChainOptions`' lower bounds. The squared residuals are a quadratic form in the weights S0 f_k
/// given the products of the compartments' attenuations: moves of S0 and f cost no exponential and no loop over
/// measurements, one of a direction those of one compartment. Proposal widths adapt every 40 sweeps of the burn-in, w ←
/// w √((accepted + 1)/(refused + 1)), and stay fixed afterwards.
///
/// Shapes: M measurements, S draws, P = 16 columns as in `BallSticks.Slot`.
/// - Units: d, s in mm²/s; S0 in the units of the data.
/// - Source: Behrens et al., MRM 50 (2003) 1077; Behrens et al., NeuroImage 34 (2007) 144 (relevance); Jbabdi et al.,
///   MRM 68 (2012) 1846 (spread).
public final class BallSticksChain {
    /// Sweeps between adaptations.
    private static let period = 40

    public let options: ChainOptions
    private let design: ChainDesign, start: ChainStart
    private let memory: UnsafeMutablePointer<Double>
    private let products: UnsafeMutablePointer<SIMD4<Double>>
    private let widths: UnsafeMutablePointer<AdaptiveWidth>

    /// - Precondition: 1 to 3 fibres; burnIn ≥ 0, every ≥ 1, jumps ≥ every; weight ≥ 0.
    public convenience init(acquisition: Acquisition, options: ChainOptions = ChainOptions()) {
        self.init(shared: SharedDesign(acquisition: acquisition, hasSpread: options.hasSpread), options: options)
    }

    /// What the chains of several threads have in common.
    public struct SharedDesign: Sendable {
        let design: ChainDesign, start: ChainStart
        public init(acquisition: Acquisition, hasSpread: Bool) {
            design = ChainDesign(acquisition)
            start = ChainStart(design, hasSpread: hasSpread)
        }
    }

    public init(shared: SharedDesign, options: ChainOptions) {
        precondition(
            (1...3).contains(options.fibres) && options.burnIn >= 0 && options.every >= 1
                && options.jumps >= options.every)
        precondition(options.relevanceWeight >= 0)
        self.options = options
        design = shared.design
        start = shared.start
        // y, four rows, four spare rows.
        memory = .allocate(capacity: 9 * design.padded)
        memory.initialize(repeating: 0, count: 9 * design.padded)
        products = .allocate(capacity: 10)
        products.initialize(repeating: .zero, count: 10)
        widths = .allocate(capacity: ChainWalk.widthCount)
        widths.initialize(repeating: AdaptiveWidth(1, largest: 1), count: ChainWalk.widthCount)
    }

    deinit {
        memory.deallocate()
        products.deallocate()
        widths.deallocate()
    }

    /// Draws from the posterior of one voxel.
    ///
    /// - Parameters:
    ///   - y: M finite signals, not all zero.
    ///   - theta: receives S × P numbers. snr = S0/σ with σ drawn from its exact conditional, σ² = SSE/χ²_M; spread 0
    ///   in model 1; fibre k is
    ///     the same in every draw (`FibreLabels`), fibres ordered by falling mean fraction; fractions may be anything
    ///     from the floor up; columns of fibres beyond K are 0.
    ///   - check: called every 40 sweeps; what it throws ends the chain.
    public func sample(
        _ y: UnsafePointer<Float>, using random: inout RandomSource, into theta: UnsafeMutablePointer<Double>,
        check: () throws -> Void
    ) rethrows {
        var walk = open(y, random)
        place(&walk)
        walk.begin()
        for sweep in 0..<options.burnIn {
            walk.sweep()
            // Not later: the draws' labels would change places.
            walk.exchange()
            if (sweep + 1) % Self.period == 0 {
                walk.adapt()
                try check()
            }
        }
        for draw in 0..<options.drawCount {
            for sweep in 0..<options.every {
                walk.sweep()
                if sweep % Self.period == 0 { try check() }
            }
            walk.write(theta + draw * BallSticks.Slot.count)
        }
        for sweep in 0..<options.jumps % options.every {
            walk.sweep()
            if sweep % Self.period == 0 { try check() }
        }
        FibreLabels.unify(theta, draws: options.drawCount, fibres: options.fibres)
        random = walk.random
    }

    /// The same without a check.
    public func sample(
        _ y: UnsafePointer<Float>, using random: inout RandomSource, into theta: UnsafeMutablePointer<Double>
    ) {
        sample(y, using: &random, into: theta, check: {})
    }

    /// A walk over this chain's memory, without a place yet.
    func open(_ y: UnsafePointer<Float>, _ random: RandomSource) -> ChainWalk {
        let n = design.padded
        var square = 0.0
        for i in 0..<design.count { memory[i] = Double(y[i]); square += memory[i] * memory[i] }
        // Zero rows for the fibres that are not there.
        memory.advanced(by: n).update(repeating: 0, count: 8 * n)
        products.update(repeating: .zero, count: 10)
        func rows(_ k: Int) -> ChainRows {
            let r = memory + n + 4 * k * n
            return ChainRows(ball: r, first: r + n, second: r + 2 * n, third: r + 3 * n, products: products + 5 * k)
        }
        return ChainWalk(
            design: design, options: options, y: memory, square: square, smallest: max(1e-12 * square, 1e-300),
            random: random, rows: rows(0),
            spare: rows(1), widths: widths)
    }

    /// Puts the walk where the quick fit says; sticks that the fit had no use for get a small fraction and a random
    /// direction.
    func place(_ walk: inout ChainWalk) {
        let fit = start.fit(memory, sticks: options.fibres)
        walk.s0 = fit.s0
        walk.diffusivity = fit.diffusivity
        walk.spread = fit.spread
        var w = SIMD4<Double>()
        for k in 1...options.fibres {
            let known = k <= fit.sticks.count
            w[k] = known ? max(0.01, fit.sticks[k - 1].fraction) : 0.01
            walk.setAxis(k, known ? fit.sticks[k - 1].axis : DirectionSets.uniform(using: &walk.random))
        }
        // Never without a ball: a state in a corner moves badly.
        if w.sum() > 0.98 { w *= 0.98 / w.sum() }
        w[0] = 1 - w.sum()
        walk.w = w
    }
}

extension ChainWalk {
    /// The present state with σ drawn, in the columns of `BallSticks.Slot`.
    mutating func write(_ row: UnsafeMutablePointer<Double>) {
        typealias Slot = BallSticks.Slot
        row.update(repeating: 0, count: Slot.count)
        row[Slot.diffusivity] = diffusivity
        row[Slot.spread] = spread
        row[Slot.snr] = s0 * (2 * random.gamma(shape: 0.5 * Double(design.count)) / sse).squareRoot()
        row[Slot.s0] = s0
        for k in 1...options.fibres {
            row[Slot.fraction + k - 1] = w[k]
            for c in 0..<3 { row[Slot.axis + 3 * (k - 1) + c] = axis(k)[c] }
        }
    }
}

extension RandomSource {
    /// A gamma variate of unit scale, shape ≥ 1/2.
    /// - Source: Marsaglia & Tsang, ACM TOMS 26 (2000) 363.
    mutating func gamma(shape: Double) -> Double {
        guard shape >= 1 else { return gamma(shape: shape + 1) * pow(uniform(), 1 / shape) }
        let d = shape - 1.0 / 3, c = 1 / (9 * d).squareRoot()
        while true {
            let x = normal(), v = (1 + c * x) * (1 + c * x) * (1 + c * x)
            if v > 0 && log(uniform()) < 0.5 * x * x + d * (1 - v + log(v)) { return d * v }
        }
    }
}
