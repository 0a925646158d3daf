import CommandLineSupport
import Regression
import Training

extension SeriesFileError: CommandFailure {
    package var exitStatus: ExitStatus { isMissing ? .missingInput : .badData }
}

extension RegressionArchiveError: CommandFailure {
    package var exitStatus: ExitStatus { .badData }
}

extension OtherMethod: CommandFailure {
    package var exitStatus: ExitStatus { .cannotCreate }
}
