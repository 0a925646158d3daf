import Diffusion
import Foundation
import ModelSpace
import Parallel

/// What a fit leaves over, by shell, along and across the main fibre: the signature of tissue that the model does not
/// hold for.
///
/// Residuals are (y − E y)/σ, averaged over posterior draws at the fit's λ: noise averages out, misfit does not. Along:
/// |cos| of the gradient direction and the main fibre's axis above 0.8; across: below 0.3. An extra-axonal space that
/// hinders water across the fibre less than along it, which sticks and a ball do not have, shows as negative values
/// along and positive ones across.
public struct ShellResiduals: Codable, Equatable, Sendable {
    /// A mean residual in units of σ, and how many measurements it is of.
    public struct Mean: Codable, Equatable, Sendable {
        public var residual = 0.0, measurements = 0

        mutating func add(_ other: Mean) {
            let total = measurements + other.measurements
            guard total > 0 else { return }
            residual = (residual * Double(measurements) + other.residual * Double(other.measurements)) / Double(total)
            measurements = total
        }
    }
    /// b in s/mm².
    public struct Shell: Codable, Equatable, Sendable {
        public var bValue: Double
        public var along = Mean(), across = Mean()
    }
    /// Some voxels: how many, and their shells by rising b.
    public struct Group: Codable, Equatable, Sendable {
        public var voxels = 0
        public var shells: [Shell]
    }

    /// λ of the draws.
    public var lambda: Double
    /// Voxels with at least one fibre, with one fibre and no more (each with probability above 0.9, and mean fraction
    /// of the main fibre above 0.2).
    public var anyFibre: Group, oneFibre: Group

    /// - Parameters:
    ///   - shards: of a fit or a part of one.
    ///   - lambda: that of the fit.
    ///   - signals: V × M raw values of all voxels of the fit.
    ///   - deviation: of the gradients in these, where the fit took it in.
    ///   - threads: how many share the work; it does not change the result.
    public init(
        _ shards: [PosteriorShard], family: any DiffusionFamily = BallSticks(), lambda: Double, signals: [Float],
        acquisition: Acquisition, deviation: GradientDeviation? = nil, threads: Int
    ) {
        let (bValues, shell) = Self.shells(acquisition), structures = PosteriorArchive.placeStructures(shards)
        let empty = Group(shells: bValues.map { Shell(bValue: $0) })
        let blocks = shards.flatMap { shard in
            stride(from: 0, to: shard.count, by: 512).map { (shard: shard, range: $0..<min($0 + 512, shard.count)) }
        }
        var sums = [Double](repeating: 0, count: blocks.count * 2 * Sums.width(bValues.count))
        sums.withUnsafeMutableBufferPointer { sums in
            signals.withUnsafeBufferPointer { signals in
                nonisolated(unsafe) let sums = sums.baseAddress, signals = signals.baseAddress
                try! forEachInParallel(blocks.count, threads: threads) { number in
                    let (shard, range) = blocks[number]
                    let width = Sums.width(bValues.count), own = sums! + number * 2 * width
                    var worker = Worker(shard.metadata, structures, family, acquisition, deviation, shell: shell)
                    for i in range where !VoxelQuality(rawValue: shard.quality[i]).contains(.notFitted) {
                        worker.add(
                            shard, i, signals! + (shard.first + i) * acquisition.count, any: Sums(at: own),
                            one: Sums(at: own + width))
                    }
                }
            }
        }
        self.lambda = lambda
        anyFibre = empty
        oneFibre = empty
        let width = Sums.width(bValues.count)
        for block in blocks.indices {
            anyFibre.add(sums[(block * 2 * width)..<((block * 2 + 1) * width)])
            oneFibre.add(sums[((block * 2 + 1) * width)..<((block * 2 + 2) * width)])
        }
    }

    /// The parts of one fit together; nil when one is missing.
    public static func joining(_ parts: [ShellResiduals?]) -> ShellResiduals? {
        guard var whole = parts.first ?? nil else { return nil }
        for part in parts.dropFirst() {
            guard let part, part.lambda == whole.lambda,
                part.anyFibre.shells.map(\.bValue) == whole.anyFibre.shells.map(\.bValue)
            else { return nil }
            whole.anyFibre.add(part.anyFibre)
            whole.oneFibre.add(part.oneFibre)
        }
        return whole
    }

