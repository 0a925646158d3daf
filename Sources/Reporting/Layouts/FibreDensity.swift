import Inference
import Parallel
import Volumes

/// The posterior's density of fibres over directions as spherical harmonics of degree 8, for trackers that follow such
/// functions at random: MRtrix3's iFOD2 (also with ACT) and SIFT2, DIPY's probabilistic tracker.
///
/// F(u) = 2/S Σ_s Σ_k f_sk K(u·v_sk) over the S equally weighted draws and their fibres, K being the `FibreLobe`. Where
/// draws agree, a fibre is a lobe twice its fraction high, as a peak is long (`MRtrixOutputs.scale`), so that tckgen's
/// cutoff, 0.1, and DIPY's, a tenth of the largest, mean what they mean there; where draws disagree the lobe is
/// broader and lower, and where some lack the fibre, lower. A lobe's integral is proportional to the fibre's mean
/// fraction, which is what SIFT2 compares with. F ≥ 0 but for rounding, to multiples of 2⁻¹⁴, so that files compress.
/// A bundle's own dispersion, which families with dispersed bundles have, is not in it: only what draws differ by.
enum FibreDensity {
    static let degree = 8, count = SphericalHarmonics(degree: degree).count

    /// Where MRtrix3's coefficients stand among DIPY's: −m in the place of m.
    static let dipyOrder: [Int] = stride(from: 0, through: degree, by: 2).flatMap { (l: Int) -> [Int] in
        let middle = l * (l + 1) / 2
        return (-l...l).map { middle - $0 }
    }

    /// An image of the coefficients.
    /// - Parameter order: which of MRtrix3's coefficients each volume holds.
    static func job(
        _ context: OutputContext, _ name: String, frame: DirectionFrame, order: [Int] = Array(0..<count)
    ) -> OutputJob {
        let path = context.directory + "/" + name
        return OutputJob(path: path, cost: 2 * count) {
            let values = coefficients(context, frame), n = context.mask.count
            try VolumeWriter.write(
                path, mask: context.mask, trailing: [count], as: Float.self,
                description: context.provenance.shortDescription
            ) { t, buffer in
                for v in buffer.indices { buffer[v] = values[order[t] * n + v] }
            }
        }
    }

    /// [count × voxels] in MRtrix3's order.
    static func coefficients(_ context: OutputContext, _ frame: DirectionFrame) -> [Float] {
        let n = context.mask.count, turn = DirectionConversion(to: frame, of: context.geometry.affine)
        let basis = SphericalHarmonics(degree: degree), samples = context.sampleCount
        let lobe = FibreLobe(degree: degree).eigenvalues
        // Of each coefficient.
        let factors = lobe.enumerated().flatMap { i, value in
            Array(repeating: value * Double(MRtrixOutputs.scale) / Double(samples), count: 4 * i + 1)
        }
        let parts = context.archive.shards.flatMap { shard in
            stride(from: 0, to: shard.count, by: 1024).map { (shard: shard, voxels: $0..<min($0 + 1024, shard.count)) }
        }
        return [Float](unsafeUninitializedCapacity: count * n) { values, initialised in
            values.initialize(repeating: 0)
            initialised = count * n
            // Disjoint voxels.
            nonisolated(unsafe) let values = values.baseAddress!
            try! forEachInParallel(parts.count, threads: context.threads) { part in
                let (shard, voxels) = parts[part]
                withUnsafeTemporaryAllocation(of: Double.self, capacity: count) { sum in
                    sum.initialize(repeating: 0)
                    context.forEachDraw(shard, voxels, 0..<samples) { v, s, draw in
                        draw.forEachFibre { axis, fraction in
                            basis.add(SIMD3<Double>(turn(axis)), weight: Double(fraction), to: sum.baseAddress!)
                        }
                        guard s == samples - 1 else { return }
                        for c in 0..<count {
                            values[c * n + v] = Float((sum[c] * factors[c] * 16384).rounded() / 16384)
                            sum[c] = 0
                        }
                    }
                }
            }
        }
    }
}
