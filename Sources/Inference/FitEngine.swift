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
            let worker = workers.withLock { $0.popLast() } ?? Worker(family, recipe, acquisition, blockSize)
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

    /// One thread's share: scratch memory and the engine.
    private final class Worker: @unchecked Sendable {
        let family: BallSticks, acquisition: Acquisition, drawCount: Int
        let engine: any PosteriorEngine
        var y: [Float]

        init(_ family: BallSticks, _ recipe: any EngineRecipe, _ acquisition: Acquisition, _ blockSize: Int) {
            self.family = family
            self.acquisition = acquisition
            drawCount = recipe.drawCount
            engine = recipe.makeEngine()
            y = Array(repeating: 0, count: blockSize * acquisition.count)
        }

        func fit(_ voxels: [Int], _ signals: [Float], _ range: Range<Int>, _ metadata: PosteriorMetadata) -> PosteriorBatch {
            let m = acquisition.count, s = drawCount, z = metadata.structures.count
            var batch = PosteriorBatch(voxels: range.map { Int32(voxels[$0]) }, structureCount: z, drawCount: s)
            var fitted: [Int] = []
            for (i, v) in range.enumerated() {
                let (mean, quality) = signals.withUnsafeBufferPointer { all in
                    y.withUnsafeMutableBufferPointer { y in
                        VoxelNormalisation.normalise(
                            UnsafeBufferPointer(rebasing: all[v * m..<(v + 1) * m]), acquisition, into: y.baseAddress! + fitted.count * m)
                    }
                }
                batch.quality[i] = quality.rawValue
                batch.meanB0[i] = mean
                if !quality.contains(.notFitted) { fitted.append(i) }
            }
            guard !fitted.isEmpty else { return batch }
            let answers = engine.posteriors(y, count: fitted.count, keys: fitted.map { UInt64(voxels[range.lowerBound + $0]) })
            var row = [Float](repeating: 0, count: DrawColumn.count)
            for (k, (i, answer)) in zip(fitted, answers).enumerated() {
                for j in 0..<z { batch.logProbability[i * z + j] = Float(answer.logProbability[j]) }
                let axis = y.withUnsafeBufferPointer { missingAxis(answer, $0.baseAddress! + k * m) }
                for d in 0..<s {
                    batch.drawStructures[i * s + d] = UInt8(answer.structures[d])
                    for c in 0..<DrawColumn.count {
                        let x = answer.parameters[d * BallSticks.Slot.count + c]
                        row[c] = Float(c == BallSticks.Slot.diffusivity || c == BallSticks.Slot.spread ? 1e3 * x : x)
                    }
                    if let axis { for c in 0..<3 { row[DrawColumn.direction + c] = Float(axis[c]) } }
                    batch.draws.withUnsafeMutableBufferPointer {
                        _ = HalfPrecision.encode(row, $0.baseAddress! + (i * s + d) * DrawColumn.count, count: DrawColumn.count)
                    }
                }
                batch.misfit[i] = y.withUnsafeBufferPointer { misfit($0.baseAddress! + k * m, answer, metadata) }
            }
            return batch
        }

        /// The tensor's axis of a voxel none of whose draws has a direction; else nil.
        private func missingAxis(_ answer: VoxelPosterior, _ y: UnsafePointer<Float>) -> SIMD3<Double>? {
            let slots = BallSticks.Slot.count, first = BallSticks.Slot.axis
            for d in 0..<drawCount where (0..<3).contains(where: { answer.parameters[d * slots + first + $0] != 0 }) { return nil }
            return acquisition.tensorAxis(y)
        }

        /// Posterior-predictive misfit over some draws at the fit's λ.
        private func misfit(_ y: UnsafePointer<Float>, _ answer: VoxelPosterior, _ metadata: PosteriorMetadata) -> Float {
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
