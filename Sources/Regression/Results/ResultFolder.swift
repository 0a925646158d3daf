import Foundation

/// Why a folder of results cannot be written: one sentence.
public struct ResultFolderError: Error, CustomStringConvertible {
    public let description: String, isMedium: Bool
    init(_ text: String, isMedium: Bool = false) { (description, self.isMedium) = (text, isMedium) }
}

/// A folder of results that appears whole or not at all: its files are written beside it under a temporary name, then
/// take their place by renaming.
///
/// A marker lists what the program wrote; with `replacing` these files go and nothing else, and a folder without a
/// marker that is not empty is left alone.
public struct ResultFolder {
    private static let marker = ".prism-regression.json"
    private let path: String, replacing: Bool

    private struct Marker: Codable {
        var explanation = "Written by prism-regression: --force replaces these files"
        var files: [String]
    }

    /// - Errors: `ResultFolderError` when something that is not ours is in the way.
    public init(_ path: String, replacing: Bool) throws {
        var trimmed = path
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        self.path = trimmed
        self.replacing = replacing
        guard !trimmed.isEmpty, trimmed != "/", trimmed != ".", trimmed != ".." else {
            throw ResultFolderError("'\(path)' cannot be made anew; give the name of a folder of its own.")
        }
        var information = stat()
        guard lstat(trimmed, &information) == 0 else { return }
        guard information.st_mode & S_IFMT == S_IFDIR else {
            throw ResultFolderError("\(trimmed) is in the way and is no folder; choose another name.")
        }
        let files = (try? FileManager.default.contentsOfDirectory(atPath: trimmed)) ?? []
        if files.isEmpty { return }
        guard files.contains(Self.marker) else {
            throw ResultFolderError("\(trimmed) holds files of others; choose another name.")
        }
        guard replacing else { throw ResultFolderError("\(trimmed) exists already; give --force to replace it.") }
    }

    /// Lets `body` write files into the folder given to it; after an error nothing of them is left.
    public func fill(_ body: (_ place: String) throws -> Void) throws {
        let manager = FileManager.default, staging = path + ".unfinished-\(ProcessInfo.processInfo.processIdentifier)"
        do {
            try manager.createDirectory(atPath: staging, withIntermediateDirectories: true)
        } catch {
            throw ResultFolderError("\(path) cannot be created; check the folder that it lies in and its permissions.")
        }
        do {
            try body(staging)
            let files = try manager.contentsOfDirectory(atPath: staging).sorted()
            try JSONEncoder().encode(Marker(files: files)).write(to: URL(fileURLWithPath: staging + "/" + Self.marker))
            try install(staging, files)
        } catch let error as ResultFolderError {
            try? manager.removeItem(atPath: staging)
            throw error
        } catch {
            try? manager.removeItem(atPath: staging)
            throw ResultFolderError(
                "\(path) cannot be written (\(error.localizedDescription)); free some space or choose another place.",
                isMedium: true)
        }
    }

    private func install(_ staging: String, _ files: [String]) throws {
        let manager = FileManager.default
        // An empty folder or none: one rename. Otherwise what the marker lists goes first and the marker comes last.
        if rename(staging, path) == 0 { return }
        let old = manager.contents(atPath: path + "/" + Self.marker)
            .flatMap { try? JSONDecoder().decode(Marker.self, from: $0) }
        let known = Set(old?.files ?? [])
        let foreign = files.filter { manager.fileExists(atPath: path + "/" + $0) && !known.contains($0) }
        guard foreign.isEmpty else {
            throw ResultFolderError("\(path)/\(foreign[0]) is a file of others; move it or choose another name.")
        }
        for file in known where !file.contains("/") && file != ".." {
            try? manager.removeItem(atPath: path + "/" + file)
        }
        for file in files + [Self.marker] {
            guard rename(staging + "/" + file, path + "/" + file) == 0 else {
                throw ResultFolderError(
                    "\(path)/\(file) cannot be put in place (\(String(cString: strerror(errno)))).", isMedium: true)
            }
        }
        try? manager.removeItem(atPath: staging)
    }
}
