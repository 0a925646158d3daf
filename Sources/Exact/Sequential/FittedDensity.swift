import Diffusion
import Foundation
import ModelSpace

/// A proper density over the parameters of one ball-and-sticks structure, fitted to a population: a multivariate t in
/// charts of the directions, summed over the labels of the sticks.
///
///     u = (w_1 … w_n, f_1 … f_n, log d, [log s/d], log snr, log s0) ~ t_ν(m, C),   w_k = v √(2 / (1 + v·μ̂_k)) in the
///     tangent plane of μ̂_k g(x) = 2^−n Σ_π t_ν(u(π x); m, C)     over the n! ways of giving the sticks of x to the
///     labels
///
/// The chart is Lambert's: it preserves area, so g is a density by area on the full sphere for directions known up to
/// sign. Draws may leave the prior's support (g is not truncated). Where σ is known, log snr is log s0 − log σ and no
/// coordinate of u.
///
/// Particles x: log d, log(s/d), log snr, log s0, f1…f3 (falling), μ1…μ3, in the places of `BallSticks.Slot`.
final class FittedDensity {
    static let freedom = 8.0
    static let limit = 14
    static let width = 16

    /// Share among the densities that it is mixed with.
    var weight = 1.0
    private(set) var sticks = 0, dimension = 0, spread = false, logSigma: Double?
    /// Chart frames: μ̂, e₁, e₂ per label.
    let frames = UnsafeMutablePointer<Double>.allocate(capacity: 27)
    let mean = UnsafeMutablePointer<Double>.allocate(capacity: limit)
    /// Lower Cholesky factor of C, row-major with stride `limit`, and the reciprocals of its diagonal.
    let factor = UnsafeMutablePointer<Double>.allocate(capacity: limit * limit)
    let inverse = UnsafeMutablePointer<Double>.allocate(capacity: limit)
    let u = UnsafeMutablePointer<Double>.allocate(capacity: limit)
    private let noise = UnsafeMutablePointer<Double>.allocate(capacity: limit)
    private let step = UnsafeMutablePointer<Double>.allocate(capacity: limit)
    let charted = UnsafeMutablePointer<Double>.allocate(capacity: 18)
    /// log t of each labelling at the last point asked for.
    let terms = UnsafeMutablePointer<Double>.allocate(capacity: 6)
    var logNormaliser = 0.0

