import Foundation
import ModelSpace
import Networks
import Tensors

/// Observations of one design → structure posteriors and joint draws (z, θ), by a trained network. One a worker thread.
///
/// Everything random about an observation comes from streams named by its own `key`, so answers do not depend on
/// batches or threads.
public final class AmortisedSampler<F: ModelFamily> {
    private let family: F, runner: NetworkRunner
    /// Of a family whose structures are listed, all of them, with their places and masks.
    private let listed: Table?
    /// Observations whose draws are made together: enough for fat matrices, few enough to stay in cache.
    private let drawBlock = 8
    /// Holds a block's inputs of the network.
    private let inputs = Arena(blockSize: 1 << 20)
    /// Told where the time goes; nil outside benchmarks.
    var stages: StageClock?

    /// λ of what is answered; other λ follow by the exact identity. The network is asked at it too, unless the family
    /// is for larger λ only.
    public static var referenceLambda: Double { 0 }

    /// - Parameter precision: of the network's matrix products.
    public init(family: F, file: NetworkFile, precision: NetworkPrecision = .fastest) {
        self.family = family
        runner = NetworkRunner(file, precision: precision)
        listed = family.structureList.map { Table($0.structures, family) }
    }

    /// Structures that draws may have, each with its coordinate mask.
    private struct Table {
        let structures: [Structure], places: [Structure: Int], masks: [[Float]]

        init(_ structures: [Structure], _ family: F) {
            self.structures = structures
            places = Dictionary(uniqueKeysWithValues: zip(structures, 0...))
            masks = structures.map(family.coordinateMask)
        }
    }

    /// Answers for observations y (V × M): probabilities of all structures, and draws θ | z of those asked for.
    ///
    /// - Precondition: structures are listed, as for all that answers by their places in the list.
    /// - Parameters:
    ///   - keys: names the random stream of each observation.
    ///   - steps: solver steps; steps + 1 evaluations of the parameter decoder.
    ///   - allocate: the structures of an observation's draws, ascending, given its log-probabilities at λ = 0.
    public func answer(
        _ y: UnsafePointer<Float>, count: Int, design: F.Design, keys: [UInt64], seed: UInt64, steps: Int,
        allocate: (_ observation: Int, _ logProbability: [Double]) -> [Int]
    ) -> [VoxelPosterior] {
        answer(
            y, designs: Array(repeating: design, count: count), keys: keys, seed: seed, steps: steps, allocate: allocate
        )
    }

    /// The same where each observation has a design of its own, of as many measurements.
    public func answer(
        _ y: UnsafePointer<Float>, designs: [F.Design], keys: [UInt64], seed: UInt64, steps: Int,
        allocate: (_ observation: Int, _ logProbability: [Double]) -> [Int]
    ) -> [VoxelPosterior] {
        stages?.enter(.encode)
        let (encoded, frames) = encode(y, designs)
        stages?.enter(.structures)
        let list = family.structureList!
        let logProbability = runner.structureLogProbabilities(encoded, lambda: Self.referenceLambda, space: list)
        let places = logProbability.enumerated().map(allocate)
        stages?.enter(.draws)
        let parameters = draw(
            encoded, frames, designs, places.map { $0.map { list.structures[$0] } }, keys: keys, seed: seed,
            steps: steps)
        return logProbability.indices.map {
            VoxelPosterior(
                of: list.structures, logProbability: logProbability[$0], structures: places[$0],
                parameters: parameters[$0])
        }
    }

