import Diffusion
import Foundation
import ModelSpace
import Synchronization

/// What a fit is to do, beyond its data and its engine.
public struct FitOptions: Sendable {
    /// λ of the maps; stored draws serve others too.
    public var lambda = 0.5
    /// S, draws a voxel for outputs.
    public var samples = 50
    public var seed: UInt64 = 1
    public var threads = 1
    /// What the signals mean.
    public var rules = SignalRules()

    public init() {}
}

/// Fits ball-and-sticks posteriors to the voxels of an image with any engine, shard by shard.
///
/// A shard is a fixed run of voxels in mask order and a block a fixed part of a shard, so that the same image, engine, options and seed give
/// the same files whatever the number of threads, and whether or not the fit was interrupted.
public struct FitEngine: Sendable {
    /// Voxels of a file. Answers do not depend on it, but the metadata say how many files there are.
    private let shardSize: Int
    /// Draws used for the posterior-predictive misfit.
    private static let misfitDraws = 8

    private let family = BallSticks()
    private let recipe: any EngineRecipe
    private let acquisition: Acquisition
    private let options: FitOptions
    /// Voxels handed to an engine at once. Answers do not depend on it.
    private let blockSize: Int

    public init(recipe: any EngineRecipe, acquisition: Acquisition, options: FitOptions, blockSize: Int = 32, shardSize: Int = 4096) {
        self.recipe = recipe
        self.acquisition = acquisition
        self.options = options
        self.blockSize = blockSize
        self.shardSize = shardSize
    }

    /// The archive metadata of a fit of `voxelCount` voxels on a grid.
    public func metadata(grid: [Int], voxelCount: Int, notes: [String: String] = [:]) -> PosteriorMetadata {
        return PosteriorMetadata(
            family: family.name, structures: .ballSticks, drawLambda: options.lambda, referenceLambda: 0,
            drawCount: recipe.drawCount, sampleCount: options.samples, grid: grid, seed: options.seed, networkName: recipe.networkName,
            networkSHA256: recipe.networkSHA256, shardCount: max(1, (voxelCount + shardSize - 1) / shardSize), voxelCount: voxelCount,
            notes: notes.merging(recipe.notes) { $1 }.merging(["engine": recipe.name]) { $1 })
    }

    /// Voxels of the shards whose number is `part.index` modulo `part.of`.
    public func voxelCount(part: (index: Int, of: Int), of metadata: PosteriorMetadata) -> Int {
        stride(from: part.index, to: metadata.shardCount, by: part.of)
            .reduce(0) { $0 + min(shardSize, metadata.voxelCount - $1 * shardSize) }
    }

    /// Fits all shards that `directory` does not hold yet.
    ///
    /// - Parameters:
    ///   - voxels: image indices (x fastest, ascending), and `signals` their raw values, V × M.
    ///   - progress: called with voxels done in all, from any thread, one at a time.
    ///   - part: fit only shards whose number is `part.index` modulo `part.of`.
    ///   - shouldStop: asked between blocks; finished shards stay.
    /// - Returns: whether everything asked for is fitted.
    public func run(
        voxels: [Int], signals: [Float], metadata: PosteriorMetadata, directory: String, part: (index: Int, of: Int) = (0, 1),
        progress: @escaping @Sendable (Int) -> Void = { _ in }, shouldStop: @escaping @Sendable () -> Bool = { false }
    ) throws -> Bool {
        precondition(signals.count == voxels.count * acquisition.count)
        let workers = Mutex<[Worker]>([]), done = Mutex(0)
        var open: [OpenShard] = []
        for shard in stride(from: part.index, to: metadata.shardCount, by: part.of) {
            let range = shard * shardSize..<min((shard + 1) * shardSize, voxels.count)
            let path = directory + "/" + PosteriorShard.name(shard)
            guard FileManager.default.fileExists(atPath: path) else {
                open.append(OpenShard(index: shard, range: range, blockSize: blockSize))
                continue
            }
            let found = try PosteriorShard(path: path)
            guard found.metadata == metadata, found.first == range.lowerBound, found.count == range.count else {
                throw FitEngineError.otherFit(path: path)
            }
            done.withLock { $0 += range.count; progress($0) }
        }
        // The blocks of all shards in one queue, so that no thread waits for a shard's last block or while its file is written. Blocks are taken
        // in order: few shards are under way at a time. Only the last shard can have fewer blocks than the first.
        let shards = open, perShard = shards.first?.blockCount ?? 1, left = Atomic<Int>(shards.count)
        try forEachInParallel(shards.reduce(0) { $0 + $1.blockCount }, threads: options.threads) { number in
            if shouldStop() { return }
            let shard = shards[number / perShard], block = number % perShard
            let worker = workers.withLock { $0.popLast() } ?? Worker(family, recipe, acquisition, options.rules)
            let part = worker.fit(voxels, signals, shard.voxels(of: block), metadata)
            workers.withLock { $0.append(worker) }
            done.withLock { $0 += part.voxels.count; progress($0) }
            guard let whole = shard.finish(block, part) else { return }
            try PosteriorShard.write(whole, metadata: metadata, index: shard.index, first: shard.range.lowerBound, directory: directory)
            left.subtract(1, ordering: .relaxed)
        }
        return left.load(ordering: .relaxed) == 0
    }

    /// A shard being fitted, block by block, by whichever threads come.
    private final class OpenShard: Sendable {
        let index: Int, range: Range<Int>, blockSize: Int
        /// At least one: a fit without voxels has its empty file all the same.
        var blockCount: Int { max(1, (range.count + blockSize - 1) / blockSize) }
        private let parts = Mutex<[Int: PosteriorBatch]>([:])

