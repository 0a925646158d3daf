import CommandLineSupport
import Files
import Foundation
import Volumes

/// The files of a scan: the image named, or a folder that holds it, and what lies beside it under the names that other
/// programs give.
///
/// - FSL, HCP, UK Biobank: `data` (`data_ud`) with `bvals`, `bvecs`, `nodif_brain_mask` (`…_ud`), `grad_dev`;
///   `X.eddy_rotated_bvecs` beside eddy's X.
/// - dcm2niix, BIDS: `X.bval`, `X.bvec`, or by BIDS' principle of inheritance those of a folder above whose entities
///   are all the image's.
/// - QSIPrep: `…_desc-preproc_dwi` with `…_desc-brain_mask`.
/// - MRtrix3: the table in the header of a .mif; `X.b`; `X_mask`, `mask`.
struct ScanFiles {
    let dwi: String
    let stem: String
    private let wasFolder: Bool

    static let extensions = [".nii.gz", ".nii", ".mif.gz", ".mif", ".mih", ".img.gz", ".img", ".hdr.gz", ".hdr"]
    /// Where the image lies in a subject's folder: HCP's and UK Biobank's, and BIDS'.
    private static let places = ["", "Diffusion", "T1w/Diffusion", "dMRI/dMRI", "dMRI", "dwi"]

    /// - Errors: `ScanFilesError`.
    init(_ named: String) throws {
        var isFolder: ObjCBool = false
        wasFolder = FileManager.default.fileExists(atPath: named, isDirectory: &isFolder) && isFolder.boolValue
        dwi = wasFolder ? try Self.image(in: named) : named
        stem = Self.stem(dwi)
    }

    /// The image as named, for where a folder without one is told of elsewhere.
    init(image: String) { (dwi, stem, wasFolder) = (image, Self.stem(image), false) }

    static func stem(_ path: String) -> String {
        let name = FilePath.name(of: path)
        return extensions.first(where: name.hasSuffix).map { String(name.dropLast($0.count)) } ?? name
    }

    private static func image(in folder: String) throws -> String {
        let root = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        for place in places {
            let inside = place.isEmpty ? root : root + "/" + place
            let names = ((try? FileManager.default.contentsOfDirectory(atPath: inside)) ?? []).sorted()
            if let data = ["data.nii.gz", "data.nii", "data_ud.nii.gz"].first(where: names.contains) {
                return inside + "/" + data
            }
            let images = names.filter { name in
                !name.hasPrefix(".") && extensions.contains(where: name.hasSuffix)
                    && (stem(name) == "dwi" || stem(name).hasSuffix("_dwi"))
            }
            if images.count > 1 { throw ScanFilesError.several(folder: inside, names: images) }
            if let image = images.first { return inside + "/" + image }
        }
        throw ScanFilesError.none(folder: folder)
    }

    private var folder: String { FilePath.folder(of: dwi) }
    private func beside(_ name: String) -> String {
        folder.isEmpty ? name : folder == "/" ? "/" + name : folder + "/" + name
    }

    /// The first of these beside the image. A link that leads nowhere is found too: its own error says what to do.
    private func first(_ names: [String]) -> String? { names.map(beside).first(where: Self.exists) }

