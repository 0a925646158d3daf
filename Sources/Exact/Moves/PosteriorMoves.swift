import CKernels
import Foundation
import ModelSpace

/// Moves posterior draws of one structure toward, and then about, the exact posterior, for any signal linear in its
/// weights.
///
/// An ensemble Markov chain whose invariant density is prior × exact likelihood by the point's coordinates
/// (`SignalLayout`), in which the prior is flat on its support but for normal coefficients. Sixteen draws move
/// together. Moves, symmetric but for the stretch:
///
/// - differential evolution of log σ, log s0, weights and scalars together: x + γ (x_j − x_k) + ε with two draws that
///   do not move at the same time, γ from {1, 0.5, 0.15} × 2.38/√(2 D); one time in eight the stretch, toward or away
///   from another draw; with too few draws a random walk; every other time axes evolve along, in Lambert's charts about
///   their principal directions at the start;
/// - scale and noise by a random walk, or with the weights by evolution: no attenuation changes;
/// - each component's shape: its axes and rotations turned by random angles whose scale was measured on the draws at
///   the start, its scalars along a difference of two draws; now and then drawn anew;
/// - members that may change places exchange their shapes.
///
/// Only attenuations that a move changes are computed. Coefficients under Gaussian noise are integrated out and drawn
/// in the end. One engine serves one thread; the result depends on the arguments alone.
///
/// - Accuracy: coordinates that move are kept in single precision; log-likelihoods are within 2e-6 · Σ(1 + (y/σ)²).
/// - Source: ter Braak, "A Markov chain Monte Carlo version of the genetic algorithm differential evolution",
///   Statistics and Computing 16 (2006); Goodman & Weare, "Ensemble samplers with affine invariance", CAMCoS 5 (2010).
public final class PosteriorMoves {
    private let kernels: any SignalKernels
    private var lanes: SignalLanes?

    public init(_ kernels: any SignalKernels) { self.kernels = kernels }

    /// Runs sweeps over all draws, in place.
    ///
    /// - Parameters:
    ///   - y: M signals.
    ///   - points: S × `layout.count` coordinates in the support of the prior; members that may change places come out
    ///     by falling weight.
    ///   - sigma: the noise's standard deviation, where it is known; the draws' own is set to it.
    ///   - turn: scale of the angles (radians) instead of those measured on the draws.
    /// - Returns: the share of proposals accepted.
    @discardableResult
    public func run(
        _ y: UnsafePointer<Float>, points: inout [Double], _ layout: SignalLayout, _ noise: NoiseLikelihood,
        sigma: Double? = nil, sweeps: Int,
        turn: Double? = nil, using random: inout RandomSource
    ) -> Double {
        let count = points.count / layout.count
        precondition(count * layout.count == points.count, "points of \(layout.count) numbers each")
        guard count > 0, sweeps > 0 else { return 0 }
        let lanes = lanes ?? SignalLanes(kernels, layout)
        self.lanes = lanes
        lanes.prepare(y, layout, noise, sigma: sigma, count: count, windowed: false, using: &random)
        points.withUnsafeMutableBufferPointer { points in
            let all = points.baseAddress!
            for i in 0..<count {
                let x = all + i * layout.count
                if let sigma { x[SignalLayout.sigma] = log(sigma) }
                layout.sort(x)
                lanes.load(x, at: i)
            }
            setTurns(lanes, all, count, fixed: turn)
            lanes.placeCharts()
            lanes.evaluate()
            for sweep in 0..<sweeps { lanes.sweep(sweep, using: &random) }
            lanes.drawCoefficients()
            for i in 0..<count { lanes.store(i, into: all + i * layout.count) }
        }
        return lanes.proposed > 0 ? Double(lanes.accepted) / Double(lanes.proposed) : 0
    }

    /// The log-likelihoods kept of the draws last moved (integrated over coefficients where they are), for tests.
    package var logLikelihoods: [Double] { lanes.map { l in (0..<l.count).map { l.logLikelihood[$0] } } ?? [] }

    /// Scales of the angles: standard deviation of an axis or rotation about the one of twelve draws that agrees best
    /// with all; between 0.005 and 0.6.
    private func setTurns(_ lanes: SignalLanes, _ points: UnsafePointer<Double>, _ count: Int, fixed: Double?) {
        let layout = lanes.layout
        func each(_ dimension: Double, _ square: (_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>) -> Double)
            -> Double
        {
            guard count >= 4 else { return 0.1 }
            let every = (count + 11) / 12
            var best = Double.infinity
            for i in stride(from: 0, to: count, by: every) {
                var total = 0.0
                for j in 0..<count { total += square(points + i * layout.count, points + j * layout.count) }
                best = min(best, total / Double(count))
            }
            return min(0.6, max(0.005, (best / dimension).squareRoot()))
        }
        for part in lanes.plan.parts {
            var n = part.firstTurn
            for c in 0..<part.part.axes {
                let at = Int(part.part.axis[c])
                lanes.plan.turn[n] = Float(
                    fixed
                        ?? each(2) { a, b in
                            let cosine = a[at] * b[at] + a[at + 1] * b[at + 1] + a[at + 2] * b[at + 2]
                            return max(0, 1 - cosine * cosine)
                        })
                n += 1
            }
            for c in 0..<part.part.rotations {
                let at = Int(part.part.rotation[c])
                lanes.plan.turn[n] = Float(
                    fixed
                        ?? each(3) { a, b in
                            withUnsafeTemporaryAllocation(of: Double.self, capacity: 3) { w in
                                RotationChart.coordinates(of: b + at, about: a + at, into: w.baseAddress!)
                                return w[0] * w[0] + w[1] * w[1] + w[2] * w[2]
                            }
                        })
                n += 1
            }
        }
    }
}

extension SignalLanes {
    /// The point of a lane; numbers that are still what `x` has in single precision keep all their digits.
    func store(_ i: Int, into x: UnsafeMutablePointer<Double>) {
        func moved(_ row: Int) -> Bool { value(i, row) != Float(x[row]) }
        let first = SignalLayout.firstWeight, w = layout.componentCount
        if moved(SignalLayout.sigma) || (layout.scalePlace != nil && moved(SignalLayout.scale)) {
            // Bounds are those of their difference.
            if job.knows_noise == 0 { x[SignalLayout.sigma] = Double(value(i, SignalLayout.sigma)) }
            if layout.scalePlace != nil { x[SignalLayout.scale] = Double(value(i, SignalLayout.scale)) }
        }
        if (0..<w).contains(where: { moved(first + $0) }) {
            for k in 0..<w { x[first + k] = Double(value(i, first + k)) }
            if layout.weights == .simplex {
                x[first + plan.rest] = (0..<w).reduce(1.0) { $1 == plan.rest ? $0 : $0 - x[first + $1] }
            }
        }
        for (j, s) in layout.scalars.enumerated() where moved(layout.firstScalar + j) {
            x[layout.firstScalar + j] = max(s.low, min(s.high, Double(value(i, layout.firstScalar + j))))
        }
        func orientation(_ at: Int, _ width: Int) {
            guard (0..<width).contains(where: { moved(at + $0) }) else { return }
            var square = 0.0
            for c in 0..<width { square += Double(value(i, at + c)) * Double(value(i, at + c)) }
            for c in 0..<width { x[at + c] = Double(value(i, at + c)) / square.squareRoot() }
        }
        for a in layout.axes.indices { orientation(layout.firstAxis + 3 * a, 3) }
        for r in layout.rotations.indices { orientation(layout.firstRotation + 4 * r, 4) }
        layout.sort(x)
    }
}
