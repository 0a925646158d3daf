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
    public static let shardSize = 4096
    /// Draws used for the posterior-predictive misfit.
    private static let misfitDraws = 8

    private let family = BallSticks()
    private let recipe: any EngineRecipe
    private let acquisition: Acquisition
    private let options: FitOptions
    /// Voxels handed to an engine at once. Answers do not depend on it.
    private let blockSize: Int

    public init(recipe: any EngineRecipe, acquisition: Acquisition, options: FitOptions, blockSize: Int = 32) {
        self.recipe = recipe
        self.acquisition = acquisition
        self.options = options
        self.blockSize = blockSize
    }

    /// The archive metadata of a fit of `voxelCount` voxels on a grid.
    public func metadata(grid: [Int], voxelCount: Int, notes: [String: String] = [:]) -> PosteriorMetadata {
        return PosteriorMetadata(
            family: family.name, structures: .ballSticks, drawLambda: options.lambda, referenceLambda: 0,
            drawCount: recipe.drawCount, sampleCount: options.samples, grid: grid, seed: options.seed, networkName: recipe.networkName,
            networkSHA256: recipe.networkSHA256, shardCount: max(1, (voxelCount + Self.shardSize - 1) / Self.shardSize), voxelCount: voxelCount,
            notes: notes.merging(recipe.notes) { $1 }.merging(["engine": recipe.name]) { $1 })
    }

    /// Voxels of the shards whose number is `part.index` modulo `part.of`.
    public func voxelCount(part: (index: Int, of: Int), of metadata: PosteriorMetadata) -> Int {
        stride(from: part.index, to: metadata.shardCount, by: part.of)
            .reduce(0) { $0 + min(Self.shardSize, metadata.voxelCount - $1 * Self.shardSize) }
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
        for shard in 0..<metadata.shardCount where shard % part.of == part.index {
            let range = shard * Self.shardSize..<min((shard + 1) * Self.shardSize, voxels.count)
            let path = directory + "/" + PosteriorShard.name(shard)
            if FileManager.default.fileExists(atPath: path) {
                let found = try PosteriorShard(path: path)
                guard found.metadata == metadata, found.first == range.lowerBound, found.count == range.count else {
                    throw FitEngineError.otherFit(path: path)
                }
                done.withLock { $0 += range.count; progress($0) }
                continue
            }
            let blocks = (range.count + blockSize - 1) / blockSize
            let parts = Mutex<[PosteriorBatch?]>(Array(repeating: nil, count: blocks))
            try forEachInParallel(blocks, threads: options.threads) { b in
                if shouldStop() { return }
                let worker = workers.withLock { $0.popLast() } ?? Worker(family, recipe, acquisition, blockSize)
                defer { workers.withLock { $0.append(worker) } }
                let first = range.lowerBound + b * blockSize
                let part = worker.fit(voxels, signals, first..<min(first + blockSize, range.upperBound), metadata)
                parts.withLock { $0[b] = part }
                done.withLock { $0 += part.voxels.count; progress($0) }
            }
            let finished = parts.withLock { $0.compactMap { $0 } }
            guard finished.count == blocks else { return false }
            try PosteriorShard.write(
                PosteriorBatch(joining: finished), metadata: metadata, index: shard, first: range.lowerBound, directory: directory)
        }
        return true
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
                batch.misfit[i] = y.withUnsafeBufferPointer { misfit($0.baseAddress! + k * m, answer, metadata) }
            }
            return batch
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
