import Foundation
import Inference
import Volumes

/// `mrtrix/`: peaks, fixels and the density of fibres, in the scanner frame.
///
/// - `peaks.nii.gz` X×Y×Z×3N: mean axis times *twice* the mean fraction, 0 where the mean fraction is below 0.05:
///   `tckgen -algorithm FACT peaks.nii.gz …`. Twice, because tckgen stops by default where a peak is shorter than 0.1:
///   so it follows every fibre that is there, and no other.
/// - `fixels/`: the same fibres as a fixel directory with `fraction.mif` (mean fraction), `prob.mif` (share of draws
///   that have the fibre) and `dispersion.mif` (1 − largest eigenvalue of the mean dyad).
/// - `fod.mif.gz`: `FibreDensity`, what all draws say together, for `tckgen -algorithm iFOD2` and `tcksift2`.
/// - `draws/peaks-00000.nii.gz`, … (on request): one peaks image a posterior draw, of twice the draw's fractions, for
///   probabilistic tracking: track an equal share of streamlines in each, `for p in draws/*; do tckgen -algorithm FACT
///   $p … ; done`, and concatenate them with `tckedit`. Where `peaks.nii.gz` has a fibre, a draw without any has the
///   first one's direction (`SampleDirections`) at the least length, 0.1: else streamlines would end at the first of
///   many voxels that lacks it by chance.
enum MRtrixOutputs {
    static let folder = "mrtrix"
    /// Length of a peak over its fraction.
    static let scale: Float = 2

    static func jobs(_ context: OutputContext, includingDraws: Bool) -> [OutputJob] {
        let threshold = context.fractionThreshold
        var jobs = [
            context.map("\(folder)/peaks.nii.gz", trailing: [3 * context.fibres]) { t, buffer in
                context.forEachAxis(t / 3) { v, axis, fraction in
                    buffer[v] = fraction >= threshold ? axis[t % 3] * (scale * fraction) : 0
                }
            }
        ]
        jobs += fixels(context)
        jobs.append(FibreDensity.job(context, "\(folder)/fod.mif.gz", frame: .scanner))
        if includingDraws {
            for s in 0..<context.sampleCount {
                jobs.append(
                    context.map(String(format: "\(folder)/draws/peaks-%05d.nii.gz", s), trailing: [3 * context.fibres])
                    { t, buffer in
                        if t < 3 { fillDraw(context, s, axis: t, threshold, buffer) }
                        context.forEachDraw(t / 3, s) { v, axis, fraction in
                            buffer[v] = axis[t % 3] * (scale * fraction)
                        }
                    })
            }
        }
        return jobs
    }

    /// Gives draws without any fibre a short first peak where the voxel has one in the mean.
    private static func fillDraw(
        _ context: OutputContext, _ s: Int, axis: Int, _ threshold: Float, _ buffer: UnsafeMutableBufferPointer<Float>
    ) {
        let summary = context.summary, f = summary.column(.statistic(.fraction(0), .mean))
        var directions = SampleDirections(context)
        for shard in context.archive.shards {
            for i in 0..<shard.count where f[f.startIndex + shard.first + i] >= threshold {
                let v = shard.first + i
                guard summary.assignments[v * context.drawCount + summary.draw(v, s)] == .none else { continue }
                directions.find(shard, i, fibre: 0)
                buffer[v] = directions[s][axis] * (scale * threshold)
            }
        }
    }

    private static func fixels(_ context: OutputContext) -> [OutputJob] {
        let summary = context.summary, threshold = context.fractionThreshold
        var counts = [UInt32](repeating: 0, count: summary.count)
        // Fibres are ordered by falling mean fraction, so that those above the threshold come first.
        for k in 0..<context.fibres {
            for (v, fraction) in summary.column(.statistic(.fraction(k), .mean)).enumerated()
            where fraction >= threshold { counts[v] += 1 }
        }
        var offsets = counts
        var total: UInt32 = 0
        for v in offsets.indices {
            offsets[v] = counts[v] > 0 ? total : 0
            total += counts[v]
        }
        let finalCounts = counts, finalOffsets = offsets
        let description = context.provenance.shortDescription, mask = context.mask,
            base = context.directory + "/\(folder)/fixels/"
        var jobs = [
            OutputJob(path: base + "index.mif", cost: 1) {
                try VolumeWriter.write(
                    base + "index.mif", mask: mask, trailing: [2], as: UInt32.self, description: description
                ) { t, buffer in
                    for v in buffer.indices { buffer[v] = t == 0 ? finalCounts[v] : finalOffsets[v] }
                }
            }
        ]
        // A file needs one row at least: an image without fibres has one of zeros, to which no voxel points.
        let rows = max(1, Int(total))
        func table(_ name: String, width: Int, _ columns: @escaping @Sendable (_ fibre: Int) -> [SummaryColumn]) {
            jobs.append(
                OutputJob(path: base + name, cost: 1) {
                    let geometry = VolumeGeometry(shape: [rows, width, 1])
                    try VolumeWriter.write(base + name, geometry: geometry, as: Float.self, description: description) {
                        _, grid in
                        for k in 0..<DrawColumn.fibreCount {
                            for (c, column) in columns(k).enumerated() {
                                for (v, value) in summary.column(column).enumerated() where finalCounts[v] > k {
                                    grid[c * rows + Int(finalOffsets[v]) + k] = value
                                }
                            }
                        }
                    }
                })
        }
        table("directions.mif", width: 3) { k in (0..<3).map { .direction(k, axis: $0) } }
        table("fraction.mif", width: 1) { [.statistic(.fraction($0), .mean)] }
        table("prob.mif", width: 1) { [.presence($0)] }
        table("dispersion.mif", width: 1) { [.dispersion($0)] }
        return jobs
    }
}
