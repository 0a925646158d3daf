import Foundation

/// The parts of a path. Foundation's own way ends the program for names of a single letter.
package enum FilePath {
    /// What stands before the last name: "" when nothing does, "/" for what lies at the top. Slashes at the end do not
    /// count.
    package static func folder(of path: String) -> String {
        let bytes = trim(Array(path.utf8)[...])
        guard let end = bytes.lastIndex(of: slash) else { return bytes.isEmpty && !path.isEmpty ? "/" : "" }
        let before = trim(bytes[..<end])
        return before.isEmpty ? "/" : String(decoding: before, as: UTF8.self)
    }

    /// The last name.
    package static func name(of path: String) -> String {
        let bytes = trim(Array(path.utf8)[...])
        return String(decoding: bytes.lastIndex(of: slash).map { bytes[($0 + 1)...] } ?? bytes, as: UTF8.self)
    }

    /// Whether something has that name; links are followed.
    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// By bytes: to Swift a slash and the accent after it are one character.
    private static let slash = UInt8(ascii: "/")

    private static func trim(_ path: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = path
        while rest.last == slash { rest.removeLast() }
        return rest
    }
}
