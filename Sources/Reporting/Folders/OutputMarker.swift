import Foundation
import Volumes

/// `.prism-dmri.json`: the file in every folder that this tool writes which says what kind of output it is and which
/// files in it are the tool's.
///
/// Nothing is ever replaced or removed that no marker lists; everything else in the folder is the user's.
public struct OutputMarker: Codable, Equatable, Sendable {
    /// What a folder holds; one kind never replaces another.
    public enum Kind: String, Codable, Sendable {
        case fit, maps, export, simulation

        /// In a sentence: "holds …".
        public var name: String { self == .maps ? "maps" : self == .export ? "an export" : "a \(rawValue)" }
        /// The file that appears last and goes first: where it stands, the output is whole.
        var completion: String { self == .simulation ? "truth.json" : "fit.json" }
    }

    enum State: String, Codable, Sendable {
        /// Being made, or interrupted: only posterior files are in place.
        case unfinished
        /// Files are being moved into place; the staging folder holds the rest.
        case installing
        case complete
    }

    static let file = ".prism-dmri.json"

    var explanation = "Written by prism-dmri: --force replaces the files listed here and no others"
    var kind: Kind
    var state: State
    /// Bytes of each file by its path in the folder; nil where they may differ from run to run (texts that hold the
    /// command or times).
    var files: [String: Int?]

    init(kind: Kind, state: State, files: [String: Int?] = [:]) {
        (self.kind, self.state, self.files) = (kind, state, files)
    }

    /// The marker of a folder; nil where there is none that makes sense.
    init?(folder: String) {
        let path = folder + "/" + Self.file
        // Links and what is no marker by its size are not followed.
        guard let entry = FileEntry(path), entry.isFile, entry.size <= 1 << 26,
            let data = FileManager.default.contents(atPath: path),
            let marker = try? JSONDecoder().decode(OutputMarker.self, from: data),
            marker.files.keys.allSatisfy(Self.isConfined)
        else { return nil }
        self = marker
    }

    /// Whether a name stays inside the folder and clear of our own control files.
    private static func isConfined(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return !parts.contains { $0.isEmpty || $0 == "." || $0 == ".." || $0.contains("\0") }
            && !parts[0].hasPrefix(".prism-dmri")
    }

    /// The size to remember of a file; texts may differ from run to run and be written anew by `report`.
    static func size(_ name: String, _ entry: FileEntry) -> Int? {
        [".json", ".html", ".txt"].contains { name.hasSuffix($0) } ? nil : entry.size
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try Reporting.write(encoder.encode(self) + Data("\n".utf8), to: path)
    }
}

/// What the file system says of a name itself: a link is not followed.
struct FileEntry {
    let isFile: Bool, isFolder: Bool, size: Int
    let identity: FileIdentity

    /// Nil when nothing has that name.
    init?(_ path: String) {
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
