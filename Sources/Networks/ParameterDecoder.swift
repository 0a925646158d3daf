import Foundation
import ModelSpace
import Tensors

/// The diffusion model over parameter tokens, q(θ | z, y).
///
/// One row a token: its noisy coordinates, which token it is, which components are present. Only the active tokens of a
/// structure are there at all, so one decoder serves every structure. Adaptive layer norm carries the noise level and
/// the structure.
struct ParameterDecoder: Sendable {
    let shape: FamilyShape
    private let width: Int
    private let embed: Dense
    private let noise: Dense, structure: Dense, condition: Dense
    private let blocks: [DecoderBlock]
    private let outputModulation: Dense, output: Dense

    init(_ layout: inout ParameterLayout, _ shape: FamilyShape, _ c: NetworkConfiguration) {
        self.shape = shape
        width = c.parameterWidth
        embed = Dense(&layout, "parameter.embed", shape.coordinates + shape.tokens, width, exact: true)
        noise = Dense(&layout, "parameter.noise", NoiseLevel.featureCount, width, exact: true)
        structure = Dense(&layout, "parameter.structure", shape.components, width, exact: true)
        condition = Dense(&layout, "parameter.condition", width, width, exact: true)
        blocks = (0..<c.parameterBlocks).map {
            DecoderBlock(
                &layout, "parameter.block\($0)", width: c.parameterWidth, heads: c.parameterHeads, context: c.width,
                condition: c.parameterWidth, expansion: 2)
        }
        outputModulation = Dense(&layout, "parameter.output_modulation", width, 2 * width, gain: 0.1, exact: true)
        output = Dense(&layout, "parameter.output", width, shape.coordinates, gain: 0.1, exact: true)
    }

    /// Keys and values of the latents for each block: computed once a voxel.
    func context<S>(_ tape: Tape<S>, _ w: Weights<S>, latents: Variable<S>) -> [Variable<S>] {
        blocks.map { $0.context(tape, w, latents: latents) }
    }

    /// The modulation of every block, and of the output, for each group (a noise level with a structure). Last entry:
    /// output.
    func modulation<S>(_ tape: Tape<S>, _ w: Weights<S>, groups: [(sigma: Double, structure: Structure)]) -> [Variable<
        S
    >] {
        let n = tape.matrix(groups.count, NoiseLevel.featureCount), z = tape.matrix(groups.count, shape.components)
        for (i, g) in groups.enumerated() {
            for (j, f) in NoiseLevel.features(g.sigma).enumerated() {
                n.value[i * NoiseLevel.featureCount + j] = S(f * 1.4)
            }
            for c in 0..<shape.components { z.value[i * shape.components + c] = g.structure[c] ? 1 : -1 }
        }
        let sum = tape.add(noise.forward(tape, w, n), structure.forward(tape, w, z))
        let e = tape.silu(condition.forward(tape, w, tape.silu(sum)))
        return blocks.map { $0.modulate(tape, w, condition: e) } + [outputModulation.forward(tape, w, e)]
    }

    /// F of NoiseLevel for rows of active tokens. Shapes: x rows × (Q + T) (scaled coordinates, token one-hot); F rows
    /// × Q.
    func forward<S>(
        _ tape: Tape<S>, _ w: Weights<S>, x input: Variable<S>, modulation: [Variable<S>], group: UnsafePointer<Int32>,
        own: UnsafeBufferPointer<AttentionSegment>, context: [Variable<S>], cross: UnsafeBufferPointer<AttentionSegment>
    ) -> Variable<S> {
        var x = embed.forward(tape, w, input)
        for (i, b) in blocks.enumerated() {
            x = b.forward(
                tape, w, x, modulation: Modulation(parts: modulation[i], group: group), own: own, mask: nil,
                context: context[i], cross: cross)
        }
        return output.forward(tape, w, x, norm: Modulation(parts: modulation.last!, group: group).norm(0, width))
    }
}
