import Foundation

/// The hidden file, named after the program (`.prism-dmri.json`), in every folder that a program writes: it says what
/// kind of output it is and which files in it are the program's.
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

    var explanation: String
    var kind: Kind
    var state: State
    /// Bytes of each file by its path in the folder; nil where they may differ from run to run (texts that hold the
    /// command or times).
    var files: [String: Int?]

    init(by program: Program, kind: Kind, state: State, files: [String: Int?] = [:]) {
        explanation = "Written by \(program.name): --force replaces the files listed here and no others"
        (self.kind, self.state, self.files) = (kind, state, files)
    }

    /// The marker of a folder; nil where there is none that makes sense.
    init?(folder: String, of program: Program) {
        let path = folder + "/" + program.marker
        // Links and what is no marker by its size are not followed.
        guard let entry = FileEntry(path), entry.isFile, entry.size <= 1 << 26,
            let data = FileManager.default.contents(atPath: path),
            let marker = try? JSONDecoder().decode(OutputMarker.self, from: data),
            marker.files.keys.allSatisfy({ Self.isConfined($0, program) })
        else { return nil }
        self = marker
    }

    /// Whether a name stays inside the folder and clear of our own control files.
    private static func isConfined(_ name: String, _ program: Program) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return !parts.contains { $0.isEmpty || $0 == "." || $0 == ".." || $0.contains("\0") }
            && !parts[0].hasPrefix("." + program.name)
    }

    /// The size to remember of a file; texts may differ from run to run and be written anew by `report`.
    static func size(_ name: String, _ entry: FileEntry) -> Int? {
        [".json", ".html", ".txt"].contains { name.hasSuffix($0) } ? nil : entry.size
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try Files.write(encoder.encode(self) + Data("\n".utf8), to: path)
    }
}
