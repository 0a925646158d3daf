import Foundation
import Volumes

/// A single file to be written at the end of long work: whether it can be is found out at the start, and it appears whole or not at all.
struct OutputFile {
    let path: String

    /// - Throws: `OutputFileError`.
    init(_ path: String, force: Bool) throws {
        self.path = path
        let manager = FileManager.default, parent = path.parentFolder
        var isFolder: ObjCBool = false
        if manager.fileExists(atPath: path, isDirectory: &isFolder) {
            if isFolder.boolValue { throw OutputFileError.isFolder(path: path) }
            if !force { throw OutputFileError.exists(path: path) }
        }
        let folder = parent.isEmpty ? "." : parent
        guard manager.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            throw OutputFileError.cannotCreate(path: path, reason: "the folder \(folder) does not exist")
        }
        guard manager.isWritableFile(atPath: folder) else { throw OutputFileError.cannotCreate(path: path, reason: "the folder \(folder) is not writable") }
    }

    func write(_ text: String) throws {
        do { try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
            throw OutputFileError.writeFailed(path: path, reason: error.localizedDescription)
        }
    }
}

/// What can keep a file from appearing.
enum OutputFileError: CommandFailure {
    case exists(path: String)
    case isFolder(path: String)
    case cannotCreate(path: String, reason: String)
    case writeFailed(path: String, reason: String)

    var exitStatus: ExitStatus { if case .writeFailed = self { .io } else { .cannotCreate } }

    var description: String {
        switch self {
        case .exists(let path): "\(path) exists already; choose another name, or replace it with --force"
        case .isFolder(let path): "\(path) is a folder; name a file"
        case .cannotCreate(let path, let reason): "\(path) cannot be created (\(reason)); choose another place"
        case .writeFailed(let path, let reason): "\(path) cannot be written (\(reason)); free some space or choose another place"
        }
    }
}
