import Foundation
import Inference
import Reporting
import Testing
import Volumes

/// examples/prism_dmri.py against the maps and the regions of the same fit.
struct PythonTests {
    static let hasPython = Tool.runs("python3 -c 'import numpy, safetensors, nibabel'")

    /// Fits of this version say how many draws a structure could expect; earlier ones do not.
    @Test(
        .enabled(if: hasPython, "numpy, safetensors or nibabel is not installed"),
        arguments: [["draw_counts": "expected"], [:]])
    func readsWhatTheMapsSay(notes: [String: String]) throws {
        let phantom = BundlePhantom(BundlePhantom.affines[3].affine, drawCount: 20), folder = try OutputFolder("python")
        let archive = try phantom.write(to: folder.path, notes: notes)
        for lambda in [0.5, 2] {
            try FitOutputs.write(
                archive: archive, lambda: lambda, geometry: phantom.geometry, directory: folder.path + "/at-\(lambda)",
                provenance: phantom.provenance(), formats: .bids, threads: 2)
        }
        try FitOutputs.write(
            archive: archive, lambda: 0.5, geometry: phantom.geometry, directory: folder.path,
            provenance: phantom.provenance(), formats: [], threads: 2)
        let summary = PosteriorSummary(archive, lambda: 2, threads: 2)
        let fraction = summary.column(.statistic(.fraction1, .mean))
        let there = (0..<summary.count).filter { fraction[fraction.startIndex + $0] > 0.1 }.prefix(200)
        try Mask(geometry: phantom.geometry, indices: there.map { summary.voxels[$0] })
            .write(to: folder.path + "/roi.nii")
        let region = VoxelRegion(name: "", voxels: there.map { (voxel: $0, weight: 1) })
        let statistics = RegionStatistics(archive, summary, regions: [region], threads: 2)
        let place = try #require(RegionStatistics.quantities(archive.metadata).firstIndex(of: .statistic(.diffusivity)))
        let ours = try #require(statistics.values[0][place])
        let (status, output) = try Tool.run(
            """
            python3 -c "
            import sys
            sys.path.insert(0, '\(Tool.examples)')
            import nibabel as nib, numpy as np
            from prism_dmri import Fit
            fit = Fit('.')
            for lam in (0.5, 2.0):
                def load(name):
                    return nib.load(f'at-{lam}/dwi/sub-01_model-bs_param-{name}_dwimap.nii.gz').get_fdata()
                p = fit.image(fit.fibres(lam)).get_fdata()
                assert p.max() > 0.5 and np.abs(p - load('nfibres_desc-prob')).max() < 1e-6
                names, z = fit.structures(lam)
                assert len(names) == 16 and 'stick1+spread' in names
                assert np.abs(np.sort(fit.image(z).get_fdata()) - np.sort(load('structure_desc-prob'))).max() < 1e-6
                assert np.abs(fit.component('stick2', lam) - fit.fibres(lam)[:, 2:].sum(1)).max() < 1e-9
                assert np.abs(fit.image(fit.mean('d', lam)).get_fdata() / 1e-3 - load('diffusivity_desc-mean') / \
            1e-3).max() < 1e-5
                assert np.abs(fit.image(fit.mean('s0', lam)).get_fdata() / load('s0_desc-mean').max() - \
            load('s0_desc-mean') / load('s0_desc-mean').max()).max() < 1e-5
                w = fit.weights(lam)
                assert np.allclose(w.sum(1), fit.fitted) and not fit.fitted.all()
                f = fit.draws('f1')
                assert f.shape == w.shape and np.isnan(f[~fit.fitted]).all() and np.nanmin(f) > 0
            mean, sd, low, high = fit.region(nib.load('roi.nii').get_fdata() > 0, 'd', 2.0)
            print('region', mean, sd, low, high)
            "
            """, in: folder.path)
        #expect(status == 0, "\(output)")
        let numbers = output.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
        try #require(numbers.count == 4, "\(output)")
        // Two times 1000 replicates: four standard errors of their means, sds and outer quantiles.
        #expect(abs(numbers[0] - ours.mean) < 0.15 * ours.sd && abs(numbers[1] - ours.sd) < 0.15 * ours.sd)
        #expect(abs(numbers[2] - ours.q05) < 0.4 * ours.sd && abs(numbers[3] - ours.q95) < 0.4 * ours.sd)
    }
}
