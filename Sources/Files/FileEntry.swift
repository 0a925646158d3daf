import Foundation

/// What the file system says of a name itself: a link is not followed.
package struct FileEntry {
    package let isFile: Bool, isFolder: Bool, size: Int
    package let identity: FileIdentity

    /// Nil when nothing has that name.
    package init?(_ path: String) {
        var information = stat()
        guard lstat(path, &information) == 0 else { return nil }
        isFile = information.st_mode & S_IFMT == S_IFREG
        isFolder = information.st_mode & S_IFMT == S_IFDIR
        size = Int(information.st_size)
        identity = FileIdentity(information)
    }
}

/// One and the same file under any name: through symbolic links, hard links and different spellings.
public struct FileIdentity: Hashable, Sendable {
    private let device: UInt64, number: UInt64

    init(_ information: stat) { (device, number) = (UInt64(information.st_dev), UInt64(information.st_ino)) }

    /// Nil when there is nothing; links are followed.
    public init?(_ path: String) {
        var information = stat()
        guard stat(path, &information) == 0 else { return nil }
        self.init(information)
    }
}

/// Files below a folder by their relative paths, links among them as they are; folders without anything in them end in
/// "/".
func filesBelow(_ folder: String) -> [String] {
    var found: [String] = []
    func visit(_ relative: String) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder + "/" + relative)) ?? []
        if names.isEmpty && !relative.isEmpty { found.append(relative) }
        for name in names.sorted() {
            let path = relative + name
            if FileEntry(folder + "/" + path)?.isFolder == true { visit(path + "/") } else { found.append(path) }
        }
    }
    visit("")
    return found
}
