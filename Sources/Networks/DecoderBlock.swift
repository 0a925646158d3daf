import Tensors

/// A transformer block whose three residual branches (self-attention, cross-attention to a voxel's latents, perceptron) are scaled, shifted and
/// gated by a conditioning vector (adaptive layer norm).
///
/// Shapes: x rows × width; modulation groups × 9·width, `group` mapping rows of x to its rows.
/// Source: Peebles & Xie, "Scalable diffusion models with transformers" (2023).
struct DecoderBlock: Sendable {
    private let width: Int, heads: Int
    private let modulation: Dense
    private let qkv: Dense, selfOutput: Dense
    private let query: Dense, keyValue: Dense, crossOutput: Dense
    private let mlp: Perceptron

    init(_ layout: inout ParameterLayout, _ name: String, width: Int, heads: Int, context: Int, condition: Int, expansion: Int) {
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
    func context<S>(_ tape: Tape<S>, _ w: Weights<S>, latents: Variable<S>) -> Variable<S> { keyValue.forward(tape, w, latents) }

    /// Scales, shifts and gates: once a conditioning vector.
    func modulate<S>(_ tape: Tape<S>, _ w: Weights<S>, condition: Variable<S>) -> Variable<S> { modulation.forward(tape, w, condition) }

    func forward<S>(
        _ tape: Tape<S>, _ w: Weights<S>, _ input: Variable<S>, modulation m: Variable<S>, group: UnsafePointer<Int32>,
        own: UnsafeBufferPointer<AttentionSegment>, mask: UnsafePointer<UInt8>?, context: Variable<S>,
        cross: UnsafeBufferPointer<AttentionSegment>
    ) -> Variable<S> {
        func part(_ i: Int) -> Slice<S> { m.slice(i * width, width) }
        var x = input
        let a = tape.selfAttention(
            qkv.forward(tape, w, tape.norm(x, scale: part(0), shift: part(1), group: group)), segments: own, heads: heads, mask: mask)
        x = tape.gatedAdd(x, selfOutput.forward(tape, w, a), gate: part(2), group: group)
        let c = tape.attention(
            query.forward(tape, w, tape.norm(x, scale: part(3), shift: part(4), group: group)), keyValue: context, segments: cross,
            heads: heads)
        x = tape.gatedAdd(x, crossOutput.forward(tape, w, c), gate: part(5), group: group)
        let h = mlp.forward(tape, w, tape.norm(x, scale: part(6), shift: part(7), group: group))
        return tape.gatedAdd(x, h, gate: part(8), group: group)
    }
}
