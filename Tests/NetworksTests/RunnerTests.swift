import Foundation
import ModelSpace
import Tensors
import Testing

@testable import Networks

/// What runs forwards, with laid-out weights, kept conditioning and memory used again, against the layers that training
/// runs, in double precision.
@Suite struct RunnerTests {
    /// Heads of 16 columns and two structure blocks, as in the built-in network, and the tiny problem's sizes, for
    /// which there are no kernels of their own.
    static func problems() -> [TinyProblem] {
        var c = NetworkConfiguration()
        c.width = 32; c.heads = 2; c.latents = 5; c.blocksPerReading = 1; c.parameterWidth = 32; c.parameterHeads = 2;
        c.parameterBlocks = 2
        return [TinyProblem(), TinyProblem(configuration: c), TinyProblem(measurements: 150, configuration: c)]
    }

    private func latents(_ p: TinyProblem, _ tape: Tape<Double>, _ w: Weights<Double>) -> Variable<Double> {
        func constant(_ x: [Float], _ rows: Int) -> Variable<Double> {
            let v = tape.matrix(rows, x.count / rows)
            for (i, value) in x.enumerated() { v.value[i] = Double(value) }
            return v
        }
        return p.network.encoder.forward(
            tape, w, features: constant(p.batch.features, p.batch.count * p.batch.measurements),
            summaries: constant(p.batch.summaries, p.batch.count))
    }

    private func encode(_ p: TinyProblem, _ runner: NetworkRunner) -> EncodedVoxels {
        runner.encode(
            voxels: p.batch.count, measurements: p.batch.measurements, features: p.batch.features,
            summaries: p.batch.summaries)
    }

    @Test(arguments: 0..<3) func structuresAreThoseOfTheLoss(_ which: Int) {
        let p = Self.problems()[which], n = p.batch.count
        var values = p.weights()
        let single = values.map(Float.init)
        values = single.map(Double.init)
        let runner = NetworkRunner(
            p.network, weights: single, packed: PackedLayers(p.network.layout, values: single, precision: .float32))
        let encoded = encode(p, runner)
        for lambda in [0, 1.5, 0] {
            let found = runner.structureLogProbabilities(encoded, lambda: lambda, space: p.space)
            values.withUnsafeMutableBufferPointer { v in
                let tape = Tape<Double>(arena: Arena(blockSize: 1 << 20), records: false),
                    w = Weights(values: v.baseAddress!)
                let latents = latents(p, tape, w)
                for (z, structure) in p.space.structures.enumerated() {
                    for voxel in 0..<n {
                        let l = p.network.configuration.latents
                        let cost = p.network.structureDecoder.loss(
                            tape, w, latents: latents.rows(voxel * l..<(voxel + 1) * l), lambdas: [lambda],
                            structures: [structure], automaton: p.space.automaton, weight: 1)
                        #expect(abs(found[voxel][z] + cost) < 2e-4, "voxel \(voxel), structure \(z), λ \(lambda)")
                    }
                }
                let tree = StructureTree(p.network.structureDecoder, tape, w, lambda: lambda, space: p.space)
                let plain = tree.logProbabilities(tape, w, latents: latents, voxels: n)
                for (a, b) in zip(plain, found) { for (a, b) in zip(a, b) { #expect(abs(a - b) < 2e-4) } }
            }
            for row in found { #expect(abs(row.reduce(0) { $0 + exp($1) } - 1) < 1e-5) }
        }
    }

    /// One solver step by hand: two evaluations of the parameter decoder.
    @Test(arguments: 0..<3) func drawsAreTheDecoders(_ which: Int) {
        let p = Self.problems()[which], n = p.batch.count, t = 4, q = 2
        var values = p.weights()
        let single = values.map(Float.init)
        values = single.map(Double.init)
        let runner = NetworkRunner(
            p.network, weights: single, packed: PackedLayers(p.network.layout, values: single, precision: .float32))
        let encoded = encode(p, runner)
        let masks = p.space.structures.map { z in
            (0..<t * q).map { k -> Float in (k / q == 0 || z[k / q - 1]) && k != 2 * q + 1 ? 1 : 0 }
        }
        let noise = (0..<n).map { v in (0..<t * q).map { Float(sin(Double(v * 8 + $0 + 1))) } }
        func draw() -> [Float] {
            runner.draw(
                encoded, places: Array(0..<n), of: p.space.structures, voxelOfDraw: Array(0..<n), masks: masks, steps: 1
            ) { d, count, out in
                for i in 0..<count { out[i] = noise[d][i] }
            }
        }
        let found = draw()
        #expect(draw().map(\.bitPattern) == found.map(\.bitPattern))
        values.withUnsafeMutableBufferPointer { v in
            let tape = Tape<Double>(arena: Arena(blockSize: 1 << 20), records: false),
                w = Weights(values: v.baseAddress!)
            let latents = latents(p, tape, w), decoder = p.network.parameterDecoder, l = p.network.configuration.latents
            for d in 0..<n {
                let tokens = (0..<t).filter { token in (0..<q).contains { masks[d][token * q + $0] != 0 } },
                    rows = tokens.count
                let mask = tokens.flatMap { token in (0..<q).map { Double(masks[d][token * q + $0]) } }
                var start = noise[d][...],
                    x = mask.map { $0 == 0 ? 0 : Double(start.removeFirst()) * NoiseLevel.highest }, clean = x
                let levels = NoiseLevel.schedule(steps: 1), group = [Int32](repeating: 0, count: rows)
                let own = [AttentionSegment(queries: 0..<rows, keys: 0..<rows)],
                    cross = [AttentionSegment(queries: 0..<rows, keys: 0..<l)]
                for (i, sigma) in levels.enumerated() {
                    let scale = 1 / (1 + sigma * sigma).squareRoot(), input = tape.matrix(rows, q + t, zeroed: true)
                    for r in 0..<rows {
                        for j in 0..<q { input.value[r * (q + t) + j] = x[r * q + j] * scale }
                        input.value[r * (q + t) + q + tokens[r]] = 1
                    }
                    let f = own.withUnsafeBufferPointer { own in
                        cross.withUnsafeBufferPointer { cross in
                            decoder.forward(
                                tape, w, x: input,
                                modulation: decoder.modulation(tape, w, groups: [(sigma, p.space.structures[d])]),
                                group: group,
                                own: own, context: decoder.context(tape, w, latents: latents.rows(d * l..<(d + 1) * l)),
                                cross: cross)
                        }
                    }
                    for k in 0..<rows * q { clean[k] = (scale * scale * x[k] + sigma * scale * f.value[k]) * mask[k] }
                    if i == 0 {
                        for k in 0..<rows * q {
                            x[k] = levels[1] / sigma * (x[k] + clean[k]) + (1 - levels[1] / sigma) * clean[k]
                        }
                    }
                }
                for (r, token) in tokens.enumerated() {
                    for j in 0..<q {
                        #expect(abs(Double(found[(d * t + token) * q + j]) - clean[r * q + j]) < 1e-3, "draw \(d)")
                    }
                }
            }
        }
    }
}
