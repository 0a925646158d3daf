import Diffusion
import Dispatch
import Foundation
import ModelSpace
import Networks
import Parallel
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
/// A shard is a fixed run of voxels in mask order and what is said of a voxel depends on nothing but its data, so that
/// the same image, engine, options and seed give the same files whatever the number of threads or parts, and whether or
/// not the fit was interrupted. Finished voxels are kept every ten seconds, and when the fit is stopped
/// (`ShardInProgress`).
public struct FitEngine: Sendable {
    /// Voxels of a file. Answers do not depend on it, but the metadata say how many files there are.
    let shardSize: Int
    /// Draws used for the posterior-predictive misfit.
    private static let misfitDraws = 8

    private let family: any DiffusionFamily
    private let recipe: any EngineRecipe
    private let acquisition: Acquisition
    private let options: FitOptions
    /// Voxels handed to an engine at once. Answers do not depend on it.
    private let blockSize: Int
    /// Least time between two pieces of a shard.
    let pieceInterval: Duration

    public init(
        recipe: any EngineRecipe, acquisition: Acquisition, options: FitOptions, blockSize: Int? = nil,
        shardSize: Int = 4096,
        pieceInterval: Duration = .seconds(10)
    ) {
        self.recipe = recipe
        family = recipe.diffusionFamily
        self.acquisition = acquisition
        self.options = options
        self.blockSize = blockSize ?? recipe.voxelsAtOnce
        self.shardSize = shardSize
        self.pieceInterval = pieceInterval
    }

    /// The archive metadata of a fit of `voxelCount` voxels on a grid.
    public func metadata(grid: [Int], voxelCount: Int, notes: [String: String] = [:]) -> PosteriorMetadata {
        // A family's name and parameters do not say which compartments make its signal.
        var definition =
            family.definition.map {
                ["family_digest": NetworkFile.digest(Data($0.utf8)), PosteriorMetadata.definitionNote: $0]
            } ?? [:]
        if recipe.allocatesDraws { definition[PosteriorMetadata.allocationNote] = PosteriorMetadata.byExpectation }
        if family.words != .none { definition[PosteriorMetadata.wordsNote] = family.words.json }
        return PosteriorMetadata(
            family: family.description, drawLambda: options.lambda, referenceLambda: 0,
            drawCount: recipe.drawCount, sampleCount: options.samples, grid: grid, seed: options.seed,
            networkName: recipe.networkName,
            networkSHA256: recipe.networkSHA256, shardCount: max(1, (voxelCount + shardSize - 1) / shardSize),
            voxelCount: voxelCount,
            notes: notes.merging(definition) { $1 }.merging(recipe.notes) { $1 }.merging(["engine": recipe.name]) { $1 }
        )
    }

    /// The ranks of a part's voxels among all: runs of nearly equal length, whatever their number.
    public static func voxels(ofPart part: (index: Int, of: Int), among count: Int) -> Range<Int> {
        count * part.index / part.of..<count * (part.index + 1) / part.of
    }

