import CKernels
import Foundation
import ModelSpace

/// A mixture fitted to points, from which they are drawn anew.
struct SignalFit {
    var share: [Float] = [], logShare: [Float] = [], mean: [Float] = [], factor: [Float] = []
}

extension SignalLanes {
    /// Clusters at most, and share of the mixture that one density of all points has.
    private static let mostClusters = 6, wholeShare = 0.2

    /// Fits the density of `redraw` to the points as they are: all coordinates but rotations.
    /// - Parameter u: their `coordinates()`.
    /// - Returns: false when it cannot be: too many coordinates.
    func fit(_ u: [Float]) -> Bool {
        let d = evolution.count + 2 * layout.axes.count, size = Self.size, height = dimension
        fitted = SignalFit()
        guard d > 0, d <= Int(PK_POINT_FIT), count > 2 * d else { return false }
        var x = [Double](repeating: 0, count: count * d)
        for i in 0..<count { for j in 0..<d { x[i * d + j] = Double(u[(i / size * height + j) * size + i % size]) } }
        let labels = clusters(x, d), groups = (0..<Self.mostClusters).map { g in labels.indices.filter { labels[$0] == g } }
        // Of few points no covariance can be told.
        let kept = groups.filter { $0.count >= max(3 * d, count / 32) }, many = kept.reduce(0) { $0 + $1.count }
        for group in kept where kept.count > 1 {
            add(group, x, d, share: (1 - Self.wholeShare) * Double(group.count) / Double(many))
        }
        let left = 1 - fitted.share.reduce(0) { $0 + Double($1) }
        add(Array(0..<count), x, d, share: left)
        return !fitted.share.isEmpty
    }

    /// Adds the t about some points.
    private func add(_ members: [Int], _ x: [Double], _ d: Int, share: Double) {
        let n = Double(members.count)
        var mean = [Double](repeating: 0, count: d), covariance = [Double](repeating: 0, count: d * d), off = mean
        for i in members { for j in 0..<d { mean[j] += x[i * d + j] / n } }
        for i in members {
            for j in 0..<d {
                off[j] = x[i * d + j] - mean[j]
                for k in 0...j { covariance[j * d + k] += off[j] * off[k] / (n - 1) }
            }
        }
        // Few points in many dimensions make correlations look stronger than they are; collapsed ones have none.
        let shrink = 1 - 0.5 * Double(d) / (n + Double(d)), stride = d < 16 ? 16 : d < 32 ? 32 : 64
        var factor = [Double](repeating: 0, count: stride * stride)
        for j in 0..<d {
            for k in 0..<j { factor[k * stride + j] = covariance[j * d + k] * shrink }
            factor[j * stride + j] = covariance[j * d + j] * (1 + 1e-4) + 1e-10
        }
        guard pk_system_factorise(d, stride, &factor) != 0 else { return }
        fitted.share.append(Float(share))
        fitted.logShare.append(Float((0..<d).reduce(log(share)) { $0 - log(factor[$1 * stride + $1]) }))
        fitted.mean += mean.map { Float($0) }
        fitted.factor += (0..<d * d).map { $0 % d <= $0 / d ? Float(factor[$0 % d * stride + $0 / d]) : 0 }
    }

    /// Which cluster each point belongs to: k-means in coordinates of unit variance.
    private func clusters(_ x: [Double], _ d: Int) -> [Int] {
        var scaled = x
        for j in 0..<d {
            var (sum, squares) = (0.0, 0.0)
            for i in 0..<count { sum += x[i * d + j] }
            let mean = sum / Double(count)
            for i in 0..<count { squares += (x[i * d + j] - mean) * (x[i * d + j] - mean) }
            let scale = squares > 0 ? (Double(count) / squares).squareRoot() : 0
            for i in 0..<count { scaled[i * d + j] = (x[i * d + j] - mean) * scale }
        }
        func distance(_ i: Int, _ c: ArraySlice<Double>) -> Double {
            var sum = 0.0
            for (j, v) in zip(i * d..<(i + 1) * d, c) { sum += (scaled[j] - v) * (scaled[j] - v) }
            return sum
        }
        // Begun at quantiles of log L, along which phases part.
        let order = (0..<count).sorted { logLikelihood[$0] < logLikelihood[$1] }
        var centres = (0..<Self.mostClusters).map { g -> [Double] in
            let i = order[(2 * g + 1) * count / (2 * Self.mostClusters)]
            return Array(scaled[i * d..<(i + 1) * d])
        }
        var labels = [Int](repeating: 0, count: count)
        for _ in 0..<4 {
            for i in 0..<count {
                let far = centres.map { distance(i, $0[...]) }
                labels[i] = far.indices.min { far[$0] < far[$1] }!
            }
            for g in centres.indices {
                let members = labels.indices.filter { labels[$0] == g }
                guard !members.isEmpty else { continue }
                for j in 0..<d { centres[g][j] = members.reduce(0) { $0 + scaled[$1 * d + j] } / Double(members.count) }
            }
        }
        return labels
    }

    /// Lets every point take other coordinates from the density fitted last.
    /// - Returns: the share of the proposals accepted.
    func redraw() -> Double {
        let before = (proposed, accepted)
        let what = layout.scalars.isEmpty && layout.axes.isEmpty ? Int(PK_POINT_NONE) : Int(PK_POINT_ALL)
        fitted.share.withUnsafeBufferPointer { share in
            fitted.logShare.withUnsafeBufferPointer { logShare in
                fitted.mean.withUnsafeBufferPointer { mean in
                    fitted.factor.withUnsafeBufferPointer { factor in
                        var fit = pk_point_fit(
                            rows: evolution.rows, n: evolution.count, axes: layout.axes.isEmpty ? 0 : 1, parts: share.count,
                            share: share.baseAddress!, log_share: logShare.baseAddress!, mean: mean.baseAddress!,
                            factor: factor.baseAddress!)
                        for b in 0..<blockCount {
                            start(b)
                            pk_points_redraw(&job, &generator, &fit, proposal, bonus)
                            decide(b, what)
                        }
                    }
                }
            }
        }
        return Double(accepted - before.1) / Double(max(1, proposed - before.0))
    }
}
