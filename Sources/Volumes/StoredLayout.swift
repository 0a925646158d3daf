/// An order of elements other than NIfTI's: volumes interleaved, or volumes from last to first, or single bits.
struct StoredLayout {
    /// From the fastest axis of the file on: its size, and its step among the elements as NIfTI has them.
    private let axes: [(size: Int, step: Int)]
    /// Where the file's first element goes.
    private let first: Int
    let isBit: Bool, bytes: Int

    init(sizes: [Int], ranks: [Int], reversed: [Bool], order: [Int], isBit: Bool, bytes: Int) {
        var steps = [Int](repeating: 0, count: sizes.count), step = 1, first = 0
        for a in order {
            steps[a] = step
            step *= sizes[a]
            // Spatial axes keep the file's sense; their reversal is in the affine.
            if a >= 3, reversed[a] {
                first += steps[a] * (sizes[a] - 1)
                steps[a] = -steps[a]
            }
        }
        axes = sizes.indices.sorted { ranks[$0] < ranks[$1] }.map { (sizes[$0], steps[$0]) }
        (self.first, self.isBit, self.bytes) = (first, isBit, bytes)
    }

    /// Reads all elements into NIfTI's order; bits become bytes.
    func unpack(_ source: ByteSource, storedBytes: Int) throws -> [UInt8] {
        let count = axes.reduce(1) { $0 * $1.size }
        var out = [UInt8](repeating: 0, count: count * bytes)
        var raw = [UInt8](repeating: 0, count: isBit ? storedBytes : axes[0].size * axes[1].size * bytes)
        let expected = source.position + storedBytes
        if isBit {
            try raw.withUnsafeMutableBytes { try source.read($0.baseAddress!, storedBytes, expected: expected) }
        }
        let rest = axes.dropFirst(2), planes = rest.reduce(1) { $0 * $1.size }
        var position = [Int](repeating: 0, count: rest.count), place = first, element = 0
        for _ in 0..<planes {
            if !isBit {
                try raw.withUnsafeMutableBytes { try source.read($0.baseAddress!, $0.count, expected: expected) }
            }
            out.withUnsafeMutableBytes { out in
                raw.withUnsafeBytes { raw in
                    for j in 0..<axes[1].size {
                        var target = place + j * axes[1].step
                        for i in 0..<axes[0].size {
                            if isBit {
                                out[target] = raw[element / 8] >> (7 - UInt8(element % 8)) & 1
                                element += 1
                            } else {
                                let from = (j * axes[0].size + i) * bytes
                                out.baseAddress!.advanced(by: target * bytes).copyMemory(
                                    from: raw.baseAddress! + from, byteCount: bytes)
                            }
                            target += axes[0].step
                        }
                    }
                }
            }
            for (k, axis) in rest.enumerated() {
                position[k] += 1
                place += axis.step
                if position[k] < axis.size { break }
                place -= axis.step * axis.size
                position[k] = 0
            }
        }
        return out
    }
}
