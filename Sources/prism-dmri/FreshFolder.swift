import Foundation

/// A folder that appears whole or not at all: everything is written to a hidden folder beside it, which takes its name at the end.
///
/// An existing folder is replaced only when asked, and only when it is of the same kind: when it holds the file `marker`, written last.
struct FreshFolder {
    let path: String
    /// Where to write.
    let temporary: String

    /// - Throws: `FreshFolderError`.
    init(_ name: String, marker: String, force: Bool) throws {
        path = URL(fileURLWithPath: name).standardizedFileURL.resolvingSymlinksInPath().path
        let manager = FileManager.default
        var isFolder: ObjCBool = false
        if manager.fileExists(atPath: path, isDirectory: &isFolder) {
            guard isFolder.boolValue else { throw FreshFolderError.notAFolder(path: name) }
            let contents = (try? manager.contentsOfDirectory(atPath: path)) ?? ["?"]
            if !contents.isEmpty {
                guard force else { throw FreshFolderError.exists(path: name) }
                guard contents.contains(marker) else { throw FreshFolderError.foreign(path: name, marker: marker) }
            }
        }
        let parent = (path as NSString).deletingLastPathComponent, tag = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        try? manager.createDirectory(atPath: parent, withIntermediateDirectories: true)
        temporary = parent + (parent.hasSuffix("/") ? "." : "/.") + (path as NSString).lastPathComponent + "." + tag + ".partial"
        guard mkdir(temporary, 0o777) == 0 else { throw FreshFolderError.cannotCreate(path: name, reason: String(cString: strerror(errno))) }
    }

    /// Runs `body`, which fills the folder given to it, then lets the folder appear; after an error nothing is left.
    func fill(_ body: (_ folder: String) throws -> Void) throws {
        do {
            try body(temporary)
            try appear()
        } catch {
            try? FileManager.default.removeItem(atPath: temporary)
            throw error
        }
    }

    private func appear() throws {
        let aside = temporary + ".old", isReplaced = rename(path, aside) == 0
        guard rename(temporary, path) == 0 else {
            let reason = String(cString: strerror(errno))
            if isReplaced { rename(aside, path) }
            throw FreshFolderError.cannotCreate(path: path, reason: reason)
        }
        if isReplaced { try? FileManager.default.removeItem(atPath: aside) }
    }

    /// Writes a small text file.
    static func write(_ text: String, to path: String) throws {
        do { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) } catch {
            throw FreshFolderError.writeFailed(path: path, reason: error.localizedDescription)
        }
    }
}

/// What can keep a new folder from appearing.
enum FreshFolderError: CommandFailure {
    case exists(path: String)
    case foreign(path: String, marker: String)
    case notAFolder(path: String)
    case cannotCreate(path: String, reason: String)
    case writeFailed(path: String, reason: String)

    var exitStatus: ExitStatus { if case .writeFailed = self { .io } else { .cannotCreate } }

    var description: String {
        switch self {
        case .exists(let path): "\(path) exists already; choose another folder, or replace it with --force"
        case .foreign(let path, let marker):
            "\(path) was not written by this command (it has no \(marker)), so --force does not replace it; choose another folder"
        case .notAFolder(let path): "\(path) is a file, not a folder; choose another name"
        case .cannotCreate(let path, let reason): "\(path) cannot be created (\(reason)); check the folder around it and its permissions"
        case .writeFailed(let path, let reason): "\(path) cannot be written (\(reason)), so nothing was left; free some space or choose another folder"
        }
    }
}
