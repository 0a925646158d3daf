import Foundation
import Volumes

/// A whole small text file, or what comes through a pipe (`--bvals <(…)`, a named pipe), in UTF-8, in UTF-16, or else
/// taken for Latin-1.
enum TextFile {
    static let largest = 64 << 20

    /// - Errors: `GradientTableError.unreadable`, `.standIn`.
    static func contents(_ path: String) throws -> String {
        let bytes = try readBytes(path)
        if let what = StandIn.recognise(bytes, path: path) { throw GradientTableError.standIn(path: path, what: what) }
        guard let text = decode(bytes) else {
            throw GradientTableError.unreadable(path: path, reason: "not a plain text table")
        }
        return text
    }

    static func decode(_ bytes: Data) -> String? {
        // UTF-16, as Windows' PowerShell writes it: by its mark, or by the zero in every other byte of plain text.
        let start = Array(bytes.prefix(4))
        if start.starts(with: [0xFF, 0xFE]) || start.starts(with: [0xFE, 0xFF]) {
            return String(data: bytes, encoding: .utf16)
        }
        if start.count == 4, start[1] == 0, start[3] == 0 { return String(data: bytes, encoding: .utf16LittleEndian) }
        if start.count == 4, start[0] == 0, start[2] == 0 { return String(data: bytes, encoding: .utf16BigEndian) }
        if bytes.contains(0) { return nil }
        return String(data: bytes, encoding: .utf8) ?? String(data: bytes, encoding: .isoLatin1)
    }

    private static func readBytes(_ path: String) throws -> Data {
        func unreadable(_ code: Int32) -> GradientTableError {
            .unreadable(
                path: path,
                reason: code == ENOENT
                    ? "no such file" : code == EISDIR ? "it is a folder" : String(cString: strerror(code)).lowercased())
        }
        if let target = StandIn.missingTarget(of: path) {
            throw GradientTableError.missingTarget(path: path, target: target)
        }
        // Not blocking, so that a named pipe that nobody writes to is told from one whose writer takes its time.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw unreadable(errno) }
        defer { close(descriptor) }
        var information = stat(), data = Data()
        fstat(descriptor, &information)
        let isPipe = information.st_mode & S_IFMT == S_IFIFO
        let start = ContinuousClock.now
        var hasWriter = !isPipe
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count > 0 {
                hasWriter = true
                data.append(contentsOf: buffer[0..<count])
                guard data.count <= largest else {
                    throw GradientTableError.unreadable(path: path, reason: "it is too large for a table")
                }
            } else if count == 0 {
                if hasWriter { return data }
                guard ContinuousClock.now - start < .seconds(1) else {
                    throw GradientTableError.unreadable(path: path, reason: "it is a pipe that nothing writes to")
                }
                usleep(20_000)
            } else if errno == EAGAIN {
                hasWriter = true
                var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                poll(&wait, 1, -1)
            } else if errno != EINTR {
                throw unreadable(errno)
            }
        }
    }
}
