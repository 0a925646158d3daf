import Foundation
import Testing

@testable import prism_dmri

/// Which files of a dataset are fitted, as PyBIDS finds them.
@Suite struct BIDSTests {
    private static let hasPyBIDS =
        (try? Program.run("python3 -c 'import bids'", in: FileManager.default.temporaryDirectory.path))?.status == 0

    private static let legal = [
        "sub-01/dwi/sub-01_dwi.nii.gz", "sub-01/dwi/sub-01_acq-b2000_dir-PA_run-02_dwi.nii",
        "sub-02/ses-1/dwi/sub-02_ses-1_dwi.nii.gz", "sub-02/ses-2/dwi/sub-02_ses-2_acq-x_rec-norm_dwi.nii.gz",
        "sub-02/ses-2/dwi/sub-02_ses-2_part-phase_dwi.nii.gz",
    ]
    private static let others = [
        "sub-01/dwi/sub-01_sbref.nii.gz", "sub-01/dwi/sub-01_dwi.json", "sub-01/dwi/sub-02_acq-other_dwi.nii.gz",
        "sub-01/dwi/sub-01_desc-preproc_dwi.nii.gz", "sub-01/dwi/sub-01_run-1_acq-late_dwi.nii.gz",
        "sub-01/dwi/._sub-01_dwi.nii.gz", "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-02/dwi/sub-02_ses-1_acq-lost_dwi.nii.gz",
        "derivatives/q/sub-01/dwi/sub-01_dwi.nii.gz", "sourcedata/sub-03/dwi/sub-03_dwi.nii.gz",
        "code/sub-03/dwi/sub-03_dwi.nii.gz", "sub-04/sub-04_dwi.nii.gz", "sub-01/dwi/sub-01_dwi.nii.gz.part",
    ]

    private func dataset(_ files: [String], type: String) throws -> String {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("bids-\(UUID().uuidString)")
        for file in files {
            let url = root.appendingPathComponent(file)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data((file.hasSuffix(".json") ? "{}" : "").utf8).write(to: url)
        }
        try Data(#"{"Name": "x", "BIDSVersion": "1.9.0", "DatasetType": "\#(type)"}"#.utf8)
            .write(to: root.appendingPathComponent("dataset_description.json"))
        return root.path
    }

    private func found(_ root: String, participants: [String] = [], sessions: [String] = []) throws -> [String] {
        let inputs = try BIDSInputs(root, participants: participants, sessions: sessions, validates: true)
        return (inputs.scans.map(\.path) + inputs.unfit.map(\.path)).sorted()
    }

    @Test func findsWhatIsLegalAndNothingElse() throws {
        let root = try dataset(Self.legal + Self.others, type: "raw")
        defer { try? FileManager.default.removeItem(atPath: root) }
        #expect(try found(root) == Self.legal.sorted())
        #expect(
            try found(root, participants: ["02"], sessions: ["ses-1"]) == ["sub-02/ses-1/dwi/sub-02_ses-1_dwi.nii.gz"])
        #expect(throws: BIDSInputsError.self) { try found(root, participants: ["04"]) }
        #expect(try BIDSInputs(root, participants: [], sessions: [], validates: true).unfit.count == 1)
    }

    @Test func aDerivativesNamesMaySayMore() throws {
        let root = try dataset(["sub-01/dwi/sub-01_space-T1w_desc-preproc_dwi.nii.gz"], type: "derivative")
        defer { try? FileManager.default.removeItem(atPath: root) }
        #expect(try found(root) == ["sub-01/dwi/sub-01_space-T1w_desc-preproc_dwi.nii.gz"])
        #expect(BIDSDerivative.name("sub-01_space-T1w_desc-preproc_dwi") == "sub-01_space-T1w")
    }

    @Test(.enabled(if: hasPyBIDS, "PyBIDS is not installed")) func asPyBIDSDoes() throws {
        let root = try dataset(Self.legal + Self.others, type: "raw")
        defer { try? FileManager.default.removeItem(atPath: root) }
        let (status, output) = try Program.run(
            """
            python3 -W ignore -c "
            import bids, os
            layout = bids.BIDSLayout('\(root)')
            files = layout.get(suffix='dwi', extension=['.nii', '.nii.gz'], return_type='filename')
            print('\\n'.join('= ' + os.path.relpath(f, '\(root)') for f in files))
            "
            """, in: root)
        #expect(status == 0, "\(output)")
        let theirs = output.split(separator: "\n").filter { $0.hasPrefix("= ") }.map { String($0.dropFirst(2)) }
        #expect(try found(root) == theirs.sorted())
    }
}
