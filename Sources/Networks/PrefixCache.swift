import ModelSpace
import Tensors

/// What the structure decoder makes of λ, the same for every voxel and prefix.
struct StructureConditioning<S: Scalar> {
    let lambda: Double
    let blocks: [Modulation<S>], output: Modulation<S>

    /// - Parameter tape: holds its memory for as long as it is used.
    init(_ decoder: StructureDecoder, _ tape: Tape<S>, _ w: Weights<S>, lambda: Double) {
        let condition = decoder.embed(tape, w, lambdas: [lambda])
        self.lambda = lambda
        blocks = decoder.blocks.map { Modulation(parts: $0.modulate(tape, w, condition: condition), group: nil) }
        output = Modulation(parts: decoder.outputModulation.forward(tape, w, condition), group: nil)
    }
}

/// Prefixes of structures that the decoder has evaluated for some voxels, each with its keys and values: what longer
/// prefixes need of it, so that one bit more costs one row of the decoder, whatever came before it. Nothing flows back.
///
/// A prefix attends to those before it on its own way from the root and to nothing else, so its logit is that of
/// `StructureDecoder.loss` and of `StructureTree`, to rounding, whatever else is evaluated beside it.
struct PrefixCache<S: Scalar> {
    /// Bits to be evaluated one after another: prefixes of `bits` of `depths`, the first of which follows on the prefix
    /// `parent`.
    struct Chain {
        var voxel: Int, bits: Structure, depths: Range<Int>
        /// The number of the prefix one bit shorter than the first; −1 at the root.
        var parent: Int
    }

    /// The logit of the bit that follows each prefix.
    private(set) var logits: [Double] = []
    /// The prefix one bit shorter, and the bits of each.
    private var parents: [Int32] = [], depths: [Int32] = []
    /// For each block after the first, prefixes × 2·width.
    private var keyValues: [[S]]

    private let decoder: StructureDecoder, tape: Tape<S>, weights: Weights<S>, starts: PrefixStarts<S>
    /// Keys and values of the latents for each block, and the latents of a voxel.
    private let context: [Variable<S>], latentCount: Int
    /// Rows evaluated together: what stands around them stays in cache.
    static var mostRows: Int { 256 }

    /// - Parameter latents: (V·L) × width.
    init(
        _ decoder: StructureDecoder, _ tape: Tape<S>, _ w: Weights<S>, starts: PrefixStarts<S>,
        latents: Variable<S>, voxels: Int
    ) {
        (self.decoder, self.tape, weights, self.starts) = (decoder, tape, w, starts)
        context = decoder.blocks.map { $0.context(tape, w, latents: latents) }
        latentCount = latents.rows / voxels
        keyValues = Array(repeating: [], count: decoder.blocks.count - 1)
    }

    /// Starts with no prefix again, in the memory that there is.
    mutating func forget() {
        logits.removeAll(keepingCapacity: true)
        parents.removeAll(keepingCapacity: true)
        depths.removeAll(keepingCapacity: true)
        for i in keyValues.indices { keyValues[i].removeAll(keepingCapacity: true) }
    }

    /// How many bits the prefix has.
    func depth(_ prefix: Int) -> Int { Int(depths[prefix]) }

    /// Evaluates chains, those of a voxel side by side.
    /// - Returns: the number of each chain's first prefix; the others follow it.
    mutating func evaluate(_ chains: [Chain]) -> [Int] {
        var firsts: [Int] = [], start = 0
        while start < chains.count {
            var end = start, rows = 0
            repeat {
                rows += chains[end].depths.count
                end += 1
            } while end < chains.count && rows + chains[end].depths.count <= Self.mostRows
            firsts += tape.scratch { evaluate(chains[start..<end], rows: rows) }
            start = end
        }
        return firsts
    }

    private mutating func evaluate(_ chains: ArraySlice<Chain>, rows: Int) -> [Int] {
        let first = logits.count, arena = tape.arena
        let own = UnsafeMutableBufferPointer<AttentionSegment>.take(arena, rows)
        let cross = UnsafeMutableBufferPointer<AttentionSegment>.take(arena, chains.count)
        // The prefixes on each chain's way from the root, one way after another. A row's keys are those of the first of
        // its chain's.
        var firsts: [Int] = [], ways: [Int32] = [], row = 0, voxels = 0
        var prefixes: [(bits: Structure, depth: Int)] = []
        for chain in chains {
            let before = chain.parent < 0 ? 0 : depth(chain.parent) + 1, start = ways.count
            precondition(before == chain.depths.lowerBound, "a chain follows on the prefix one bit shorter")
            ways += repeatElement(0, count: before)
            var ancestor = chain.parent
            while ancestor >= 0 {
                ways[start + depth(ancestor)] = Int32(ancestor)
                ancestor = Int(parents[ancestor])
            }
            firsts.append(first + row)
            for (i, depth) in chain.depths.enumerated() {
                prefixes.append((chain.bits, depth))
                parents.append(Int32(i == 0 ? chain.parent : first + row - 1))
                depths.append(Int32(depth))
                ways.append(Int32(first + row))
                own[row] = AttentionSegment(queries: row..<row + 1, keys: start..<start + depth + 1)
                row += 1
            }
            let k = chain.voxel * latentCount..<(chain.voxel + 1) * latentCount, from = row - chain.depths.count
            if voxels > 0, Int(cross[voxels - 1].k0) == k.lowerBound {
                cross[voxels - 1].nq += Int32(chain.depths.count)
            } else {
                cross[voxels] = AttentionSegment(queries: from..<row, keys: k)
                voxels += 1
            }
        }
        let segments = UnsafeBufferPointer(own)
        let crossUsed = UnsafeBufferPointer(rebasing: UnsafeBufferPointer(cross)[..<voxels])
        let conditioning = starts.conditioning, w = weights, tape = tape, width = decoder.width
        var (x, queries) = starts.rows(of: prefixes, tape, w)
        for (i, block) in decoder.blocks.enumerated() {
            let m = conditioning.blocks[i]
            x = w.inPlace(tape) {
                if i > 0 {
                    let qkv = block.project(tape, w, x, modulation: m)
                    for r in 0..<rows {
                        keyValues[i - 1] += UnsafeBufferPointer(
                            start: qkv.value + (3 * r + 1) * width, count: 2 * width)
                    }
                    x = keyValues[i - 1].withUnsafeBufferPointer {
                        block.attend(
                            tape, w, x, modulation: m, queries: qkv.slice(0, width), keyValue: $0.baseAddress!,
                            along: ways, segments: segments)
                    }
                    queries = block.ask(tape, w, x, modulation: m)
                }
                return block.answer(
                    tape, w, x, queries: queries, modulation: m, context: context[i], cross: crossUsed)
            }
        }
        let out = decoder.output.forward(tape, w, x, norm: conditioning.output.norm(0, width))
        for r in 0..<rows { logits.append(Double(out.value[r])) }
        return firsts
    }
}
