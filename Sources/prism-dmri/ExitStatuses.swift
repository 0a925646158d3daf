import CommandLineSupport
import Diffusion
import Foundation
import Inference
import Reporting
import Volumes

/// `bids` ends as BIDS Apps' execution specification has it (a draft, bids-standard.github.io/execution-spec).
extension ExitStatus {
    /// A dataset that is not BIDS; an unknown level of analysis; participants or sessions that select nothing.
    static let invalidDataset = ExitStatus(rawValue: 16), unknownLevel = ExitStatus(rawValue: 17),
        nothingSelected = ExitStatus(rawValue: 18)
}

extension VolumeError: CommandFailure {
    package var exitStatus: ExitStatus {
        switch kind {
        case .missingInput: .missingInput
        case .badData: .badData
        case .cannotCreate: .cannotCreate
        case .io: .io
        }
    }
}

extension StreamlineError: CommandFailure {
    package var exitStatus: ExitStatus { if case .missing = self { .missingInput } else { .badData } }
}

extension GradientTableError: CommandFailure {
    package var exitStatus: ExitStatus {
        if case .missingTarget = self { return .missingInput }
        guard case .unreadable(let path, _) = self else { return .badData }
        return FileManager.default.isReadableFile(atPath: path) ? .badData : .missingInput
    }
}

extension PosteriorArchiveError: CommandFailure {
    package var exitStatus: ExitStatus {
        switch self {
        case .empty: .missingInput
        case .incomplete, .damaged, .mixed: .badData
        }
    }
}

extension ReportingError: CommandFailure {
    package var exitStatus: ExitStatus { .badData }
}

extension FitComparisonError: CommandFailure {
    package var exitStatus: ExitStatus { .badData }
}

extension FitEngineError: CommandFailure {
    package var exitStatus: ExitStatus { .cannotCreate }
}
