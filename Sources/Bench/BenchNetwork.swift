import Diffusion
import Foundation
import Inference
import ModelSpace
import Networks
import Tensors

/// The network's three parts, as a fit runs them.
extension Bench {
    /// Encoder and structure decoder a voxel of a block of 32; one evaluation of the parameter decoder a draw, 64 draws
    /// a voxel of two sticks.
    ///
    /// In every number format this processor has. There is no plain network to hold these against; their kernels have
    /// been checked one by one. A block must give what its voxels give alone.
    public mutating func network(_ file: NetworkFile, measurements m: Int) throws {
        for precision in NetworkPrecision.available { try network(file, measurements: m, precision) }
    }

    private mutating func network(_ file: NetworkFile, measurements m: Int, _ precision: NetworkPrecision) throws {
        let family = BallSticks(), design = BenchSubject.acquisition(measurements: m), voxels = 32, draws = 64,
            steps = 6
        let runner = NetworkRunner(file, precision: precision), space = family.structureSpace,
            c = file.network.configuration
        let f = family.featureCount, g = family.summaryCount, signals = BenchSubject.voxels(voxels, design)
        var features = [Float](repeating: 0, count: voxels * m * f),
            summaries = [Float](repeating: 0, count: voxels * g), y = [Float](repeating: 0, count: m)
        for v in 0..<voxels {
            _ = signals.withUnsafeBufferPointer {
                VoxelNormalisation.normalise(
                    UnsafeBufferPointer(rebasing: $0[v * m..<(v + 1) * m]), design, SignalRules(), into: &y)
            }
            features.withUnsafeMutableBufferPointer { a in
                summaries.withUnsafeMutableBufferPointer { b in
                    _ = family.observe(y, design, features: a.baseAddress! + v * m * f, summary: b.baseAddress! + v * g)
                }
            }
        }
        func encode(_ count: Int = 32) -> EncodedVoxels {
            runner.encode(voxels: count, measurements: m, features: features, summaries: summaries)
        }
        let alone = runner.structureLogProbabilities(encode(1), lambda: 0, space: space)[0]
        var encoded = encode()
        func structures() -> [[Double]] { runner.structureLogProbabilities(encoded, lambda: 0, space: space) }
        let off = zip(structures()[0], alone).reduce(0) { max($0, abs(exp($1.0) - exp($1.1))) }

        let w = Double(c.width), l = Double(c.latents), blocks = Double(c.blocksPerReading), volumes = Double(m)
        let reading = 2 * l * w * w + 2 * volumes * w * 2 * w + 4 * l * volumes * w + 2 * l * w * w + 16 * l * w * w
        let latentBlock = 6 * l * w * w + 4 * l * l * w + 2 * l * w * w + 16 * l * w * w
        let encoding = 2 * volumes * w * (Double(f) + w) + 2 * (reading + blocks * latentBlock)
        try add(
            "encoder, a voxel", "\(precision), \(voxels) voxels, M = \(m)", operations: Double(voxels) * encoding,
            bytes: 4 * Double(features.count), units: voxels,
            deviation: off, tolerance: 1e-4
        ) { _ = encode() }

        encoded = encode()
        let nodes = Double(space.prefixes.count),
            deciding =
                Double(c.structureBlocks) * Self.decoderBlock(rows: nodes, own: nodes, l, w, context: w, expansion: 4)
        try add(
            "structure decoder, a voxel", "\(precision), \(voxels) voxels, \(space.prefixes.count) nodes",
            operations: Double(voxels) * deciding, units: voxels, deviation: off, tolerance: 1e-4
        ) {
            _ = structures()
        }

        let masks = space.structures.map(family.coordinateMask),
            two = space.structures.firstIndex { BallSticks.stickCount($0) == 2 }!
        let block = 8, rows = 3.0, q = Double(c.parameterWidth)
        let asked = Array(repeating: two, count: block * draws), owners = asked.indices.map { $0 / draws }
        let evaluation =
            Double(c.parameterBlocks) * Self.decoderBlock(rows: rows, own: rows, l, q, context: 0, expansion: 2) + 2
            * rows * q * 26
        let sample = runner.draw(
            encoded, places: asked, of: space.structures, voxelOfDraw: owners, masks: masks, steps: steps
        ) { _, n, out in
            for i in 0..<n { out[i] = 0.1 }
        }
        try add(
            "parameter decoder, an evaluation of a draw",
            "\(precision), \(block) voxels × \(draws) draws × \(steps + 1)",
            operations: Double((steps + 1) * asked.count) * evaluation,
            units: (steps + 1) * asked.count, deviation: sample.allSatisfy(\.isFinite) ? 0 : .infinity, tolerance: 0
        ) {
            _ = runner.draw(
                encoded, places: asked, of: space.structures, voxelOfDraw: owners, masks: masks, steps: steps
            ) {
                _, n, out in
                for i in 0..<n { out[i] = 0.1 }
            }
        }
    }

    /// Multiplications and additions of a decoder block over `rows` rows, each of which attends to `own` rows and to l
    /// latents; `context` is the latents' width where their keys and values are made by it.
    private static func decoderBlock(
        rows: Double, own: Double, _ l: Double, _ w: Double, context: Double, expansion: Double
    ) -> Double {
        let dense = 2 * rows * w * (3 * w + w + w + w + 2 * expansion * w)
        return dense + 4 * rows * (own + l) * w + 2 * l * context * 2 * w
    }
}
