import Foundation
import Inference
import Testing
import Volumes

@testable import Reporting

/// The fitted noise and what it is held against.
struct NoiseOutputsTests {
    /// The phantom's draws have S0 500 and SNR 25: σ = 20.
    private func write(estimate: Float, source: IndependentNoise.Source = .patches, to folder: String) throws
        -> FitProvenance
    {
        let phantom = BundlePhantom(BundlePhantom.affines[1].affine, drawCount: 5)
        let archive = try phantom.write(to: folder)
        var values = [Float](repeating: estimate, count: archive.voxelCount)
        values[7] = 0
        let noise = IndependentNoise(.init(source), values: values)
        var provenance = phantom.provenance()
        provenance.residuals = ShellResiduals.example
        return try FitOutputs.write(
            archive: archive, lambda: 0.5, geometry: phantom.geometry, directory: folder, provenance: provenance,
            formats: [.report, .bids],
            noise: noise, threads: 2
        ).provenance
    }

    @Test func mapsAndMedians() throws {
        let folder = try OutputFolder("noise")
        let provenance = try write(estimate: 16, to: folder.path), check = try #require(provenance.noise)
        #expect(
            abs(check.fitted - 20) < 0.3 && check.independent == 16 && abs(check.ratio - 1.25) < 0.02
                && abs(check.telling - 1.25) < 0.02)
        let page = try String(contentsOfFile: folder.path + "/report.html", encoding: .utf8)
        #expect(page.contains("The fitted noise is 1.25 times an independent estimate"))
        #expect(check.warning == nil && !provenance.warnings.contains { $0.contains("noise") })
        let sigma = try readAll(folder.path + "/noise.nii.gz").values,
            ratio = try readAll(folder.path + "/noise_ratio.nii.gz").values
        let estimate = try readAll(folder.path + "/noise_estimate.nii.gz").values
        let mean = try readAll(folder.path + "/dwi/sub-01_model-bs_param-sigma_desc-mean_dwimap.nii.gz").values
        #expect(mean == sigma && sigma.contains { $0 > 0 })
        for i in sigma.indices { #expect(ratio[i] == (estimate[i] > 0 ? sigma[i] / estimate[i] : 0)) }
        #expect(try FitProvenance(path: folder.path + "/fit.json") == provenance)
        // What was written is found again.
        let phantom = BundlePhantom(BundlePhantom.affines[1].affine, drawCount: 5),
            mask = Mask(geometry: phantom.geometry, indices: phantom.voxels)
        let read = try #require(try FitOutputs.readNoise(directory: folder.path, mask: mask, origin: .init(.patches)))
        #expect(read.values.count == phantom.voxels.count && read.values[7] == 0 && read.values[8] == 16)
        #expect(try FitOutputs.readNoise(directory: folder.path + "/dwi", mask: mask, origin: .init(.patches)) == nil)
    }

    @Test func errorsThatTheModelTakesForNoiseAreTold() throws {
        let folder = try OutputFolder("noise-large")
        let provenance = try write(estimate: 8, to: folder.path)
        #expect(provenance.warnings.count { $0.contains("2.5 times") && $0.contains("motion and eddy") } == 1)
        let page = try String(contentsOfFile: folder.path + "/report.html", encoding: .utf8)
        #expect(
            page.contains("The fitted noise is 2.5 times an independent estimate")
                && page.contains("Mean residual (y − E y)/σ by shell"))
        #expect(page.contains("−0.50 σ along and +0.80 σ across the main fibre at b = 1000"))
    }

    @Test func aMapInOtherUnitsIsTold() throws {
        let folder = try OutputFolder("noise-small")
        let provenance = try write(estimate: 200, source: .map, to: folder.path)
        #expect(provenance.warnings.count { $0.contains("not in the scan's units") } == 1)
    }
}

extension ShellResiduals {
    /// As multi-shell scans have it.
    static var example: ShellResiduals {
        let json = """
            {"lambda": 0.5, "anyFibre": {"voxels": 900, "shells": [{"bValue": 1000, "along": {"residual": -0.4, \
            "measurements": 10}, \
            "across": {"residual": 0.7, "measurements": 9}}]}, "oneFibre": {"voxels": 400, "shells": [{"bValue": 1000, \
            "along": \
            {"residual": -0.5, "measurements": 10}, "across": {"residual": 0.8, "measurements": 9}}]}}
            """
        return try! JSONDecoder().decode(ShellResiduals.self, from: Data(json.utf8))
    }
}
