import Foundation

/// A folder that a command writes: whole or not at all, by one run at a time, and without touching a file that no run
/// of the same kind wrote.
///
/// Files are made in a hidden folder inside (`staging`) and moved into place at the end, so that what stood there
/// before stays until all is whole, and the folder may be a mount point, a link or the current one. `OutputMarker` says
/// which files are ours. Posterior files of a fit, which an interrupted fit keeps, are made in `work`: the folder
/// itself, or `staging` while an earlier fit stands there that they are to replace.
public final class OutputFolder: @unchecked Sendable {
    /// What to do about an earlier output of the same kind.
    public enum Mode: Sendable { case fresh, resume, force }

    /// As the user calls it.
    public let name: String
    public let kind: OutputMarker.Kind
    let program: Program
    let path: String
    private let mode: Mode, canResume: Bool
    private let inputs: Set<FileIdentity>
    private var lock: OutputLock?
    private var made: [String] = []
    private var wroteMarker = false
    /// Whether posterior files are made in `staging`, beside an earlier fit.
    private(set) var isBeside = false
    /// Whether posterior files made in place go when the folder is finished.
    private(set) var dropsPosterior = false
    /// Posterior files that stood there without being listed.
    private(set) var foreignPosterior = Set<String>()
    /// Held while files are made to disappear or moved into place.
    private let changing = NSLock()
    var isInstalling = false

    public var staging: String { path + "/" + program.staging }
    public var work: String { isBeside ? staging : path }
    /// Whether an interrupted or failed run leaves posterior files to go on from.
    public private(set) var keepsWork = false
    /// Maps and exports that were made from the fit to be replaced; they stay.
    public private(set) var earlierReadings: [String] = []

    /// Finds out whether the folder may be written; nothing is touched.
    /// - Parameters:
    ///   - program: the one that writes; what another program wrote is the user's.
    ///   - canResume: whether the command has `--resume`, to be named in advice.
    ///   - inputs: files and folders that the command reads.
    /// - Throws: `OutputFolderError`.
    public init(
        _ name: String, by program: Program, kind: OutputMarker.Kind, mode: Mode, canResume: Bool = false,
        inputs: [String]
    ) throws {
        guard !name.isEmpty else { throw OutputFolderError.cannotCreate(path: "--out", reason: "its name is empty") }
        (self.name, self.program, self.kind, self.mode, self.canResume) = (name, program, kind, mode, canResume)
        path = Self.realPath(name)
        self.inputs = Set(inputs.compactMap(FileIdentity.init))
        try check()
        var parent = path
        while FileIdentity(parent) == nil, parent != "/", !parent.isEmpty { parent = FilePath.folder(of: parent) }
        guard access(parent, W_OK) == 0 else {
            throw OutputFolderError.cannotCreate(path: name, reason: String(cString: strerror(errno)))
        }
        if FileIdentity(path + "/" + program.lock) != nil, try lockFolder() == nil {
            throw OutputFolderError.taken(path: name)
        }
    }

    /// Creates the folder where it is absent, takes it for this run, removes what runs left that were killed, and opens
    /// `staging`.
    /// - Throws: `OutputFolderError`; nothing is left then.
    public func begin() throws {
        do {
            try take()
            try recover()
            try check()
            let marker = readMarker(), isComplete = marker?.state == .complete
            if let entry = FileEntry(staging) {
                guard entry.isFolder, readMarker(in: staging) != nil || filesBelow(staging).isEmpty else {
                    throw OutputFolderError.inTheWay(path: name, name: program.staging)
                }
                isBeside = mode == .resume && isComplete && holdsPosterior(staging)
                if !isBeside { try? FileManager.default.removeItem(atPath: staging) }
            }
            if mode == .force && isComplete { isBeside = true }
            if marker != nil { removeTemporaries() }
            if let marker, isComplete { foreignPosterior = Set(posterior(path)).subtracting(marker.files.keys) }
            if mode == .force && !isComplete { for name in posterior(path) { unlink(path + "/" + name) } }
            if isBeside {
                earlierReadings = ["maps", "export"].map { name + "/" + $0 }.filter { FileIdentity($0) != nil }
            }
            if !isComplete {
                wroteMarker = true
                try newMarker(.unfinished).write(to: path + "/" + program.marker)
            }
            try makeFolder(staging)
            try newMarker(.unfinished).write(to: staging + "/" + program.marker)
        } catch {
            abandon()
            throw error
        }
    }

    /// Moves everything from `staging` into place; an earlier output of ours goes.
    /// - Throws: `OutputFolderError`; either the earlier output stands as it was, or the next run completes the new
    ///   one.
    public func finish() throws {
        changing.lock()
        defer { changing.unlock() }
        guard lock != nil else { return }
        try install()
        release()
    }

