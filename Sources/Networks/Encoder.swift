import Tensors

/// Measurements → latents: a two-layer perceptron on each measurement, then twice a cross-attention of L learned latents to all measurements,
/// each followed by self-attention blocks among the latents. Cost linear in M.
///
/// Shapes: features (V·M) × F and summaries V × G in, latents (V·L) × width out.
struct Encoder: Sendable {
    private let configuration: NetworkConfiguration
    private let embed: Perceptron, tokenNorm: Norm
    private let latents: ParameterReference
    private let summary: Perceptron
    private let readings: [Reading]
    private let outputNorm: Norm

    private struct Reading: Sendable {
        let norm: Norm, query: Dense, keyValue: Dense, output: Dense
        let mlpNorm: Norm, mlp: Perceptron
        let blocks: [SelfBlock]
    }

    private struct SelfBlock: Sendable {
        let norm: Norm, qkv: Dense, output: Dense
        let mlpNorm: Norm, mlp: Perceptron
    }

    /// Output layers of residual branches start small, so that depth does not swell the sum.
    static let residualGain = 0.5

    init(_ layout: inout ParameterLayout, _ shape: FamilyShape, _ c: NetworkConfiguration) {
        configuration = c
        let w = c.width
        embed = Perceptron(&layout, "encoder.embed", shape.features, w, w, exactFirst: true)
        tokenNorm = Norm(&layout, "encoder.token_norm", w)
        latents = layout.add("encoder.latents", c.latents, w, .normal(1))
        summary = Perceptron(&layout, "encoder.summary", shape.summaries, w, w, exactFirst: true, exactSecond: true)
        readings = (0..<2).map { r in
            let name = "encoder.reading\(r)"
            return Reading(
                norm: Norm(&layout, name + ".norm", w), query: Dense(&layout, name + ".query", w, w),
                keyValue: Dense(&layout, name + ".key_value", w, 2 * w),
                output: Dense(&layout, name + ".output", w, w, gain: Self.residualGain),
                mlpNorm: Norm(&layout, name + ".mlp_norm", w),
                mlp: Perceptron(&layout, name + ".mlp", w, 4 * w, w, gain: Self.residualGain),
                blocks: (0..<c.blocksPerReading).map { b in
                    let name = name + ".block\(b)"
                    return SelfBlock(
                        norm: Norm(&layout, name + ".norm", w), qkv: Dense(&layout, name + ".qkv", w, 3 * w),
                        output: Dense(&layout, name + ".output", w, w, gain: Self.residualGain),
                        mlpNorm: Norm(&layout, name + ".mlp_norm", w),
                        mlp: Perceptron(&layout, name + ".mlp", w, 4 * w, w, gain: Self.residualGain))
                })
        }
        outputNorm = Norm(&layout, "encoder.output_norm", w)
    }

    func forward<S>(_ tape: Tape<S>, _ w: Weights<S>, features: Variable<S>, summaries: Variable<S>) -> Variable<S> {
        let voxels = summaries.rows, m = features.rows / voxels, l = configuration.latents, heads = configuration.heads
        precondition(features.rows == voxels * m)
        let tokens = tokenNorm.forward(tape, w, embed.forward(tape, w, features))
        let voxelOfRow = UnsafeMutableBufferPointer<Int32>.take(tape.arena, voxels * l)
        let latentOfRow = UnsafeMutableBufferPointer<Int32>.take(tape.arena, voxels * l)
        let cross = UnsafeMutableBufferPointer<AttentionSegment>.take(tape.arena, voxels)
        let own = UnsafeMutableBufferPointer<AttentionSegment>.take(tape.arena, voxels)
        for v in 0..<voxels {
            cross[v] = AttentionSegment(queries: v * l..<(v + 1) * l, keys: v * m..<(v + 1) * m)
            own[v] = AttentionSegment(queries: v * l..<(v + 1) * l, keys: v * l..<(v + 1) * l)
            for i in 0..<l {
                voxelOfRow[v * l + i] = Int32(v)
                latentOfRow[v * l + i] = Int32(i)
            }
        }
        var x = tape.add(
            tape.gather(w[latents], UnsafeBufferPointer(latentOfRow)),
            tape.gather(summary.forward(tape, w, summaries), UnsafeBufferPointer(voxelOfRow)))
        for r in readings {
            let a = tape.attention(
                r.query.forward(tape, w, r.norm.forward(tape, w, x)), keyValue: r.keyValue.forward(tape, w, tokens),
                segments: UnsafeBufferPointer(cross), heads: heads)
            x = tape.add(x, r.output.forward(tape, w, a))
            x = tape.add(x, r.mlp.forward(tape, w, r.mlpNorm.forward(tape, w, x)))
            for b in r.blocks {
                let a = tape.selfAttention(
                    b.qkv.forward(tape, w, b.norm.forward(tape, w, x)), segments: UnsafeBufferPointer(own), heads: heads)
                x = tape.add(x, b.output.forward(tape, w, a))
                x = tape.add(x, b.mlp.forward(tape, w, b.mlpNorm.forward(tape, w, x)))
            }
        }
        return outputNorm.forward(tape, w, x)
    }
}