    /// What a search asks of the network: the structures that a plan wants read, and draws θ | z of those asked for.
    ///
    /// - Parameters:
    ///   - lambda: λ at which the network is asked.
    ///   - plan: at that λ and beyond.
    ///   - allocate: the structures of an observation's draws, given what was read of it.
    /// - Returns: what was read, at `referenceLambda`, and the draws.
    func read(
        _ y: UnsafePointer<Float>, designs: [F.Design], keys: [UInt64], seed: UInt64, steps: Int, lambda: Double,
        plan: StructureReadingPlan, allocate: (StructurePosterior) -> [Structure]
    ) -> [(structures: StructurePosterior, drawn: [Structure], parameters: [Double])] {
        let (encoded, frames) = encode(y, designs)
        let back = Self.referenceLambda - lambda
        let read = runner.structurePosteriors(encoded, lambda: lambda, automaton: family.automaton, plan: plan)
            .map { back == 0 ? $0 : $0.reweighted(by: back, parameterCount: family.automaton.parameterCount) }
        let structures = read.map(allocate)
        let parameters = draw(encoded, frames, designs, structures, keys: keys, seed: seed, steps: steps)
        return read.indices.map { (read[$0], structures[$0], parameters[$0]) }
    }

    /// θ of the structures asked for, P numbers each.
    private func draw(
        _ encoded: EncodedVoxels, _ frames: [F.Frame], _ designs: [F.Design], _ structures: [[Structure]],
        keys: [UInt64],
        seed: UInt64, steps: Int
    ) -> [[Double]] {
        let p = family.parameterNames.count,
            row = family.tokenCount * family.coordinateCount
        var answers: [[Double]] = []
        for start in stride(from: 0, to: structures.count, by: drawBlock) {
            let block = start..<min(start + drawBlock, structures.count)
            let asked = block.flatMap { v in structures[v].indices.map { (voxel: v, sample: $0) } }
            let table = listed ?? Table(Set(structures[block].joined()).sorted(), family)
            let coordinates =
                asked.isEmpty
                ? []
                : runner.draw(
                    encoded, places: asked.map { table.places[structures[$0.voxel][$0.sample]]! },
                    of: table.structures, voxelOfDraw: asked.map(\.voxel), masks: table.masks, steps: steps
                ) { draw, n, out in
                    var random = RandomSource(
                        seed: seed, stream: keys[asked[draw].voxel], substream: UInt64(asked[draw].sample) + 1)
                    for i in 0..<n { out[i] = Float(random.normal()) }
                }
            var next = 0
            for v in block {
                var parameters = [Double](repeating: 0, count: structures[v].count * p)
                for s in structures[v].indices {
                    coordinates.withUnsafeBufferPointer { x in
                        parameters.withUnsafeMutableBufferPointer { theta in
                            family.decode(
                                x.baseAddress! + next * row, structures[v][s], designs[v], frames[v],
                                into: theta.baseAddress! + s * p)
                        }
                    }
                    next += 1
                }
                answers.append(parameters)
            }
        }
        return answers
    }

    /// log q(z | y, λ) as the network itself gives it at each λ asked for: λ × V × Z. What the exact identity should
    /// give is `StructureSpace.reweight`.
    public func structureLogProbabilities(_ y: UnsafePointer<Float>, count: Int, design: F.Design, lambdas: [Double])
        -> [[[Double]]]
    {
        let (encoded, _) = encode(y, Array(repeating: design, count: count))
        return lambdas.map { runner.structureLogProbabilities(encoded, lambda: $0, space: family.structureList!) }
    }

    /// Reads V observations: the network's view of them, and their frames.
    private func encode(_ y: UnsafePointer<Float>, _ designs: [F.Design]) -> (EncodedVoxels, [F.Frame]) {
        let count = designs.count, m = designs.first.map(family.measurementCount) ?? 0, f = family.featureCount,
            g = family.summaryCount
        inputs.reset()
        let features: UnsafeMutablePointer<Float> = inputs.take(count * m * f),
            summaries: UnsafeMutablePointer<Float> = inputs.take(count * g)
        let frames = (0..<count).map {
            family.observe(y + $0 * m, designs[$0], features: features + $0 * m * f, summary: summaries + $0 * g)
        }
        return (runner.encode(voxels: count, measurements: m, features: features, summaries: summaries), frames)
    }
}
