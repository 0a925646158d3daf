import Foundation
import Inference
import Reporting
import TestFixtures
import Testing
import Volumes

/// Other people's programs, where they are installed.
enum Tool {
    /// Whether a shell command succeeds, without a word.
    static func runs(_ command: String) -> Bool { (try? run(command, in: "/"))?.status == 0 }

    static func run(_ command: String, in folder: String) throws -> (status: Int32, output: String) {
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", "timeout 300 bash -c \"$0\"", command]
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }

    static let hasMRtrix = runs("command -v tckgen && command -v sh2amp && command -v fixel2voxel")
    static let hasDIPY = runs("python3 -c 'import dipy.tracking.tracker, nibabel' && command -v dipy_nifti2pam")
    static let examples =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path + "/examples"
}

/// The files of a phantom of two bundles, given to the programs they are for, with affines of all four kinds; trackers,
/// which take seconds, with two of them each.
struct ToolTests {
    /// A phantom's outputs, and its mask as an image.
    private func outputs(_ kind: Int, _ name: String) throws -> (BundlePhantom, OutputFolder) {
        let phantom = BundlePhantom(BundlePhantom.affines[kind].affine, drawCount: 10),
            folder = try OutputFolder("\(name)-\(kind)")
        try FitOutputs.write(
            archive: try phantom.write(to: folder.path), lambda: 0.5, geometry: phantom.geometry,
            directory: folder.path, provenance: phantom.provenance(), formats: [.fsl, .mrtrix, .dipy], threads: 2)
        let inside = phantom.voxels.filter { !BundlePhantom.directions(phantom.position($0)).isEmpty }
        try Mask(geometry: phantom.geometry, indices: inside).write(to: folder.path + "/seeds.nii")
        return (phantom, folder)
    }

    private func call(_ command: String, _ folder: OutputFolder) throws {
        let (status, output) = try Tool.run(command, in: folder.path)
        #expect(status == 0 && !output.lowercased().contains("warning"), "\(command)\n\(output)")
    }

    /// Streamlines run along the bundles: most steps lie in one, and there they follow it as closely as the lobe alone
    /// says, whose mean squared cosine is 0.93247² = 0.87 (`FibreLobe`); trackers cut its flanks off. In a wrong frame
    /// it is 0.6 or less.
    private func expectTracks(_ path: String, atLeast: Int) throws {
        let tracks = try Streamlines(path: path)
        #expect(tracks.count >= atLeast, "\(tracks.count) streamlines")
        var inside = 0, all = 0, along = 0.0, length = 0.0
        for i in 0..<tracks.count {
            let points = tracks[i].map(SIMD3<Double>.init)
            for (a, b) in zip(points, points.dropFirst()) {
                let step = b - a, norm = (step * step).sum().squareRoot(), truth = BundlePhantom.directions((a + b) / 2)
                length += norm
                all += 1
                guard norm > 0, !truth.isEmpty else { continue }
                inside += 1
                let cosine = truth.map { abs(($0 * step).sum()) / norm }.max()!
                along += cosine * cosine
            }
        }
        // The bundles' voxels reach half a voxel beyond the tubes.
        #expect(Double(inside) > 0.7 * Double(all), "\(inside) of \(all) steps lie in a bundle")
        #expect(along > 0.87 * Double(inside), "a mean squared cosine of \(along / Double(inside))")
        #expect(length / Double(tracks.count) > 20, "\(length / Double(tracks.count)) mm on average")
    }

    @Test(.enabled(if: Tool.hasMRtrix, "MRtrix3 is not installed"), arguments: [0, 3])
    func mrtrixTracksTheDensity(kind: Int) throws {
        let (_, folder) = try outputs(kind, "ifod2")
        try call(
            """
            tckgen -quiet -algorithm iFOD2 mrtrix/fod.mif.gz tracks.tck -seed_image seeds.nii -select 200 -seeds 4000 \
            -minlength 15 -mask fsl.bedpostX/nodif_brain_mask.nii.gz -nthreads 2
            """, folder)
        try expectTracks(folder.path + "/tracks.tck", atLeast: 200)
        try call("tcksift2 -quiet tracks.tck mrtrix/fod.mif.gz weights.txt -nthreads 2", folder)
        #expect(FileManager.default.contents(atPath: folder.path + "/weights.txt")?.isEmpty == false)
    }

