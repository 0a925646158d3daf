import CKernels
import Foundation

/// A voxel's own axes: the eigenframe of a quick tensor fit, with signs fixed, and what decoding needs besides.
///
/// The signals are rotation-equivariant, so inference in this frame, rotated back, is inference; the frame is a
/// deterministic function of the data, so the posterior is unchanged.
public struct CanonicalFrame: Sendable, Equatable {
    /// Orthonormal, right-handed axes in the acquisition's frame, largest diffusivity first: canonical v = (axis1·v,
    /// axis2·v, axis3·v).
    public var axis1, axis2, axis3: SIMD3<Double>
    /// n0, the number of b≈0 volumes.
    public var unweightedCount: Int

    public init(axis1: SIMD3<Double>, axis2: SIMD3<Double>, axis3: SIMD3<Double>, unweightedCount: Int) {
        self.axis1 = axis1
        self.axis2 = axis2
        self.axis3 = axis3
        self.unweightedCount = unweightedCount
    }

    /// 3×3, row-major: takes a vector of the acquisition's frame into the canonical one.
    public var rotation: [Double] {
        [axis1.x, axis1.y, axis1.z, axis2.x, axis2.y, axis2.z, axis3.x, axis3.y, axis3.z]
    }

    @inline(__always)
    func enter(_ v: SIMD3<Double>) -> SIMD3<Double> { SIMD3((axis1 * v).sum(), (axis2 * v).sum(), (axis3 * v).sum()) }
    @inline(__always)
    func leave(_ v: SIMD3<Double>) -> SIMD3<Double> { v.x * axis1 + v.y * axis2 + v.z * axis3 }
}

extension Acquisition {
    /// The axis along which a voxel (b≈0-normalised signals, M of them) diffuses fastest, by a quick tensor fit: unit
    /// length, in this acquisition's frame.
    public func tensorAxis(_ y: UnsafePointer<Float>) -> SIMD3<Double> { QuickTensor.fit(y, tables).axes.0 }

    /// Whether the volumes that a tensor is fitted to have six directions or more.
    public var determinesTensor: Bool {
        let volumes = (0..<tables.fitCount).map { Int(tables.fitIndices[$0]) }
        return AcquisitionTables.hasSixDirections(volumes.lazy.filter { !isUnweighted($0) }.map { directions[$0] })
    }

    /// The diffusion tensor of a voxel (b≈0-normalised signals, M of them) by weighted least squares on log signals, in
    /// two passes, from volumes up to 1600 s/mm² where these suffice.
    /// - Returns: eigenvalues, falling, mm²/s (negative ones as they come), and the first axis, in this acquisition's
    ///   frame.
    /// - Precondition: `determinesTensor`.
    public func tensor(_ y: UnsafePointer<Float>) -> (eigenvalues: SIMD3<Double>, axis: SIMD3<Double>) {
        let (values, axes) = QuickTensor.leastSquares(y, tables, ridge: 0).tensor.eigensystem()
        return (values * 1e-3, axes.0)
    }
}

/// The quick regularised weighted-least-squares tensor of a voxel.
struct QuickTensor {
    /// log of the fitted signal at b = 0.
    var logS0: Double
    /// Diffusivities, falling, µm²/ms, in [0.01, 5]; and their axes.
    var eigenvalues: SIMD3<Double>
    var axes: (SIMD3<Double>, SIMD3<Double>, SIMD3<Double>)

    /// Fits log y = log S0 − k gᵀDg (k = b/1000) to the acquisition's tensor volumes, twice: first with weights y²,
    /// then with the squares of the first fit's prediction.
    ///
    /// A ridge draws D toward 0.7 I in the Frobenius norm (hence without regard to axes) by a hundredth of the mean
    /// information on D, so that the fit never fails. `y` may hold anything.
    static func fit(_ y: UnsafePointer<Float>, _ t: AcquisitionTables) -> QuickTensor {
        let (logS0, tensor) = leastSquares(y, t, ridge: 0.01), (values, axes) = tensor.eigensystem()
        return QuickTensor(
            logS0: max(-4, min(3, logS0)),
            eigenvalues: values.clamped(lowerBound: SIMD3(repeating: 0.01), upperBound: SIMD3(repeating: 5)),
            axes: axes)
    }

    /// The same with a ridge of that share of the mean information on D, µm²/ms.
    static func leastSquares(
        _ y: UnsafePointer<Float>, _ t: AcquisitionTables, ridge: Double
    ) -> (logS0: Double, tensor: SymmetricMatrix3) {
        let n = t.fitCount
        var beta = (0.0, 0.7, 0.7, 0.7, 0.0, 0.0, 0.0)
        withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * n + 28 + 7) { work in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * n) { floats in
                let w = work.baseAddress!, wl = w + n, gram = wl + n, moment = gram + 28
                let values = floats.baseAddress!, logs = values + n
                for k in 0..<n { values[k] = y[Int(t.fitIndices[k])] }
                withUnsafeMutableBytes(of: &beta) { raw in
                    let beta = raw.bindMemory(to: Double.self).baseAddress!
                    pk_log_weights(n, values, w, wl, logs)
                    for pass in 0..<2 {
                        if pass == 1 { pk_predicted_weights(n, t.products, beta, logs, w, wl) }
                        pk_weighted_sums(28, n, t.products, w, gram)
                        pk_weighted_sums(7, n, t.products, wl, moment)
                        solve(gram, moment, ridge: ridge, into: beta)
                    }
                }
            }
        }
        return (
            beta.0, SymmetricMatrix3(xx: beta.1, yy: beta.2, zz: beta.3, xy: beta.4, xz: beta.5, yz: beta.6)
        )
    }

    /// Solves the ridged 7×7 normal equations (upper triangle, by rows) by Cholesky.
    private static func solve(
        _ gram: UnsafePointer<Double>, _ moment: UnsafePointer<Double>, ridge share: Double,
        into beta: UnsafeMutablePointer<Double>
    ) {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: 49) { buffer in
            let a = buffer.baseAddress!
            var r = 0
            for p in 0..<7 { for q in p..<7 { a[7 * q + p] = gram[r]; r += 1 } }
            for p in 0..<7 { beta[p] = moment[p] }
            // Information on D: the diagonal elements count once, the off-diagonal regressors carry a factor 2.
            let information = (a[8] + a[16] + a[24] + 0.5 * (a[32] + a[40] + a[48])) / 6
            let ridge = share * information + 1e-9
            for p in 1..<4 { a[8 * p] += ridge; beta[p] += 0.7 * ridge }
            for p in 4..<7 { a[8 * p] += 2 * ridge }
            a[0] += 1e-9
            for p in 0..<7 {
                for q in p..<7 {
                    var sum = a[7 * q + p]
                    for k in 0..<p { sum -= a[7 * q + k] * a[7 * p + k] }
                    a[7 * q + p] = p == q ? max(sum, 1e-300).squareRoot() : sum / a[8 * p]
                }
            }
            for p in 0..<7 {
                var sum = beta[p]
                for k in 0..<p { sum -= a[7 * p + k] * beta[k] }
                beta[p] = sum / a[8 * p]
            }
            for p in stride(from: 6, through: 0, by: -1) {
                var sum = beta[p]
                for k in p + 1..<7 { sum -= a[7 * k + p] * beta[k] }
                beta[p] = sum / a[8 * p]
            }
        }
    }
}
