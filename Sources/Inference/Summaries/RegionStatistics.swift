import Foundation
import ModelSpace
import Parallel

/// Voxels with weights, of which together something is asked: a region, or a stretch of a bundle.
public struct VoxelRegion: Sendable {
    public var name: String
    /// Numbers among the voxels of the fit, each once, with weights above 0.
    public var voxels: [(voxel: Int, weight: Double)]

    public init(name: String, voxels: [(voxel: Int, weight: Double)]) {
        (self.name, self.voxels) = (name, voxels)
    }
}

/// A number of which the mean over a region is asked.
public enum RegionQuantity: Sendable, Equatable {
    /// A number that every draw has.
    case statistic(SummaryQuantity)
    /// A number of the family's own (`PosteriorMetadata.quantities`): of a parameter, over the voxels that have it.
    case own(Int)
    /// The share of voxels with so many fibres, and with a component.
    case fibreCount(Int), component(Int)
    /// The share of voxels that are one of the named models; after the last, none of them.
    case model(Int)
}

/// What the posterior says of a region's mean.
public struct RegionStatistic: Sendable, Equatable {
    public var mean: Double, sd: Double, q05: Double, q50: Double, q95: Double
    /// Standard deviation of the voxels' own posterior means about it: how unlike the region's voxels are.
    public var between: Double
}

/// Posterior means over regions.
///
/// A region's mean is x̄ = Σ w_v x_v / Σ w_v over its fitted voxels, x_v being what voxel v has. Voxels' posteriors are
/// independent of each other given the scan, as a fit makes them. So mean and standard deviation follow exactly from
/// the voxels' own, E x̄ = Σ w_v E x_v / Σ w_v and sd² = Σ w_v² sd_v² / (Σ w_v)², and quantiles from 1000 regions each
/// of which takes one draw of every voxel at random, by weight (error of a quantile: 0.1 sd or less). Of a
/// parameter that not all draws have, the mean is over those voxels of a draw that have it, and sd comes from the same
/// 1000. What voxels share beyond the model (noise correlated by interpolation, a wrong model) no such number knows.
/// - Accuracy: reproducible whatever the threads; a region's numbers depend on its own voxels alone.
public struct RegionStatistics: Sendable {
    public static let replicates = 1000

    /// The quantities of a fit, in the order of tables.
    public static func quantities(_ metadata: PosteriorMetadata) -> [RegionQuantity] {
        let fibres = (0...DrawColumn.fibreCount).map { RegionQuantity.fibreCount($0) }
        let models = metadata.models.isEmpty ? [] : (0...metadata.models.count).map { RegionQuantity.model($0) }
        let structural = fibres + metadata.components.indices.map { .component($0) } + models
        guard metadata.hasDraws else { return structural }
        let shared = SummaryQuantity.allCases.filter {
            metadata.hasFibreColumns || ($0 != .diffusivity && $0 != .spread)
        }
        return structural + shared.map { .statistic($0) } + metadata.quantities.indices.map { .own($0) }
    }

    /// [regions][quantities]; nil where no voxel of the region has the quantity.
    public let values: [[RegionStatistic?]]
    /// Fitted voxels of each region.
    public let fitted: [Int]

    public init(
        _ archive: PosteriorArchive, _ summary: PosteriorSummary, regions: [VoxelRegion], seed: UInt64 = 1, threads: Int
    ) {
        let quantities = Self.quantities(archive.metadata)
        var values = [[RegionStatistic?]](repeating: [], count: regions.count)
        fitted = regions.map { $0.voxels.count { summary.isFitted($0.voxel) } }
        values.withUnsafeMutableBufferPointer { values in
            // Disjoint places.
            nonisolated(unsafe) let values = values
            try! forEachInParallel(regions.count, threads: threads) { r in
                var worker = RegionWorker(archive, summary, quantities, seed: seed)
                for (voxel, weight) in regions[r].voxels where summary.isFitted(voxel) {
                    worker.add(voxel, weight: weight)
                }
                values[r] = worker.results()
            }
        }
        self.values = values
    }
}

