import Diffusion
import Parallel

/// The scan's ordinary diffusion tensor in every voxel, as registration, TBSS and quick looks want it: from the signals
/// alone, whatever the family.
///
/// Shapes: V voxels. Volumes up to 1600 s/mm² where these determine it (`Acquisition.tensor`). Voxels that are not
/// fitted are 0.
public struct TensorMaps: Sendable {
    /// Fractional anisotropy √(3/2)·|λ − λ̄|/|λ| of eigenvalues not below 0, in [0, 1]; their mean λ̄, mm²/s; and the
    /// first eigenvector, scanner frame.
    public private(set) var anisotropy: [Float], meanDiffusivity: [Float], axis: [SIMD3<Float>]

    /// nil where the scan has no six directions.
    /// - Parameters:
    ///   - signals: V × M, voxel after voxel.
    ///   - deviation: of the gradients in these voxels.
    public init?(
        signals: [Float], acquisition: Acquisition, deviation: GradientDeviation? = nil, rules: SignalRules,
        threads: Int
    ) {
        guard acquisition.determinesTensor else { return nil }
        let m = acquisition.count, v = signals.count / m, step = 512
        anisotropy = Array(repeating: 0, count: v)
        meanDiffusivity = anisotropy
        axis = Array(repeating: .zero, count: v)
        anisotropy.withUnsafeMutableBufferPointer { fa in
            meanDiffusivity.withUnsafeMutableBufferPointer { md in
                axis.withUnsafeMutableBufferPointer { axis in
                    signals.withUnsafeBufferPointer { signals in
                        // Disjoint voxels.
                        nonisolated(unsafe) let fa = fa, md = md, axis = axis, signals = signals
                        try! forEachInParallel((v + step - 1) / step, threads: threads) { block in
                            var y = [Float](repeating: 0, count: m), parts: [[Int]: Acquisition?] = [:]
                            for i in block * step..<min((block + 1) * step, v) {
                                let signal = UnsafeBufferPointer(rebasing: signals[i * m..<(i + 1) * m])
                                let voxel = VoxelNormalisation.normalise(signal, acquisition, rules, into: &y)
                                guard !voxel.quality.contains(.notFitted) else { continue }
                                var own: Acquisition? = acquisition
                                if let kept = voxel.kept {
                                    own = parts[kept] ?? acquisition.keeping(kept)
                                    parts[kept] = own
                                }
                                guard let own, own.determinesTensor else { continue }
                                let (values, first) = (deviation?.acquisition(own, at: i) ?? own).tensor(y)
                                let most = values.clamped(
                                    lowerBound: .zero, upperBound: SIMD3(repeating: .greatestFiniteMagnitude))
                                let mean = most.sum() / 3, off = most - mean, square = (most * most).sum()
                                guard square > 0, square.isFinite else { continue }
                                fa[i] = Float((1.5 * (off * off).sum() / square).squareRoot())
                                md[i] = Float(mean)
                                axis[i] = SIMD3<Float>(first)
                            }
                        }
                    }
                }
            }
        }
    }
}
