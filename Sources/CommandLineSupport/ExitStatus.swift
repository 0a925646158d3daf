/// How a program ends; the numbers are those of sysexits.h.
package struct ExitStatus: RawRepresentable, Equatable, Sendable {
    package let rawValue: Int32

    package init(rawValue: Int32) { self.rawValue = rawValue }

    package static let ok = ExitStatus(rawValue: 0), other = ExitStatus(rawValue: 1)
    /// The command line is wrong.
    package static let usage = ExitStatus(rawValue: 64)
    /// An input was read and is not what it should be.
    package static let badData = ExitStatus(rawValue: 65)
    /// An input is not there or cannot be opened.
    package static let missingInput = ExitStatus(rawValue: 66)
    /// An output is in the way or cannot be begun.
    package static let cannotCreate = ExitStatus(rawValue: 73)
    /// Reading or writing broke off.
    package static let io = ExitStatus(rawValue: 74)
    /// Stopped by Ctrl-C.
    package static let interrupted = ExitStatus(rawValue: 130)
}

/// An error that knows how the program should end; it prints as one sentence.
package protocol CommandFailure: Error, CustomStringConvertible {
    var exitStatus: ExitStatus { get }
}
