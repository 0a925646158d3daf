import CommandLineSupport
import Foundation
import Volumes

/// The diffusion series of a BIDS dataset, as its rules (and PyBIDS) find them: `sub-X/[ses-Y/]dwi/…_dwi.nii[.gz]`
/// whose names are legal and agree with their folders; what lies in `derivatives`, `sourcedata` or `code` is another
/// dataset's.
struct BIDSInputs {
    struct Scan {
        /// From the dataset's top.
        let path: String, folder: String
        let stem: String, participant: String
    }

    let root: String
    let scans: [Scan]
    /// Series that no fit can take, and why.
    let unfit: [(path: String, reason: String)]
    let doi: String?

    /// Entities of raw diffusion series in their order, then those that derivatives add.
    private static let raw = ["sub", "ses", "acq", "rec", "dir", "run", "part", "chunk"]
    private static let derived = [
        "sub", "ses", "acq", "rec", "dir", "run", "part", "space", "cohort", "res", "den", "label", "desc", "chunk",
    ]

    /// - Parameters:
    ///   - participants: labels with or without `sub-`; all when empty. `sessions` likewise.
    ///   - validates: whether dataset_description.json must be there and make sense.
    /// - Throws: `BIDSInputsError`.
    init(_ root: String, participants: [String], sessions: [String], validates: Bool) throws {
        self.root = root
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: root) else {
            throw BIDSInputsError.noFolder(root)
        }
        let description = FileManager.default.contents(atPath: root + "/dataset_description.json").flatMap {
            (try? JSONSerialization.jsonObject(with: $0)) as? [String: Any]
        }
        if validates {
            guard let description, description["Name"] is String, description["BIDSVersion"] is String else {
                throw BIDSInputsError.noDescription(root)
            }
        }
        doi = description?["DatasetDOI"] as? String
        let order = description?["DatasetType"] as? String == "derivative" ? Self.derived : Self.raw
        let all = names.filter { $0.hasPrefix("sub-") && Self.isFolder(root + "/" + $0) }.sorted()
        let wanted = participants.map { $0.hasPrefix("sub-") ? $0 : "sub-" + $0 }
        if let missing = wanted.first(where: { !all.contains($0) }) {
            throw BIDSInputsError.noParticipant(root, missing, among: all)
        }
        let chosen = Set(sessions.map { $0.hasPrefix("ses-") ? $0 : "ses-" + $0 })
        var scans: [Scan] = [], unfit: [(path: String, reason: String)] = []
        for subject in wanted.isEmpty ? all : all.filter(wanted.contains) {
            let inside = Self.names(root + "/" + subject)
            let places =
                (chosen.isEmpty ? [""] : [])
                + inside.filter { $0.hasPrefix("ses-") }.filter {
                    chosen.isEmpty || chosen.contains($0)
                }
            for session in places {
                let folder = [subject, session, "dwi"].filter { !$0.isEmpty }.joined(separator: "/")
                for file in Self.names(root + "/" + folder) {
                    guard let ending = [".nii.gz", ".nii"].first(where: file.hasSuffix) else { continue }
                    let stem = String(file.dropLast(ending.count))
                    guard let name = BIDSFileName(stem), name.suffix == "dwi" else { continue }
                    let keys = name.entities.map(\.key), ranks = keys.compactMap(order.firstIndex)
                    func value(_ key: String) -> String? { name.entities.first { $0.key == key }?.value }
                    guard ranks.count == keys.count, ranks == ranks.sorted(), Set(ranks).count == ranks.count,
                        name.entities.allSatisfy({ $0.value.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) } }
                        ),
                        value("sub").map({ "sub-" + $0 }) == subject, value("ses").map({ "ses-" + $0 }) ?? "" == session
                    else { continue }
                    let path = folder + "/" + file
                    if let part = value("part"), part != "mag" {
                        unfit.append((path, "is no magnitude (part-\(part))"))
                    } else {
                        scans.append(Scan(path: path, folder: folder, stem: stem, participant: subject))
                    }
                }
            }
        }
        (self.scans, self.unfit) = (scans, unfit)
        guard !scans.isEmpty else {
            throw BIDSInputsError.noScan(root, isFiltered: !participants.isEmpty || !sessions.isEmpty)
        }
    }

    private static func names(_ folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { !$0.hasPrefix(".") }.sorted()
    }

    private static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }
}

/// Why a dataset has nothing to fit.
enum BIDSInputsError: CommandFailure {
    case noFolder(String)
    case noDescription(String)
    case noParticipant(String, String, among: [String])
    case noScan(String, isFiltered: Bool)

    var exitStatus: ExitStatus {
        switch self {
        case .noDescription: .invalidDataset
        case .noParticipant, .noScan(_, isFiltered: true): .nothingSelected
        case .noFolder, .noScan: .missingInput
        }
    }

    var description: String {
        switch self {
        case .noFolder(let root): "\(root) is no folder that can be read; name the top of a BIDS dataset"
        case .noDescription(let root):
            """
            \(root) has no dataset_description.json with a Name and a BIDSVersion, which every BIDS dataset has; name \
            the dataset's top, or give --skip-bids-validation
            """
        case .noParticipant(let root, let label, let all):
            """
            \(root) has no participant \(label); it has \(all.prefix(5).joined(separator: ", "))\
            \(all.count > 5 ? ", …" : all.isEmpty ? "none" : "")
            """
        case .noScan(let root, _):
            "\(root) holds no diffusion series (sub-*/[ses-*/]dwi/*_dwi.nii.gz) of the participants asked for"
        }
    }
}
