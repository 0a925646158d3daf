/// Memory that its owner keeps from one use to the next, and that grows where a use needs more: asking the system for it
/// each time costs more than much of what is done in it. One a thread.
package final class Room<Element> {
    @usableFromInline var start = UnsafeMutablePointer<Element>.allocate(capacity: 1), capacity = 1

    @inlinable package init() {}

    /// So many elements at least, of no meaning.
    @inlinable @inline(__always)
    package func atLeast(_ count: Int) -> UnsafeMutablePointer<Element> {
        if count > capacity {
            start.deallocate()
            (start, capacity) = (.allocate(capacity: count), count)
        }
        return start
    }

    deinit { start.deallocate() }
}
