import CKernels
import Foundation
import ModelSpace

/// Charts of the points' axes, and draws of their coordinates from a density fitted to them.
extension SignalLanes {
    /// Puts the charts of the axes about their principal directions among the points.
    func placeCharts() {
        for a in layout.axes.indices {
            let row = layout.firstAxis + 3 * a
            var dyad = (SIMD3<Double>.zero, SIMD3<Double>.zero, SIMD3<Double>.zero)
            func axis(_ i: Int) -> SIMD3<Double> {
                SIMD3(Double(value(i, row)), Double(value(i, row + 1)), Double(value(i, row + 2)))
            }
            for i in 0..<count {
                let v = axis(i)
                dyad = (dyad.0 + v.x * v, dyad.1 + v.y * v, dyad.2 + v.z * v)
            }
            var centre = axis(0)
            for _ in 0..<20 {
                let next = SIMD3((dyad.0 * centre).sum(), (dyad.1 * centre).sum(), (dyad.2 * centre).sum()),
                    length = (next * next).sum().squareRoot()
                if length > 1e-12 { centre = next / length }
            }
            let (e, f) = AxisChart.tangents(centre)
            for (n, v) in [centre, e, f].enumerated() {
                for c in 0..<3 { plan.frames[9 * a + 3 * n + c] = Float(v[c]) }
            }
        }
    }

    /// Numbers that say where the points are: the rows that evolve, two of each axis in its chart, three of each
    /// rotation about the first point's.
    var dimension: Int { evolution.count + 2 * layout.axes.count + 3 * layout.rotations.count }

    /// The points in all these, number j of point i at `(i / 16 · dimension + j) · 16 + i mod 16`.
    func coordinates() -> [Float] {
        let d = dimension, size = Self.size, others = evolution.count + 2 * layout.axes.count
        var fit = pk_point_fit(rows: evolution.rows, n: evolution.count, axes: 1, mean: nil, factor: nil)
        var u = [Float](repeating: 0, count: blockCount * d * size), q = [0.0, 0, 0, 0], centre = q, w = [0.0, 0, 0]
        u.withUnsafeMutableBufferPointer { u in
            for b in 0..<blockCount { pk_points_coordinates(&job, &blocks[b], &fit, u.baseAddress! + b * d * size) }
        }
        for r in layout.rotations.indices {
            let row = layout.firstRotation + 4 * r
            for c in 0..<4 { centre[c] = Double(value(0, row + c)) }
            for i in 0..<count {
                for c in 0..<4 { q[c] = Double(value(i, row + c)) }
                RotationChart.coordinates(of: q, about: centre, into: &w)
                for c in 0..<3 { u[(i / size * d + others + 3 * r + c) * size + i % size] = Float(w[c]) }
            }
        }
        return u
    }

    /// The greatest correlation, over all of them, of where the points are with where they were.
    func correlation(with before: [Float]) -> Double {
        let d = dimension, size = Self.size, now = coordinates(), n = Double(count)
        var most = 0.0
        for j in 0..<d {
            var (a, b, aa, bb, ab) = (0.0, 0.0, 0.0, 0.0, 0.0)
            for i in 0..<count {
                let at = (i / size * d + j) * size + i % size, x = Double(before[at]), y = Double(now[at])
                a += x
                b += y
                aa += x * x
                bb += y * y
                ab += x * y
            }
            let spread = (aa - a * a / n) * (bb - b * b / n)
            if spread > 0 { most = max(most, (ab - a * b / n) / spread.squareRoot()) }
        }
        return most
    }

    /// Fits the density of `redraw` to the points as they are: all coordinates but rotations.
    /// - Returns: false when it cannot be: too many coordinates.
    func fit(_ u: [Float]) -> Bool {
        let d = evolution.count + 2 * layout.axes.count, size = Self.size, height = dimension
        guard d > 0, d <= Int(PK_POINT_FIT), count > 2 * d else { return false }
        var mean = [Double](repeating: 0, count: d)
        func coordinate(_ i: Int, _ j: Int) -> Double { Double(u[(i / size * height + j) * size + i % size]) }
        for i in 0..<count { for j in 0..<d { mean[j] += coordinate(i, j) / Double(count) } }
        var covariance = [Double](repeating: 0, count: d * d), off = [Double](repeating: 0, count: d)
        for i in 0..<count {
            for j in 0..<d {
                off[j] = coordinate(i, j) - mean[j]
                for k in 0...j { covariance[j * d + k] += off[j] * off[k] / Double(count - 1) }
            }
        }
        // Few points in many dimensions make correlations look stronger than they are; collapsed ones have none.
        let shrink = 1 - 0.5 * Double(d) / Double(count + d)
        for j in 0..<d { for k in 0..<j { covariance[j * d + k] *= shrink } }
        for j in 0..<d { covariance[j * d + j] = covariance[j * d + j] * (1 + 1e-4) + 1e-10 }
        let stride = d < 16 ? 16 : d < 32 ? 32 : 64
        var factor = [Double](repeating: 0, count: stride * stride)
        for j in 0..<d { for k in 0...j { factor[k * stride + j] = covariance[j * d + k] } }
        guard pk_system_factorise(d, stride, &factor) != 0 else { return false }
        fitted =
            mean.map { Float($0) } + (0..<d * d).map { $0 % d <= $0 / d ? Float(factor[$0 % d * stride + $0 / d]) : 0 }
        return true
    }

    /// Lets every point take other coordinates from the density fitted last.
    /// - Returns: the share of the proposals accepted.
    func redraw() -> Double {
        let d = evolution.count + 2 * layout.axes.count, before = (proposed, accepted)
        fitted.withUnsafeBufferPointer { fitted in
            var fit = pk_point_fit(
                rows: evolution.rows, n: evolution.count, axes: layout.axes.isEmpty ? 0 : 1, mean: fitted.baseAddress!,
                factor: fitted.baseAddress! + d)
            for b in 0..<blockCount {
                start(b)
                pk_points_redraw(&job, &generator, &fit, proposal, bonus)
                decide(b, layout.scalars.isEmpty && layout.axes.isEmpty ? Int(PK_POINT_NONE) : Int(PK_POINT_ALL))
            }
        }
        return Double(accepted - before.1) / Double(max(1, proposed - before.0))
    }
}
