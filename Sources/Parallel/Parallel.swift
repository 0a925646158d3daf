import Dispatch
import Synchronization

/// Calls `body(0) … body(count − 1)`, each once, on up to `threads` threads; which thread takes which number is left
/// open, so `body` must write only to places that belong to its number.
///
/// The first error that a body throws (by number, not by time) is thrown once the calls under way have ended.
public func forEachInParallel(_ count: Int, threads: Int, _ body: @Sendable (Int) throws -> Void) throws {
    let next = Atomic<Int>(0), isFailing = Atomic<Bool>(false)
    let failure = Mutex<(number: Int, error: any Error)?>(nil)
    DispatchQueue.concurrentPerform(iterations: max(1, min(threads, count))) { _ in
        while !isFailing.load(ordering: .relaxed) {
            let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard number < count else { return }
            do {
                try body(number)
            } catch {
                isFailing.store(true, ordering: .relaxed)
                failure.withLock { if $0 == nil || number < $0!.number { $0 = (number, error) } }
            }
        }
    }
    if let error = failure.withLock({ $0?.error }) { throw error }
}
