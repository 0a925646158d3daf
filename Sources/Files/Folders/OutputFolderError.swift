import Foundation

/// What can keep a folder from being written.
public enum OutputFolderError: Error, Equatable {
    /// Something of ours and of the same kind is there already.
    case exists(path: String, kind: OutputMarker.Kind, isComplete: Bool, canResume: Bool)
    case otherKind(path: String, found: OutputMarker.Kind, wanted: OutputMarker.Kind)
    /// Files that no marker lists, in a folder without a marker of ours.
    case foreign(path: String, example: String, wanted: OutputMarker.Kind, record: String)
    case changed(path: String, names: [String])
    case isInput(path: String)
    case inTheWay(path: String, name: String)
    case taken(path: String)
    case notAFolder(path: String)
    case cannotCreate(path: String, reason: String)
    case writeFailed(path: String, reason: String)

    /// Whether the medium failed rather than the place.
    public var isMedium: Bool { if case .writeFailed = self { true } else { false } }

    /// From the system's word after an attempt to make something at `path`.
    package init(creating path: String, code: Int32) {
        let reason = String(cString: strerror(code))
        self =
            FileError.isMedium(code)
            ? .writeFailed(path: path, reason: reason) : .cannotCreate(path: path, reason: reason)
    }
}

extension OutputFolderError: CustomStringConvertible, LocalizedError {
    public var description: String {
        switch self {
        case let .exists(path, kind, isComplete, canResume):
            """
            \(path) exists already; it holds \(isComplete ? kind.name : "an unfinished fit"): choose another --out, \
            or\u{20}
            """
                + (canResume
                    ? "give --resume to go on with it or --force to \(isComplete ? "replace it" : "start over")"
                    : "replace it with --force")
        case .otherKind(let path, let found, let wanted):
            """
            \(path) was not written by this command: it holds \(found.name), which \(wanted.name) never replaces; \
            choose another folder
            """
        case .foreign(let path, let example, let wanted, let record):
            """
            \(path) was not written by this command: it holds files such as \(example) and no record \
            (\(record)) that \(wanted.name) was written there, so nothing in it is touched; choose another \
            folder
            """
        case .changed(let path, let names):
            """
            \(path) holds files that were changed after they were written here (\(Self.list(names))), so nothing is \
            replaced; move them elsewhere or choose another folder
            """
        case .isInput(let path): "\(path) is read and cannot be --out as well; choose another folder"
        case .inTheWay(let path, let name):
            "\(path)/\(name) is in the way and was not written by this tool; move it elsewhere or choose another folder"
        case .taken(let path): "\(path) is being written by another run; wait for its end or choose another folder"
        case .notAFolder(let path): "\(path) is a file, not a folder; choose another name"
        case .cannotCreate(let path, let reason):
            """
            \(path) cannot be created (\(reason)), so results cannot be written there; check the folder around it and \
            its permissions
            """
        case .writeFailed(let path, let reason):
            "\(path) cannot be written (\(reason)); free some space or choose another folder"
        }
    }

    public var errorDescription: String? { description }

    private static func list(_ names: [String]) -> String {
        names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", …" : "")
    }
}