    /// Fits all voxels that `directory` does not hold yet.
    ///
    /// - Parameters:
    ///   - voxels: image indices (x fastest, ascending), and `signals` their raw values, V × M.
    ///   - noise: their noise where it is taken as known; the metadata ought to hold its notes.
    ///   - deviation: of the gradients in these voxels; the metadata ought to hold a digest of it.
    ///   - progress: called with voxels done in all, from any thread, one at a time.
    ///   - part: fit only these voxels (`voxels(ofPart:among:)`); shards that reach beyond them become pieces, which
    ///   `merge` joins.
    ///   - shouldStop: asked between voxels and, by slow engines, within them; what is finished is kept.
    /// - Returns: whether everything asked for is fitted.
    public func run(
        voxels: [Int], signals: [Float], noise: KnownNoise? = nil, deviation: GradientDeviation? = nil,
        metadata: PosteriorMetadata, directory: String,
        part: (index: Int, of: Int) = (0, 1),
        progress: @escaping @Sendable (Int) -> Void = { _ in }, shouldStop: @escaping @Sendable () -> Bool = { false }
    ) throws -> Bool {
        precondition(
            signals.count == voxels.count * acquisition.count && noise.map { $0.values.count == voxels.count } ?? true
                && deviation.map { $0.values.count == 9 * voxels.count } ?? true)
        let workers = Mutex<[Worker]>([]), done = Mutex(0)
        let (shards, finished) = try open(voxels, metadata, directory, Self.voxels(ofPart: part, among: voxels.count))
        // The blocks of all shards in one queue, so that no thread waits for a shard's last block or while its file is
        // written. Blocks are taken in order: few shards are under way at a time.
        let work = shards.flatMap { shard in shard.missing(longest: blockSize).map { (shard: shard, voxels: $0) } }
        done.withLock {
            $0 = finished + shards.reduce(0) { $0 + $1.doneCount }; progress($0)
        }
        let clock = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "pieces")),
            tick = max(0.01, pieceInterval / .seconds(1))
        clock.schedule(deadline: .now() + tick, repeating: tick / 2)
        // A failure comes up again where the thread that finishes a block writes.
        clock.setEventHandler { for shard in shards { try? shard.keepWhatIsDue() } }
        clock.resume()
        defer { clock.cancel() }
        do {
            for shard in shards where shard.doneCount == shard.range.count { try shard.keep() }
            try forEachInParallel(work.count, threads: options.threads) { number in
                if shouldStop() { return }
                let (shard, range) = work[number]
                shard.begin()
                let worker =
                    workers.withLock { $0.popLast() }
                    ?? Worker(family, metadata.layout, recipe, acquisition, options.rules, shouldStop)
                let (part, isDone) = worker.fit(voxels, signals, noise, deviation, range, metadata)
                workers.withLock { $0.append(worker) }
                done.withLock {
                    $0 += isDone.count { $0 }; progress($0)
                }
                try shard.add(part, where: isDone, first: range.lowerBound)
            }
        } catch {
            // What one file's failure leaves in memory may still find room.
            for shard in shards { try? shard.keep() }
            throw error
        }
        for shard in shards { try shard.keep() }
        return shards.allSatisfy(\.isWritten)
    }

    /// One thread's share: its engines, which hold scratch memory.
    private final class Worker: @unchecked Sendable {
        let predictive: PredictiveMisfit, acquisition: Acquisition, rules: SignalRules, drawCount: Int
        let engines: GroupEngines
        private let layout: DrawLayout

        init(
            _ family: any DiffusionFamily, _ layout: DrawLayout, _ recipe: any EngineRecipe, _ acquisition: Acquisition,
            _ rules: SignalRules,
            _ shouldStop: @escaping @Sendable () -> Bool
        ) {
            predictive = PredictiveMisfit(family, acquisition: acquisition)
            self.layout = layout
            self.acquisition = acquisition
            self.rules = rules
            drawCount = recipe.drawCount
            engines = GroupEngines(recipe, acquisition, shouldStop: shouldStop)
        }

        /// The posteriors of a run of voxels, and which of them are finished: all, unless the engine was stopped.
        func fit(
            _ voxels: [Int], _ signals: [Float], _ noise: KnownNoise?, _ deviation: GradientDeviation?,
            _ range: Range<Int>, _ metadata: PosteriorMetadata
        ) -> (batch: PosteriorBatch, isDone: [Bool]) {
            let m = acquisition.count
            var batch = PosteriorBatch(voxels: range.map { Int32(voxels[$0]) })
            let groups = signals.withUnsafeBufferPointer { all in
                VoxelGroup.gather(
                    UnsafeBufferPointer(rebasing: all[range.lowerBound * m..<range.upperBound * m]), acquisition, rules
                ) { i, voxel in
                    batch.quality[i] = voxel.quality.rawValue
                    batch.meanB0[i] = voxel.meanB0
                }
            }
            var isDone = [Bool](repeating: true, count: range.count)
            for group in groups {
                guard let part = engines.part(group.kept) else {
                    for i in group.members {
                        batch.quality[i] |= VoxelQuality([.tooFewMeasurements, .notFitted]).rawValue
                        batch.meanB0[i] = 0
                    }
                    continue
                }
                let sigma = noise.map { noise in
                    group.members.map { noise.sigma(range.lowerBound + $0, meanB0: batch.meanB0[$0]) }
                }
                let designs = deviation.map { deviation in
                    group.members.map { deviation.acquisition(part.acquisition, at: range.lowerBound + $0) }
                }
                let answers = engines.posteriors(
                    part, group.y, keys: group.members.map { UInt64(voxels[range.lowerBound + $0]) },
                    sigma: sigma ?? [], designs: designs)
                for (k, (i, answer)) in zip(group.members, answers).enumerated() {
                    group.y.withUnsafeBufferPointer {
                        let y = $0.baseAddress! + k * part.acquisition.count, own = designs?[k] ?? part.acquisition
                        batch.records[i] = record(
                            answer, missingAxis(answer, y, own, metadata.layout), metadata.layout)
                        batch.misfit[i] = misfit(y, answer, own, metadata)
                    }
                }
                for i in group.members.dropFirst(answers.count) { isDone[i] = false }
            }
            return (batch, isDone)
        }

        /// - Parameter axis: what the first stick's direction says of a voxel without sticks.
        private func record(_ answer: VoxelPosterior, _ axis: SIMD3<Double>?, _ layout: DrawLayout) -> VoxelRecord {
            let p = layout.count
            var rows = [Float](repeating: 0, count: drawCount * p)
            for d in 0..<drawCount {
                for c in 0..<p { rows[d * p + c] = Float(layout.scales[c] * answer.parameters[d * p + c]) }
                if let axis, let first = layout.fibres.axes.first {
                    for c in 0..<3 { rows[d * p + first + c] = Float(axis[c]) }
                }
            }
            var record = VoxelRecord(
                structures: answer.listed, logProbability: answer.logProbability, logRest: answer.logRest,
                restParameters: answer.restParameters,
                drawn: answer.structures.prefix(drawCount).map { answer.listed[$0] },
                rows: rows, layout: layout)
            record.logEvidence = Float(answer.logEvidence)
            return record
        }

        /// The tensor's axis of a voxel none of whose draws has a direction; else nil.
        private func missingAxis(
            _ answer: VoxelPosterior, _ y: UnsafePointer<Float>, _ acquisition: Acquisition, _ layout: DrawLayout
        ) -> SIMD3<Double>? {
            let p = layout.count
            let hasOne = answer.parameters.withUnsafeBufferPointer { all in
                (0..<drawCount).contains { layout.fibres.hasDirection(all.baseAddress! + $0 * p) }
            }
            return hasOne ? nil : acquisition.tensorAxis(y)
        }

        /// Posterior-predictive misfit over some draws at the fit's λ.
        private func misfit(
            _ y: UnsafePointer<Float>, _ answer: VoxelPosterior, _ acquisition: Acquisition,
            _ metadata: PosteriorMetadata
        ) -> Float {
            let draws = FitEngine.misfitDraws
            var weights = [Float](repeating: 0, count: drawCount), probability: [Double] = []
            DrawWeights(
                parameterCounts: answer.listed.map(layout.parameterCount),
                fibreCounts: answer.listed.map(layout.fibreCount),
                drawLambda: metadata.allocatesByExpectation ? metadata.drawLambda : nil, target: metadata.drawLambda
            ).update(ListedPosterior(answer), probability: &probability, weights: &weights)
            var chosen = [UInt16](repeating: 0, count: draws)
            DrawWeights.resample(weights, drawCount: drawCount, samples: draws, into: &chosen)
            let value = Float(predictive.restricted(to: acquisition).value(y, answer, draws: chosen.map(Int.init)))
            return value.isFinite ? value : Float(1e6)
        }
    }
}
