import CKernels
import Foundation
import ModelSpace

/// Moves draws of one structure about the exact posterior by random walks in one fixed chart.
///
/// About a centre the coordinates (log σ, log s0, all fractions but one or all coefficients, the shape's local coordinates) cover the prior's support but for a
/// set of measure 0, and in them its density is flat (times that of normal coefficients). So a step with one fixed covariance, taken from weighted samples
/// beforehand, is symmetric, and accepted with probability min(1, ratio of densities) leaves prior × exact likelihood invariant, whatever the covariance. Each
/// draw walks alone. Lengths are drawn from {1, 0.4, 0.15} × 2.38/√D.
///
/// One a thread. Sixteen draws have their attenuations computed together.
package final class ChartWalk {
    private let kernels: any SignalKernels, m: Int
    private var rows: [Float] = [], e: [Float] = [], predicted: [Float]

    package init(_ kernels: any SignalKernels) {
        self.kernels = kernels
        m = kernels.measurementCount
        predicted = Array(repeating: 0, count: 16 * kernels.measurementCount)
    }

    /// The chart about a point, and the Cholesky factor of weighted samples' covariance in it.
    package struct Chart {
        let layout: SignalLayout, centre: [Double]
        /// The fraction that is 1 minus the others: the largest at the centre.
        let rest: Int?
        /// D × D, lower triangle.
        fileprivate(set) var factor: [Double] = []

        /// D.
        var dimension: Int { 1 + (layout.scalePlace == nil ? 0 : 1) + layout.componentCount - (rest == nil ? 0 : 1) + layout.shapeDimension }

        /// - Parameter knowsNoise: whether σ is known: it has no part in the walk then.
        package init(_ layout: SignalLayout, centre: [Double], samples: [(point: [Double], weight: Double)], knowsNoise: Bool) {
            (self.layout, self.centre) = (layout, centre)
            let first = SignalLayout.firstWeight
            rest = layout.weights == .simplex ? (0..<layout.componentCount).max { centre[first + $0] < centre[first + $1] } : nil
            let d = dimension
            var mean = [Double](repeating: 0, count: d), covariance = [Double](repeating: 0, count: d * d), total = 0.0
            let all = samples.map { (coordinates($0.point), $0.weight) }
            for (c, w) in all {
                total += w
                for i in 0..<d { mean[i] += w * c[i] }
            }
            for i in 0..<d { mean[i] /= max(total, 1e-300) }
            for (c, w) in all { for i in 0..<d { for j in 0...i { covariance[i * d + j] += w / total * (c[i] - mean[i]) * (c[j] - mean[j]) } } }
            // Few samples leave directions out: a hundredth of each variance in all of them.
            for i in 0..<d { covariance[i * d + i] = covariance[i * d + i] * 1.01 + 1e-10 }
            if knowsNoise { for i in 0..<d { covariance[i] = 0; covariance[i * d] = 0 } }
            factor = Self.cholesky(covariance, d)
        }

        /// A factor of a matrix that is not negative; a pivot that vanishes leaves its row out.
        private static func cholesky(_ a: [Double], _ d: Int) -> [Double] {
            var l = [Double](repeating: 0, count: d * d)
            for i in 0..<d {
                for j in 0...i {
                    var x = a[i * d + j]
                    for k in 0..<j { x -= l[i * d + k] * l[j * d + k] }
                    if i == j { l[i * d + i] = x > 1e-14 ? x.squareRoot() : 0 } else { l[i * d + j] = l[j * d + j] > 0 ? x / l[j * d + j] : 0 }
                }
            }
            return l
        }

        func coordinates(_ x: [Double]) -> [Double] {
            var c = [x[SignalLayout.sigma]]
            if layout.scalePlace != nil { c.append(x[SignalLayout.scale]) }
            for k in 0..<layout.componentCount where k != rest { c.append(x[SignalLayout.firstWeight + k]) }
            var shape = [Double](repeating: 0, count: layout.shapeDimension)
            layout.shapeCoordinates(of: x, about: centre, into: &shape)
            return c + shape
        }

        /// The point at some coordinates; nil outside the support, or the chart.
        func point(_ c: [Double], knowsNoise: Bool) -> [Double]? {
            var x = centre, i = 1
            if layout.scalePlace != nil { i = 2 }
            let weights = i
            var left = 1.0
            for k in 0..<layout.componentCount where k != rest { i += 1; left -= c[i - 1] }
            var shape = Array(c[i...]), at = layout.scalars.count
            for _ in layout.axes {
                if shape[at] * shape[at] + shape[at + 1] * shape[at + 1] > 2 { return nil }
                at += 2
            }
            for _ in layout.rotations {
                // Frames are alike beyond a right angle or so; where exactly is for `coordinates` to say.
                if shape[at] * shape[at] + shape[at + 1] * shape[at + 1] + shape[at + 2] * shape[at + 2] > 9.8 { return nil }
                at += 3
            }
            layout.moveShape(centre, by: &shape, into: &x)
            x[SignalLayout.sigma] = c[0]
            if layout.scalePlace != nil { x[SignalLayout.scale] = c[1] }
            i = weights
            for k in 0..<layout.componentCount {
                if k == rest { x[SignalLayout.firstWeight + k] = left } else { x[SignalLayout.firstWeight + k] = c[i]; i += 1 }
            }
            return layout.supports(x, knowsNoise: knowsNoise) ? x : nil
        }
    }

    /// Runs `sweeps` steps of every draw, in place.
    /// - Parameters:
    ///   - points: S points in the support, of the chart's layout; members stand in order of falling weight before and after.
    ///   - sigma: known σ, which stays.
    /// - Returns: the share of steps accepted.
    @discardableResult
    package func run(
        _ y: UnsafePointer<Float>, points: inout [[Double]], chart: Chart, _ noise: NoiseLikelihood, sigma: Double? = nil, sweeps: Int,
        using random: inout RandomSource
    ) -> Double {
        // A walk about a centre does not turn frames all the way round: where there are any, only what it covers is moved.
        let layout = chart.layout, d = chart.dimension
        guard sweeps > 0, !points.isEmpty, layout.rotations.isEmpty else { return 0 }
        var coordinates = points.map(chart.coordinates), accepted = 0
        let scale = 2.38 / Double(d).squareRoot()
        for start in stride(from: 0, to: points.count, by: 16) {
            let members = start..<min(start + 16, points.count)
            var density = densities(y, Array(points[members]), layout, noise)
            for _ in 0..<sweeps {
                var trials: [[Double]?] = [], places: [[Double]] = []
                for s in members {
                    let length = scale * [1, 0.4, 0.15][random.index(below: 3)], z = (0..<d).map { _ in length * random.normal() }
                    var c = coordinates[s]
                    for i in 0..<d { for j in 0...i { c[i] += chart.factor[i * d + j] * z[j] } }
                    if sigma != nil { c[0] = coordinates[s][0] }
                    places.append(c)
                    trials.append(chart.point(c, knowsNoise: sigma != nil))
                }
                let new = densities(y, trials.enumerated().map { $1 ?? points[start + $0] }, layout, noise)
                for (i, s) in members.enumerated() {
                    let u = log(random.uniform())
                    guard let trial = trials[i], u < new[i] - density[i] else { continue }
                    (points[s], coordinates[s], density[i]) = (trial, places[i], new[i])
                    accepted += 1
                }
            }
        }
        for s in points.indices { points[s].withUnsafeMutableBufferPointer { layout.sort($0.baseAddress!) } }
        return Double(accepted) / Double(sweeps * points.count)
    }

    /// log prior (of coefficients) × likelihood of up to sixteen points.
    func densities(_ y: UnsafePointer<Float>, _ points: [[Double]], _ layout: SignalLayout, _ noise: NoiseLikelihood) -> [Double] {
        let w = layout.componentCount
        if rows.count < 16 * layout.count { rows = Array(repeating: 0, count: 16 * layout.count) }
        if e.count < 16 * m * w { e = Array(repeating: 0, count: 16 * m * w) }
        for lane in 0..<16 {
            let x = points[min(lane, points.count - 1)]
            for i in 0..<layout.count { rows[16 * i + lane] = Float(x[i]) }
        }
        kernels.attenuations(layout, rows: rows, stride: 16, into: &e)
        var result: [Double] = []
        for (lane, x) in points.enumerated() {
            for i in 0..<m {
                var sum: Float = 0
                for k in 0..<w { sum += e[(i * w + k) * 16 + lane] * Float(x[SignalLayout.firstWeight + k]) }
                predicted[i] = sum
            }
            let s0 = exp(x[SignalLayout.scale]), sigma = exp(x[SignalLayout.sigma])
            var value = noise == .rician ? pk_rician_log_likelihood(m, predicted, y, s0, sigma) : pk_gaussian_log_likelihood(m, predicted, y, s0, sigma)
            if layout.weights == .normal {
                for (k, c) in layout.components.enumerated() { value -= 0.5 * pow(x[SignalLayout.firstWeight + k] / c.bound, 2) }
            }
            result.append(value.isNaN ? -.infinity : value)
        }
        return result
    }
}
