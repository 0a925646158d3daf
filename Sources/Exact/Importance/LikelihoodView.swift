import CKernels
import Foundation
import ModelSpace

/// A normal approximation of the likelihood about a reference, in the signals: working data ŷ_i = S_i + score_i / p_i
/// and precisions p_i.
package struct LikelihoodView {
    package var data: [Float], precision: [Float], logSigma: Double
    /// log Σ (y − S)² at the reference; where that is far from M σ² (by a factor of e), as when a fit is perfect, what
    /// makes it so.
    package var logSquares: Double

    /// - Parameters:
    ///   - signal, scale: S at the reference is their product.
    package init(
        _ y: UnsafePointer<Float>, signal a: [Float], scale: Double = 1, sigma: Double, _ noise: NoiseLikelihood
    ) {
        let m = a.count
        var root = [Float](repeating: 0, count: m), score = root
        if noise == .rician {
            _ = pk_rician_scores(m, a, y, scale, sigma, &root, &score)
        } else {
            _ = pk_gaussian_scores(m, a, y, scale, sigma, &root, &score)
        }
        precision = root.map { $0 * $0 }
        data = (0..<m).map { Float(scale) * a[$0] + score[$0] / root[$0] }
        logSigma = log(sigma)
        let expected = log(Double(m)) + 2 * logSigma,
            squares = (0..<m).reduce(0) { $0 + pow(Double(y[$1]) - scale * Double(a[$1]), 2) }
        logSquares = max(expected - 1, min(expected + 1, log(squares)))
    }

    /// Whether another sees nearly the same: signals within a joint standard deviation, σ within one.
    package func isNear(_ other: LikelihoodView) -> Bool {
        var gap = 0.0
        for i in data.indices {
            let d = Double(data[i] - other.data[i])
            gap += d * d * Double(other.precision[i])
        }
        return gap < 1 && abs(logSigma - other.logSigma) * (2 * Double(data.count)).squareRoot() < 1
    }

    /// One view for the two: half-way, and as wide as the wider at each measurement.
    package func between(_ other: LikelihoodView) -> LikelihoodView {
        var view = self
        for i in data.indices {
            view.data[i] = (data[i] + other.data[i]) / 2
            view.precision[i] = min(precision[i], other.precision[i])
        }
        (view.logSigma, view.logSquares) = ((logSigma + other.logSigma) / 2, (logSquares + other.logSquares) / 2)
        return view
    }
}

