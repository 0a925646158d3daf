import CKernels
import Foundation
import ModelSpace

extension Acquisition {
    /// F and G: numbers of a measurement and of a voxel that a network is shown.
    static let featureCount = 20, summaryCount = ObservationScale.count

    /// Turns a voxel (b≈0-normalised signals) into network inputs, and finds its canonical frame.
    ///
    /// Features, M × 20, antipodally even, roughly in [−3, 3], finite whatever y holds (NaN counts as 0, the rest is
    /// brought into [−10, 10]); u is the direction in the canonical frame, c = k/(1 + k/4), k = b/1000, dyads uuᵀ − I/3
    /// scaled to unit variance on the sphere and zero for b≈0; p is the quick tensor's prediction, r = y − p:
    ///
    ///     0  c              2–7   c · dyad (xx yy zz xy xz yz)   14  y         16  asinh 20 r       18  log y − log p
    ///     1  log(1 + k)     8–13  dyad                           15  log y     17  asinh r/scale    19  1 for b≈0
    ///
    /// Summaries, 22, standardised over the training mixture: logs of the tensor's eigenvalues (3), asinh 20 log S0 of
    /// the tensor, log of the residual scale, log of the b≈0 volumes' scatter (0 when n0 = 1), mean log signal in the
    /// lowest and highest range of b, asinh of the scaled mean residual in the highest; then 13 of the acquisition
    /// (`AcquisitionStatistics.summary`).
    public func observe(
        _ y: UnsafePointer<Float>, features: UnsafeMutablePointer<Float>, summary: UnsafeMutablePointer<Float>
    ) -> CanonicalFrame {
        let t = tables, m = t.count
        let tensor = QuickTensor.fit(y, t)
        var frame = CanonicalFrame(
            axis1: tensor.axes.0, axis2: tensor.axes.1, axis3: tensor.axes.2, unweightedCount: t.unweightedCount)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 7 * m + 16) { buffer in
            let rotated = buffer.baseAddress!, clean = rotated + 3 * m, logs = clean + m, prediction = logs + m,
                residual = prediction + m
            let rotation = residual + m, eigenvalues = rotation + 9, signs = eigenvalues + 3
            let e = (frame.axis1, frame.axis2, frame.axis3)
            for k in 0..<3 {
                rotation[k] = Float(e.0[k]); rotation[3 + k] = Float(e.1[k]); rotation[6 + k] = Float(e.2[k])
            }
            for k in 0..<3 { eigenvalues[k] = Float(tensor.eigenvalues[k]) }
            var sums = (0.0, 0.0, 0.0)
            withUnsafeMutableBytes(of: &sums) { raw in
                pk_tensor_residuals(
                    m, t.b, t.gx, t.gy, t.gz, t.fitMask, y, rotation, eigenvalues, Float(tensor.logS0), rotated, clean,
                    logs, prediction,
                    residual, raw.bindMemory(to: Double.self).baseAddress!)
            }
            // The residuals' fourth-order moments against x settle y's and z's signs; then all three make the frame
            // right-handed.
            signs[0] = 1
            signs[1] = sums.0 < 0 ? -1 : 1
            signs[2] = sums.1 < 0 ? -1 : 1
            frame.axis2 *= Double(signs[1])
            frame.axis3 *= Double(signs[2])
            if (SymmetricMatrix3.cross(frame.axis1, frame.axis2) * frame.axis3).sum() < 0 {
                frame.axis1 *= -1; frame.axis2 *= -1; frame.axis3 *= -1
            }
            // √(π/2) · mean |r| estimates σ; seven parameters were spent.
            let n = Double(t.fitCount)
            let scale = min(10, max(0.003, 1.2533 * sums.2 / n * (n / max(n - 7, 1)).squareRoot()))
            pk_measurement_features(
                m, t.compressedB, t.logB, t.weighted, rotated, clean, logs, prediction, residual, signs,
                Float(1 / scale), features)

            func mean(_ values: UnsafePointer<Float>, _ list: UnsafeBufferPointer<Int32>) -> Double {
                var total = 0.0
                for i in list { total += Double(values[Int(i)]) }
                return total / Double(list.count)
            }
            func put(_ k: Int, _ value: Double) { summary[k] = ObservationScale.standardise(value, k) }
            for k in 0..<3 { put(k, log(tensor.eigenvalues[k])) }
            put(3, asinh(20 * tensor.logS0))
            put(4, log(scale))
            if t.unweightedCount >= 2 {
                put(5, log(scatter(clean, t) + 1e-3))
            } else {
                summary[5] = 0
            }
            put(6, mean(logs, t.low))
            put(7, mean(logs, t.high))
            put(8, asinh(mean(residual, t.high) / scale))
            (summary + ObservationScale.protocolStart).update(from: t.summary, count: ObservationScale.protocolCount)
        }
        return frame
    }

    /// Standard deviation of the b≈0 volumes.
    private func scatter(_ y: UnsafePointer<Float>, _ t: AcquisitionTables) -> Double {
        var mean = 0.0, square = 0.0
        for k in 0..<t.unweightedCount { mean += Double(y[Int(t.unweighted[k])]) }
        mean /= Double(t.unweightedCount)
        for k in 0..<t.unweightedCount { let r = Double(y[Int(t.unweighted[k])]) - mean; square += r * r }
        return (square / Double(t.unweightedCount - 1)).squareRoot()
    }
}
