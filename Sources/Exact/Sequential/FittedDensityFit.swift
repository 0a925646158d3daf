import Diffusion
import Foundation
import ModelSpace

extension FittedDensity {
    /// Fits charts, mean and covariance to N particles, labels matched to one another first.
    ///
    /// - Parameters:
    ///   - best: the particle whose sticks are the first guess of the labels.
    ///   - inflation: factor on the covariance.
    ///   - room: scratch for N × 14 values.
    func fit(
        _ x: UnsafePointer<Double>, count: Int, sticks n: Int, spread: Bool, logSigma: Double? = nil, best: Int,
        inflation: Double,
        room: UnsafeMutablePointer<Double>
    ) {
        begin(sticks: n, spread: spread, logSigma: logSigma)
        let d = dimension, width = Self.width, axis = BallSticks.Slot.axis, fraction = BallSticks.Slot.fraction
        var centre = (0..<n).map { x[best * width + fraction + $0] }
        for k in 0..<n {
            orient(
                k,
                SIMD3(
                    x[best * width + axis + 3 * k], x[best * width + axis + 3 * k + 1],
                    x[best * width + axis + 3 * k + 2]))
        }
        for _ in 0..<(n > 0 ? 4 : 0) {
            var dyads = [Double](repeating: 0, count: 6 * n), sums = [Double](repeating: 0, count: n)
            for i in 0..<count {
                let p = x + i * width, c = match(p, centre)
                for k in 0..<n {
                    let s = labelling[3 * c + k], v = p + axis + 3 * s
                    dyads[6 * k] += v[0] * v[0]; dyads[6 * k + 1] += v[0] * v[1]; dyads[6 * k + 2] += v[0] * v[2]
                    dyads[6 * k + 3] += v[1] * v[1]; dyads[6 * k + 4] += v[1] * v[2]; dyads[6 * k + 5] += v[2] * v[2]
                    sums[k] += p[fraction + s]
                }
            }
            for k in 0..<n {
                orient(
                    k,
                    principal(
                        Array(dyads[6 * k..<6 * k + 6]),
                        from: SIMD3(frames[9 * k], frames[9 * k + 1], frames[9 * k + 2])))
                centre[k] = sums[k] / Double(count)
            }
        }
        for j in 0..<d { mean[j] = 0 }
        for i in 0..<count {
            let p = x + i * width, c = match(p, centre)
            for k in 0..<n {
                chart(p, label: k, stick: labelling[3 * c + k], charted + 6 * k + 2 * labelling[3 * c + k])
            }
            assemble(p, c)
            for j in 0..<d { room[i * d + j] = u[j]; mean[j] += u[j] / Double(count) }
        }
        for j in 0..<d {
            for l in 0...j {
                var sum = 0.0
                for i in 0..<count { sum += (room[i * d + j] - mean[j]) * (room[i * d + l] - mean[l]) }
                factor[j * Self.limit + l] = inflation * sum / Double(max(1, count - 1))
            }
        }
        // Few particles in many dimensions make correlations look stronger than they are.
        let shrink = 1 - 0.5 * Double(d) / Double(count + d)
        for j in 0..<d { for l in 0..<j { factor[j * Self.limit + l] *= shrink } }
        decompose()
    }

    /// The local normal about a mode.
    ///
    /// - Parameter inflation: factor on the covariance.
    func fit(_ mode: LocalMode, inflation: Double) {
        let g = mode.geometry, n = g.sticks,
            order =
                Array(g.tangentIndex..<g.tangentIndex + 2 * n) + Array(0..<n)
                + [g.diffusivityIndex] + (g.hasSpread ? [n] : []) + (g.sigma == nil ? [g.snrIndex] : []) + [g.s0Index]
        begin(sticks: n, spread: g.hasSpread, logSigma: g.sigma.map { log($0) })
        for k in 0..<n {
            for c in 0..<3 { frames[9 * k + c] = mode.centre[BallSticks.Slot.axis + 3 * k + c] }
            for c in 0..<6 { frames[9 * k + 3 + c] = mode.tangents[6 * k + c] }
            (mean[2 * k], mean[2 * k + 1], mean[2 * n + k]) = (0, 0, mode.centre[BallSticks.Slot.fraction + k])
        }
        BallSticksPopulation.particle(mode.centre, hasSpread: g.hasSpread).withUnsafeBufferPointer {
            scalars($0.baseAddress!, mean + 3 * n)
        }
        for (i, p) in order.enumerated() {
            var column = [Double](repeating: 0, count: g.dimension)
            column[p] = 1
            Cholesky.solve(mode.factor, g.dimension, &column)
            for (j, q) in order.enumerated() { factor[j * Self.limit + i] = inflation * column[q] }
        }
        decompose()
    }

