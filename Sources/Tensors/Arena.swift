/// Scratch memory handed out in order and taken back all at once: no allocation inside a training or inference step.
public final class Arena {
    private var blocks: [UnsafeMutableRawBufferPointer] = []
    private var block = 0, used = 0
    private let blockSize: Int

    /// - Parameter blockSize: bytes obtained from the system at a time.
    public init(blockSize: Int = 64 << 20) { self.blockSize = blockSize }

    deinit { for b in blocks { b.deallocate() } }

    /// Room for `count` elements, 64-byte aligned, valid until `reset`. Zeroed on request.
    public func take<S: Scalar>(_ count: Int, of type: S.Type = S.self, zeroed: Bool = false) -> UnsafeMutablePointer<S>
    {
        let bytes = max(count, 1) * MemoryLayout<S>.stride
        let base = raw(bytes: bytes)
        if zeroed { base.initializeMemory(as: UInt8.self, repeating: 0, count: bytes) }
        return base.bindMemory(to: S.self, capacity: count)
    }

    func raw(bytes asked: Int) -> UnsafeMutableRawPointer {
        let bytes = (asked + 63) & ~63
        while block < blocks.count && used + bytes > blocks[block].count { block += 1; used = 0 }
        if block == blocks.count {
            blocks.append(.allocate(byteCount: max(blockSize, bytes), alignment: 64))
            used = 0
        }
        defer { used += bytes }
        return blocks[block].baseAddress! + used
    }

    /// Where the next piece will be taken.
    var mark: (block: Int, used: Int) { (block, used) }

    /// Takes back what was taken since `mark`.
    func release(_ mark: (block: Int, used: Int)) { (block, used) = mark }

    /// Takes everything back.
    public func reset() { block = 0; used = 0 }

    /// Bytes held.
    public var capacity: Int { blocks.reduce(0) { $0 + $1.count } }
}

extension UnsafeMutableBufferPointer {
    /// Scratch for plain values from an arena, valid until its `reset`.
    public static func take(_ arena: Arena, _ count: Int) -> Self {
        Self(
            start: arena.raw(bytes: Swift.max(count, 1) * MemoryLayout<Element>.stride).bindMemory(
                to: Element.self, capacity: count), count: count)
    }
}
