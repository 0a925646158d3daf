import Volumes

/// `dipy/`: peaks along the voxel axes, and the posterior draws' density of fibres.
///
/// - `peaks_dirs.nii.gz` X×Y×Z×N×3 unit directions and `peaks_values.nii.gz` X×Y×Z×N mean fractions, 0 below 0.05:
///   DIPY's `peak_dirs` and `peak_values`; `peaks_indices.nii.gz` X×Y×Z×N the nearest vertex of DIPY's default sphere
///   (`PeakSphere`), −1 where there is no peak. `dipy_nifti2pam` and `examples/dipy_peaks.py` make a pam5 file of them.
/// - `fod_sh.nii.gz`: `FibreDensity` in DIPY's default basis (descoteaux07, legacy).
enum DIPYOutputs {
    static let folder = "dipy"

    static func jobs(_ context: OutputContext) -> [OutputJob] {
        let frame = DirectionConversion(to: .voxel, of: context.geometry.affine), n = context.fibres,
            threshold = context.fractionThreshold
        return [
            context.map("\(folder)/peaks_dirs.nii.gz", trailing: [n, 3]) { t, buffer in
                context.forEachAxis(t % n) { v, axis, fraction in
                    buffer[v] = fraction >= threshold ? frame(axis)[t / n] : 0
                }
            },
            context.map("\(folder)/peaks_values.nii.gz", trailing: [n], meaning: .fraction) { t, buffer in
                context.forEachAxis(t) { v, _, fraction in buffer[v] = fraction >= threshold ? fraction : 0 }
            },
            indices(context, frame),
            FibreDensity.job(
                context, "\(folder)/fod_sh.nii.gz", frame: .voxel, order: FibreDensity.dipyOrder),
        ]
    }

    /// Outside the mask too, no peak is −1: DIPY follows index 0 there.
    private static func indices(_ context: OutputContext, _ frame: DirectionConversion) -> OutputJob {
        let path = context.directory + "/\(folder)/peaks_indices.nii.gz", n = context.fibres, mask = context.mask
        let threshold = context.fractionThreshold, description = context.provenance.shortDescription
        return OutputJob(path: path, cost: 2 * n) {
            try VolumeWriter.write(
                path, geometry: context.geometry.withTrailing([n]), as: Int32.self, description: description
            ) { t, grid in
                grid.update(repeating: -1)
                context.forEachAxis(t) { v, axis, fraction in
                    if fraction >= threshold { grid[mask.indices[v]] = Int32(PeakSphere.nearest(frame(axis))) }
                }
            }
        }
    }
}