    /// Cholesky in place, with a floor that keeps collapsed populations positive definite.
    private func decompose() {
        var logDeterminant = 0.0
        for j in 0..<dimension {
            let row = factor + j * Self.limit
            let floor = 1e-12 + 1e-6 * row[j]
            row[j] += floor
            for l in 0...j {
                var sum = row[l]
                for q in 0..<l { sum -= row[q] * factor[l * Self.limit + q] }
                if l < j {
                    row[l] = sum * inverse[l]
                } else {
                    row[j] = max(sum, floor).squareRoot()
                    inverse[j] = 1 / row[j]
                    logDeterminant += log(row[j])
                }
            }
        }
        let half = 0.5 * Self.freedom, d = Double(dimension)
        logNormaliser =
            lgamma(half + 0.5 * d) - lgamma(half) - 0.5 * d * log(Self.freedom * Double.pi) - logDeterminant - Double(
                sticks) * log(2)
    }

    /// Labelling of a particle that agrees best with the charts' centres.
    private func match(_ x: UnsafePointer<Double>, _ centre: [Double]) -> Int {
        var best = 0, score = -Double.infinity
        for c in 0..<labellingCount {
            var sum = 0.0
            for k in 0..<sticks {
                let s = labelling[3 * c + k], v = x + BallSticks.Slot.axis + 3 * s, f = frames + 9 * k
                let cosine = v[0] * f[0] + v[1] * f[1] + v[2] * f[2], off = x[BallSticks.Slot.fraction + s] - centre[k]
                sum += cosine * cosine - off * off
            }
            if sum > score { score = sum; best = c }
        }
        return best
    }

    /// Puts the chart of label k about a unit vector.
    private func orient(_ k: Int, _ m: SIMD3<Double>) {
        let helper: SIMD3<Double> = abs(m.x) < 0.6 ? SIMD3(1, 0, 0) : SIMD3(0, 1, 0)
        var a = helper - (helper * m).sum() * m
        a /= (a * a).sum().squareRoot()
        let b = SIMD3(m.y * a.z - m.z * a.y, m.z * a.x - m.x * a.z, m.x * a.y - m.y * a.x)
        for c in 0..<3 { frames[9 * k + c] = m[c]; frames[9 * k + 3 + c] = a[c]; frames[9 * k + 6 + c] = b[c] }
    }

    /// Principal eigenvector of a dyad sum by power iteration.
    private func principal(_ t: [Double], from start: SIMD3<Double>) -> SIMD3<Double> {
        var v = start
        for _ in 0..<30 {
            let w = SIMD3(
                t[0] * v.x + t[1] * v.y + t[2] * v.z, t[1] * v.x + t[3] * v.y + t[4] * v.z,
                t[2] * v.x + t[4] * v.y + t[5] * v.z)
            let norm = (w * w).sum().squareRoot()
            guard norm > 1e-300 else { return start }
            v = w / norm
        }
        return v
    }

    /// The particle with chart coordinates u: sticks sorted by falling fraction (their places noted); false beyond a
    /// chart.
    func unchart(into x: UnsafeMutablePointer<Double>) -> Bool {
        let n = sticks
        for c in 0..<Self.width { x[c] = 0 }
        for k in 0..<n {
            // Place of label k: how many labels have a larger fraction (the earlier wins a tie).
            var s = 0
            for l in 0..<n where u[2 * n + l] > u[2 * n + k] || (u[2 * n + l] == u[2 * n + k] && l < k) { s += 1 }
            place[k] = s
            x[BallSticks.Slot.fraction + s] = u[2 * n + k]
            let r2 = u[2 * k] * u[2 * k] + u[2 * k + 1] * u[2 * k + 1]
            guard r2 < 2 else { return false }
            let c = 1 - 0.5 * r2, scale = (1 - 0.25 * r2).squareRoot(), f = frames + 9 * k,
                v = x + BallSticks.Slot.axis + 3 * s
            for q in 0..<3 { v[q] = c * f[q] + scale * (u[2 * k] * f[3 + q] + u[2 * k + 1] * f[6 + q]) }
        }
        x[0] = u[3 * n]
        var j = 3 * n + 1
        if spread { x[1] = u[j]; j += 1 }
        if let logSigma {
            (x[2], x[3]) = (u[j] - logSigma, u[j])
        } else {
            (x[2], x[3]) = (u[j], u[j + 1])
        }
        return true
    }
}
