import Foundation
import Synchronization
import Volumes

/// Progress on stderr: a bar with rate and time left on a terminal, a plain line now and then otherwise.
final class Progress: Sendable {
    private let label: String, unit: String, total: Int, isQuiet: Bool, isTerminal: Bool
    private let start = Date()
    private struct State {
        var last = Date.distantPast
        var first: Int?
    }
    private let state = Mutex(State())

    init(_ label: String, unit: String, total: Int, quiet: Bool) {
        self.label = label
        self.unit = unit
        self.total = max(total, 1)
        isQuiet = quiet
        isTerminal = isatty(2) == 1
    }

    /// May be called from any thread, with the amount done in all.
    func update(_ done: Int) {
        guard !isQuiet else { return }
        state.withLock { s in
            if s.first == nil { s.first = done }
            let now = Date()
            let elapsed = now.timeIntervalSince(start)
            // Off a terminal, short work passes without a line.
            if !isTerminal && elapsed < 10 { return }
            guard now.timeIntervalSince(s.last) > (isTerminal ? 0.2 : 10) || done >= total else { return }
            s.last = now
            let rate = Double(done - s.first!) / max(elapsed, 1e-3)
            let left = rate > 0 ? Double(total - done) / rate : 0
            var line = "\(label): \(done)/\(total) \(unit) (\(100 * done / total) %)"
            if rate > 0 { line += String(format: ", %.0f %@/s", rate, unit as NSString) }
            if done < total && rate > 0 { line += ", " + Self.duration(left) + " left" }
            if isTerminal {
                let filled = 24 * min(done, total) / total
                let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
                Self.put("\r\u{1B}[K\(bar) \(line)" + (done >= total ? "\n" : ""))
            } else {
                Self.put(line + "\n")
            }
        }
    }

    /// One line, whatever the text holds: names and values of files come in it.
    static func note(_ text: String) { put(text.printable() + "\n") }

    static func duration(_ seconds: Double) -> String {
        seconds < 100 ? "\(Int(seconds.rounded())) s" : "\(Int((seconds / 60).rounded())) min"
    }

    private static func put(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
