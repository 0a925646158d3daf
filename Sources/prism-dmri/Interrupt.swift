import Foundation
import Synchronization

/// Ctrl-C and termination, noted for work that stops at a safe place; a second one ends the program at once.
enum Interrupt {
    private static let count = Atomic<Int>(0)

    static func catchSignals() {
        for s in [SIGINT, SIGTERM] {
            signal(s) { _ in if Interrupt.count.wrappingAdd(1, ordering: .relaxed).newValue > 1 { _exit(130) } }
        }
    }

    static var requested: Bool { count.load(ordering: .relaxed) > 0 }
}
