import Foundation
import ModelSpace

/// The state of one voxel's chain and its Metropolis moves, all of few parameters.
///
/// Target, σ integrated out under p(σ) ∝ 1/σ, S0 ≥ 0 flat (M measurements, SSE the sum of squared residuals, ω as in
/// `ChainOptions`):
///
///     SSE^(−M/2) · Π f_k^(−ω_k) · (1/s, with spread) · 1[0 ≤ d ≤ 0.005, f_k ≥ floor, Σ f ≤ 1],      μ_k uniform on the
///     sphere
///
/// Moves: S0 and d by a normal step, log s likewise; f_k, at the cost of the ball or (two nearly parallel sticks share
/// one fibre, and only their sum is well known) of another stick, by a normal step and under ω > 0 also by one of log
/// f_k and by log f_k drawn anew; μ_k along a random great circle. Angles θ, φ are never used: no poles, nothing to
/// unwrap.
struct ChainWalk {
    let design: ChainDesign, options: ChainOptions
    /// y, padded; Σ y²; and the smallest SSE that the arithmetic can tell from 0.
    let y: UnsafeMutablePointer<Double>, square: Double, smallest: Double
    var random: RandomSource
    var s0 = 1.0, diffusivity = 1e-3, spread = 0.0
    /// Fractions: ball, sticks.
    var w = SIMD4<Double>(1, 0, 0, 0)
    var axis1 = SIMD3(1.0, 0, 0), axis2 = SIMD3(1.0, 0, 0), axis3 = SIMD3(1.0, 0, 0)
    var sse = 0.0
    var rows: ChainRows, spare: ChainRows
    /// Widths: S0, d, log s; of each fibre f, log f, μ.
    var widths: UnsafeMutablePointer<AdaptiveWidth>
    static let widthCount = 12

    @inline(__always)
    func axis(_ k: Int) -> SIMD3<Double> { k == 1 ? axis1 : k == 2 ? axis2 : axis3 }
    @inline(__always)
    mutating func setAxis(_ k: Int, _ v: SIMD3<Double>) {
        if k == 1 { axis1 = v } else if k == 2 { axis2 = v } else { axis3 = v }
    }

    /// Computes rows, products and SSE of the state as it stands, and sets the widths to their first guesses.
    mutating func begin() {
        refill(rows, diffusivity, spread)
        sse = residual(rows, w, s0)
        widths[0] = AdaptiveWidth(0.05 * s0, largest: .infinity)
        widths[1] = AdaptiveWidth(0.1 * diffusivity, largest: 2.5e-3)
        widths[2] = AdaptiveWidth(0.3, largest: 3)
        for k in 0..<3 {
            widths[3 + 3 * k] = AdaptiveWidth(0.05, largest: 0.5)
            widths[4 + 3 * k] = AdaptiveWidth(0.5, largest: 4)
            widths[5 + 3 * k] = AdaptiveWidth(0.1, largest: 2)
        }
    }

    mutating func adapt() { for i in 0..<Self.widthCount { widths[i].adapt() } }

    /// Moves every parameter, fractions and scale (whose moves compute no attenuation) twice.
    mutating func sweep() {
        moveScale()
        moveDiffusivity()
        if options.hasSpread { moveSpread() }
        for k in 1...options.fibres {
            turn(k, 1)
            moveFraction(k, from: 0)
            // Now and then much smaller than the adapted width, lest a fibre that was absent in the burn-in be stuck
            // when it comes.
            turn(k, random.index(below: 2) == 0 ? 1 : 0.25)
            if options.weight(k - 1) > 0 {
                scaleFraction(k, from: partner(k))
                jumpFraction(k, from: partner(k))
            } else {
                moveFraction(k, from: partner(k))
            }
        }
        moveScale()
    }

    @inline(__always)
    private func residual(_ rows: ChainRows, _ w: SIMD4<Double>, _ s0: Double) -> Double {
        max(smallest, rows.residual(w, s0, square: square))
    }

    /// All rows and products of `rows` for a diffusivity and spread.
    private func refill(_ rows: ChainRows, _ d: Double, _ s: Double) {
        for k in 0...options.fibres { design.fill(rows[k], diffusivity: d, spread: s, axis: k == 0 ? nil : axis(k)) }
        for k in 0...options.fibres { rows.replace(k, rows[k], y, design.padded) }
    }

    /// Metropolis: whether to go to a state of this SSE whose prior density (times proposal ratio) is exp(`gain`) that
    /// of the present one.
    @inline(__always)
    private mutating func accepts(_ candidate: Double, gain: Double) -> Bool {
        let loss = 0.5 * Double(design.count) * log(candidate / sse) - gain
        return loss <= 0 || random.exponential() > loss
    }

    private mutating func moveScale() {
        let proposal = s0 + widths[0].width * random.normal()
        let candidate = residual(rows, w, proposal)
        let moved = proposal >= 0 && accepts(candidate, gain: 0)
        if moved { s0 = proposal; sse = candidate }
        widths[0].note(moved)
    }

    private mutating func moveDiffusivity() {
        let proposal = diffusivity + widths[1].width * random.normal()
        widths[1].note(takeDecay(proposal, spread, gain: 0))
    }

    /// 1/s is flat in log s.
    private mutating func moveSpread() {
        let proposal = spread * exp(widths[2].width * random.normal())
        widths[2].note(takeDecay(diffusivity, proposal, gain: 0))
    }

