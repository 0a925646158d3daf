import Foundation
import ModelSpace
import Tensors

/// A block of voxels read by the encoder, ready to be asked for structure probabilities and parameter draws.
///
/// Holds memory of its tape's arena: use it before the tape is reset.
public struct EncodedVoxels {
    public let count: Int
    let latents: Variable<Float>
}

/// Runs a trained network forwards. One a worker thread: it owns scratch memory; the weights are shared.
public final class NetworkRunner {
    public let network: Network
    private let weights: Weights<Float>
    private let keep: [Float]
    /// Keys and values of the latents for the parameter decoder: computed for the first draw of a block, kept on
    /// `tape`.
    private var context: [Variable<Float>]?
    /// What depends on the conditioning alone, each on a tape of its own: the last λ's tree and the last schedule's
    /// modulations.
    private var tree: StructureTree<Float>?, schedule: Schedule?, conditioning: StructureConditioning<Float>?
    private let treeTape = Tape<Float>(arena: Arena(blockSize: 1 << 20), records: false)
    private let conditioningTape = Tape<Float>(arena: Arena(blockSize: 1 << 16), records: false)
    private let scheduleTape = Tape<Float>(arena: Arena(blockSize: 1 << 20), records: false)
    private let tape = Tape<Float>(arena: Arena(blockSize: 16 << 20), records: false)
    private let stepTape = Tape<Float>(arena: Arena(blockSize: 16 << 20), records: false)

    /// - Parameters:
    ///   - weights: layout.count values; must outlive the runner when passed as a shared buffer.
    ///   - packed: the same weights laid out, where they have been already.
    public init(_ network: Network, weights: [Float], packed: PackedLayers? = nil) {
        Blas.ready
        self.network = network
        keep = weights
        // The array is kept and never written, so its storage does not move.
        self.weights = Weights(
            values: UnsafeMutablePointer(mutating: keep.withUnsafeBufferPointer { $0.baseAddress! }),
            packed: packed ?? PackedLayers(network.layout, values: weights))
    }

    /// - Parameter precision: of the matrix products; nil for what the file's layers are laid out for already, which
    ///   costs no memory.
    public convenience init(_ file: NetworkFile, precision: NetworkPrecision? = nil) {
        let other = precision.flatMap {
            $0 == file.packed.precision ? nil : PackedLayers(file.network.layout, values: file.weights, precision: $0)
        }
        self.init(file.network, weights: file.weights, packed: other ?? file.packed)
    }

    /// Reads V voxels of M measurements. Forgets the block before.
    /// Shapes: features (V·M) × F, summaries V × G.
    public func encode(voxels: Int, measurements: Int, features: UnsafePointer<Float>, summaries: UnsafePointer<Float>)
        -> EncodedVoxels
    {
        tape.reset()
        context = nil
        let s = network.shape
        return EncodedVoxels(
            count: voxels,
            latents: network.encoder.forward(
                tape, weights, features: tape.constant(features, rows: voxels * measurements, columns: s.features),
                summaries: tape.constant(summaries, rows: voxels, columns: s.summaries)))
    }

    /// log q(z | y, λ) for every allowed structure: V × structures.
    public func structureLogProbabilities(_ voxels: EncodedVoxels, lambda: Double, space: StructureSpace) -> [[Double]]
    {
        stepTape.reset()
        if tree?.lambda != lambda || tree?.structures != space.structures {
            treeTape.reset()
            tree = StructureTree(network.structureDecoder, treeTape, weights, lambda: lambda, space: space)
        }
        return tree!.logProbabilities(stepTape, weights, latents: voxels.latents, voxels: voxels.count)
    }

    /// Answers a question about structures by evaluating as many prefixes as it needs.
    func withPrefixes<R>(of voxels: EncodedVoxels, lambda: Double, _ ask: (inout PrefixCache<Float>) -> R) -> R {
        stepTape.reset()
        if conditioning?.lambda != lambda {
            conditioningTape.reset()
            conditioning = StructureConditioning(network.structureDecoder, conditioningTape, weights, lambda: lambda)
        }
        var cache = PrefixCache(
            network.structureDecoder, stepTape, weights, conditioning: conditioning!, latents: voxels.latents,
            voxels: voxels.count)
        return ask(&cache)
    }

    /// Noise levels of a solver, and the parameter decoder's modulation at each, a row a structure.
    private struct Schedule {
        let steps: Int, structures: [Structure], levels: [Double], modulations: [[Variable<Float>]]
    }

    private func schedule(steps: Int, _ structures: [Structure]) -> Schedule {
        if let schedule, schedule.steps == steps, schedule.structures == structures { return schedule }
        scheduleTape.reset()
        let levels = NoiseLevel.schedule(steps: steps)
        let new = Schedule(
            steps: steps, structures: structures, levels: levels,
            modulations: levels.map { sigma in
                network.parameterDecoder.modulation(scheduleTape, weights, groups: structures.map { (sigma, $0) })
            })
        schedule = new
        return new
    }

