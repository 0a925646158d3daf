import Parallel
import Synchronization

/// A result of each of `count` items, made on several threads.
///
/// - Parameters:
///   - size: what a result counts in `progress`, which is called with the sum so far, one call at a time.
///   - body: makes a result; nil when it was stopped. It must not depend on other items.
/// - Returns: nil when an item has none. The same for any number of threads.
func resultsInParallel<Result: Sendable>(
    _ count: Int, threads: Int, progress: @Sendable (Int) -> Void, shouldStop: @Sendable () -> Bool,
    size: @Sendable (Result) -> Int = { _ in 1 }, _ body: @Sendable (Int) throws -> Result?
) throws -> [Result]? {
    let results = Mutex<[Result?]>(Array(repeating: nil, count: count)), done = Mutex(0)
    try forEachInParallel(count, threads: threads) { i in
        guard !shouldStop(), let result = try body(i) else { return }
        results.withLock { $0[i] = result }
        done.withLock {
            $0 += size(result)
            progress($0)
        }
    }
    let all = results.withLock { $0.compactMap { $0 } }
    return all.count == count ? all : nil
}
