import Tensors

/// Scales, shifts and gates of rows of x: parts of `width` columns each, of the row of `parts` that `group` maps a row
/// of x to; row 0 without.
struct Modulation<S: Scalar> {
    let parts: Variable<S>, group: UnsafePointer<Int32>?

    func norm(_ part: Int, _ width: Int) -> Normalisation<S> {
        Normalisation(
            scale: parts.slice(part * width, width), shift: parts.slice((part + 1) * width, width), group: group)
    }

    func residual(_ x: Variable<S>, _ part: Int) -> Residual<S> {
        Residual(x, gate: parts.slice(part * x.columns, x.columns), group: group)
    }
}

/// A transformer block whose three residual branches (self-attention, cross-attention to a voxel's latents, perceptron)
/// are scaled, shifted and gated by a conditioning vector (adaptive layer norm).
///
/// Shapes: x rows × width; modulation groups × 9·width. With laid-out weights the result takes the place of x.
/// Source: Peebles & Xie, "Scalable diffusion models with transformers" (2023).
struct DecoderBlock: Sendable {
    private let width: Int, heads: Int
    private let modulation: Dense
    private let qkv: Dense, selfOutput: Dense
    private let query: Dense, keyValue: Dense, crossOutput: Dense
    private let mlp: Perceptron

    init(
        _ layout: inout ParameterLayout, _ name: String, width: Int, heads: Int, context: Int, condition: Int,
        expansion: Int
    ) {
        self.width = width
        self.heads = heads
        modulation = Dense(&layout, name + ".modulation", condition, 9 * width, gain: 0.1, exact: true)
        qkv = Dense(&layout, name + ".qkv", width, 3 * width)
        selfOutput = Dense(&layout, name + ".self_output", width, width, gain: Encoder.residualGain)
        query = Dense(&layout, name + ".query", width, width)
        keyValue = Dense(&layout, name + ".key_value", context, 2 * width)
        crossOutput = Dense(&layout, name + ".cross_output", width, width, gain: Encoder.residualGain)
        mlp = Perceptron(&layout, name + ".mlp", width, expansion * width, width, gain: Encoder.residualGain)
    }

    /// Keys and values of the latents: once a voxel, whatever follows.
    func context<S>(_ tape: Tape<S>, _ w: Weights<S>, latents: Variable<S>) -> Variable<S> {
        keyValue.forward(tape, w, latents)
    }

    /// Scales, shifts and gates: once a conditioning vector.
    func modulate<S>(_ tape: Tape<S>, _ w: Weights<S>, condition: Variable<S>) -> Variable<S> {
        modulation.forward(tape, w, condition)
    }

    func forward<S>(
        _ tape: Tape<S>, _ w: Weights<S>, _ x: Variable<S>, modulation m: Modulation<S>,
        own: UnsafeBufferPointer<AttentionSegment>, mask: UnsafePointer<UInt8>?, context: Variable<S>,
        cross: UnsafeBufferPointer<AttentionSegment>
    ) -> Variable<S> {
        w.inPlace(tape) {
            let y = attend(tape, w, x, modulation: m, own: own, mask: mask)
            return answer(
                tape, w, y, queries: ask(tape, w, y, modulation: m), modulation: m, context: context, cross: cross)
        }
    }

    /// x and its self-attention.
    /// - Parameter keep: the rows that are wanted; all where nil.
    func attend<S>(
        _ tape: Tape<S>, _ w: Weights<S>, _ x: Variable<S>, modulation m: Modulation<S>,
        own: UnsafeBufferPointer<AttentionSegment>,
        mask: UnsafePointer<UInt8>?, keep: UnsafeBufferPointer<Int32>? = nil
    ) -> Variable<S> {
        let a = tape.selfAttention(
            qkv.forward(tape, w, x, norm: m.norm(0, width)), segments: own, heads: heads, mask: mask)
        guard let keep else { return selfOutput.forward(tape, w, a, onto: m.residual(x, 2)) }
        return selfOutput.forward(tape, w, tape.gather(a, keep), onto: m.residual(tape.gather(x, keep), 2))
    }

    /// Queries, keys and values of rows of x: rows × 3·width.
    func project<S>(_ tape: Tape<S>, _ w: Weights<S>, _ x: Variable<S>, modulation m: Modulation<S>) -> Variable<S> {
        qkv.forward(tape, w, x, norm: m.norm(0, width))
    }

    /// x and its attention to keys and values that are kept elsewhere, any rows × 2·width, of which each row of x has
    /// a list of its own.
    func attend<S>(
        _ tape: Tape<S>, _ w: Weights<S>, _ x: Variable<S>, modulation m: Modulation<S>, queries: Slice<S>,
        keyValue: UnsafePointer<S>, along list: [Int32], segments: UnsafeBufferPointer<AttentionSegment>
    ) -> Variable<S> {
        let a = tape.attention(
            queries, rows: x.rows, keyValue: keyValue, along: list, segments: segments, heads: heads)
        return selfOutput.forward(tape, w, a, onto: m.residual(x, 2))
    }

    /// Queries to the latents.
    func ask<S>(_ tape: Tape<S>, _ w: Weights<S>, _ x: Variable<S>, modulation m: Modulation<S>) -> Variable<S> {
        query.forward(tape, w, x, norm: m.norm(3, width))
    }

    /// x, the latents' answer and the perceptron.
    func answer<S>(
        _ tape: Tape<S>, _ w: Weights<S>, _ x: Variable<S>, queries: Variable<S>, modulation m: Modulation<S>,
        context: Variable<S>,
        cross: UnsafeBufferPointer<AttentionSegment>
    ) -> Variable<S> {
        let c = tape.attention(queries, keyValue: context, segments: cross, heads: heads)
        let y = crossOutput.forward(tape, w, c, onto: m.residual(x, 5))
        return mlp.forward(tape, w, y, norm: m.norm(6, width), onto: m.residual(y, 8))
    }
}
