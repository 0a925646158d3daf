import ArgumentParser
import Foundation

/// The one place where errors become a sentence and an exit status.
package enum Failure {
    /// What went wrong, as one sentence without its full stop, and how to end.
    package static func describe(_ error: any Error) -> (message: String, status: ExitStatus) {
        switch error {
        case let error as any CommandFailure: (sentence(error), error.exitStatus)
        case let error as ValidationError: (sentence(error), .usage)
        case is DecodingError: ("a JSON file does not hold what it should (\(error)); make it again", .badData)
        default: describe(error as NSError, error)
        }
    }

    /// Ends the program whose commands `root` lists: usage errors with the usage they break, help and version on
    /// stdout, all else with one sentence on stderr.
    package static func exit(_ error: any Error, of root: any ParsableCommand.Type) -> Never {
        Interrupt.beginEnd()
        if root.exitCode(for: error) == .success { root.exit(withError: error) }
        if let code = error as? ExitCode { Foundation.exit(code.rawValue) }
        if root.exitCode(for: error) == .validationFailure {
            let text = root.fullMessage(for: error)
            Terminal.sayWithName(
                (text.hasPrefix("Error: ") ? String(text.dropFirst("Error: ".count)) : text).printableLines())
            Foundation.exit(ExitStatus.usage.rawValue)
        }
        let (message, status) = describe(error)
        Terminal.sayWithName(message.printable())
        Foundation.exit(status.rawValue)
    }

    private static func sentence(_ error: any Error) -> String { sentence("\(error)") }

    /// Foundation's file errors.
    private static func describe(_ error: NSError, _ original: any Error) -> (String, ExitStatus) {
        if error.domain == NSPOSIXErrorDomain { return (sentence(error.localizedDescription), .io) }
        guard error.domain == NSCocoaErrorDomain else { return (sentence(original), .other) }
        let path =
            (error.userInfo[NSFilePathErrorKey] as? String) ?? (error.userInfo[NSURLErrorKey] as? URL)?.path ?? "a file"
        switch CocoaError.Code(rawValue: error.code) {
        case .fileNoSuchFile, .fileReadNoSuchFile:
            return ("\(path) does not exist; check the path and the spelling", .missingInput)
        case .fileReadNoPermission: return ("\(path) cannot be opened; check its permissions", .missingInput)
        case .fileReadCorruptFile, .fileReadInapplicableStringEncoding: return ("\(path) is not a text file", .badData)
        case .fileWriteNoPermission, .fileWriteFileExists, .fileWriteInvalidFileName, .fileWriteVolumeReadOnly:
            return (
                "\(path) cannot be created (\(error.localizedDescription)); check the folder and its permissions",
                .cannotCreate
            )
        case .fileWriteOutOfSpace:
            return ("\(path) cannot be written: the disk is full; free some space or choose another folder", .io)
        case .fileReadUnknown, .fileWriteUnknown:
            return ("\(path) cannot be read or written (\(error.localizedDescription))", .io)
        default: return (sentence(error.localizedDescription), .other)
        }
    }

    private static func sentence(_ text: String) -> String { text.hasSuffix(".") ? String(text.dropLast()) : text }
}
