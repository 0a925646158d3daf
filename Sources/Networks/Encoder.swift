import Tensors

/// Measurements → latents: a two-layer perceptron on each measurement, then twice a cross-attention of L learned
/// latents to all measurements, each followed by self-attention blocks among the latents. Cost linear in M.
///
/// Shapes: features (V·M) × F and summaries V × G in, latents (V·L) × width out.
package struct Encoder: Sendable {
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

    package init(_ layout: inout ParameterLayout, _ shape: FamilyShape, _ c: NetworkConfiguration) {
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

    package func forward<S>(
        _ tape: Tape<S>, _ w: Weights<S>, features: Variable<S>, summaries: Variable<S>
    ) -> Variable<S> {
        let voxels = summaries.rows, m = features.rows / voxels, l = configuration.latents, heads = configuration.heads
        precondition(features.rows == voxels * m)
        // Before their norm, which is part of the layers that read them.
        let tokens = w.packed == nil ? embed.forward(tape, w, features) : embedInBatches(tape, w, features, m)
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
            x = w.inPlace(tape) {
                let q = r.query.forward(tape, w, x, norm: r.norm.of(w)), cross = UnsafeBufferPointer(cross)
                let a =
                    w.packed == nil
                    ? tape.attention(
                        q, keyValue: r.keyValue.forward(tape, w, tokens, norm: tokenNorm.of(w)), segments: cross,
                        heads: heads)
                    : readInBatches(tape, w, r, queries: q, tokens: tokens, m, segments: cross)
                return r.output.forward(tape, w, a, onto: Residual(x))
            }
            x = w.inPlace(tape) { r.mlp.forward(tape, w, x, norm: r.mlpNorm.of(w), onto: Residual(x)) }
            for b in r.blocks {
                x = w.inPlace(tape) {
                    let a = tape.selfAttention(
                        b.qkv.forward(tape, w, x, norm: b.norm.of(w)), segments: UnsafeBufferPointer(own), heads: heads)
                    return b.output.forward(tape, w, a, onto: Residual(x))
                }
                x = w.inPlace(tape) { b.mlp.forward(tape, w, x, norm: b.mlpNorm.of(w), onto: Residual(x)) }
            }
        }
        return outputNorm.forward(tape, w, x)
    }

    // With laid-out weights the measurements, far more rows than anything else, go through a few voxels at a time: what
    // is made of them stays in cache.

    /// Voxels whose measurements are taken together.
    private func batch(_ m: Int) -> Int { max(1, 384 / m) }

    /// The tokens before their norm.
    private func embedInBatches<S>(_ tape: Tape<S>, _ w: Weights<S>, _ features: Variable<S>, _ m: Int) -> Variable<S> {
        let tokens = tape.matrix(features.rows, configuration.width), step = batch(m) * m
        for start in stride(from: 0, to: features.rows, by: step) {
            let range = start..<min(start + step, features.rows)
            tape.scratch { _ = embed.forward(tape, w, features.rows(range), output: tokens.rows(range)) }
        }
        return tokens
    }

    /// The answers of the tokens, before their norm, to every voxel's queries.
    private func readInBatches<S>(
        _ tape: Tape<S>, _ w: Weights<S>, _ r: Reading, queries q: Variable<S>, tokens: Variable<S>, _ m: Int,
        segments: UnsafeBufferPointer<AttentionSegment>
    ) -> Variable<S> {
        let a = tape.matrix(q.rows, q.columns), l = configuration.latents, voxels = segments.count, step = batch(m)
        for start in stride(from: 0, to: voxels, by: step) {
            let end = min(start + step, voxels), rows = start * l..<end * l
            tape.scratch {
                _ = tape.attention(
                    q.rows(rows),
                    keyValue: r.keyValue.forward(tape, w, tokens.rows(start * m..<end * m), norm: tokenNorm.of(w)),
                    segments: UnsafeBufferPointer(rebasing: segments[..<(end - start)]), heads: configuration.heads,
                    output: a.rows(rows))
            }
        }
        return a
    }
}
