import Foundation
import ModelSpace
import Tensors

/// The prefix tree of all allowed structures as the structure decoder sees it at one λ, with what does not depend on
/// the voxel worked out: the modulation, and the first block up to the answer of the latents. Nothing flows back
/// through it.
///
/// Nodes that decide something come first, so that they are a prefix of every voxel's rows; the rest matter only as
/// ancestors.
struct StructureTree<S: Scalar> {
    let lambda: Double, structures: [Structure]
    private let decoder: StructureDecoder
    private let count: Int, deciding: Int
    /// count × count bytes: 1 where a node attends, its ancestors and itself.
    private let mask: UnsafeMutableBufferPointer<UInt8>
    private let modulation: [Modulation<S>], outputModulation: Modulation<S>
    /// count × width, after the first block's self-attention, and its queries to the latents.
    private let first: Variable<S>, queries: Variable<S>
    /// Deciding nodes and bits on the way to each structure.
    private let paths: [[(node: Int, bit: Bool)]]

    /// - Parameter tape: holds the tree's memory for as long as it is used.
    init(_ decoder: StructureDecoder, _ tape: Tape<S>, _ w: Weights<S>, lambda: Double, space: StructureSpace) {
        let nodes = space.prefixes,
            order = nodes.indices.filter { nodes[$0].decides } + nodes.indices.filter { !nodes[$0].decides }
        let n = nodes.count, place = Dictionary(uniqueKeysWithValues: zip(order, 0...))
        (self.decoder, self.lambda, structures) = (decoder, lambda, space.structures)
        count = n
        deciding = nodes.count(where: \.decides)
        mask = .take(tape.arena, n * n)
        mask.update(repeating: 0)
        let rows = UnsafeMutableBufferPointer<Int32>.take(tape.arena, n)
        for (i, k) in order.enumerated() {
            rows[i] = decoder.tableRow(
                depth: nodes[k].depth, lastBit: nodes[k].depth > 0 && nodes[k].bits[nodes[k].depth - 1])
            var a = k
            while a >= 0 { mask[i * n + place[a]!] = 1; a = nodes[a].parent }
        }
        let conditioning = StructureConditioning(decoder, tape, w, lambda: lambda)
        (modulation, outputModulation) = (conditioning.blocks, conditioning.output)
        let own = [AttentionSegment(queries: 0..<n, keys: 0..<n)]
        let x = tape.gather(w[decoder.table], UnsafeBufferPointer(rows))
        first = own.withUnsafeBufferPointer { [mask, modulation] in
            decoder.blocks[0].attend(tape, w, x, modulation: modulation[0], own: $0, mask: mask.baseAddress!)
        }
        queries = decoder.blocks[0].ask(tape, w, first, modulation: modulation[0])
        paths = space.structures.map { z in
            order.enumerated().filter { nodes[$1].decides && nodes[$1].bits.sharesPrefix(z, length: nodes[$1].depth) }
                .map { (node: $0, bit: z[nodes[$1].depth]) }
        }
    }

    /// log q(z | y, λ) of every allowed structure, exactly. Shapes: latents (V·L) × width in; V × structures, in the
    /// order of `space.structures`.
    func logProbabilities(_ tape: Tape<S>, _ w: Weights<S>, latents: Variable<S>, voxels: Int) -> [[Double]] {
        let logits = forward(tape, w, latents: latents, voxels: voxels)
        var costs = [(zero: Double, one: Double)](repeating: (0, 0), count: deciding)
        return (0..<voxels).map { v in
            for i in 0..<deciding {
                let x = Double(logits.value[v * deciding + i]), zero = softplus(x)
                costs[i] = (zero, zero - x)
            }
            return paths.map { $0.reduce(0) { $0 - ($1.bit ? costs[$1.node].one : costs[$1.node].zero) } }
        }
    }

    /// Logits of the deciding nodes, (V·deciding) × 1. The last block is run for these alone.
    private func forward(_ tape: Tape<S>, _ w: Weights<S>, latents: Variable<S>, voxels: Int) -> Variable<S> {
        let l = latents.rows / voxels, last = decoder.blocks.count - 1
        func segments(queries: Int, of rows: Int, keys: Int) -> UnsafeBufferPointer<AttentionSegment> {
            let s = UnsafeMutableBufferPointer<AttentionSegment>.take(tape.arena, voxels)
            for v in 0..<voxels {
                s[v] = AttentionSegment(queries: v * rows..<v * rows + queries, keys: v * keys..<(v + 1) * keys)
            }
            return UnsafeBufferPointer(s)
        }
        // The first `kept` of every `count` rows; of every voxel's own, or the same for all.
        func rows(_ kept: Int, shared: Bool) -> UnsafeBufferPointer<Int32> {
            let index = UnsafeMutableBufferPointer<Int32>.take(tape.arena, voxels * kept)
            for v in 0..<voxels { for i in 0..<kept { index[v * kept + i] = Int32(shared ? i : v * count + i) } }
            return UnsafeBufferPointer(index)
        }
        var kept = last == 0 ? deciding : count
        let copies = rows(kept, shared: true)
        var x = tape.gather(first, copies), queries = tape.gather(queries, copies)
        for (i, b) in decoder.blocks.enumerated() {
            if i > 0 {
                kept = i == last ? deciding : count
                x = b.attend(
                    tape, w, x, modulation: modulation[i], own: segments(queries: kept, of: count, keys: count),
                    mask: mask.baseAddress!,
                    keep: i == last ? rows(kept, shared: false) : nil)
                queries = b.ask(tape, w, x, modulation: modulation[i])
            }
            x = w.inPlace(tape) {
                b.answer(
                    tape, w, x, queries: queries, modulation: modulation[i],
                    context: b.context(tape, w, latents: latents),
                    cross: segments(queries: kept, of: kept, keys: l))
            }
        }
        return decoder.output.forward(tape, w, x, norm: outputModulation.norm(0, decoder.width))
    }
}

extension StructureSpace.Prefix {
    /// Whether the allowed structures leave a choice of the next bit.
    var decides: Bool { allowsZero && allowsOne }
}
