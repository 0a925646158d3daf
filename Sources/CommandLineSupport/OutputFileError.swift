/// What can keep a file from appearing.
package enum OutputFileError: CommandFailure {
    case exists(path: String)
    case foreign(path: String)
    case isInput(path: String)
    case isFolder(path: String)
    case cannotCreate(path: String, reason: String)

    package var exitStatus: ExitStatus { .cannotCreate }

    package var description: String {
        switch self {
        case .exists(let path): "\(path) exists already; choose another name, or replace it with --force"
        case .foreign(let path):
            "\(path) exists already and was not written by this command, so it is not replaced; choose another name"
        case .isInput(let path): "\(path) is read and cannot be written as well; choose another name"
        case .isFolder(let path): "\(path) is a folder; name a file"
        case .cannotCreate(let path, let reason): "\(path) cannot be created (\(reason)); choose another place"
        }
    }
}
