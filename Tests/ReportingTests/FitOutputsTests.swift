import Files
import Foundation
import Inference
import Reporting
import TestFixtures
import Testing
import Volumes

struct FitOutputsTests {
    /// Every writer's directions, carried back to the scanner by the formulas of outputs.md spelt out here, must be the
    /// phantom's.
    @Test(arguments: 0..<4) func directionsInEveryFrame(kind: Int) throws {
        let (name, affine) = BundlePhantom.affines[kind]
        let phantom = BundlePhantom(affine), folder = try OutputFolder(name)
        let archive = try phantom.write(to: folder.path)
        let (summary, _) = try FitOutputs.write(
            archive: archive, lambda: 0.5, geometry: phantom.geometry, directory: folder.path,
            provenance: phantom.provenance(),
            formats: [.fsl, .mrtrix, .dipy, .bids, .picture, .draws], threads: 2)
        let r = affine.rotation, s: Double = affine.determinant > 0 ? -1 : 1
        func fromVoxel(_ v: SIMD3<Double>) -> SIMD3<Double> {
            SIMD3(
                r[0] * v.x + r[1] * v.y + r[2] * v.z, r[3] * v.x + r[4] * v.y + r[5] * v.z,
                r[6] * v.x + r[7] * v.y + r[8] * v.z)
        }
        func fromFSL(_ v: SIMD3<Double>) -> SIMD3<Double> { fromVoxel(SIMD3(s * v.x, v.y, v.z)) }
        let n = phantom.geometry.voxelsPerVolume, base = folder.path + "/"
        func at(_ image: (shape: [Int], affine: Affine, values: [Float]), _ voxel: Int, _ volumes: [Int]) -> SIMD3<
            Double
        > {
            SIMD3(
                Double(image.values[volumes[0] * n + voxel]), Double(image.values[volumes[1] * n + voxel]),
                Double(image.values[volumes[2] * n + voxel]))
        }
        let dyads = try (1...2).map { try readAll(base + "fsl.bedpostX/dyads\($0).nii.gz") }
        let theta = try readAll(base + "fsl.bedpostX/merged_th1samples.nii.gz"),
            phi = try readAll(base + "fsl.bedpostX/merged_ph1samples.nii.gz")
        let fraction = try readAll(base + "fsl.bedpostX/merged_f1samples.nii.gz")
        let peaks = try readAll(base + "mrtrix/peaks.nii.gz"), dirs = try readAll(base + "dipy/peaks_dirs.nii.gz")
        let draw = try readAll(base + "mrtrix/draws/peaks-00003.nii.gz"),
            vector = try readAll(
                base + "dwi/sub-01_model-bs_param-vector_desc-mean_dwimap.nii.gz")
        #expect(
            dirs.shape == [36, 34, 26, 3, 3] && theta.shape == [36, 34, 26, 20] && peaks.shape == [36, 34, 26, 9])
        let index = try readAll(base + "mrtrix/fixels/index.mif"),
            fixels = try readAll(base + "mrtrix/fixels/directions.mif")
        #expect(index.shape == [36, 34, 26, 2] && fixels.shape == [fixels.values.count / 3, 3, 1])
        #expect(
            zip(index.affine.elements, affine.elements).allSatisfy { abs($0 - $1) < 1e-4 } && fixels.affine == .identity
        )
        func agrees(_ v: SIMD3<Double>, _ truth: SIMD3<Double>, within degrees: Double) -> Bool {
            abs((v * truth).sum()) / (v * v).sum().squareRoot() > cos(degrees * .pi / 180)
        }
        var checked = 0
        for voxel in phantom.voxels.dropFirst() {
            let truth = BundlePhantom.directions(phantom.position(voxel))
            #expect(Int(index.values[voxel]) == truth.count)
            for (k, axis) in truth.enumerated() {
                // Which fibre is first follows from fractions that are alike: take the nearer.
                let fibre =
                    k < truth.count
                    ? (0..<truth.count).max {
                        abs((at(vector, voxel, [3 * $0, 3 * $0 + 1, 3 * $0 + 2]) * axis).sum())
                            < abs((at(vector, voxel, [3 * $1, 3 * $1 + 1, 3 * $1 + 2]) * axis).sum())
                    }! : 0
                #expect(agrees(at(vector, voxel, [3 * fibre, 3 * fibre + 1, 3 * fibre + 2]), axis, within: 4))
                #expect(agrees(at(peaks, voxel, [3 * fibre, 3 * fibre + 1, 3 * fibre + 2]), axis, within: 4))
                #expect(agrees(fromFSL(at(dyads[fibre], voxel, [0, 1, 2])), axis, within: 4))
                #expect(agrees(fromVoxel(at(dirs, voxel, [fibre, fibre + 3, fibre + 6])), axis, within: 4))
                let row = Int(index.values[n + voxel]) + fibre, rows = fixels.shape[0]
                let fixel = SIMD3(
                    Double(fixels.values[row]), Double(fixels.values[rows + row]), Double(fixels.values[2 * rows + row])
                )
                #expect(agrees(fixel, axis, within: 4) && abs((fixel * fixel).sum() - 1) < 1e-5)
                if fibre == 0 {
                    for t in 0..<20 {
                        let th = Double(theta.values[t * n + voxel]), ph = Double(phi.values[t * n + voxel])
                        #expect(th >= 0 && th <= .pi / 2 + 1e-3 && fraction.values[t * n + voxel] > 0.05)
                        #expect(agrees(fromFSL(SIMD3(sin(th) * cos(ph), sin(th) * sin(ph), cos(th))), axis, within: 12))
                    }
                    #expect(agrees(at(draw, voxel, [0, 1, 2]), axis, within: 12))
                }
                checked += 1
            }
        }
        #expect(checked > 700, "the phantom has bundles")
        #expect(summary.lambda == 0.5)
    }

    /// FSL's samples against the archive, draw by draw, at a λ where some draws count several times and others not at
    /// all.
    @Test func samplesAreTheChosenDraws() throws {
        let phantom = BundlePhantom(BundlePhantom.affines[3].affine, drawCount: 20),
            folder = try OutputFolder("samples")
        let archive = try phantom.write(to: folder.path), n = phantom.geometry.voxelsPerVolume
        let (summary, _) = try FitOutputs.write(
            archive: archive, lambda: 1.5, geometry: phantom.geometry, directory: folder.path,
            provenance: phantom.provenance(),
            formats: .fsl, threads: 3)
        let r = phantom.geometry.affine.rotation, s: Double = phantom.geometry.affine.determinant > 0 ? -1 : 1
        let files = try (1...3).map { k in
            try ["th", "ph", "f"].map {
                try readAll("\(folder.path)/fsl.bedpostX/merged_\($0)\(k)samples.nii.gz").values
            }
        }
        var present = 0, absent = 0, repeated = 0
        for shard in archive.shards {
            let dense = shard.dense
            for i in 0..<shard.count {
                let v = shard.first + i
                for t in 0..<20 {
                    let d = summary.draw(v, t), place = t * n + summary.voxels[v],
                        draw = (i * 20 + d) * DrawColumn.count
                    if t > 0, d == summary.draw(v, t - 1) { repeated += 1 }
                    for k in 0..<3 {
                        let (th, ph, f) = (Double(files[k][0][place]), Double(files[k][1][place]), files[k][2][place])
                        guard let j = summary.assignments[v * 20 + d].stick(k) else {
                            absent += 1
                            #expect(f == 0 && (th == 0) == (ph == 0))
                            continue
                        }
                        present += 1
                        let mu = (0..<3).map { Double(dense.draws[draw + DrawColumn.direction + 3 * j + $0]) }
                        let a = [s * sin(th) * cos(ph), sin(th) * sin(ph), cos(th)]
                        let cosine = (0..<3).reduce(0.0) { sum, c in
                            sum + mu[c] * (r[3 * c] * a[0] + r[3 * c + 1] * a[1] + r[3 * c + 2] * a[2])
                        }
                        #expect(f == Float(dense.draws[draw + DrawColumn.fraction + j]) && abs(cosine) > 0.999)
                    }
                }
            }
        }
        #expect(present > 10_000 && absent > 1000 && repeated > 100, "\(present) \(absent) \(repeated)")
    }

    @Test func everyPromisedFileIsThereAndSound() throws {
        let phantom = BundlePhantom(BundlePhantom.affines[1].affine, drawCount: 5), folder = try OutputFolder("files")
        let archive = try phantom.write(to: folder.path)
        let (_, provenance) = try FitOutputs.write(
            archive: archive, lambda: 1, geometry: phantom.geometry, directory: folder.path,
            provenance: phantom.provenance(),
            formats: [.fsl, .mrtrix, .dipy, .bids, .picture], threads: 1)
        let manager = FileManager.default
        let files = Set(manager.enumerator(atPath: folder.path)!.compactMap { $0 as? String })
        var promised = [
            "fit.json", "quality.nii.gz", "misfit.nii.gz", "orientations.png", "dataset_description.json",
            "mrtrix/peaks.nii.gz", "mrtrix/fod.mif.gz", "dipy/fod_sh.nii.gz", "dipy/peaks_indices.nii.gz",
        ]
        promised += ["index", "directions", "fraction", "prob", "dispersion"].map { "mrtrix/fixels/\($0).mif" }
        promised += [
            "dipy/peaks_dirs.nii.gz", "dipy/peaks_values.nii.gz", "fsl.bedpostX/nodif_brain_mask.nii.gz",
            "fsl.bedpostX/xfms/eye.mat", "fsl.bedpostX/nodif_brain.nii.gz", "fsl.bedpostX/mean_tausamples.nii.gz",
            "fsl.bedpostX/commands.txt",
        ]
        promised += ["fsum", "d", "d_std", "S0", "f0"].map { "fsl.bedpostX/mean_\($0)samples.nii.gz" }
        for k in 1...3 {
            promised += ["th", "ph", "f"].flatMap { ["merged_\($0)\(k)samples", "mean_\($0)\(k)samples"] }.map {
                "fsl.bedpostX/\($0).nii.gz"
            }
            promised += ["dyads\(k)", "dyads\(k)_dispersion"].map { "fsl.bedpostX/\($0).nii.gz" }
            if k > 1 {
                promised += ["dyads\(k)_thr0.05", "dyads\(k)_thr0.05_modf\(k)"].map { "fsl.bedpostX/\($0).nii.gz" }
            }
        }
        for (p, ds) in [
            ("s0", ["mean", "std", "q05", "q50", "q95"]), ("vf", ["mean", "std", "q05", "q50", "q95", "prob"]),
            ("vector", ["mean"]),
            ("dispersion", ["mean"]), ("nfibres", ["prob", "map", "mean"]), ("structure", ["prob"]), ("dstd", ["mean"]),
            ("vfsum", ["q95"]),
            ("snr", ["std"]), ("diffusivity", ["q50"]),
        ] {
            for d in ds {
                promised += [".nii.gz", ".json"].map { "dwi/sub-01_model-bs_param-\(p)_desc-\(d)_dwimap\($0)" }
            }
        }
        for file in promised { #expect(files.contains(file), "\(file)") }
        #expect(!files.contains { $0.contains("partial") || $0.contains(".tmp") || $0.contains("draws/") })
        for file in files where file.contains(".nii") || file.contains(".mif") {
            #expect(try readAll(folder.path + "/" + file).values.allSatisfy(\.isFinite), "\(file)")
        }
        for file in files where file.hasSuffix(".json") {
            let object = try JSONSerialization.jsonObject(
                with: Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + file)))
            guard let members = object as? [String: Any] else { Issue.record("\(file) is no object"); continue }
            if file.hasPrefix("dwi/") { #expect(members["Model"] != nil && members["Description"] != nil) }
        }
        #expect(try FitProvenance(path: folder.path + "/fit.json") == provenance)
        #expect(
            provenance.lambda == 1 && provenance.drawLambda == 0.5 && provenance.counts.voxels == phantom.voxels.count)
        #expect(provenance.counts.fitted == phantom.voxels.count - 1 && provenance.peakMemoryBytes > 1_000_000)
        let quality = try readAll(folder.path + "/quality.nii.gz").values
        #expect(quality[phantom.voxels[0]] == 128 && quality[50 * 36] == 0)
        let nfibres = try readAll(folder.path + "/dwi/sub-01_model-bs_param-nfibres_desc-prob_dwimap.nii.gz").values
        let n = phantom.geometry.voxelsPerVolume
        for v in phantom.voxels.dropFirst() {
            #expect(abs((0..<4).reduce(Float(0)) { $0 + nfibres[$1 * n + v] } - 1) < 1e-5)
        }
    }

    @Test func threadsDoNotChangeAByte() throws {
        let phantom = BundlePhantom(BundlePhantom.affines[2].affine, drawCount: 5), one = try OutputFolder("one"),
            two = try OutputFolder("two")
        let archive = try phantom.write(to: one.path)
        for (folder, threads) in [(one, 1), (two, 4)] {
            try FitOutputs.write(
                archive: archive, lambda: 0, geometry: phantom.geometry, directory: folder.path,
                provenance: phantom.provenance(),
                formats: [.fsl, .mrtrix, .dipy, .bids, .picture, .draws], threads: threads)
        }
        let names = FileManager.default.enumerator(atPath: two.path)!.compactMap { $0 as? String }
        #expect(names.count > 100)
        for name in names where name != "fit.json" && name.contains(".") && !name.hasSuffix("bedpostX") {
            #expect(
                FileManager.default.contentsEqual(atPath: one.path + "/" + name, andPath: two.path + "/" + name),
                "\(name)")
        }
    }

    @Test func whatCannotBeWrittenIsSaid() throws {
        let phantom = BundlePhantom(BundlePhantom.affines[0].affine, drawCount: 3), folder = try OutputFolder("refused")
        let archive = try phantom.write(to: folder.path)
        #expect(throws: ReportingError.self) {
            try FitOutputs.write(
                archive: archive, lambda: 0, geometry: VolumeGeometry(shape: [3, 3, 3]), directory: folder.path,
                provenance: phantom.provenance(),
                threads: 1)
        }
        #expect(throws: OutputFolderError.self) {
            try FitOutputs.write(
                archive: archive, lambda: 0, geometry: phantom.geometry, directory: folder.path + "/fit-file/x",
                provenance: {
                    _ = FileManager.default.createFile(atPath: folder.path + "/fit-file", contents: Data())
                    return phantom.provenance()
                }(), threads: 1)
        }
    }

    @Test func jsonIsAlwaysLegal() throws {
        let value: JSONValue = [
            "nan": .number(.nan), "infinite": .number(-.infinity), "text": "a\"\\\n\t\u{1}ü",
            "list": [1, 2.5, true, .null], "empty": [:],
            "nested": [["a": 1], []], "large": .number(1e300), "small": .number(1e-7),
        ]
        let object = try #require(try JSONSerialization.jsonObject(with: Data(value.text.utf8)) as? [String: Any])
        #expect(
            object["nan"] is NSNull && object["text"] as? String == "a\"\\\n\t\u{1}ü"
                && object["small"] as? Double == 1e-7)
        var provenance = BundlePhantom(BundlePhantom.affines[0].affine).provenance()
        provenance.timings["odd"] = .infinity
        let folder = try OutputFolder("json")
        let path = folder.path + "/fit.json"
        try provenance.write(to: path)
        // Legal, whatever it holds; taken back only where it makes sense.
        #expect(try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) is [String: Any])
        #expect(throws: ReportingError.self) { try FitProvenance(path: path) }
        provenance.timings["odd"] = 1.5
        try provenance.write(to: path)
        #expect(try FitProvenance(path: path) == provenance)
    }
}
