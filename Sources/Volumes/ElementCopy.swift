/// Moves of whole elements between lists and grids, by element size: the generic writer calls these, so that no loop in
/// it is generic.

/// to[indices[v]] = from[v].
func scatter(
    _ from: UnsafeRawBufferPointer, to: UnsafeMutableRawBufferPointer, indices: UnsafeBufferPointer<Int>, size: Int
) {
    @inline(__always) func run<Word: BitwiseCopyable>(_: Word.Type) {
        let source = from.baseAddress!, target = to.baseAddress!
        for v in 0..<indices.count {
            target.storeBytes(
                of: source.loadUnaligned(fromByteOffset: v * size, as: Word.self), toByteOffset: indices[v] * size,
                as: Word.self)
        }
    }
    switch size {
    case 1: run(UInt8.self)
    case 2: run(UInt16.self)
    case 4: run(UInt32.self)
    default: run(UInt64.self)
    }
}

/// to[v] = from[v·stride + offset].
func pick(_ from: UnsafeRawBufferPointer, to: UnsafeMutableRawBufferPointer, stride: Int, offset: Int, size: Int) {
    @inline(__always) func run<Word: BitwiseCopyable>(_: Word.Type) {
        let source = from.baseAddress!, target = to.baseAddress!
        for v in 0..<to.count / size {
            target.storeBytes(
                of: source.loadUnaligned(fromByteOffset: (v * stride + offset) * size, as: Word.self),
                toByteOffset: v * size, as: Word.self)
        }
    }
    switch size {
    case 1: run(UInt8.self)
    case 2: run(UInt16.self)
    case 4: run(UInt32.self)
    default: run(UInt64.self)
    }
}