/// Adds up one region.
private struct RegionWorker {
    private let archive: PosteriorArchive, summary: PosteriorSummary, quantities: [RegionQuantity], seed: UInt64
    private let metadata: PosteriorMetadata, layout: DrawLayout, weighting: DrawWeights
    /// Q × R sums of w·x and of w over what a replicate's draws have.
    private var sums: [Double], shares: [Double]
    /// Of each quantity: Σ w, Σ w·mean, Σ w·mean², Σ w²·sd².
    private var total: [Double], first: [Double], second: [Double], spread: [Double]
    private var diffusion = DrawDiffusion()
    private var posterior = ListedPosterior(), rows: [Float], ways: [Structure: [Int?]] = [:]
    /// Of the voxel at hand: its draws' weights, and the draw that each replicate takes.
    private var weights: [Float], probability: [Double] = [], choice: [Int]
    private let replicates = RegionStatistics.replicates

    init(_ archive: PosteriorArchive, _ summary: PosteriorSummary, _ quantities: [RegionQuantity], seed: UInt64) {
        (self.archive, self.summary, self.quantities, self.seed) = (archive, summary, quantities, seed)
        metadata = archive.metadata
        layout = metadata.layout
        weighting = DrawWeights(metadata, target: summary.lambda)
        weights = Array(repeating: 0, count: metadata.drawCount)
        sums = Array(repeating: 0, count: quantities.count * replicates)
        shares = sums
        total = Array(repeating: 0, count: quantities.count)
        (first, second, spread) = (total, total, total)
        rows = Array(repeating: 0, count: metadata.drawCount * DrawColumn.count)
        choice = Array(repeating: 0, count: replicates)
    }

    mutating func add(_ v: Int, weight w: Double) {
        guard let shard = archive.shards.last(where: { $0.first <= v }) else { return }
        let i = v - shard.first
        // By the voxel's place in the image: the same in every part and region.
        var random = RandomSource(seed: seed, stream: UInt64(summary.voxels[v]))
        if metadata.hasDraws {
            shard.read(i, into: &posterior)
            diffusion.read(posterior, layout)
            let d = metadata.drawCount
            rows.withUnsafeMutableBufferPointer { shard.readFibres(i, 0...d - 1, into: $0.baseAddress!) }
            weighting.update(posterior, probability: &probability, weights: &weights)
            choose(&random)
        }
        for (q, quantity) in quantities.enumerated() {
            switch quantity {
            case .fibreCount(let n): share(q, probability(.fibreCount(n), v), w, &random)
            case .component(let c): share(q, probability(.component(c), v), w, &random)
            case .model(let m): share(q, probability(.model(m), v), w, &random)
            case .statistic(let s):
                note(q, w, mean: value(.statistic(s, .mean), v), sd: value(.statistic(s, .sd), v))
                let assignments = summary.assignments, meanB0 = shard.meanB0[i], base = v * metadata.drawCount
                spreadDraws(q, w) { d, row in s.value(row, meanB0: meanB0, assignments[base + d]) }
            case .own(let k): addOwn(q, k, v, w)
            }
        }
    }

    /// A draw by weight for every replicate.
    private mutating func choose(_ random: inout RandomSource) {
        var sum: Float = 0
        let cumulative = weights.map {
            sum += $0; return sum
        }
        for r in 0..<replicates {
            let target = Float(random.uniform()) * sum
            var low = 0, high = cumulative.count - 1
            while low < high {
                let middle = (low + high) / 2
                if cumulative[middle] < target { low = middle + 1 } else { high = middle }
            }
            choice[r] = low
        }
    }

    private func value(_ column: SummaryColumn, _ v: Int) -> Double {
        let values = summary.column(column)
        return Double(values[values.startIndex + v])
    }

