import Files
import Foundation
import Synchronization

/// Progress on stderr: a bar with rate and time left on a terminal, a plain line now and then otherwise.
package final class ProgressLine: Sendable {
    private let label: String, unit: String, total: Int, isQuiet: Bool, isTerminal: Bool
    // A clock that nobody sets: rates and times left survive a correction of the system's time.
    private let start = ContinuousClock.now
    private struct State {
        var last: ContinuousClock.Instant?
        var first: Int?
    }
    private let state = Mutex(State())

    package init(_ label: String, unit: String, total: Int, quiet: Bool) {
        self.label = label
        self.unit = unit
        self.total = max(total, 1)
        isQuiet = quiet
        isTerminal = Terminal.isInteractive
    }

    /// May be called from any thread, with the amount done in all.
    package func update(_ done: Int) {
        guard !isQuiet, !Interrupt.requested else { return }
        state.withLock { s in
            if s.first == nil { s.first = done }
            let now = ContinuousClock.now, elapsed = (now - start) / .seconds(1)
            // Off a terminal, short work passes without a line.
            if !isTerminal && elapsed < 10 { return }
            let sinceLast = s.last.map { (now - $0) / .seconds(1) } ?? .infinity
            guard sinceLast > (isTerminal ? 0.2 : 10) || done >= total else { return }
            s.last = now
            let rate = Double(done - s.first!) / max(elapsed, 1e-3)
            let left = rate > 0 ? Double(total - done) / rate : 0
            var line = "\(label): \(done)/\(total) \(unit) (\(100 * done / total) %)"
            if rate > 0 { line += String(format: ", %.0f %@/s", rate, unit as NSString) }
            if done < total && rate > 0 { line += ", " + Self.duration(left) + " left" }
            if isTerminal {
                Terminal.redraw(
                    Self.bar(Double(min(done, total)) / Double(total), line, width: Terminal.width),
                    isLast: done >= total)
            } else {
                Terminal.say(line)
            }
        }
    }

    /// A bar and what it says in fewer columns than the terminal has: a full line would go on in the next. Narrow ones
    /// have a shorter bar or none.
    package static func bar(_ share: Double, _ text: String, width: Int) -> String {
        let cells = min(24, width - text.count - 2)
        guard cells >= 4 else { return String(text.prefix(max(0, width - 1))) }
        let filled = Int(Double(cells) * share)
        return String(repeating: "█", count: filled) + String(repeating: "░", count: cells - filled) + " " + text
    }

    package static func seconds(from first: ContinuousClock.Instant, to last: ContinuousClock.Instant) -> Double {
        (last - first) / .seconds(1)
    }

    package static func duration(_ seconds: Double) -> String {
        seconds < 100 ? "\(Int(seconds.rounded())) s" : "\(Int((seconds / 60).rounded())) min"
    }
}
