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
    let weights: Weights<Float>
    private let keep: [Float]
    /// Keys and values of the latents for the parameter decoder: computed for the first draw of a block, kept on
    /// `tape`.
    private var context: [Variable<Float>]?
    /// What depends on the conditioning alone, each on a tape of its own: the last λ's tree and the last schedule's
    /// modulations.
    private var tree: StructureTree<Float>?, schedule: Schedule?, starts: PrefixStarts<Float>?
    private let treeTape = Tape<Float>(arena: Arena(blockSize: 1 << 20), records: false)
    private let startsTape = Tape<Float>(arena: Arena(blockSize: 1 << 16), records: false)
    private let scheduleTape = Tape<Float>(arena: Arena(blockSize: 1 << 20), records: false)
    private let tape = Tape<Float>(arena: Arena(blockSize: 16 << 20), records: false)
    let stepTape = Tape<Float>(arena: Arena(blockSize: 16 << 20), records: false)

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

    /// Keys and values of the latents for the parameter decoder, of the block that was read last.
    func latentContext(_ voxels: EncodedVoxels) -> [Variable<Float>] {
        let found = context ?? network.parameterDecoder.context(tape, weights, latents: voxels.latents)
        context = found
        return found
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
        if starts?.conditioning.lambda != lambda {
            startsTape.reset()
            starts = PrefixStarts(network.structureDecoder, startsTape, weights, lambda: lambda)
        }
        var cache = PrefixCache(
            network.structureDecoder, stepTape, weights, starts: starts!, latents: voxels.latents,
            voxels: voxels.count)
        return ask(&cache)
    }

    /// Noise levels of a solver, and the parameter decoder's modulation at each, a row a structure.
    struct Schedule {
        let steps: Int, structures: [Structure], levels: [Double], modulations: [[Variable<Float>]]
    }

    func schedule(steps: Int, _ structures: [Structure]) -> Schedule {
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

    let scratch = Arena(blockSize: 32 << 20)
}