    private func probability(_ column: SummaryColumn, _ v: Int) -> Double { min(1, max(0, value(column, v))) }

    private mutating func note(_ q: Int, _ w: Double, mean: Double, sd: Double) {
        total[q] += w
        first[q] += w * mean
        second[q] += w * mean * mean
        spread[q] += w * w * sd * sd
    }

    /// A voxel that has something or has not.
    private mutating func share(_ q: Int, _ p: Double, _ w: Double, _ random: inout RandomSource) {
        note(q, w, mean: p, sd: (p * (1 - p)).squareRoot())
        for r in 0..<replicates {
            shares[q * replicates + r] += w
            if random.uniform() < p { sums[q * replicates + r] += w }
        }
    }

    private mutating func spreadDraws(_ q: Int, _ w: Double, _ number: (Int, UnsafePointer<Float>) -> Float) {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: metadata.drawCount) { each in
            rows.withUnsafeBufferPointer { rows in
                for d in 0..<metadata.drawCount {
                    each[d] = w * Double(number(d, rows.baseAddress! + d * DrawColumn.count))
                }
            }
            for r in 0..<replicates {
                sums[q * replicates + r] += each[choice[r]]
                shares[q * replicates + r] += w
            }
        }
    }

    /// A number of the family's own.
    private mutating func addOwn(_ q: Int, _ k: Int, _ v: Int, _ w: Double) {
        let d = metadata.drawCount, p = layout.count
        let has = posterior.structures.map { z in
            if let known = ways[z] { return known }
            let new = layout.quantities.ways(of: z, layout.columns(of: z))
            ways[z] = new
            return new
        }
        withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * d) { each in
            posterior.draws.withUnsafeBufferPointer { rows in
                for j in 0..<d {
                    let way = has[Int(posterior.drawPlaces[j])][k]
                    each[j] =
                        way.map {
                            w
                                * Double(
                                    layout.quantities.value(
                                        k, rows.baseAddress! + j * p, way: $0, water: diffusion[j]))
                        } ?? 0
                    each[d + j] = way == nil ? 0 : w
                }
            }
            let there = (0..<d).reduce(0.0) { $0 + Double(weights[$1]) * each[d + $1] }
            // The column's mean is over the draws that have it.
            if there > 0 {
                note(q, there, mean: value(.quantity(k, .mean), v), sd: value(.quantity(k, .sd), v))
            }
            for r in 0..<replicates {
                sums[q * replicates + r] += each[choice[r]]
                shares[q * replicates + r] += each[d + choice[r]]
            }
        }
    }

    func results() -> [RegionStatistic?] {
        quantities.indices.map { q in
            guard total[q] > 0 else { return nil }
            let places = q * replicates..<(q + 1) * replicates
            let means = places.compactMap { shares[$0] > 0 ? sums[$0] / shares[$0] : nil }.sorted()
            guard !means.isEmpty else { return nil }
            let mean = first[q] / total[q]
            var sd = spread[q].squareRoot() / total[q]
            if case .own(let k) = quantities[q], !metadata.quantities[k].isInEveryDraw {
                let centre = means.reduce(0, +) / Double(means.count)
                let squares = means.reduce(0) { $0 + ($1 - centre) * ($1 - centre) }
                sd = (squares / Double(max(1, means.count - 1))).squareRoot()
            }
            func quantile(_ p: Double) -> Double {
                let x = min(max(p * Double(means.count) - 0.5, 0), Double(means.count - 1)), low = Int(x)
                let high = min(low + 1, means.count - 1)
                return means[low] + (x - Double(low)) * (means[high] - means[low])
            }
            return RegionStatistic(
                mean: mean, sd: sd, q05: quantile(0.05), q50: quantile(0.5), q95: quantile(0.95),
                between: max(0, second[q] / total[q] - mean * mean).squareRoot())
        }
    }
}
