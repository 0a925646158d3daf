import Foundation

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
