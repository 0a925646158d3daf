#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What lies where a file's content should be: data managers and failed downloads leave small texts under an image's or
/// a table's name.
public enum StandIn {
    /// What the file is instead and what brings its content, to be put after the file's name; nil when it may be the
    /// content itself.
    ///
    /// Known: pointer files of git-annex (also a link checked out as text) and of Git LFS, and web pages (a log-in or
    /// error page saved by a download).
    /// - Parameter beginning: the file's first bytes; some 200 are enough.
    public static func recognise(_ beginning: some Sequence<UInt8>, path: String) -> String? {
        let characters = Array(beginning.prefix(200))
        let text = String(decoding: characters, as: UTF8.self).drop(while: { $0.isWhitespace || $0 == "\u{FEFF}" })
            .lowercased()
        if text.hasPrefix("version https://git-lfs") {
            return
                "is a Git LFS pointer, not the content itself; bring the content with: git lfs pull --include \(path)"
        }
        if text.prefix(while: { !$0.isNewline }).contains("annex/objects/") {
            return "is a git-annex pointer, not the content itself; bring the content with: git annex get \(path)"
        }
        if ["<!doctype", "<html", "<head", "<?xml"].contains(where: text.hasPrefix) {
            return "is a web page, perhaps a log-in or error page, not the content itself; download the file again"
        }
        return nil
    }

    /// The target of a link that leads nowhere; nil when the path is no such link.
    public static func missingTarget(of path: String) -> String? {
        var information = stat()
        guard stat(path, &information) != 0 else { return nil }
        var target = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = readlink(path, &target, target.count - 1)
        return count > 0 ? String(decoding: target[0..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }

    /// What to say of a link that leads nowhere, to be put after the file's name.
    public static func advice(forMissing target: String, path: String) -> String {
        "is a link to \(target), which does not exist; "
            + (target.contains("annex/objects/")
                ? "bring the content with: git annex get \(path)" : "mend the link or give the file itself")
    }
}
