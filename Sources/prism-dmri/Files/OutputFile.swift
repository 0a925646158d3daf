import CommandLineSupport
import Files
import Foundation
import Reporting
import Volumes

/// A single file to be written at the end of long work: whether it can be is found out at the start, and it appears
/// whole or not at all.
struct OutputFile {
    /// What the program writes as single files, and how it knows one of its own again: `--force` replaces nothing else.
    enum Kind {
        case page, figures, statistics, plot
        /// A gradient table, which nothing marks as this program's: never replaced.
        case table

        func wrote(_ path: String) -> Bool {
            guard let data = FileManager.default.contents(atPath: path) else { return false }
            // What was begun and never filled holds nothing to lose.
            if data.isEmpty { return true }
            func holds(_ text: String) -> Bool { data.range(of: Data(text.utf8)) != nil }
            switch self {
            case .page: return data.starts(with: Data("<!doctype html>".utf8)) && holds("prism-dmri")
            case .table: return false
            case .plot: return data.starts(with: Data("<svg".utf8)) && holds("prism-dmri lambda")
            case .statistics: return data.starts(with: Data(RegionTable.head.utf8))
            case .figures: return data.first == UInt8(ascii: "{") && holds("\"kind\"") && holds("\"networkSHA256\"")
            }
        }
    }

    let path: String

    /// - Parameter inputs: files that the command reads.
    /// - Throws: `OutputFileError`.
    init(_ path: String, kind: Kind, force: Bool, inputs: [String] = []) throws {
        self.path = path
        let manager = FileManager.default, parent = FilePath.folder(of: path)
        var isFolder: ObjCBool = false
        if manager.fileExists(atPath: path, isDirectory: &isFolder) {
            if isFolder.boolValue { throw OutputFileError.isFolder(path: path) }
            let place = FileIdentity(path)
            if inputs.contains(where: { FileIdentity($0) == place }) { throw OutputFileError.isInput(path: path) }
            guard kind.wrote(path) else { throw OutputFileError.foreign(path: path) }
            if !force { throw OutputFileError.exists(path: path) }
        }
        let folder = parent.isEmpty ? "." : parent
        guard manager.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            throw OutputFileError.cannotCreate(path: path, reason: "the folder \(folder) does not exist")
        }
        guard manager.isWritableFile(atPath: folder) else {
            throw OutputFileError.cannotCreate(path: path, reason: "the folder \(folder) is not writable")
        }
        Leftovers.remove(of: path)
    }

    func write(_ text: String) throws { try Files.write(Data(text.utf8), to: path) }
}
