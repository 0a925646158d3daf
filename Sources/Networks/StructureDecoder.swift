import Foundation
import ModelSpace
import Tensors

/// log q(z | y, λ) as an autoregressive product of Bernoullis over the C bits, conditioned on the latents and, by
/// adaptive layer norm, on λ.
///
/// The decoder works on *nodes*, prefixes of structures: a node's input is its depth and last bit, it attends to its
/// ancestors, and its output is the logit of the next bit. A single structure is a path of C nodes: what training looks
/// at. All allowed structures together are the prefix tree, of which a family of few evaluates all (`StructureTree`)
/// and one of many the likely part (`PrefixCache`).
struct StructureDecoder: Sendable {
    let components: Int
    let table: ParameterReference
    let lambda: Perceptron
    let blocks: [DecoderBlock]
    let outputModulation: Dense, output: Dense
    let width: Int

    static let lambdaFeatures = 8

    init(_ layout: inout ParameterLayout, _ shape: FamilyShape, _ c: NetworkConfiguration) {
        components = shape.components
        width = c.width
        table = layout.add("structure.node", 2 * shape.components - 1, c.width, .normal(1))
        lambda = Perceptron(
            &layout, "structure.lambda", Self.lambdaFeatures, c.width, c.width, exactFirst: true, exactSecond: true)
        blocks = (0..<c.structureBlocks).map {
            DecoderBlock(
                &layout, "structure.block\($0)", width: c.width, heads: c.heads, context: c.width, condition: c.width,
                expansion: 4)
        }
        outputModulation = Dense(&layout, "structure.output_modulation", c.width, 2 * c.width, gain: 0.1, exact: true)
        output = Dense(&layout, "structure.output", c.width, 1, gain: 0.1, exact: true)
    }

    /// Which row of the node table a prefix uses: 0 for the root, then a row for each depth and last bit.
    func tableRow(depth: Int, lastBit: Bool) -> Int32 {
        depth == 0 ? 0 : Int32(2 * (depth - 1) + 1 + (lastBit ? 1 : 0))
    }

    func embed<S>(_ tape: Tape<S>, _ w: Weights<S>, lambdas: [Double]) -> Variable<S> {
        let x = tape.matrix(lambdas.count, Self.lambdaFeatures)
        for (i, l) in lambdas.enumerated() {
            let values = [
                l - 1, exp(-l) * 2 - 1, exp(-3 * l) * 2 - 1, cos(l), sin(l), cos(2 * l), sin(2 * l), exp(-10 * l),
            ]
            for (j, v) in values.enumerated() { x.value[i * Self.lambdaFeatures + j] = S(v) }
        }
        return tape.silu(lambda.forward(tape, w, x))
    }

    /// Logits at `nodes` (the same for every voxel) of every voxel. Shapes: latents (V·L) × width in; V × nodes out, as
    /// (V·nodes) × 1.
    ///
    /// - Parameters:
    ///   - rows: for each voxel and node the node-table row.
    ///   - mask: nodes × nodes bytes, 1 where a node may attend (its ancestors and itself).
    private func forward<S>(
        _ tape: Tape<S>, _ w: Weights<S>, latents: Variable<S>, lambdas: [Double], rows: UnsafeBufferPointer<Int32>,
        nodes: Int,
        mask: UnsafePointer<UInt8>
    ) -> Variable<S> {
        let voxels = lambdas.count, l = latents.rows / voxels
        let own = UnsafeMutableBufferPointer<AttentionSegment>.take(tape.arena, voxels)
        let cross = UnsafeMutableBufferPointer<AttentionSegment>.take(tape.arena, voxels)
        let group = UnsafeMutableBufferPointer<Int32>.take(tape.arena, voxels * nodes)
        for v in 0..<voxels {
            own[v] = AttentionSegment(queries: v * nodes..<(v + 1) * nodes, keys: v * nodes..<(v + 1) * nodes)
            cross[v] = AttentionSegment(queries: v * nodes..<(v + 1) * nodes, keys: v * l..<(v + 1) * l)
            for i in 0..<nodes { group[v * nodes + i] = Int32(v) }
        }
        let condition = embed(tape, w, lambdas: lambdas)
        var x = tape.gather(w[table], rows)
        for b in blocks {
            x = b.forward(
                tape, w, x,
                modulation: Modulation(parts: b.modulate(tape, w, condition: condition), group: group.baseAddress!),
                own: UnsafeBufferPointer(own), mask: mask, context: b.context(tape, w, latents: latents),
                cross: UnsafeBufferPointer(cross))
        }
        let m = Modulation(parts: outputModulation.forward(tape, w, condition), group: group.baseAddress!)
        return output.forward(tape, w, x, norm: m.norm(0, width))
    }

    /// Adds −Σ_v log q(z_v | y_v, λ_v) to the backward pass with weight `weight` and returns that sum (unweighted).
    /// Bits that the allowed structures leave no choice about cost nothing.
    func loss<S>(
        _ tape: Tape<S>, _ w: Weights<S>, latents: Variable<S>, lambdas: [Double], structures: [Structure],
        automaton: StructureAutomaton,
        weight: Double
    ) -> Double {
        let voxels = structures.count, n = components
        let rows = UnsafeMutableBufferPointer<Int32>.take(tape.arena, voxels * n)
        let mask = UnsafeMutableBufferPointer<UInt8>.take(tape.arena, n * n)
        for i in 0..<n { for j in 0..<n { mask[i * n + j] = j <= i ? 1 : 0 } }
        for v in 0..<voxels {
            for d in 0..<n { rows[v * n + d] = tableRow(depth: d, lastBit: d > 0 && structures[v][d - 1]) }
        }
        let logits = forward(
            tape, w, latents: latents, lambdas: lambdas, rows: UnsafeBufferPointer(rows), nodes: n,
            mask: mask.baseAddress!)
        var total = 0.0
        for v in 0..<voxels {
            guard let decisions = automaton.decisions(structures[v]) else {
                preconditionFailure("a structure that is not allowed")
            }
            for d in decisions {
                let x = Double(logits.value[v * n + d]), bit = structures[v][d]
                total += softplus(bit ? -x : x)
                if let g = logits.gradient { g[v * n + d] += S(weight * (1 / (1 + exp(-x)) - (bit ? 1 : 0))) }
            }
        }
        return total
    }
}

/// log(1 + eˣ) without overflow.
func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }
