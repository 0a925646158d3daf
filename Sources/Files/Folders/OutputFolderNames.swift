import Foundation

/// What files of a folder are called, and where they really are.
extension OutputFolder {
    /// The record of what a folder holds, of this one if none is named.
    func readMarker(in folder: String? = nil) -> OutputMarker? { OutputMarker(folder: folder ?? path, of: program) }
    func newMarker(_ state: OutputMarker.State) -> OutputMarker { OutputMarker(by: program, kind: kind, state: state) }
    /// Nil when another run holds it.
    func lockFolder() throws -> OutputLock? { try OutputLock(path: path + "/" + program.lock, name: name) }

    func posterior(_ folder: String) -> [String] {
        kind == .fit
            ? ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter(isPosterior).filter {
                FileEntry(folder + "/" + $0)?.isFile == true
            } : []
    }

    func holdsPosterior(_ folder: String) -> Bool { !posterior(folder).isEmpty }
    func isPosterior(_ name: String) -> Bool { name.hasPrefix("posterior-") && name.hasSuffix(".safetensors") }

    /// Whether the folders on the way to a file of ours are folders and not links to others.
    func passesNoLink(_ name: String) -> Bool {
        var folder = FilePath.folder(of: name)
        while !folder.isEmpty {
            guard FileEntry(path + "/" + folder)?.isFolder == true else { return false }
            folder = FilePath.folder(of: folder)
        }
        return true
    }

    /// The one path of a place, whether it exists yet or not: without links.
    static func realPath(_ name: String) -> String {
        if let real = realpath(name, nil) {
            defer { free(real) }
            return String(cString: real)
        }
        let absolute = name.hasPrefix("/") ? name : FileManager.default.currentDirectoryPath + "/" + name
        let trimmed = absolute.count > 1 && absolute.hasSuffix("/") ? String(absolute.dropLast()) : absolute
        let parent = FilePath.folder(of: trimmed), last = FilePath.name(of: trimmed)
        guard parent != trimmed else { return trimmed }
        let real = realPath(parent)
        return real + (real.hasSuffix("/") ? "" : "/") + last
    }
}
