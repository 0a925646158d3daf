import Files
import Foundation
import Synchronization

/// Standard output and standard error: everything that the program says goes through here.
///
/// A terminal that was closed, a reader that has gone or a full device never ends the work: what cannot be said is left
/// unsaid. Only results that were to go to standard output and could not are told at the end (`outputFailure`).
package enum Terminal {
    private struct State {
        /// The bar of a `ProgressLine` stands on the last line, without its end.
        var hasOpenLine = false
        var outputError: Int32 = 0
    }
    private static let state = Mutex(State())
    /// Set once, before there are threads.
    nonisolated(unsafe) private static var name = ""

    /// To be called before any file is opened: a closed standard stream would otherwise be the number of the next file,
    /// which messages would go into.
    package static func prepare(for program: Program) {
        name = program.name
        for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 && errno == EBADF {
            _ = open("/dev/null", O_RDWR)
        }
        // Writing then fails, which is dealt with where it is written.
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
    }

    /// A line on standard error, on a line of its own.
    package static func say(_ text: String) {
        withState {
            if $0.hasOpenLine { put("\n", to: 2) }
            $0.hasOpenLine = false
            put(text + "\n", to: 2)
        }
    }

    /// One line, whatever the text holds: names and values of files come in it.
    package static func note(_ text: String) { say(text.printable()) }

    /// A line that begins with the program's name: why it ends as it does.
    package static func sayWithName(_ text: String) { say(name + ": " + text) }

    /// Draws the last line of standard error anew and leaves it open, or ends it.
    package static func redraw(_ line: String, isLast: Bool) {
        withState {
            put("\r\u{1B}[K" + line + (isLast ? "\n" : ""), to: 2)
            $0.hasOpenLine = !isLast
        }
    }

    /// Ends a line that `redraw` left open.
    package static func endLine() {
        withState {
            if $0.hasOpenLine { put("\n", to: 2) }
            $0.hasOpenLine = false
        }
    }

    /// Results; where a bar is drawn on the same terminal they begin below it.
    package static func output(_ text: String) {
        withState {
            if $0.hasOpenLine { put("\n", to: 2) }
            $0.hasOpenLine = false
            let code = put(text, to: 1)
            if code != 0 && code != EPIPE { $0.outputError = code }
        }
    }

    /// Why results could not be written to standard output, if so. A reader that wanted no more is none of it.
    package static var outputFailure: String? {
        let code = state.withLock { $0.outputError }
        return code == 0 ? nil : String(cString: strerror(code))
    }

    /// Whether standard error shows a line that is drawn again and again.
    package static var isInteractive: Bool {
        isatty(2) == 1 && !["dumb", ""].contains(ProcessInfo.processInfo.environment["TERM"] ?? "")
    }

    /// Columns of standard error's terminal.
    package static var width: Int {
        var size = winsize()
        if ioctl(2, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
        return ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) }.map { max(1, $0) } ?? 80
    }

    /// A terminal that takes no more text (Ctrl-S) may hold the lock; the end of the program does not wait for it.
    private static func withState(_ body: (inout sending State) -> Void) {
        for _ in 0..<(Interrupt.requested ? 20 : Int.max) {
            if state.withLockIfAvailable({
                body(&$0); return true
            }) == true {
                return
            }
            usleep(10_000)
        }
    }

    /// Returns 0 or the system's word why it did not work.
    @discardableResult
    private static func put(_ text: String, to descriptor: Int32) -> Int32 {
        var rest = Array(text.utf8)[...], waits = 0
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress!, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN && waits < 50 {
                // Somebody made the terminal non-blocking and it is full for now.
                waits += 1
                usleep(10_000)
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }
}

/// In these programs `print` writes to standard output by `Terminal`.
package func print(_ text: String, terminator: String = "\n") { Terminal.output(text + terminator) }