    /// labelling → stick given to each label.
    static let labellings: [[[Int]]] = [
        [[]], [[0]], [[0, 1], [1, 0]], [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]],
    ]
    let labelling = UnsafeMutablePointer<Int>.allocate(capacity: 18)
    private(set) var labellingCount = 1
    /// Where the draws' labels went: label k became stick `place[k]`.
    let place = UnsafeMutablePointer<Int>.allocate(capacity: 3)

    init() {
        for p in [mean, inverse, u, noise, step] { p.initialize(repeating: 0, count: Self.limit) }
        factor.initialize(repeating: 0, count: Self.limit * Self.limit)
        frames.initialize(repeating: 0, count: 27)
        charted.initialize(repeating: 0, count: 18)
        terms.initialize(repeating: 0, count: 6)
        labelling.initialize(repeating: 0, count: 18)
        place.initialize(repeating: 0, count: 3)
    }

    deinit {
        for p in [mean, inverse, u, noise, step, factor, frames, charted, terms] { p.deallocate() }
        labelling.deallocate()
        place.deallocate()
    }

    func copy(_ other: FittedDensity) {
        begin(sticks: other.sticks, spread: other.spread, logSigma: other.logSigma)
        frames.update(from: other.frames, count: 27)
        mean.update(from: other.mean, count: Self.limit)
        factor.update(from: other.factor, count: Self.limit * Self.limit)
        inverse.update(from: other.inverse, count: Self.limit)
        logNormaliser = other.logNormaliser
    }

    func begin(sticks n: Int, spread: Bool, logSigma: Double?) {
        sticks = n
        self.spread = spread
        self.logSigma = logSigma
        dimension = 3 * n + (logSigma == nil ? 3 : 2) + (spread ? 1 : 0)
        labellingCount = Self.labellings[n].count
        for (i, row) in Self.labellings[n].enumerated() { for (k, s) in row.enumerated() { labelling[3 * i + k] = s } }
    }

    /// log g(x); leaves the summands in `terms`.
    func logDensity(_ x: UnsafePointer<Double>) -> Double {
        for k in 0..<sticks { for s in 0..<sticks { chart(x, label: k, stick: s, charted + 6 * k + 2 * s) } }
        let half = 0.5 * (Self.freedom + Double(dimension))
        var peak = -Double.infinity, least = Double.infinity
        for c in 0..<labellingCount {
            assemble(x, c)
            // Labellings a hundred times farther off add less than 1e-15 to the sum and are not followed to the end.
            let q = squaredDistance(u, stop: 100 * (least + Self.freedom))
            least = min(least, q)
            terms[c] = q.isFinite ? logNormaliser - half * log1p(q / Self.freedom) : -.infinity
            peak = max(peak, terms[c])
        }
        if labellingCount == 1 { return peak }
        var total = 0.0
        for c in 0..<labellingCount { total += exp(terms[c] - peak) }
        return peak + log(total)
    }

    /// x ~ g; false when that lies beyond a chart.
    func draw(into x: UnsafeMutablePointer<Double>, using random: inout RandomSource) -> Bool {
        correlated(1, using: &random)
        var chi = 0.0
        for _ in 0..<Int(Self.freedom / 2) { chi += 2 * random.exponential() }
        let stretch = (Self.freedom / chi).squareRoot()
        for j in 0..<dimension { u[j] = mean[j] + stretch * step[j] }
        return unchart(into: x)
    }

    /// A random walk in the charts of one labelling, chosen by its share in g(x).
    ///
    /// Returns log of what the acceptance ratio needs beside the densities, log share(x′) − log share(x); nil when x′
    /// lies beyond a chart.
    func walk(
        _ x: UnsafePointer<Double>, scale: Double, into proposal: UnsafeMutablePointer<Double>,
        using random: inout RandomSource
    ) -> Double? {
        let here = logDensity(x)
        var c = 0, v = random.uniform()
        while c < labellingCount - 1 {
            v -= exp(terms[c] - here)
            if v <= 0 { break }
            c += 1
        }
        let share = terms[c] - here
        correlated(scale, using: &random)
        assemble(x, c)
        for j in 0..<dimension { u[j] += step[j] }
        guard unchart(into: proposal) else { return nil }
        let back = (0..<labellingCount).first { l in (0..<sticks).allSatisfy { labelling[3 * l + $0] == place[$0] } }!
        let there = logDensity(proposal)
        return terms[back] - there - share
    }

    private func correlated(_ scale: Double, using random: inout RandomSource) {
        for j in 0..<dimension { noise[j] = random.normal() * scale }
        for j in 0..<dimension {
            var sum = 0.0
            for l in 0...j { sum += factor[j * Self.limit + l] * noise[l] }
            step[j] = sum
        }
    }

    private func squaredDistance(_ u: UnsafePointer<Double>, stop: Double) -> Double {
        var q = 0.0
        for j in 0..<dimension {
            var r = u[j] - mean[j]
            let row = factor + j * Self.limit
            for l in 0..<j { r -= row[l] * step[l] }
            r *= inverse[j]
            step[j] = r
            q += r * r
            if q > stop { return .infinity }
        }
        return q
    }

    /// Lambert coordinates of a stick's axis about a label's.
    func chart(_ x: UnsafePointer<Double>, label k: Int, stick s: Int, _ out: UnsafeMutablePointer<Double>) {
        let v = x + BallSticks.Slot.axis + 3 * s, f = frames + 9 * k
        let c = v[0] * f[0] + v[1] * f[1] + v[2] * f[2]
        let scale = (2 / (1 + abs(c))).squareRoot() * (c < 0 ? -1 : 1)
        out[0] = scale * (v[0] * f[3] + v[1] * f[4] + v[2] * f[5])
        out[1] = scale * (v[0] * f[6] + v[1] * f[7] + v[2] * f[8])
    }

    /// u of x under labelling c, from `charted`.
    func assemble(_ x: UnsafePointer<Double>, _ c: Int) {
        for k in 0..<sticks {
            let s = labelling[3 * c + k]
            u[2 * k] = charted[6 * k + 2 * s]
            u[2 * k + 1] = charted[6 * k + 2 * s + 1]
            u[2 * sticks + k] = x[BallSticks.Slot.fraction + s]
        }
        scalars(x, u + 3 * sticks)
    }

    func scalars(_ x: UnsafePointer<Double>, _ out: UnsafeMutablePointer<Double>) {
        var j = 0
        out[0] = x[0]; j = 1
        if spread { out[j] = x[1]; j += 1 }
        if logSigma == nil { out[j] = x[2]; j += 1 }
        out[j] = x[3]
    }
}