        init(index: Int, range: Range<Int>, blockSize: Int) { (self.index, self.range, self.blockSize) = (index, range, blockSize) }

        func voxels(of block: Int) -> Range<Int> {
            let first = range.lowerBound + block * blockSize
            return first..<min(first + blockSize, range.upperBound)
        }

        /// Takes a block's posteriors; with the last of them gives the whole shard and lets go of it.
        func finish(_ block: Int, _ part: PosteriorBatch) -> PosteriorBatch? {
            let all = parts.withLock { parts -> [Int: PosteriorBatch]? in
                parts[block] = part
                guard parts.count == blockCount else { return nil }
                defer { parts = [:] }
                return parts
            }
            return all.map { all in PosteriorBatch(joining: (0..<blockCount).map { all[$0]! }) }
        }
    }

    /// One thread's share: its engines, which hold scratch memory.
    private final class Worker: @unchecked Sendable {
        let family: BallSticks, acquisition: Acquisition, rules: SignalRules, drawCount: Int
        let engines: GroupEngines

        init(_ family: BallSticks, _ recipe: any EngineRecipe, _ acquisition: Acquisition, _ rules: SignalRules) {
            self.family = family
            self.acquisition = acquisition
            self.rules = rules
            drawCount = recipe.drawCount
            engines = GroupEngines(recipe, acquisition)
        }

        func fit(_ voxels: [Int], _ signals: [Float], _ range: Range<Int>, _ metadata: PosteriorMetadata) -> PosteriorBatch {
            let m = acquisition.count
            var batch = PosteriorBatch(voxels: range.map { Int32(voxels[$0]) }, structureCount: metadata.structures.count, drawCount: drawCount)
            let groups = signals.withUnsafeBufferPointer { all in
                VoxelGroup.gather(UnsafeBufferPointer(rebasing: all[range.lowerBound * m..<range.upperBound * m]), acquisition, rules) { i, voxel in
                    batch.quality[i] = voxel.quality.rawValue
                    batch.meanB0[i] = voxel.meanB0
                }
            }
            for group in groups {
                guard let part = engines.part(group.kept) else {
                    for i in group.members {
                        batch.quality[i] |= VoxelQuality([.tooFewMeasurements, .notFitted]).rawValue
                        batch.meanB0[i] = 0
                    }
                    continue
                }
                let answers = part.engine.posteriors(
                    group.y, count: group.members.count, keys: group.members.map { UInt64(voxels[range.lowerBound + $0]) })
                for (k, (i, answer)) in zip(group.members, answers).enumerated() {
                    store(answer, at: i, in: &batch)
                    batch.misfit[i] = group.y.withUnsafeBufferPointer {
                        misfit($0.baseAddress! + k * part.acquisition.count, answer, part.acquisition, metadata)
                    }
                }
            }
            return batch
        }

        private func store(_ answer: VoxelPosterior, at i: Int, in batch: inout PosteriorBatch) {
            let s = drawCount, z = answer.logProbability.count
            var row = [Float](repeating: 0, count: DrawColumn.count)
            for j in 0..<z { batch.logProbability[i * z + j] = Float(answer.logProbability[j]) }
            for d in 0..<s {
                batch.drawStructures[i * s + d] = UInt8(answer.structures[d])
                for c in 0..<DrawColumn.count {
                    let x = answer.parameters[d * BallSticks.Slot.count + c]
                    row[c] = Float(c == BallSticks.Slot.diffusivity || c == BallSticks.Slot.spread ? 1e3 * x : x)
                }
                batch.draws.withUnsafeMutableBufferPointer {
                    _ = HalfPrecision.encode(row, $0.baseAddress! + (i * s + d) * DrawColumn.count, count: DrawColumn.count)
                }
            }
        }

        /// Posterior-predictive misfit over some draws at the fit's λ.
        private func misfit(
            _ y: UnsafePointer<Float>, _ answer: VoxelPosterior, _ acquisition: Acquisition, _ metadata: PosteriorMetadata
        ) -> Float {
            let draws = FitEngine.misfitDraws
            var weights = [Float](repeating: 0, count: drawCount), probability = [Double](repeating: 0, count: metadata.structures.count)
            DrawWeights(structures: metadata.structures, reference: metadata.referenceLambda, target: metadata.drawLambda).update(
                answer.logProbability.map(Float.init), answer.structures.map(UInt8.init), drawCount: drawCount, probability: &probability, weights: &weights)
            var chosen = [UInt16](repeating: 0, count: draws)
            DrawWeights.resample(weights, drawCount: drawCount, samples: draws, into: &chosen)
            let value = Float(PredictiveMisfit(acquisition: acquisition).value(y, answer, draws: chosen.map(Int.init)))
            return value.isFinite ? value : Float(1e6)
        }
    }
}

/// What can stop a fit that has its data.
public enum FitEngineError: Error, Equatable, CustomStringConvertible, LocalizedError {
    case otherFit(path: String)

    public var description: String {
        switch self {
        case .otherFit(let path):
            "\(path) belongs to another fit (other data, network, seed or options); choose another --out, or --force to start over."
        }
    }
    public var errorDescription: String? { description }
}

extension PosteriorBatch {
    /// The voxels of several batches, one after the other.
    init(joining parts: [PosteriorBatch]) {
        self.init(voxels: parts.flatMap(\.voxels), structureCount: 1, drawCount: 0)
        quality = parts.flatMap(\.quality)
        meanB0 = parts.flatMap(\.meanB0)
        misfit = parts.flatMap(\.misfit)
        logProbability = parts.flatMap(\.logProbability)
        drawStructures = parts.flatMap(\.drawStructures)
        draws = parts.flatMap(\.draws)
    }
}
