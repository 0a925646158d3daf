import CKernels
import Foundation
import ModelSpace

/// Charts of the points' axes, and how far points have come in them.
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
        var u = [Float](repeating: 0, count: blockCount * d * size), q = [0.0, 0, 0, 0], centre = q, w = [0.0, 0, 0]
        u.withUnsafeMutableBufferPointer { u in
            for b in 0..<blockCount {
                pk_points_coordinates(&job, &blocks[b], evolution.rows, evolution.count, u.baseAddress! + b * d * size)
            }
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

    /// Where each point stands among all by its likelihood.
    func likelihoodRanks() -> [Int] {
        var ranks = [Int](repeating: 0, count: count)
        let order = (0..<count).sorted { logLikelihood[$0] < logLikelihood[$1] }
        for (rank, i) in order.enumerated() { ranks[i] = rank }
        return ranks
    }

    /// The greatest correlation, over all coordinates and the ranks of likelihoods, of what the points are with what
    /// they were. Ranks, for where the points are of two phases, one wide and one narrow, coordinates say little of how
    /// many have changed from one to the other.
    func correlation(with before: [Float], _ ranks: [Int]) -> Double {
        let d = dimension, size = Self.size, now = coordinates(), n = Double(count), middle = 0.5 * (n - 1)
        var most = 0.0
        let news = likelihoodRanks()
        for (a, b) in zip(ranks, news) { most += (Double(a) - middle) * (Double(b) - middle) }
        most = max(0, most * 12 / (n * (n * n - 1)))
        // The few of greatest likelihood are many at the next temperatures: whether they are the same few.
        for few in [count / 32, count / 8] {
            let share = Double(few) / n
            let both = zip(ranks, news).reduce(0) { $0 + (min($1.0, $1.1) >= count - few ? 1 : 0) }
            most = max(most, (Double(both) / n - share * share) / (share * (1 - share)))
        }
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
}