    /// The weighted volumes by b, rounded to 100 s/mm² or so far that at most eight values are left; the number of each
    /// volume's shell, nil for b≈0.
    static func shells(_ acquisition: Acquisition) -> (bValues: [Double], shell: [Int?]) {
        var step = 100.0
        while true {
            let rounded = (0..<acquisition.count).map { i in
                acquisition.isUnweighted(i) ? nil : max(step, (acquisition.bValues[i] / step).rounded() * step)
            }
            let bValues = Set(rounded.compactMap { $0 }).sorted()
            if bValues.count <= 8 { return (bValues, rounded.map { b in b.map { bValues.firstIndex(of: $0)! } }) }
            step *= 2
        }
    }

    /// Where a group's sums lie: the number of voxels, then for each shell sum and number along, sum and number across.
    private struct Sums {
        let at: UnsafeMutablePointer<Double>
        static func width(_ shells: Int) -> Int { 1 + 4 * shells }

        func add(_ residual: Double, shell: Int, isAcross: Bool) {
            at[1 + 4 * shell + (isAcross ? 2 : 0)] += residual
            at[2 + 4 * shell + (isAcross ? 2 : 0)] += 1
        }
    }

    /// Adds what some voxels leave over.
    private struct Worker {
        static let draws = 8
        let acquisition: Acquisition, shell: [Int?], deviation: GradientDeviation?
        var predictions: VoxelPredictions

        init(
            _ metadata: PosteriorMetadata, _ structures: StructureTable, _ family: any DiffusionFamily,
            _ acquisition: Acquisition, _ deviation: GradientDeviation?, shell: [Int?]
        ) {
            self.deviation = deviation
            self.acquisition = acquisition
            self.shell = shell
            predictions = VoxelPredictions(metadata, structures, family, acquisition)
        }

        mutating func add(_ shard: PosteriorShard, _ i: Int, _ signals: UnsafePointer<Float>, any: Sums, one: Sums) {
            let acquisition = deviation?.acquisition(acquisition, at: shard.first + i) ?? acquisition
            predictions.read(shard, i)
            guard predictions.fibreCounts[0] < 0.1, shard.meanB0[i] > 0 else { return }
            predictions.predict(signals, acquisition, draws: Self.draws)
            guard predictions.fraction > 0.2 else { return }
            let main = predictions.mainAxis, isSingle = predictions.fibreCounts[1] > 0.9
            any.at[0] += 1
            if isSingle { one.at[0] += 1 }
            for j in 0..<acquisition.count {
                let residual = predictions.residuals[j]
                // Exact zeros are measurements that are missing.
                guard let shell = shell[j], residual.isFinite, signals[j] != 0 else { continue }
                let cosine = abs((acquisition.directions[j] * main).sum())
                guard cosine > 0.8 || cosine < 0.3 else { continue }
                any.add(residual, shell: shell, isAcross: cosine < 0.3)
                if isSingle { one.add(residual, shell: shell, isAcross: cosine < 0.3) }
            }
        }
    }
}

extension ShellResiduals.Group {
    fileprivate mutating func add(_ other: Self) {
        voxels += other.voxels
        for s in shells.indices {
            shells[s].along.add(other.shells[s].along)
            shells[s].across.add(other.shells[s].across)
        }
    }

    fileprivate mutating func add(_ sums: ArraySlice<Double>) {
        let sums = Array(sums)
        voxels += Int(sums[0])
        func mean(_ at: Int) -> ShellResiduals.Mean {
            .init(residual: sums[at + 1] > 0 ? sums[at] / sums[at + 1] : 0, measurements: Int(sums[at + 1]))
        }
        for s in shells.indices {
            shells[s].along.add(mean(1 + 4 * s))
            shells[s].across.add(mean(3 + 4 * s))
        }
    }
}
