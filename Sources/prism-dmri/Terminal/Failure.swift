import ArgumentParser
import Diffusion
import Foundation
import Inference
import Networks
import Reporting
import Tensors
import Volumes

/// How the program ends; the numbers are those of sysexits.h, and for `bids` of BIDS Apps' execution specification (a
/// draft, bids-standard.github.io/execution-spec).
enum ExitStatus: Int32 {
    case ok = 0, other = 1
    /// The command line is wrong.
    case usage = 64
    /// An input was read and is not what it should be.
    case badData = 65
    /// An input is not there or cannot be opened.
    case missingInput = 66
    /// An output is in the way or cannot be begun.
    case cannotCreate = 73
    /// Reading or writing broke off.
    case io = 74
    /// A dataset that is not BIDS; an unknown level of analysis; participants or sessions that select nothing.
    case invalidDataset = 16, unknownLevel = 17, nothingSelected = 18
    /// Stopped by Ctrl-C.
    case interrupted = 130
}

/// An error of a command that knows how the program should end.
protocol CommandFailure: Error, CustomStringConvertible {
    var exitStatus: ExitStatus { get }
}

/// The one place where errors become a sentence and an exit status.
enum Failure {
    /// What went wrong, as one sentence without its full stop, and how to end.
    static func describe(_ error: any Error) -> (message: String, status: ExitStatus) {
        switch error {
        case let error as any CommandFailure: (sentence(error), error.exitStatus)
        case let error as VolumeError: (sentence(error), status(error))
        case let error as StreamlineError:
            if case .missing = error { (sentence(error), .missingInput) } else { (sentence(error), .badData) }
        case let error as GradientTableError: (sentence(error), status(error))
        case let error as SafetensorsError: (sentence(error), status(error))
        case let error as PosteriorArchiveError: (sentence(error), status(error))
        case let error as ReportingError: (sentence(error), .badData)
        case let error as OutputFolderError: (sentence(error), error.isMedium ? .io : .cannotCreate)
        case let error as NetworkFileError: (sentence(error), .badData)
        case let error as FitComparisonError: (sentence(error), .badData)
        case let error as FitEngineError: (sentence(error), .cannotCreate)
        case let error as ValidationError: (sentence(error), .usage)
        case is DecodingError: ("a JSON file does not hold what it should (\(error)); make it again", .badData)
        default: describe(error as NSError, error)
        }
    }

    /// Ends the program: usage errors with the usage they break, help and version on stdout, all else with one sentence
    /// on stderr.
    static func exit(_ error: any Error) -> Never {
        Interrupt.beginEnd()
        if PrismDMRI.exitCode(for: error) == .success { PrismDMRI.exit(withError: error) }
        if let code = error as? ExitCode { Foundation.exit(code.rawValue) }
        if PrismDMRI.exitCode(for: error) == .validationFailure {
            let text = PrismDMRI.fullMessage(for: error)
            put((text.hasPrefix("Error: ") ? String(text.dropFirst("Error: ".count)) : text).printableLines())
            Foundation.exit(ExitStatus.usage.rawValue)
        }
        let (message, status) = describe(error)
        put(message.printable())
        Foundation.exit(status.rawValue)
    }

    private static func put(_ message: String) { Terminal.say("prism-dmri: " + message) }

    private static func sentence(_ error: any Error) -> String { sentence("\(error)") }

    private static func status(_ error: VolumeError) -> ExitStatus {
        switch error.kind {
        case .missingInput: .missingInput
        case .badData: .badData
        case .cannotCreate: .cannotCreate
        case .io: .io
        }
    }

    private static func status(_ error: GradientTableError) -> ExitStatus {
        if case .missingTarget = error { return .missingInput }
        guard case .unreadable(let path, _) = error else { return .badData }
        return FileManager.default.isReadableFile(atPath: path) ? .badData : .missingInput
    }

    private static func status(_ error: SafetensorsError) -> ExitStatus {
        switch error {
        case .unreadable: .missingInput
        case .unwritable: .cannotCreate
        case .writeFailed: .io
        case .notAFile, .wrongLength, .badHeader, .badTensor, .missing: .badData
        }
    }

    private static func status(_ error: PosteriorArchiveError) -> ExitStatus {
        switch error {
        case .empty: .missingInput
        case .incomplete, .damaged, .mixed: .badData
        }
    }

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
