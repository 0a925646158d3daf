import CommandLineSupport
import Files
import Foundation
import Reporting
import Volumes

/// The derivative dataset that `bids` writes: `fits/NAME/` of each series, its maps in `sub-*/[ses-*/]dwi/`, pages, and
/// what describes the dataset.
struct BIDSDerivative {
    private let out: String, root: String
    private static let fits = "fits"

    /// - Throws: `BIDSDerivativeError` where the folder is the input, or somebody else's.
    init(_ out: String, of root: String) throws {
        (self.out, self.root) = (out.count > 1 && out.hasSuffix("/") ? String(out.dropLast()) : out, root)
        if let place = FileIdentity(out), place == FileIdentity(root) { throw BIDSDerivativeError.isInput(out) }
        let description = FileManager.default.contents(atPath: out + "/dataset_description.json")
        guard let description else {
            let names = ((try? FileManager.default.contentsOfDirectory(atPath: out)) ?? []).filter {
                !$0.hasPrefix(".")
            }
            if !names.isEmpty { throw BIDSDerivativeError.foreign(out) }
            return
        }
        let text = String(decoding: description, as: UTF8.self)
        guard text.contains("\"Name\": \"prism-dmri\"") else { throw BIDSDerivativeError.foreign(out) }
    }

    /// What maps are named by.
    static func name(_ stem: String) -> String { BIDSOutputs.entities(stem) }

    func fit(_ name: String) -> String { out + "/" + Self.fits + "/" + name }

    /// Whether an interrupted fit left something to go on from.
    func isBegun(_ name: String) -> Bool {
        ((try? FileManager.default.contentsOfDirectory(atPath: fit(name))) ?? []).contains {
            $0.hasPrefix("posterior-") && $0.hasSuffix(".safetensors")
        }
    }

    /// Writes the dataset's own files where they are missing or an earlier version wrote them; what somebody changed
    /// stays.
    func begin(doi: String?) throws {
        try makeFolder(out)
        let source = BIDSDataset.Source(link: link, doi: doi)
        func files(_ version: String) -> [(name: String, text: String)] {
            BIDSDataset.files(software: "prism-dmri", version: version, source: source)
        }
        for (new, old) in zip(files(PrismDMRI.version), files(writtenBy ?? PrismDMRI.version)) {
            let path = out + "/" + new.name, there = FileManager.default.contents(atPath: path)
            if there == nil || there == Data(old.text.utf8) {
                if new.text != old.text || there == nil { try write(Data(new.text.utf8), to: path) }
            } else if there != Data(new.text.utf8) {
                Terminal.note("note: \(path) was changed since it was written, and stays as it is")
            }
        }
    }

    /// The version that wrote the dataset's description.
    private var writtenBy: String? {
        let description = FileManager.default.contents(atPath: out + "/dataset_description.json").flatMap {
            (try? JSONSerialization.jsonObject(with: $0)) as? [String: Any]
        }
        return (description?["GeneratedBy"] as? [[String: Any]])?.first?["Version"] as? String
    }

    /// Where the input lies seen from here, without the names of folders that are nobody else's business.
    private var link: String {
        func parts(_ path: String) -> [String] {
            URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.pathComponents
        }
        let from = parts(out), to = parts(root), shared = zip(from, to).prefix { $0 == $1 }.count
        let down = to.dropFirst(shared)
        guard down.count <= 1 else { return "file:" + to.last!.filter { $0.isLetter || $0.isNumber || $0 == "-" } }
        let relative = Array(repeating: "..", count: from.count - shared) + down
        return relative.joined(separator: "/").addingPercentEncoding(withAllowedCharacters: .urlPathAllowed)!
    }

    /// Moves a finished fit's maps to where BIDS has them.
    func install(_ name: String, folder: String) throws {
        let made = fit(name) + "/dwi", manager = FileManager.default
        let names = ((try? manager.contentsOfDirectory(atPath: made)) ?? []).filter { !$0.hasPrefix(".") }.sorted()
        try makeFolder(out + "/" + folder)
        // The sidecars first: a map is never there without what says what it is.
        for file in names.filter({ $0.hasSuffix(".json") }) + names.filter({ !$0.hasSuffix(".json") }) {
            guard rename(made + "/" + file, out + "/" + folder + "/" + file) == 0 else {
                throw BIDSDerivativeError.cannotCreate(out + "/" + folder + "/" + file)
            }
        }
        if rmdir(made) != 0 && errno != ENOENT { Debug.say("\(made) stays: \(String(cString: strerror(errno)))") }
        unlink(fit(name) + "/dataset_description.json")
    }

    private func makeFolder(_ path: String) throws {
        do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
            throw BIDSDerivativeError.cannotCreate(path)
        }
    }

    /// Every finished fit, by name.
    private func table() throws -> CohortTable {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: out + "/" + Self.fits)) ?? []).sorted()
        return CohortTable(
            try names.filter { FileManager.default.fileExists(atPath: fit($0) + "/fit.json") }.map { name in
                let parts = name.split(separator: "_").map(String.init)
                let folder = (parts.prefix(1) + parts.filter { $0.hasPrefix("ses-") } + ["dwi"]).joined(separator: "/")
                return try CohortRow(root: out, fit: Self.fits + "/" + name, maps: folder, name: name)
            })
    }

    /// Writes a participant's page.
    func page(of participant: String) throws {
        let table = try table()
        guard table.rows.contains(where: { $0.participant == participant }) else { return }
        let text = CohortPage.html(table, title: participant, shown: participant, version: PrismDMRI.version)
        try write(Data(text.utf8), to: out + "/\(participant).html")
    }

    /// Writes the page and the table of all scans.
    /// - Returns: their number.
    func group() throws -> Int {
        let table = try table()
        guard !table.rows.isEmpty else { throw BIDSDerivativeError.noFits(out) }
        try write(Data(table.tsv.utf8), to: out + "/group.tsv")
        try write(Data(table.sidecar.utf8), to: out + "/group.json")
        let text = CohortPage.html(table, title: "All scans", version: PrismDMRI.version)
        try write(Data(text.utf8), to: out + "/group.html")
        return table.rows.count
    }
}

/// Why a derivative dataset cannot be written or read.
enum BIDSDerivativeError: CommandFailure {
    case isInput(String)
    case foreign(String)
    case cannotCreate(String)
    case noFits(String)
    case twoScans(String, [String])
    case otherOptions(String, String)

    var exitStatus: ExitStatus {
        switch self {
        case .noFits: .missingInput
        default: .cannotCreate
        }
    }

    var description: String {
        switch self {
        case .isInput(let out): "\(out) is the dataset that is read; name a folder of its own for the output"
        case .foreign(let out):
            "\(out) holds files that 'prism-dmri bids' did not write; name a new folder, e.g. derivatives/prism-dmri"
        case .cannotCreate(let path): "\(path) cannot be created; check the folder and its permissions"
        case .noFits(let out): "\(out)/fits holds no finished fit; run the level 'participant' first"
        case .otherOptions(let path, let difference):
            "\(path) is fitted already, with other options (\(difference)); give --force to fit it again"
        case .twoScans(_, let others):
            """
            its maps would have the names of those of \(others.joined(separator: ", ")), which is fitted already: \
            they differ in desc- alone; leave one of them out, or name another output
            """
        }
    }
}
