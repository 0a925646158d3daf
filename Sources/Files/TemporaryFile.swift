import Foundation

/// What can keep a file from being written: one sentence saying where, why and what to do.
public enum FileError: Error, Equatable, Sendable, CustomStringConvertible, LocalizedError {
    case cannotCreate(path: String, reason: String)
    case writeFailed(path: String, reason: String)

    /// From the system's word after an attempt to make a file: a place where nothing can be made, or a medium that is
    /// full or broken.
    package init(creating path: String, code: Int32) {
        let reason = String(cString: strerror(code))
        self =
            Self.isMedium(code) ? .writeFailed(path: path, reason: reason) : .cannotCreate(path: path, reason: reason)
    }

    /// Full, over quota, over the limit of a file's size, or broken.
    package static func isMedium(_ code: Int32) -> Bool { [ENOSPC, EDQUOT, EFBIG, EIO].contains(code) }

    public var description: String {
        switch self {
        case .cannotCreate(let path, let reason):
            "\(path) cannot be created (\(reason)); check the folder and its permissions"
        case .writeFailed(let path, let reason):
            """
            \(path) cannot be written to its end (\(reason)), so nothing was left of it; free some space or choose \
            another folder
            """
        }
    }

    public var errorDescription: String? { description }
}

/// A file in the making: bytes go to a hidden temporary file in the same folder, which takes the final name only when
/// all is well.
///
/// Whatever goes wrong before `commit` returns, the temporary file is removed and a file that stood there before is
/// left untouched. Several threads may each write a file.
package final class TemporaryFile {
    private let path: String
    private let temporary: String
    private var descriptor: Int32

    /// Opens the temporary file.
    /// - Throws: `FileError`.
    package convenience init(path: String) throws {
        var information = stat()
        if stat(path, &information) == 0, information.st_mode & S_IFMT == S_IFDIR {
            throw FileError.cannotCreate(path: path, reason: "a folder has that name")
        }
        let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        let name = path[slash...].prefix(40)
        while true {
            let tag = String(UInt64.random(in: 0...UInt64.max), radix: 36)
            let temporary = "\(path[..<slash]).\(name).\(tag).partial"
            let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            if descriptor < 0, errno == EEXIST || errno == EINTR { continue }
            guard descriptor >= 0 else { throw FileError(creating: path, code: errno) }
            // Tells others that this file is being written; where files cannot be locked they leave it alone.
            flock(descriptor, LOCK_EX | LOCK_NB)
            self.init(path: path, temporary: temporary, descriptor: descriptor)
            return
        }
    }

    /// Takes over an open file under the name `temporary`.
    package init(path: String, temporary: String, descriptor: Int32) {
        (self.path, self.temporary, self.descriptor) = (path, temporary, descriptor)
    }

    deinit {
        if descriptor >= 0 {
            close(descriptor)
            unlink(temporary)
        }
    }

    /// - Throws: `FileError.writeFailed`.
    package func write(_ start: UnsafeRawPointer, _ count: Int) throws {
        var done = 0
        while done < count {
            let put = Foundation.write(descriptor, start + done, count - done)
            if put < 0 && errno == EINTR { continue }
            guard put >= 0 else { throw FileError.writeFailed(path: path, reason: String(cString: strerror(errno))) }
            done += put
        }
    }

    /// Closes the file and gives it its name.
    /// - Throws: `FileError`.
    package func commit() throws {
        let open = descriptor
        descriptor = -1
        guard close(open) == 0 else {
            let code = errno
            unlink(temporary)
            throw FileError.writeFailed(path: path, reason: String(cString: strerror(code)))
        }
        guard rename(temporary, path) == 0 else {
            let code = errno
            unlink(temporary)
            throw FileError(creating: path, code: code)
        }
    }
}

/// Writes a file under a temporary name and renames it.
/// - Throws: `FileError`.
public func write(_ data: Data, to path: String) throws {
    let file = try TemporaryFile(path: path)
    try data.withUnsafeBytes { if let start = $0.baseAddress { try file.write(start, $0.count) } }
    try file.commit()
}