    /// Draws θ's coordinates from q(θ | z, y) by DPM-Solver++(2M) from σ = 20 to 0.005.
    ///
    /// Shapes: `places[i]` in `structures` for draw i; draws of a voxel are adjacent, `voxelOfDraw` rises from 0.
    /// coordinates draws × T·Q (zero where the mask is).
    /// - Parameters:
    ///   - structures: all that may occur; what depends on them alone is kept for as long as they stay the same.
    ///   - masks: coordinate mask of each of them.
    ///   - normal: fills with standard normals for one draw, as many as its structure has coordinates; called in order
    ///   of draws.
    /// - Source: Lu et al., "DPM-Solver++" (2022), in the data-prediction form with λ = −ln σ.
    public func draw(
        _ voxels: EncodedVoxels, places: [Int], of structures: [Structure], voxelOfDraw: [Int], masks: [[Float]],
        steps: Int,
        normal: (_ draw: Int, _ count: Int, UnsafeMutablePointer<Float>) -> Void
    ) -> [Float] {
        let t = network.shape.tokens, q = network.shape.coordinates, width = q + t, draws = places.count
        let decoder = network.parameterDecoder
        stepTape.reset()
        let context = context ?? decoder.context(tape, weights, latents: voxels.latents)
        self.context = context
        let l = voxels.latents.rows / voxels.count

        // Rows: the active tokens of every draw.
        let tokens = masks.map { mask in (0..<t).filter { token in (0..<q).contains { mask[token * q + $0] != 0 } } }
        let active = masks.map { $0.count { $0 != 0 } }
        var start = [Float](repeating: 0, count: t * q)
        let rows = places.reduce(0) { $0 + tokens[$1].count }
        let own = UnsafeMutableBufferPointer<AttentionSegment>.take(stepTape.arena, draws)
        let cross = UnsafeMutableBufferPointer<AttentionSegment>.take(stepTape.arena, voxels.count)
        let group = UnsafeMutableBufferPointer<Int32>.take(stepTape.arena, rows)
        var mask = [Float](repeating: 0, count: rows * q), tokenOfRow = [Int](repeating: 0, count: rows)
        var x = [Float](repeating: 0, count: rows * q)
        let highest = Float(NoiseLevel.highest)
        var row = 0, segments = 0, draw = 0
        while draw < draws {
            let voxel = voxelOfDraw[draw], first = row
            while draw < draws, voxelOfDraw[draw] == voxel {
                let s = places[draw], n = tokens[s].count
                own[draw] = AttentionSegment(queries: row..<row + n, keys: row..<row + n)
                start.withUnsafeMutableBufferPointer { normal(draw, active[s], $0.baseAddress!) }
                var used = 0
                for token in tokens[s] {
                    group[row] = Int32(s)
                    tokenOfRow[row] = token
                    for j in 0..<q where masks[s][token * q + j] != 0 {
                        mask[row * q + j] = 1
                        x[row * q + j] = start[used] * highest
                        used += 1
                    }
                    row += 1
                }
                draw += 1
            }
            cross[segments] = AttentionSegment(queries: first..<row, keys: voxel * l..<(voxel + 1) * l)
            segments += 1
        }
        let crossUsed = UnsafeBufferPointer(rebasing: UnsafeBufferPointer(cross)[0..<segments])

        let schedule = schedule(steps: steps, structures), levels = schedule.levels
        let input = stepTape.constant(stepTape.arena.take(rows * width, zeroed: true), rows, width)
        for r in 0..<rows { input.value[r * width + q + tokenOfRow[r]] = 1 }
        var clean = [Float](repeating: 0, count: rows * q), before = clean
        let inner = Tape<Float>(arena: scratch, records: false)
        for (i, sigma) in levels.enumerated() {
            inner.reset()
            let scale = Float(1 / (1 + sigma * sigma).squareRoot())
            for r in 0..<rows { for j in 0..<q { input.value[r * width + j] = x[r * q + j] * scale } }
            let f = decoder.forward(
                inner, weights, x: input,
                modulation: schedule.modulations[i],
                group: UnsafePointer(group.baseAddress!), own: UnsafeBufferPointer(own), context: context,
                cross: crossUsed)
            swap(&clean, &before)
            let a = scale * scale, b = Float(sigma) * scale
            for k in 0..<rows * q { clean[k] = (a * x[k] + b * f.value[k]) * mask[k] }
            guard i + 1 < levels.count else { break }
            let next = levels[i + 1], ratio = Float(next / sigma)
            if i == 0 {
                // The start had mean 0; at so much noise the network's answer hardly depends on it, so its mean can
                // still be put right.
                for k in 0..<rows * q { x[k] += clean[k] }
                for k in 0..<rows * q { x[k] = ratio * x[k] + (1 - ratio) * clean[k] }
            } else {
                let c = Float(0.5 * log(next / sigma) / log(sigma / levels[i - 1]))
                for k in 0..<rows * q { x[k] = ratio * x[k] + (1 - ratio) * (clean[k] + c * (clean[k] - before[k])) }
            }
        }

        var coordinates = [Float](repeating: 0, count: draws * t * q)
        row = 0
        for d in 0..<draws {
            for token in tokens[places[d]] {
                for j in 0..<q { coordinates[(d * t + token) * q + j] = clean[row * q + j] }
                row += 1
            }
        }
        return coordinates
    }

    private let scratch = Arena(blockSize: 32 << 20)
}
