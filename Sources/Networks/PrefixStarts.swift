import ModelSpace
import Tensors

/// What the structure decoder makes of prefixes before it looks at a voxel: its first block up to the answer of the
/// latents, which is worked out once for each prefix and λ and serves every voxel. Nothing flows back.
final class PrefixStarts<S: Scalar> {
    let conditioning: StructureConditioning<S>
    private let decoder: StructureDecoder
    /// Of every row of the node table, in the first block: queries, rows × width; keys and values, rows × 2·width.
    private let queries: Variable<S>, keyValues: Variable<S>
    /// Where a prefix has its rows; its bits, and one more set behind them.
    private var places: [UInt128: Int] = [:]
    /// Prefixes × 2·width: after self-attention; queries to the latents.
    private var made: [S] = []

    /// Prefixes that are kept: 4 MB of them, which stay near the processor.
    private static var most: Int { 1 << 13 }

    /// - Parameter tape: holds its memory for as long as it is used.
    init(_ decoder: StructureDecoder, _ tape: Tape<S>, _ w: Weights<S>, lambda: Double) {
        self.decoder = decoder
        conditioning = StructureConditioning(decoder, tape, w, lambda: lambda)
        let width = decoder.width
        let all = decoder.blocks[0].project(tape, w, w[decoder.table], modulation: conditioning.blocks[0])
        (queries, keyValues) = (tape.matrix(all.rows, width), tape.matrix(all.rows, 2 * width))
        for i in 0..<all.rows {
            (queries.value + i * width).update(from: all.value + 3 * i * width, count: width)
            (keyValues.value + 2 * i * width).update(from: all.value + (3 * i + 1) * width, count: 2 * width)
        }
    }

    /// The rows of prefixes, each the first `depth` bits of a structure, and their queries to the latents:
    /// prefixes × width both.
    func rows(
        of prefixes: [(bits: Structure, depth: Int)], _ tape: Tape<S>, _ w: Weights<S>
    ) -> (rows: Variable<S>, queries: Variable<S>) {
        let width = decoder.width, count = prefixes.count
        let rows = tape.matrix(count, width), queries = tape.matrix(count, width)
        if places.count + count > Self.most {
            places.removeAll(keepingCapacity: true)
            made.removeAll(keepingCapacity: true)
        }
        var missing: [(bits: Structure, depth: Int)] = []
        let found = prefixes.map { prefix in
            let key = prefix.bits.prefix(prefix.depth).bits | 1 << UInt128(prefix.depth)
            if let place = places[key] { return place }
            let place = places.count
            places[key] = place
            missing.append(prefix)
            return place
        }
        if !missing.isEmpty { tape.scratch { make(missing, tape, w) } }
        made.withUnsafeBufferPointer { made in
            for (i, place) in found.enumerated() {
                let from = made.baseAddress! + 2 * place * width
                (rows.value + i * width).update(from: from, count: width)
                (queries.value + i * width).update(from: from + width, count: width)
            }
        }
        return (rows, queries)
    }

    private func make(_ prefixes: [(bits: Structure, depth: Int)], _ tape: Tape<S>, _ w: Weights<S>) {
        let block = decoder.blocks[0], modulation = conditioning.blocks[0], width = decoder.width
        let segments = UnsafeMutableBufferPointer<AttentionSegment>.take(tape.arena, prefixes.count)
        let own = UnsafeMutableBufferPointer<Int32>.take(tape.arena, prefixes.count)
        var ways: [Int32] = []
        for (i, prefix) in prefixes.enumerated() {
            segments[i] = AttentionSegment(queries: i..<i + 1, keys: ways.count..<ways.count + prefix.depth + 1)
            for depth in 0...prefix.depth {
                ways.append(decoder.tableRow(depth: depth, lastBit: depth > 0 && prefix.bits[depth - 1]))
            }
            own[i] = ways.last!
        }
        let index = UnsafeBufferPointer(own), asking = tape.gather(queries, index)
        let y = block.attend(
            tape, w, tape.gather(w[decoder.table], index), modulation: modulation, queries: asking.slice(0, width),
            keyValue: keyValues.value, along: ways, segments: UnsafeBufferPointer(segments))
        let z = block.ask(tape, w, y, modulation: modulation)
        for i in prefixes.indices {
            made += UnsafeBufferPointer(start: y.value + i * width, count: width)
            made += UnsafeBufferPointer(start: z.value + i * width, count: width)
        }
    }
}
