import Foundation

/// Processor time of pieces of work. Other programs on the machine lengthen wall-clock time but hardly this thread's
/// processor time, and its minimum over repeats least of all.
public enum Stopwatch {
    /// Seconds a call, over repeats.
    public struct Timing: Codable, Sendable {
        public var minimum: Double, median: Double
    }

    /// Processor time that this thread has used, seconds.
    @inline(__always)
    public static var threadSeconds: Double { seconds(CLOCK_THREAD_CPUTIME_ID) }

    /// Processor time that all threads of the program have used, seconds.
    public static var processSeconds: Double { seconds(CLOCK_PROCESS_CPUTIME_ID) }

    private static func seconds(_ clock: clockid_t) -> Double {
        var t = timespec()
        clock_gettime(clock, &t)
        return Double(t.tv_sec) + 1e-9 * Double(t.tv_nsec)
    }

    /// Calls `body` until its time is known: once to warm up, then `repeats` batches of at least `batch` seconds each.
    public static func time(repeats: Int, batch: Double = 1e-3, _ body: () -> Void) -> Timing {
        body()
        var calls = 1
        func run() -> Double {
            let start = threadSeconds
            for _ in 0..<calls { body() }
            return threadSeconds - start
        }
        var elapsed = run()
        while elapsed < batch {
            calls = elapsed > batch / 100 ? Int(Double(calls) * batch / elapsed * 1.2) + 1 : 10 * calls
            elapsed = run()
        }
        let all = (0..<max(1, repeats)).map { _ in run() / Double(calls) }.sorted()
        return Timing(minimum: all[0], median: all[all.count / 2])
    }
}
