import Foundation
import Synchronization

/// Ctrl-C, termination and a terminal that hangs up: answered within two seconds whatever the program is doing.
///
/// A thread of its own waits for them. It tells work that can stop in good order (`polled`), gives it a moment, and
/// otherwise cleans up itself and ends the program. A second signal ends it at once, unless it comes with the first:
/// `timeout` signals a program and then the group that it is in.
package enum Interrupt {
    /// When the first came, nanoseconds; 0 before.
    private static let first = Atomic<UInt64>(0)
    private static let together: UInt64 = 300_000_000
    /// Time for work that stops in good order, microseconds.
    private static let grace: useconds_t = 1_600_000

    private struct State {
        var isPolled = false, waitsForEnd = false
        var message: () -> String = { "Stopped; nothing was written" }
        var folder: (() -> Void)?
    }
    nonisolated(unsafe) private static var state = State()
    private static let stateLock = NSLock()
    private static let isEnding = Atomic<Bool>(false)
    nonisolated(unsafe) private static var wake: (read: Int32, write: Int32) = (-1, -1)

    package static var requested: Bool { first.load(ordering: .relaxed) > 0 }

    /// Called in a signal handler.
    private static func note() {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let now = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec),
            (isFirst, before) = first.compareExchange(expected: 0, desired: now, ordering: .relaxed)
        if !isFirst && now > before + together { _exit(ExitStatus.interrupted.rawValue) }
        var byte: UInt8 = 0
        _ = Foundation.write(wake.write, &byte, 1)
    }

    /// Also lifts a block on the signals, which programs that start us from a worker thread hand down unawares. A
    /// hang-up that is ignored (nohup) stays so.
    package static func catchSignals() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        wake = (ends[0], ends[1])
        Thread.detachNewThread { watch() }
        var set = sigset_t(), hangUp = sigaction()
        sigemptyset(&set)
        sigaction(SIGHUP, nil, &hangUp)
        let isIgnored = unsafeBitCast(hangUp.__sigaction_handler.sa_handler, to: Int.self) == 1
        for s in [SIGINT, SIGTERM] + (isIgnored ? [] : [SIGHUP]) {
            sigaddset(&set, s)
            signal(s) { _ in Interrupt.note() }
        }
        sigprocmask(SIG_UNBLOCK, &set, nil)
    }

    /// What to say and to clean up when the program is stopped from now on.
    package static func whenStopped(say message: @escaping () -> String, cleanUp: (() -> Void)? = nil) {
        stateLock.withLock { (state.message, state.folder) = (message, cleanUp) }
    }

    /// Runs work that asks for `requested` itself and stops in good order.
    /// - Parameter waits: whether it is waited for however long it takes.
    package static func polled<Result>(waits: Bool = false, _ body: () throws -> Result) rethrows -> Result {
        stateLock.withLock { (state.isPolled, state.waitsForEnd) = (true, waits) }
        defer { stateLock.withLock { state.isPolled = false } }
        return try body()
    }

    /// Only one thread ends the program; others stay here for ever.
    package static func beginEnd() {
        if isEnding.exchange(true, ordering: .relaxed) { while true { sleep(1000) } }
    }

    private static func watch() {
        var poll = pollfd(fd: wake.read, events: Int16(POLLIN), revents: 0)
        while Foundation.poll(&poll, 1, -1) <= 0 {}
        let state = stateLock.withLock { self.state }
        if state.isPolled {
            if state.waitsForEnd { Terminal.sayWithName(state.message()) }
            while state.waitsForEnd { sleep(1000) }
            usleep(grace)
        }
        let now = stateLock.withLock { self.state }
        beginEnd()
        now.folder?()
        Terminal.sayWithName(now.message())
        _exit(ExitStatus.interrupted.rawValue)
    }
}