    /// Whether an interrupted run that was to replace a finished fit left something to go on from.
    public var holdsWorkBeside: Bool { holdsPosterior(staging) }

    package func dropPosterior() {
        dropsPosterior = true
        for name in posterior(staging) { unlink(staging + "/" + name) }
    }

    /// Ends without a result, as far as it was begun: what is in the making goes, posterior files stay. May be called
    /// at any time from any thread, and twice.
    public func abandon() {
        changing.lock()
        defer { changing.unlock() }
        guard lock != nil else {
            keepsWork =
                keepsWork
                || canResume
                    && (holdsPosterior(staging)
                        || readMarker()?.state == .unfinished && holdsPosterior(path))
            return removeMadeFolders()
        }
        if !isInstalling {
            removeTemporaries()
            keepsWork = canResume && holdsPosterior(work)
            // Threads may still be writing there.
            for _ in 0..<5 where FileEntry(staging) != nil {
                if isBeside && keepsWork {
                    for name in (try? FileManager.default.contentsOfDirectory(atPath: staging)) ?? []
                    where !isPosterior(name) && name != program.marker {
                        try? FileManager.default.removeItem(atPath: staging + "/" + name)
                    }
                    break
                }
                try? FileManager.default.removeItem(atPath: staging)
            }
            if wroteMarker && !keepsWork { unlink(path + "/" + program.marker) }
        }
        release()
        removeMadeFolders()
    }

    /// Files of ours that stand in the folder, by name.
    /// - Throws: `OutputFolderError.changed` where a file is not as it was written; `.isInput` where it is being read.
    func owned(_ marker: OutputMarker) throws -> Set<String> {
        var names = Set<String>(), changed: [String] = []
        for (name, size) in marker.files {
            guard let entry = FileEntry(path + "/" + name) else { continue }
            guard entry.isFile, size == nil || size! == entry.size, passesNoLink(name) else {
                changed.append(name)
                continue
            }
            if inputs.contains(entry.identity) { throw OutputFolderError.isInput(path: self.name + "/" + name) }
            names.insert(name)
        }
        guard changed.isEmpty else { throw OutputFolderError.changed(path: name, names: changed.sorted()) }
        if marker.kind == .fit && marker.state != .complete { names.formUnion(posterior(path)) }
        return names
    }

    // MARK: Before writing

    /// Whether this run may write here, as things stand.
    private func check() throws {
        guard let identity = FileIdentity(path) else { return }
        var information = stat()
        guard stat(path, &information) == 0, information.st_mode & S_IFMT == S_IFDIR else {
            throw OutputFolderError.notAFolder(path: name)
        }
        if inputs.contains(identity) { throw OutputFolderError.isInput(path: name) }
        guard let contents = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            throw OutputFolderError.cannotCreate(path: name, reason: String(cString: strerror(errno)))
        }
        guard let marker = readMarker() else {
            let foreign = contents.filter { $0 != program.lock && $0 != program.staging }
            if let example = foreign.sorted().first {
                throw OutputFolderError.foreign(path: name, example: example, wanted: kind, record: program.marker)
            }
            return
        }
        guard marker.kind == kind else {
            throw OutputFolderError.otherKind(path: name, found: marker.kind, wanted: kind)
        }
        let isComplete = marker.state != .unfinished
        if mode == .fresh {
            guard isComplete || holdsPosterior(path) || !marker.files.isEmpty else { return }
            throw OutputFolderError.exists(path: name, kind: kind, isComplete: isComplete, canResume: canResume)
        }
        _ = try owned(marker)
    }

    private func take() throws {
        for attempt in 0... {
            try makeFolder(path, withParents: true)
            do {
                lock = try lockFolder()
                break
            } catch  where attempt < 3 && FileIdentity(path) == nil {
                // The run that had made the folder has just removed it.
            }
        }
        if lock == nil { throw OutputFolderError.taken(path: name) }
    }

    private func makeFolder(_ path: String, withParents: Bool = false) throws {
        if withParents {
            let parent = FilePath.folder(of: path)
            if FileIdentity(path) != nil { return }
            if parent != path { try makeFolder(parent, withParents: true) }
        }
        if mkdir(path, 0o777) == 0 {
            if withParents { made.append(path) }
        } else if errno != EEXIST {
            throw OutputFolderError(creating: name, code: errno)
        }
    }

    // MARK: Afterwards

    private func release() {
        lock?.release()
        lock = nil
    }

    /// Folders that this run made and that are empty; others stay.
    private func removeMadeFolders() { for folder in made.reversed() { rmdir(folder) } }

    /// Unfinished files of ours beside posterior files.
    private func removeTemporaries() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        where (name.hasPrefix(".posterior-") || name.hasPrefix("." + program.marker + "."))
            && name.hasSuffix(".partial")
        {
            unlink(path + "/" + name)
        }
    }
}
