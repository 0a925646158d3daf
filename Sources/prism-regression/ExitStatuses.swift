import CommandLineSupport
import Regression

extension SeriesFileError: CommandFailure {
    package var exitStatus: ExitStatus { isMissing ? .missingInput : .badData }
}

extension RegressionArchiveError: CommandFailure {
    package var exitStatus: ExitStatus { .badData }
}
