import Foundation

/// How finished files get into place.
///
/// First a marker that lists all files, old and new, then the moves, then the marker of the new output; both markers
/// are written before anything is moved, so that nothing needs room on the disk from then on. `fit.json` (or
/// `truth.json`) goes first and comes last. Every step may be done again: a run that was killed in between is completed
/// by the next.
extension OutputFolder {
    private static let finalMarker = "final.json", firstMarker = "first.json"

    /// Moves what `staging` holds into place.
    func install() throws {
        let before = readMarker() ?? newMarker(.unfinished)
        let control = [program.marker, Self.finalMarker, Self.firstMarker]
        let arriving = filesBelow(staging).filter { !control.contains($0) && !$0.hasSuffix("/") }
        // Posterior files that were made in place, or stand there from the run before.
        let staying = isBeside || dropsPosterior ? [] : posterior(path).filter { !foreignPosterior.contains($0) }
        let owned = try owned(before)
        for name in arriving where !owned.contains(name) {
            if let obstacle = obstacle(to: name) { throw OutputFolderError.inTheWay(path: self.name, name: obstacle) }
        }
        var after = newMarker(.complete)
        for (folder, names) in [(staging, arriving), (path, staying)] {
            for name in names {
                after.files.updateValue(
                    FileEntry(folder + "/" + name).flatMap { OutputMarker.size(name, $0) }, forKey: name)
            }
        }
        var between = newMarker(.installing)
        for name in owned.union(arriving).union(staying) { between.files.updateValue(nil, forKey: name) }
        try after.write(to: staging + "/" + Self.finalMarker)
        try between.write(to: staging + "/" + Self.firstMarker)
        try move(staging + "/" + Self.firstMarker, path + "/" + program.marker)
        isInstalling = true
        try carryOut(old: owned, new: after)
        isInstalling = false
    }

    /// Removes what the marker of a finished output lists, and the folder where nothing else is in it.
    /// - Returns: what stays there, by name.
    /// - Throws: `OutputFolderError` where a file was changed since, or a run is at work; nothing is removed then.
    @discardableResult
    public func discard() throws -> [String] {
        guard let taken = try lockFolder() else { throw OutputFolderError.taken(path: name) }
        defer { taken.release() }
        guard let marker = readMarker(), marker.kind == kind, marker.state == .complete else {
            throw OutputFolderError.inTheWay(path: name, name: program.marker)
        }
        remove(try owned(marker))
        unlink(path + "/" + program.marker)
        taken.release()
        rmdir(path)
        return filesBelow(path)
    }

    /// Completes an installation that a killed run began.
    func recover() throws {
        guard let marker = readMarker(), marker.kind == kind, marker.state == .installing else { return }
        let final = staging + "/" + Self.finalMarker
        guard FileEntry(final)?.isFile == true, let data = FileManager.default.contents(atPath: final),
            let after = try? JSONDecoder().decode(OutputMarker.self, from: data)
        else { throw OutputFolderError.inTheWay(path: name, name: program.staging) }
        try carryOut(old: Set(marker.files.keys), new: after)
    }

    private func carryOut(old: Set<String>, new: OutputMarker) throws {
        let last = kind.completion
        if FileEntry(staging + "/" + last) != nil { unlink(path + "/" + last) }
        let control = [last, program.marker, Self.finalMarker, Self.firstMarker]
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: staging)) ?? []
        for name in entries.sorted() where !control.contains(name) { try place(name, old: old) }
        remove(old.subtracting(new.files.keys))
        if FileEntry(staging + "/" + last) != nil { try move(staging + "/" + last, path + "/" + last) }
        try move(staging + "/" + Self.finalMarker, path + "/" + program.marker)
        try? FileManager.default.removeItem(atPath: staging)
    }

    /// A file, or a folder as a whole where the folder in its place holds nothing of others.
    private func place(_ name: String, old: Set<String>) throws {
        let from = staging + "/" + name, to = path + "/" + name
        guard FileEntry(from)?.isFolder == true else { return try move(from, to) }
        guard FileEntry(to) != nil else { return try move(from, to) }
        let standing = filesBelow(to)
        if !standing.isEmpty, standing.allSatisfy({ old.contains(name + "/" + $0) }) {
            // Old and new change places; a name is missing for a moment only.
            let aside = staging + "/.old-" + name.replacingOccurrences(of: "/", with: "-")
            try? FileManager.default.removeItem(atPath: aside)
            try move(to, aside)
            try move(from, to)
            try? FileManager.default.removeItem(atPath: aside)
            return
        }
        for child in ((try? FileManager.default.contentsOfDirectory(atPath: from)) ?? []).sorted() {
            try place(name + "/" + child, old: old)
        }
        rmdir(from)
    }

    /// Files of ours that the new output does not have, and the folders that they leave empty.
    private func remove(_ names: Set<String>) {
        var folders = Set<String>()
        for name in names where FileEntry(path + "/" + name)?.isFile == true {
            unlink(path + "/" + name)
            var folder = FilePath.folder(of: name)
            while !folder.isEmpty {
                folders.insert(folder)
                folder = FilePath.folder(of: folder)
            }
        }
        for folder in folders.sorted(by: { $0.utf8.count > $1.utf8.count }) { rmdir(path + "/" + folder) }
    }

    /// What stands where a new file is to be and is not ours: the file itself, or something on the way that is no
    /// folder.
    private func obstacle(to name: String) -> String? {
        if FileEntry(path + "/" + name) != nil { return name }
        var folder = FilePath.folder(of: name)
        while !folder.isEmpty {
            if let entry = FileEntry(path + "/" + folder), !entry.isFolder { return folder }
            folder = FilePath.folder(of: folder)
        }
        return nil
    }

    private func move(_ from: String, _ to: String) throws {
        guard rename(from, to) == 0 else {
            throw OutputFolderError(creating: name + to.dropFirst(path.count), code: errno)
        }
    }
}
