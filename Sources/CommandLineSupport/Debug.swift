import Files
import Foundation

/// What `--debug` tells: lines on standard error that begin with "debug:".
package enum Debug {
    nonisolated(unsafe) private static var isOn = false
    private static let start = ContinuousClock.now

    /// Reads the option itself, so that what goes wrong while options are read can be told too.
    package static func begin(_ arguments: [String]) {
        isOn = arguments.prefix { $0 != "--" }.contains("--debug")
        _ = start
    }

    package static func say(_ text: @autoclosure () -> String) {
        guard isOn else { return }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        Terminal.say(String(format: "debug: %7.2f s ", seconds) + text().printable())
    }
}
