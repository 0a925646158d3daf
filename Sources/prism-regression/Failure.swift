import ArgumentParser
import Foundation
import Networks
import Regression
import Tensors

/// How the program ends: 0 done, 64 usage, 65 bad data, 66 missing input, 73 cannot create, 74 input or output failed,
/// 130 stopped, 1 anything else.
enum Failure {
    static func exit(_ error: any Error) -> Never {
        if PrismRegression.exitCode(for: error) == .success { PrismRegression.exit(withError: error) }
        if PrismRegression.exitCode(for: error) == .validationFailure {
            let text = PrismRegression.fullMessage(for: error)
            say(text.hasPrefix("Error: ") ? String(text.dropFirst("Error: ".count)) : text)
            Foundation.exit(64)
        }
        let (message, status) = describe(error)
        say("prism-regression: " + message)
        Foundation.exit(status)
    }

    private static func describe(_ error: any Error) -> (String, Int32) {
        switch error {
        case let error as SeriesFileError: ("\(error)", error.isMissing ? 66 : 65)
        case let error as ResultFolderError: ("\(error)", error.isMedium ? 74 : 73)
        case let error as RegressionArchiveError: ("\(error)", 65)
        case let error as TrainingError: ("\(error)", 73)
        case let error as NetworkFileError: ("\(error)", 65)
        case let error as SafetensorsError:
            switch error {
            case .unreadable: ("\(error)", 66)
            case .unwritable: ("\(error)", 73)
            case .writeFailed: ("\(error)", 74)
            case .notAFile, .wrongLength, .badHeader, .badTensor, .missing: ("\(error)", 65)
            }
        case is Stopped: ("\(error)", 130)
        default: (error.localizedDescription, 1)
        }
    }

    static func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}

/// Stopped by the user before anything was written.
struct Stopped: Error, CustomStringConvertible {
    var description: String { "Stopped; nothing was written." }
}

/// Ctrl-C and termination: asked for by work that stops in good order.
enum Interrupt {
    nonisolated(unsafe) private static var flag: sig_atomic_t = 0
    static var requested: Bool { flag != 0 }
    static func catchSignals() {
        for s in [SIGINT, SIGTERM] {
            signal(s) { _ in
                if Interrupt.flag != 0 { _exit(130) }
                Interrupt.flag = 1
            }
        }
    }
}