    private mutating func takeDecay(_ d: Double, _ s: Double, gain: Double) -> Bool {
        guard d >= ChainOptions.diffusivity.low, d <= ChainOptions.diffusivity.high else { return false }
        if options.hasSpread && (s < ChainOptions.spread.low || s > ChainOptions.spread.high) { return false }
        refill(spare, d, s)
        let candidate = residual(spare, w, s0)
        guard accepts(candidate, gain: gain) else { return false }
        diffusivity = d
        spread = s
        sse = candidate
        swap(&rows, &spare)
        return true
    }

    private mutating func moveFraction(_ k: Int, from j: Int) {
        let f = w[k] + widths[3 * k].width * random.normal()
        widths[3 * k].note(takeFraction(k, f, from: j, gain: f > 0 ? -options.weight(k - 1) * log(f / w[k]) : 0))
    }

    /// The density of log f is f^(1 − ω).
    private mutating func scaleFraction(_ k: Int, from j: Int) {
        let step = widths[3 * k + 1].width * random.normal()
        widths[3 * k + 1].note(takeFraction(k, w[k] * exp(step), from: j, gain: (1 - options.weight(k - 1)) * step))
    }

    /// Log f anew, uniform on its range: from a needless fibre to none in one step.
    private mutating func jumpFraction(_ k: Int, from j: Int) {
        let f = exp(log(options.fractionFloor) * random.uniform())
        _ = takeFraction(k, f, from: j, gain: (1 - options.weight(k - 1)) * log(f / w[k]))
    }

    /// Changes w_k to f at the cost of w_j, the sum of both staying: j = 0 is the ball.
    private mutating func takeFraction(_ k: Int, _ f: Double, from j: Int, gain: Double) -> Bool {
        let rest = w[j] + w[k] - f
        guard f >= options.fractionFloor, rest >= (j == 0 ? 0 : options.fractionFloor) else { return false }
        var proposal = w
        proposal[k] = f
        proposal[j] = rest
        let candidate = residual(rows, proposal, s0)
        guard accepts(candidate, gain: j == 0 ? gain : gain - options.weight(j - 1) * log(rest / w[j])) else {
            return false
        }
        // The ball takes up the rounding, so that the fractions' sum stays 1 over any number of moves.
        proposal[0] = max(0, 1 - proposal[1] - proposal[2] - proposal[3])
        w = proposal
        sse = candidate
        return true
    }

    /// Another compartment than stick k, the ball included.
    @inline(__always)
    private mutating func partner(_ k: Int) -> Int {
        let j = random.index(below: options.fibres)
        return j < k ? j : j + 1
    }

    /// Exchanges the first fibre with another, which fits as well: the prior decides which of them is the one that is
    /// not relevance-determined.
    mutating func exchange() {
        guard options.fibres > 1 else { return }
        let k = 2 + random.index(below: options.fibres - 1)
        let gain = (options.weight(k - 1) - options.weight(0)) * log(w[k] / w[1])
        guard gain >= 0 || random.exponential() > -gain else { return }
        (w[1], w[k]) = (w[k], w[1])
        let axis = axis1
        setAxis(1, self.axis(k))
        setAxis(k, axis)
        (rows[1], rows[k]) = (rows[k], rows[1])
        // Rows and columns of the products change places with them.
        let g = UnsafeMutableRawPointer(rows.products).assumingMemoryBound(to: Double.self)
        for r in 0..<5 { swapAt(g, 4 * r + 1, 4 * r + k) }
        for c in 0..<4 { swapAt(g, 8 + c, 4 + 4 * k + c) }
        for i in 0..<3 { (widths[3 + i], widths[3 * k + i]) = (widths[3 * k + i], widths[3 + i]) }
    }

    private func swapAt(_ g: UnsafeMutablePointer<Double>, _ i: Int, _ j: Int) { (g[i], g[j]) = (g[j], g[i]) }

    /// Turns stick k along a random great circle by atan(step): symmetric, as the density depends on the angle alone.
    private mutating func turn(_ k: Int, _ factor: Double) {
        let i = 3 * k + 2, v = axis(k), step = factor * widths[i].width * random.normal()
        var p = 0.0, q = 0.0, r = 0.0
        repeat {
            p = 2 * random.uniform() - 1
            q = 2 * random.uniform() - 1
            r = p * p + q * q
        } while r > 1 || r < 1e-12
        // Two tangents at right angles (Duff et al., Journal of Computer Graphics Techniques 6, 2017).
        let sign = v.z >= 0 ? 1.0 : -1.0, a = -1 / (sign + v.z), b = v.x * v.y * a
        let along = SIMD3(1 + sign * v.x * v.x * a, sign * b, -sign * v.x),
            across = SIMD3(b, sign + v.y * v.y * a, -v.y)
        var turned = v + (step / r.squareRoot()) * (p * along + q * across)
        turned /= (turned * turned).sum().squareRoot()

        let row = spare[k]
        design.fill(row, diffusivity: diffusivity, spread: spread, axis: turned)
        spare.products.update(from: rows.products, count: 5)
        ChainRows(ball: rows.ball, first: rows.first, second: rows.second, third: rows.third, products: spare.products)
            .replace(k, row, y, design.padded)
        let candidate = residual(spare, w, s0)
        let moved = accepts(candidate, gain: 0)
        if moved {
            sse = candidate
            setAxis(k, turned)
            spare[k] = rows[k]
            rows[k] = row
            swap(&rows.products, &spare.products)
        }
        if factor == 1 { widths[i].note(moved) }
    }
}