    /// MRtrix3's own harmonics give what this package means by them; and its fixels are the peaks.
    @Test(.enabled(if: Tool.hasMRtrix, "MRtrix3 is not installed"), arguments: 0..<4)
    func mrtrixReadsDensityAndFixels(kind: Int) throws {
        let (phantom, folder) = try outputs(kind, "fixels"), n = phantom.geometry.voxelsPerVolume
        try call("sh2peaks -quiet mrtrix/fod.mif.gz -num 2 -threshold 0.3 found.nii", folder)
        try call("fixel2voxel -quiet mrtrix/fixels/fraction.mif sum sum.nii", folder)
        try call("fixel2peaks -quiet mrtrix/fixels fixels.nii -number 3", folder)
        let found = try readAll(folder.path + "/found.nii"), sum = try readAll(folder.path + "/sum.nii")
        let own = try readAll(folder.path + "/mrtrix/peaks.nii.gz"), fixels = try readAll(folder.path + "/fixels.nii")
        // MRtrix3 may order voxel axes anew; places are compared in the scanner.
        func place(_ image: (shape: [Int], affine: Affine, values: [Float]), _ voxel: Int) -> Int {
            let p = phantom.position(voxel), a = image.affine, o = p - SIMD3(a[0, 3], a[1, 3], a[2, 3])
            let r = a.rotation,
                ijk = (0..<3).map { c in
                    Int(((r[c] * o.x + r[3 + c] * o.y + r[6 + c] * o.z) / a.columnNorm(c)).rounded())
                }
            return ijk[0] + image.shape[0] * (ijk[1] + image.shape[1] * ijk[2])
        }
        func vector(_ image: (shape: [Int], affine: Affine, values: [Float]), _ at: Int, _ k: Int) -> SIMD3<Double> {
            SIMD3((0..<3).map { Double(image.values[(3 * k + $0) * n + at]) })
        }
        for voxel in phantom.voxels.dropFirst() {
            let truth = BundlePhantom.directions(phantom.position(voxel)), at = place(found, voxel)
            let lengths = (0..<3).map { k in (vector(own, voxel, k) * vector(own, voxel, k)).sum().squareRoot() }
            #expect(abs(Double(sum.values[place(sum, voxel)]) - lengths.reduce(0, +) / 2) < 1e-4)
            for k in truth.indices {
                let fixel = vector(fixels, place(fixels, voxel), k), peak = vector(own, voxel, k)
                // Of unit length.
                let cosine = abs((fixel * peak).sum()) / ((fixel * fixel).sum() * (peak * peak).sum()).squareRoot()
                #expect(cosine > 0.99999)
            }
            guard truth.count == 1 else { continue }
            let peak = vector(found, at, 0)
            #expect(abs((peak * truth[0]).sum()) > cos(3 * Double.pi / 180) * (peak * peak).sum().squareRoot())
        }
    }

    @Test(.enabled(if: Tool.hasDIPY, "DIPY is not installed"), arguments: [1, 3])
    func dipyTracksTheDensity(kind: Int) throws {
        let (_, folder) = try outputs(kind, "dipy")
        try call("python3 \(Tool.examples)/dipy_tracks.py . seeds.nii tracks.tck", folder)
        try expectTracks(folder.path + "/tracks.tck", atLeast: 200)
    }

    /// DIPY's own converter takes the peaks, whose indices are the vertices nearest to them.
    @Test(.enabled(if: Tool.hasDIPY, "DIPY is not installed"), arguments: [0, 3])
    func dipyConvertsThePeaks(kind: Int) throws {
        let (_, folder) = try outputs(kind, "pam")
        let (status, output) = try Tool.run(
            """
            dipy_nifti2pam dipy/peaks_dirs.nii.gz dipy/peaks_values.nii.gz dipy/peaks_indices.nii.gz \
            --out_dir . --out_pam peaks.pam5 && python3 -c "
            import numpy as np
            from dipy.io.peaks import load_pam
            pam = load_pam('peaks.pam5')
            there = pam.peak_values > 0
            assert pam.peak_indices.dtype == np.int32 and (pam.peak_indices[~there] == -1).all() and there.sum() > 500
            nearest = pam.sphere.vertices[pam.peak_indices[there]]
            along = (nearest * pam.peak_dirs[there]).sum(1)
            assert along.min() > np.cos(np.radians(5)), along.min()
            assert (along > (pam.peak_dirs[there] @ pam.sphere.vertices.T).max(1) - 1e-5).all()
            print('nearest')
            "
            """, in: folder.path)
        #expect(status == 0 && output.contains("nearest"), "\(output)")
    }
}
