import CKernels
import Foundation
import ModelSpace

/// N particles of one structure, of any family whose signal is linear in its weights, tempered from the prior to the
/// posterior.
///
/// The path's density is prior · L^β · q(log s0)^(1−β): where there is a scale, a t about the scale that fits best
/// given all else stands for its prior, which has no bounds (`pk_points_window`); coefficients under Gaussian noise
/// are integrated out. Storage is kept from one problem to the next.
final class SignalPopulation: TemperedPopulation {
    private let lanes: SignalLanes
    private(set) var count = 0
    private(set) var logRatio = UnsafeMutablePointer<Double>.allocate(capacity: 0)
    private var capacity = 0, sigma: Double?
    /// Sweeps at every temperature: so many at a time until neither a coordinate nor the likelihood's rank is
    /// correlated more than this with what it was.
    var sweeps = 2, mostSweeps = 200, correlation = 0.1
    /// Moves between components in each sweep.
    var hops = 1
    /// Sweeps since `prepare`.
    private(set) var sweepCount = 0

    init(_ kernels: any SignalKernels, _ layout: SignalLayout) { lanes = SignalLanes(kernels, layout) }

    deinit { logRatio.deallocate() }

    private var layout: SignalLayout { lanes.layout }
    /// Share of the moves accepted since `prepare`.
    var acceptance: Double { lanes.proposed > 0 ? Double(lanes.accepted) / Double(lanes.proposed) : 0 }

    /// Sets the problem: N ≥ 32 particles of a structure.
    func prepare(
        _ y: UnsafePointer<Float>, _ layout: SignalLayout, _ noise: NoiseLikelihood, sigma: Double?, count: Int,
        using random: inout RandomSource
    ) {
        precondition(count >= 2 * SignalLanes.size)
        if count > capacity {
            logRatio.deallocate()
            logRatio = .allocate(capacity: count)
            capacity = count
        }
        (self.count, self.sigma, sweepCount) = (count, sigma, 0)
        lanes.prepare(y, layout, noise, sigma: sigma, count: count, windowed: layout.scalePlace != nil, using: &random)
    }

    func begin(using random: inout RandomSource) -> Double {
        var x = [Double](repeating: 0, count: layout.count)
        for i in 0..<count {
            layout.drawPrior(using: &random, into: &x)
            if let sigma { x[SignalLayout.sigma] = log(sigma) }
            lanes.load(x, at: i)
        }
        if layout.scalePlace != nil { placeScales(using: &random) }
        lanes.evaluate()
        updateRatios()
        return 0
    }

    /// log s0 from its window, log σ with it.
    private func placeScales(using random: inout RandomSource) {
        let size = SignalLanes.size
        var centre = [Float](repeating: 0, count: size), width = centre
        for b in 0..<lanes.blockCount {
            lanes.window(b, centre: &centre, width: &width)
            for lane in 0..<size {
                let i = b * size + lane
                // A t of four degrees of freedom; lanes without a particle of their own need numbers, too.
                let chi = 2 * (random.exponential() + random.exponential())
                let scale = centre[lane] + width[lane] * Float(random.normal() * (4 / chi).squareRoot())
                if sigma == nil {
                    lanes.set(
                        i, SignalLayout.sigma,
                        lanes.value(i, SignalLayout.sigma) - lanes.value(i, SignalLayout.scale) + scale)
                }
                lanes.set(i, SignalLayout.scale, scale)
            }
        }
    }

    private func updateRatios() { for i in 0..<count { logRatio[i] = lanes.logLikelihood[i] - lanes.logWindow[i] } }

    func resample(_ ancestors: UnsafePointer<Int>) {
        lanes.resample(ancestors)
        updateRatios()
    }

    func move(at beta: Double, using random: inout RandomSource) {
        lanes.power = beta
        lanes.placeCharts()
        // No draws from a density fitted to the particles: they lower correlations quickly and so end the moves, but
        // never find what no particle has, and evidences of two phases came out low and scattered.
        let before = lanes.coordinates(), ranks = lanes.likelihoodRanks()
        var done = 0
        repeat {
            for sweep in done..<done + sweeps {
                lanes.sweep(sweep, byPartners: true, hops: hops, using: &random)
            }
            done += sweeps
        } while done < mostSweeps && lanes.correlation(with: before, ranks) > correlation
        sweepCount += done
        updateRatios()
    }

    /// Points of the particles, coefficients drawn where they were integrated out.
    func points() -> [Double] {
        lanes.drawCoefficients()
        var all = [Double](repeating: .nan, count: count * layout.count)
        all.withUnsafeMutableBufferPointer { all in
            for i in 0..<count {
                let x = all.baseAddress! + i * layout.count
                if let sigma { x[SignalLayout.sigma] = log(sigma) }
                if layout.scalePlace == nil { x[SignalLayout.scale] = 0 }
                lanes.store(i, into: x)
            }
        }
        return all
    }
}

extension SignalLanes {
    /// Replaces point i by point `ancestors[i]`, for all i.
    func resample(_ ancestors: UnsafePointer<Int>) {
        let n = layout.count, size = Self.size
        let old = [Float](unsafeUninitializedCapacity: blockCount * n * size) { buffer, used in
            buffer.baseAddress!.initialize(from: rows, count: blockCount * n * size)
            used = blockCount * n * size
        }
        let likelihoods = (0..<count).map { logLikelihood[$0] }, windows = (0..<count).map { logWindow[$0] }
        for lane in 0..<blockCount * size {
            let from = ancestors[min(lane, count - 1)]
            for c in 0..<n {
                rows[(lane / size * n + c) * size + lane % size] = old[(from / size * n + c) * size + from % size]
            }
            (logLikelihood[lane], logWindow[lane]) = (likelihoods[from], windows[from])
        }
        computeAttenuations()
    }
}