/// What the samples of one voxel and structure need to draw weights and noise given their shapes (`linear_weights.h`).
package struct WeightsJob {
    /// The views' standard deviations are widened by √1.2, so that tails are met; a fraction the data leave open keeps
    /// a standard deviation of s0 / 2.
    @inlinable package static var widening: Float { 1.2 }
    @inlinable package static var ridge: Double { 4.0 }

    /// How many widths the views get. With few measurements to spare σ remains open, and weights have the tails of a t
    /// rather than a normal.
    package static func widths(_ count: Int, dimension: Int) -> Int {
        let spare = count - dimension
        return spare >= 24 ? 1 : spare >= 8 ? 2 : 3
    }
    /// Floats in the tables of a job.
    static func tableSize(measurements: Int) -> Int { 5 * measurements + 5 * SignalLimits.weights }

    /// - Parameters:
    ///   - views: one or two.
    ///   - attenuations: W rows of M at the best mode.
    ///   - scale: about s0.
    ///   - tables: room for `tableSize` floats, which must stay as long as the job.
    static func make(
        _ y: UnsafePointer<Float>, _ layout: SignalLayout, measurements m: Int, views: [LikelihoodView],
        attenuations: UnsafePointer<Float>, scale: Double, canBeRician: Bool, sigma: Double?,
        tables: UnsafeMutablePointer<Float>
    ) -> pk_linear_weights {
        let weights = WeightCoordinates(layout), w = weights.count,
            isJoint = weights.kind == PK_COEFFICIENTS && !canBeRician
        func row(_ k: Int) -> UnsafeMutablePointer<Float> { tables + k * m }
        var job = pk_linear_weights()
        row(0).update(from: y, count: m)
        // Coefficients under Gaussian noise are drawn given σ, of which their prior leaves fewer measurements to tell.
        let informing = isJoint ? max(2, Double(m - w)) : Double(m)
        let bound = row(5), ridge = bound + SignalLimits.weights, pull = ridge + SignalLimits.weights,
            shifts = pull + SignalLimits.weights
        for k in 0..<w {
            bound[k] = Float(weights.bound[k])
            ridge[k] = Float(
                weights.areFractions ? Self.ridge / (scale * scale) : 1 / (weights.bound[k] * weights.bound[k]))
            pull[k] = Float(weights.areFractions ? Self.ridge / scale * weights.free / Double(w) : 0)
        }
        var each: [pk_linear_view] = []
        for (k, view) in views.enumerated() {
            row(1 + k).update(from: view.data, count: m)
            for i in 0..<m { row(3 + k)[i] = isJoint ? view.precision[i] : view.precision[i] / widening }
            let base = isJoint ? -0.5 * log(informing) : view.logSigma - 0.5 * view.logSquares
            let shift = shifts + k * SignalLimits.weights
            shift.update(repeating: 0, count: w)
            if weights.areFractions && w > 1 {
                let found = self.shifts(
                    weights, m, attenuations, data: row(1 + k), precision: row(3 + k), ridge: ridge, pull: pull)
                for j in 0..<w { shift[j] = Float(found[j]) }
            }
            each.append(
                pk_linear_view(
                    data: row(1 + k), precision: row(3 + k), shift: shift, log_sigma: Float(view.logSigma),
                    base: Float(base)))
        }
        job.view = (each[0], each.last!)
        (job.measurements, job.components, job.kind, job.views) = (m, w, weights.kind, Int32(views.count))
        (job.y, job.bound, job.ridge, job.pull) = (
            UnsafePointer(row(0)), UnsafePointer(bound), UnsafePointer(ridge), UnsafePointer(pull)
        )
        (job.rician, job.low, job.high) = (canBeRician ? 1 : 0, Float(layout.noise.low), Float(layout.noise.high))
        (job.knows_noise, job.log_sigma) = (sigma == nil ? 0 : 1, Float(sigma.map { log($0) } ?? 0))
        // The conditional of log σ has a tail toward large σ that a normal lacks, the more the fewer the measurements.
        job.noise_root = Float((2 * informing).squareRoot() / (1 + 3 / informing))
        job.widths = isJoint ? 1 : Int32(widths(m, dimension: w + 1 + layout.shapeDimension))
        job.narrowing = (1, 0.4, 0.16)
        if canBeRician { job.log_signals = (0..<m).reduce(0) { $0 + log(Double(y[$1])) } }
        return job
    }

    /// Shifts for a view's normal of u at the best mode's shape.
    private static func shifts(
        _ weights: WeightCoordinates, _ m: Int, _ e: UnsafePointer<Float>, data: UnsafePointer<Float>,
        precision: UnsafePointer<Float>,
        ridge: UnsafePointer<Float>, pull: UnsafePointer<Float>
    ) -> [Double] {
        let w = weights.count
        var gram = [Double](repeating: 0, count: w * w), product = [Double](repeating: 0, count: w)
        for j in 0..<w {
            let a = e + j * m
            for k in 0...j {
                let b = e + k * m
                var sum: Float = 0
                for i in 0..<m { sum += a[i] * b[i] * precision[i] }
                (gram[j * w + k], gram[k * w + j]) = (Double(sum), Double(sum))
            }
            var sum: Float = 0
            for i in 0..<m { sum += a[i] * data[i] * precision[i] }
            product[j] = Double(sum)
        }
        // Columns Ẽ instead of E.
        let with = (0..<w).map { k in (0..<w).reduce(0) { $0 + weights.share[$1] * gram[k * w + $1] } }
        let own = (0..<w).reduce(0) { $0 + weights.share[$1] * with[$1] },
            ofData = (0..<w).reduce(0) { $0 + weights.share[$1] * product[$1] }
        for j in 0..<w {
            for k in 0..<w { gram[j * w + k] += with[j] + with[k] + own }
            product[j] += ofData
        }
        // Without a scale the first is what the others leave.
        let first = weights.kind == PK_FRACTIONS ? 1 : 0, g = gram, p = product, n = w - first
        gram = [Double](repeating: 0, count: n * n)
        product = [Double](repeating: 0, count: n)
        for j in 0..<n {
            for k in 0..<n {
                let of = g[(j + first) * w + k + first]
                gram[j * n + k] =
                    (first == 0 ? of : of - g[(j + 1) * w] - g[(k + 1) * w] + g[0])
                    + (j == k ? Double(ridge[j + first]) : 0)
            }
            product[j] =
                (first == 0 ? p[j] : p[j + 1] - p[0] - weights.free * (g[(j + 1) * w] - g[0])) + Double(pull[j + first])
        }
        let found = TruncationShift.shifts(
            precision: gram, product: product, sum: first == 0 ? .infinity : weights.free)
        return [Double](repeating: 0, count: first) + found
    }
}
