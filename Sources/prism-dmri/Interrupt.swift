import Foundation
import Synchronization

/// Ctrl-C and termination, noted for work that stops at a safe place; a second one ends the program at once, unless it comes with the first: `timeout` signals a
/// program and then the group that it is in.
enum Interrupt {
    /// When the first came, nanoseconds; 0 before.
    private static let first = Atomic<UInt64>(0)
    private static let together: UInt64 = 300_000_000

    /// May be called in a signal handler.
    private static func note() {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let now = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec), (isFirst, before) = first.compareExchange(expected: 0, desired: now, ordering: .relaxed)
        if !isFirst && now > before + together { _exit(130) }
    }

    /// Also lifts a block on them, which programs that start us from a worker thread hand down unawares.
    static func catchSignals() {
        var set = sigset_t()
        sigemptyset(&set)
        for s in [SIGINT, SIGTERM] {
            sigaddset(&set, s)
            signal(s) { _ in Interrupt.note() }
        }
        sigprocmask(SIG_UNBLOCK, &set, nil)
    }

    static var requested: Bool { first.load(ordering: .relaxed) > 0 }
}
