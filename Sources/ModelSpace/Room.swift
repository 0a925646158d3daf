/// Memory that its owner keeps from one use to the next, and that grows where a use needs more: asking the system each
/// time costs more than much of what is done in it. One a thread.
package final class Room<Element> {
    /// Behind a pointer, for what is read there is not watched for exclusive access.
    @usableFromInline let memory = UnsafeMutablePointer<UnsafeMutableBufferPointer<Element>>.allocate(capacity: 1)

    @inlinable package init() { memory.initialize(to: .allocate(capacity: 1)) }

    /// So many elements at least, of no meaning.
    @inlinable @inline(__always)
    package func atLeast(_ count: Int) -> UnsafeMutablePointer<Element> {
        if count > memory.pointee.count {
            memory.pointee.deallocate()
            memory.pointee = .allocate(capacity: count)
        }
        return memory.pointee.baseAddress!
    }

    deinit {
        memory.pointee.deallocate()
        memory.deallocate()
    }
}
