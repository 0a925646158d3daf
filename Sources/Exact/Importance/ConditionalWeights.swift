import CKernels
import Diffusion
import Foundation
import ModelSpace

/// Draws the compartments' weights and the noise of samples whose shapes are given, from nearly their conditional
/// posterior (`weights.h`). One a thread.
package final class ConditionalWeights {
    package typealias View = LikelihoodView

    /// How many widths the views get. With few measurements to spare σ remains open, and weights have the tails of a t
    /// rather than a normal.
    static func widths(_ count: Int, _ g: LocalGeometry) -> Int {
        g.sigma != nil ? 1 : WeightsJob.widths(count, dimension: g.dimension)
    }

    private let count: Int
    /// Rows: b, g (3); five of a job.
    private let design: UnsafeMutablePointer<Float>
    private let work: UnsafeMutablePointer<Float>

    package init(acquisition: Acquisition) {
        count = acquisition.count
        design = .allocate(capacity: 9 * count)
        work = .allocate(capacity: 64 * count)
        for i in 0..<count {
            design[i] = Float(acquisition.bValues[i])
            for c in 0..<3 { design[(c + 1) * count + i] = Float(acquisition.directions[i][c]) }
        }
    }

    deinit {
        design.deallocate()
        work.deallocate()
    }

    /// What one voxel's samples of one pair of structures share.
    ///
    /// - Parameters:
    ///   - views: one or two.
    ///   - scale: about s0.
    ///   - tables: room for five rows of M, which must stay as long as the job; without, it holds until the next one.
    package func job(
        _ y: UnsafePointer<Float>, _ g: LocalGeometry, views: [View], scale: Double, canBeRician: Bool,
        tables: UnsafeMutablePointer<Float>? = nil
    ) -> pk_weights {
        let tables = tables ?? design + 4 * count
        func row(_ k: Int) -> UnsafeMutablePointer<Float> { tables + k * count }
        func of(_ k: Int) -> UnsafePointer<Float> { UnsafePointer(design + k * count) }
        var job = pk_weights()
        row(0).update(from: y, count: count)
        var each: [pk_weights_view] = []
        for (k, view) in views.enumerated() {
            row(1 + k).update(from: view.data, count: count)
            for i in 0..<count { row(3 + k)[i] = view.precision[i] / WeightsJob.widening }
            each.append(
                pk_weights_view(
                    data: row(1 + k), precision: row(3 + k), log_sigma: Float(view.logSigma),
                    log_rss: Float(view.logSquares)))
        }
        job.view = (each[0], each.last!)
        (job.measurements, job.sticks, job.views) = (count, g.sticks, Int32(views.count))
        (job.b, job.gx, job.gy, job.gz, job.y) = (of(0), of(1), of(2), of(3), UnsafePointer(row(0)))
        (job.spread, job.rician) = (g.hasSpread ? 1 : 0, canBeRician ? 1 : 0)
        job.support = LocalMode.support
        let free = 1 - Double(g.sticks) * BallSticks.fractionFloor
        job.ridge = Float(WeightsJob.ridge / (scale * scale))
        job.pull = Float(WeightsJob.ridge / scale * free / Double(g.sticks + 1))
        // The conditional of log σ has a tail toward large σ that a normal lacks, the more the fewer the measurements.
        job.noise_root = Float((2 * Double(count)).squareRoot() / (1 + 3 / Double(count)))
        if let sigma = g.sigma { (job.is_known, job.known_log_sigma) = (1, Float(log(sigma))) }
        job.widths = Int32(Self.widths(count, g))
        job.narrowing = (1, 0.4, 0.16)
        if canBeRician { job.log_signals = (0..<count).reduce(0) { $0 + log(Double(y[$1])) } }
        return job
    }

    /// Fills the rows of log snr, log s0 and fractions (unsorted) of `count` samples from `first` on.
    ///
    /// - Parameters:
    ///   - uniforms: n + 2 rows of `count`.
    ///   - rows: 16 rows of `stride`.
    ///   - gaussian, rician: log p(y | θ) − log density of the draw by (log snr, log s0, f); −∞ for a shape that is
    ///   NaN.
    package func draw(
        _ job: pk_weights, uniforms: UnsafePointer<Float>, first: Int, count: Int, stride: Int,
        rows: UnsafeMutablePointer<Float>,
        gaussian: UnsafeMutablePointer<Double>, rician: UnsafeMutablePointer<Double>
    ) {
        var job = job
        pk_weights_draw(&job, uniforms, first, count, stride, rows, gaussian, rician, work)
    }
}

extension LikelihoodView {
    /// About θ of ball and sticks.
    package init(_ y: UnsafePointer<Float>, _ theta: [Double], _ z: Structure, _ acquisition: Acquisition) {
        let m = acquisition.count, s0 = theta[BallSticks.Slot.s0], sigma = s0 / theta[BallSticks.Slot.snr]
        var a = [Float](repeating: 0, count: m)
        BallSticks().attenuations(theta, z, acquisition, into: &a)
        self.init(y, signal: a, scale: s0, sigma: sigma, BallSticks.isRician(z) ? .rician : .gaussian)
    }
}
