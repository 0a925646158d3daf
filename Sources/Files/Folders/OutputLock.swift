import Foundation

/// A folder or file taken by one run at a time: a file of that name is locked for as long as the process lives.
///
/// A process that died, however it died, holds no lock; the file it left is used again. Where the file system knows no
/// locks there are none.
public final class OutputLock {
    private let path: String
    private var descriptor: Int32

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
