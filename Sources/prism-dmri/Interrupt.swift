import Foundation
import Synchronization

/// Ctrl-C and termination, noted for work that stops at a safe place; a second one ends the program at once.
enum Interrupt {
    private static let count = Atomic<Int>(0)

    /// Also lifts a block on them, which programs that start us from a worker thread hand down unawares.
    static func catchSignals() {
        var set = sigset_t()
        sigemptyset(&set)
        for s in [SIGINT, SIGTERM] {
            sigaddset(&set, s)
            signal(s) { _ in if Interrupt.count.wrappingAdd(1, ordering: .relaxed).newValue > 1 { _exit(130) } }
        }
        sigprocmask(SIG_UNBLOCK, &set, nil)
    }

    static var requested: Bool { count.load(ordering: .relaxed) > 0 }
}
