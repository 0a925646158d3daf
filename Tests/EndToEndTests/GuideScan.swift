import Foundation
import Volumes

/// The files that the guide's commands name, as a small simulated scan: made once, and copied for each page.
enum GuideScan {
    /// Why there is none.
    struct Failure: Error { var text: String }

    static let template: Result<String, any Error> = Result {
        let base = FileManager.default.temporaryDirectory.appendingPathComponent(
            "prism-dmri-guide-\(UUID().uuidString)"
        )
        .path
        try FileManager.default.createDirectory(atPath: base + "/page", withIntermediateDirectories: true)
        let folder = base + "/page"
        try shell(
            """
            set -e
            prism-dmri simulate --out brain --size 12,12,8 --quiet \
                --acquisition $ROOT/protocols/acquisitions/clinical-30.yaml
            cp brain/dwi.* brain/mask.nii.gz .
            cp brain/truth/nfibres.nii.gz labels.nii.gz
            printf '1 one\\n2 two\\n3 three\\n' > lut.txt
            ln -s $ROOT/examples examples; ln -s $ROOT/protocols protocols; ln -s $ROOT/.ci .ci
            scan() { mkdir -p "$(dirname "$1")"; for e in nii.gz bval bvec; do cp dwi.$e "$1.$e"; done; }
            mkdir -p SUBJECT/T1w/Diffusion && cd SUBJECT/T1w/Diffusion
            cp ../../../dwi.nii.gz data.nii.gz; cp ../../../dwi.bval bvals; cp ../../../dwi.bvec bvecs
            cp ../../../mask.nii.gz nodif_brain_mask.nii.gz; cd ../../..
            for s in 01 02; do
                scan data/sub-$s/dwi/sub-${s}_dwi; scan subjects/$s/dwi
                p=qsiprep/sub-$s/dwi/sub-${s}_space-ACPC
                scan ${p}_desc-preproc_dwi; cp mask.nii.gz ${p}_desc-brain_mask.nii.gz
            done
            echo '{"Name": "x", "BIDSVersion": "1.9.0", "DatasetType": "raw"}' > data/dataset_description.json
            echo '{"Name": "x", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}' > qsiprep/dataset_description.json
            """, in: folder)
        let geometry = try VolumeReader(path: folder + "/mask.nii.gz").geometry
        let labels = try Volume(path: folder + "/labels.nii.gz").values
        for (name, count) in [("roi", 12), ("seed", 60)] {
            let inside = Array(labels.indices.filter { labels[$0] > 1 }.prefix(count))
            try VolumeWriter.write(
                folder + "/\(name).nii.gz", mask: Mask(geometry: geometry, indices: inside), as: UInt8.self
            ) { _, values in for v in values.indices { values[v] = 1 } }
        }
        let inside = labels.indices.filter { labels[$0] == 1 }
        try tracks(through: inside, geometry).write(to: URL(fileURLWithPath: folder + "/bundle.tck"))
        try shell("prism-dmri fit dwi.nii.gz --mask mask.nii.gz --out fit --preset fast --quiet", in: folder)
        return folder
    }

    /// A copy of the files for one page's commands.
    static func copy() throws -> String {
        let folder = try template.get() + "-\(UUID().uuidString)"
        try shell("cp -r '\(try template.get())' '\(folder)'", in: FileManager.default.temporaryDirectory.path)
        return folder
    }

    private static func shell(_ command: String, in folder: String) throws {
        let (status, output) = try Program.run(command, in: folder)
        guard status == 0 else { throw Failure(text: output) }
    }

    /// Two straight streamlines along x, in MRtrix3's format.
    private static func tracks(through voxels: [Int], _ geometry: VolumeGeometry) -> Data {
        let (x, y) = (geometry.shape[0], geometry.shape[1])
        var floats: [Float] = []
        for voxel in [voxels[voxels.count / 2], voxels[voxels.count / 3]] {
            let middle = SIMD3(Double(voxel % x), Double(voxel / x % y), Double(voxel / (x * y)))
            for step in -6...6 {
                let p = geometry.affine(middle + SIMD3(Double(step) / 4, 0, 0))
                floats += [Float(p.x), Float(p.y), Float(p.z)]
            }
            floats += [.nan, .nan, .nan]
        }
        floats += [.infinity, .infinity, .infinity]
        var head = "mrtrix tracks\ndatatype: Float32LE\ncount: 2\nfile: . 100\nEND\n"
        head += String(repeating: "\0", count: 100 - head.utf8.count)
        return Data(head.utf8) + floats.withUnsafeBytes { Data($0) }
    }
}
