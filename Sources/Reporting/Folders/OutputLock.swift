import Foundation
import Volumes

/// A folder taken by one run at a time: `.prism-dmri.lock`, locked for as long as the process lives.
///
/// A process that died, however it died, holds no lock; the file it left is used again. Where the file system knows no
/// locks there are none.
public final class OutputLock {
    static let file = ".prism-dmri.lock"
    private let path: String
    private var descriptor: Int32

    convenience init?(folder: String, name: String) throws { try self.init(path: folder + "/" + Self.file, name: name) }

    /// Nil when another process holds the lock.
    /// - Parameter name: what is locked, for errors.
    /// - Throws: `OutputFolderError.cannotCreate` or `.writeFailed`.
    public init?(path: String, name: String) throws {
        self.path = path
        while true {
            descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
            if descriptor < 0 && errno == EINTR { continue }
            guard descriptor >= 0 else { throw OutputFolderError(creating: name, code: errno) }
            if flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK {
                close(descriptor)
                descriptor = -1
                return nil
            }
            // The run before may have removed the file between our opening and our locking it.
            var information = stat()
            if fstat(descriptor, &information) == 0, FileEntry(path)?.identity == FileIdentity(information) { return }
            close(descriptor)
        }
    }

    public func release() {
        guard descriptor >= 0 else { return }
        unlink(path)
        close(descriptor)
        descriptor = -1
    }

    deinit { release() }
}

/// Temporary files of single outputs, `.NAME.TAG.partial`, which their writers hold locked.
public enum Leftovers {
    /// Removes those that a run which was killed left beside `path`.
    public static func remove(of path: String) {
        let folder = FilePath.folder(of: path), start = ".\(FilePath.name(of: path).prefix(40))."
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.isEmpty ? "." : folder)) ?? [] {
            guard name.hasPrefix(start), name.hasSuffix(".partial"), name.utf8.count > start.utf8.count + 8 else {
                continue
            }
            let tag = name.dropFirst(start.count).dropLast(8)
            guard tag.allSatisfy({ $0.isASCII && ($0.isNumber || $0.isLowercase) }) else { continue }
            let path = folder.isEmpty ? name : folder + "/" + name
            guard FileEntry(path)?.isFile == true else { continue }
            let descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
            guard descriptor >= 0 else { continue }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlink(path) }
            close(descriptor)
        }
    }
}