    private static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: path) || StandIn.missingTarget(of: path) != nil
    }

    private static func images(_ stem: String) -> [String] { extensions.prefix(4).map { stem + $0 } }

    /// FSL's folders hold one image and files of fixed names.
    private var isFSL: Bool { stem == "data" || stem == "data_ud" }

    var bvals: String? {
        first([".bval", ".bvals"].map { stem + $0 } + (isFSL ? ["bvals"] : [])) ?? inherited(["bval", "bvals"])
    }

    var bvecs: String? {
        // What eddy turned belongs to the image that eddy wrote.
        first([".eddy_rotated_bvecs", ".bvec", ".bvecs"].map { stem + $0 } + (isFSL ? ["bvecs"] : []))
            ?? inherited(["bvec", "bvecs"])
    }

    /// An MRtrix table.
    var grad: String? { first([stem + ".b", stem + ".grad"]) }

    var mask: String? {
        var stems = [stem + "_mask", stem + "_brain_mask"]
        if isFSL { stems.insert(stem == "data" ? "nodif_brain_mask" : "nodif_brain_mask_ud", at: 0) }
        if let name = BIDSFileName(stem), name.suffix == "dwi" {
            let others = name.entities.filter { $0.key != "desc" }
            stems.append((others.map { $0.key + "-" + $0.value } + ["desc-brain", "mask"]).joined(separator: "_"))
        }
        if wasFolder || VolumeReader.isMRtrix(dwi) { stems += Self.generalMasks }
        return first(stems.flatMap(Self.images))
    }

    private static let generalMasks = ["nodif_brain_mask", "brain_mask", "mask"]

    /// A mask beside an image that was named itself, where nothing says that it is this image's: to be told of, not to
    /// be used.
    var possibleMask: String? { mask == nil ? first(Self.generalMasks.flatMap(Self.images)) : nil }

    /// The image's BIDS sidecar.
    var sidecar: String? { first([stem + ".json"]) ?? inherited(["json"]) }

    /// HCP's gradient deviations.
    var gradientDeviation: String? { isFSL ? first(["grad_dev.nii.gz", "grad_dev.nii"]) : nil }

    /// A file that applies to the image by BIDS' principle of inheritance: the nearest folder's, up to the one with
    /// dataset_description.json; of several in a folder the one with most entities.
    private func inherited(_ endings: [String]) -> String? {
        guard let own = BIDSFileName(stem) else { return nil }
        var place = folder
        for _ in 0..<5 {
            let names = ((try? FileManager.default.contentsOfDirectory(atPath: place.isEmpty ? "." : place)) ?? [])
                .sorted()
            let applicable = names.compactMap { file -> (file: String, count: Int)? in
                guard let ending = endings.first(where: { file.hasSuffix("." + $0) }),
                    let name = BIDSFileName(String(file.dropLast(ending.count + 1))), own.inherits(name)
                else { return nil }
                return (file, name.entities.count)
            }
            if let best = applicable.max(by: { $0.count < $1.count }) {
                return place.isEmpty ? best.file : place + "/" + best.file
            }
            if names.contains("dataset_description.json") { return nil }
            place = place.isEmpty ? ".." : FilePath.name(of: place) == ".." ? place + "/.." : FilePath.folder(of: place)
            if place == "/" { return nil }
        }
        return nil
    }
}

/// A BIDS name taken apart: entities and suffix.
struct BIDSFileName {
    let entities: [(key: String, value: String)], suffix: String

    /// - Parameter stem: the name without its extension.
    init?(_ stem: String) {
        let parts = stem.split(separator: "_", omittingEmptySubsequences: false)
        guard let last = parts.last, !last.isEmpty, !last.contains("-") else { return nil }
        var list: [(key: String, value: String)] = []
        for part in parts.dropLast() {
            let pair = part.split(separator: "-", maxSplits: 1)
            guard pair.count == 2 else { return nil }
            list.append((String(pair[0]), String(pair[1])))
        }
        (entities, suffix) = (list, String(last))
    }

    /// Whether a file of that name in this or a higher folder applies to this one.
    func inherits(_ other: BIDSFileName) -> Bool {
        suffix == other.suffix
            && other.entities.allSatisfy { e in entities.contains { $0.key == e.key && $0.value == e.value } }
    }
}

/// Folders in which no scan can be found.
enum ScanFilesError: CommandFailure {
    case none(folder: String)
    case several(folder: String, names: [String])

    var exitStatus: ExitStatus { if case .none = self { .missingInput } else { .usage } }

    var description: String {
        switch self {
        case .none(let folder):
            "\(folder) holds no diffusion series under a name that is known (data.nii.gz, or one image whose name "
                + "ends in dwi, there or in Diffusion, T1w/Diffusion, dMRI or dwi within it); name the image"
        case .several(let folder, let names):
            "\(folder) holds several diffusion series "
                + "(\(names.prefix(5).joined(separator: ", "))\(names.count > 5 ? ", …" : "")); name the one to be "
                + "read"
        }
    }
}
