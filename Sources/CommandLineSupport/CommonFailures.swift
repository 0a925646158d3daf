import Files
import Networks
import Tensors

extension FileError: CommandFailure {
    package var exitStatus: ExitStatus { if case .writeFailed = self { .io } else { .cannotCreate } }
}

extension OutputFolderError: CommandFailure {
    package var exitStatus: ExitStatus { isMedium ? .io : .cannotCreate }
}

extension NetworkFileError: CommandFailure {
    package var exitStatus: ExitStatus { .badData }
}

extension SafetensorsError: CommandFailure {
    package var exitStatus: ExitStatus {
        switch self {
        case .unreadable: .missingInput
        case .unwritable: .cannotCreate
        case .writeFailed: .io
        case .notAFile, .wrongLength, .badHeader, .badTensor, .missing: .badData
        }
    }
}

/// Results that were to be printed and were not.
package struct OutputLost: CommandFailure {
    let reason: String

    package init(reason: String) { self.reason = reason }

    package var exitStatus: ExitStatus { .io }
    package var description: String {
        "The results cannot be written to standard output (\(reason)); send them somewhere else"
    }
}
