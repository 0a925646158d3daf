import Diffusion
import Foundation
import Parallel

/// The fibres of every voxel as they are when it has one, two or three: what a picture at any λ draws.
///
/// Which number of fibres is the most probable depends on λ; where fibres of a given number lie hardly does, as draws
/// of a structure do not depend on λ. Draws of all structures with n fibres count by the fit's λ; their fibres are
/// matched as those of a summary are. Sets of a number of fibres that is the most probable at no λ from 0 to 3 are left
/// out.
public struct FibreSets: Sendable {
    public struct Fibre: Equatable, Sendable {
        /// Unit length, in the scanner's frame; its sign is free.
        public var axis: SIMD3<Float>
        /// Mean fraction, and 1 − largest eigenvalue of the mean dyad.
        public var fraction: Float, dispersion: Float
    }

    /// V: bit n − 1 says that there is a set of n fibres.
    public let held: [UInt8]
    /// All sets, voxel after voxel, n rising; and where each voxel begins.
    public let fibres: [Fibre]
    public let starts: [Int32]

    private static let nodes = stride(from: 0.0, through: 3, by: 0.25)

    /// The n fibres of voxel v when it has n; none where it hardly ever has.
    public func fibres(_ v: Int, given n: Int) -> ArraySlice<Fibre> {
        guard n > 0, held[v] >> UInt8(n - 1) & 1 == 1 else { return [] }
        let before = (1..<n).reduce(0) { $0 + (held[v] >> UInt8($1 - 1) & 1 == 1 ? $1 : 0) }
        let start = Int(starts[v]) + before
        return fibres[start..<start + n]
    }

    /// - Parameter threads: how many share the work; it does not change the result.
    public init(_ archive: PosteriorArchive, threads: Int) {
        let metadata = archive.metadata
        let blocks = archive.shards.flatMap { shard in
            stride(from: 0, to: shard.count, by: 256).map { (shard: shard, range: $0..<min($0 + 256, shard.count)) }
        }
        var parts = [(held: [UInt8], fibres: [Fibre])](repeating: ([], []), count: blocks.count)
        parts.withUnsafeMutableBufferPointer { parts in
            nonisolated(unsafe) let parts = parts.baseAddress!
            try! forEachInParallel(blocks.count, threads: threads) { number in
                let (shard, range) = blocks[number]
                var worker = Worker(metadata), held: [UInt8] = [], fibres: [Fibre] = []
                for i in range {
                    let isFitted = !VoxelQuality(rawValue: shard.quality[i]).contains(.notFitted)
                    held.append(isFitted && metadata.hasDraws ? worker.add(shard, i, to: &fibres) : 0)
                }
                parts[number] = (held, fibres)
            }
        }
        held = parts.flatMap(\.held)
        fibres = parts.flatMap(\.fibres)
        var starts: [Int32] = [], position: Int32 = 0
        for bits in held {
            starts.append(position)
            for n in 1...3 where bits >> UInt8(n - 1) & 1 == 1 { position += Int32(n) }
        }
        self.starts = starts
    }

    /// The scratch memory of some voxels.
    private struct Worker {
        let metadata: PosteriorMetadata, parameterCounts: [Double], fibreCounts: [Int], weighting: DrawWeights
        var probability: [Double] = [], all: [Float]
        var matcher = FibreMatcher(), posterior = ListedPosterior()
        var draws: [Float] = [], weights: [Float] = [], row: [Float], assignments: [FibreAssignment] = []

        init(_ metadata: PosteriorMetadata) {
            self.metadata = metadata
            parameterCounts = metadata.structures.rows.map { Double($0.parameterCount) }
            fibreCounts = metadata.structures.rows.map(\.fibreCount)
            weighting = DrawWeights(metadata, target: metadata.drawLambda)
            all = Array(repeating: 0, count: metadata.drawCount)
            row = Array(repeating: 0, count: metadata.layout.count)
        }

        /// Adds a voxel's sets, and tells which there are.
        mutating func add(_ shard: PosteriorShard, _ i: Int, to fibres: inout [Fibre]) -> UInt8 {
            shard.read(i, into: &posterior)
            guard !posterior.drawPlaces.isEmpty else { return 0 }
            weighting.update(posterior, probability: &probability, weights: &all)
            let matters = counts()
            var held: UInt8 = 0
            for n in 1...DrawColumn.fibreCount where matters[n] {
                guard let set = set(of: n) else { continue }
                fibres += set
                held |= 1 << UInt8(n - 1)
            }
            return held
        }

        /// Which numbers of fibres are the most probable at some λ, or nearly so.
        private func counts() -> [Bool] {
            var result = [Bool](repeating: false, count: DrawColumn.fibreCount + 1)
            for lambda in FibreSets.nodes {
                let logs = posterior.rows.indices.map {
                    Double(posterior.logProbability[$0])
                        - (lambda - metadata.referenceLambda) * parameterCounts[posterior.rows[$0]]
                }
                let peak = logs.max() ?? -.infinity
                guard peak.isFinite else { return result.map { _ in true } }
                var sums = [Double](repeating: 0, count: result.count)
                for (place, log) in zip(posterior.rows, logs) { sums[fibreCounts[place]] += exp(log - peak) }
                for n in sums.indices where sums[n] > 0.9 * sums.max()! { result[n] = true }
            }
            return result
        }

        /// The fibres of the draws that have n; nil where none has.
        private mutating func set(of n: Int) -> [Fibre]? {
            let p = metadata.layout.count, c = DrawColumn.count
            let places = posterior.drawPlaces.indices.filter {
                fibreCounts[posterior.rows[Int(posterior.drawPlaces[$0])]] == n
            }
            let most = places.reduce(0) { max($0, all[$1]) }
            guard most > 0 else { return nil }
            draws = Array(repeating: 0, count: places.count * c)
            weights = places.map { all[$0] / most }
            assignments = Array(repeating: .none, count: places.count)
            for (k, d) in places.enumerated() {
                for j in 0..<p { row[j] = Float(posterior.draws[d * p + j]) }
                draws.withUnsafeMutableBufferPointer {
                    metadata.layout.fibres.convert(row, into: $0.baseAddress! + k * c)
                }
            }
            matcher.match(draws, weights: weights, count: places.count, into: &assignments)
            return fibres(n, total: weights.reduce(0, +))
        }

        private func fibres(_ n: Int, total: Float) -> [Fibre]? {
            var found: [(fibre: Fibre, presence: Float)] = []
            for k in 0..<DrawColumn.fibreCount {
                var dyad = SymmetricMatrix3(), presence: Float = 0, fraction: Float = 0
                for d in weights.indices {
                    guard let j = assignments[d].stick(k) else { continue }
                    let at = d * DrawColumn.count, mu = at + DrawColumn.direction + 3 * j
                    let v = SIMD3(Double(draws[mu]), Double(draws[mu + 1]), Double(draws[mu + 2])), norm = (v * v).sum()
                    guard norm > 0 else { continue }
                    dyad.add(v, weight: Double(weights[d]) / norm)
                    presence += weights[d]
                    fraction += weights[d] * draws[at + DrawColumn.fraction + j]
                }
                guard presence > 0 else { continue }
                let (value, axis) = dyad.largest()
                found.append(
                    (
                        Fibre(
                            axis: SIMD3<Float>(axis), fraction: fraction / presence,
                            dispersion: Float(max(0, 1 - value / Double(presence)))), presence / total
                    ))
            }
            guard found.count >= n else { return nil }
            // Draws of n sticks may be spread over more fibres than n: those that most have.
            let least = found.map(\.presence).sorted(by: >)[n - 1]
            return Array(found.filter { $0.presence >= least }.prefix(n).map(\.fibre))
        }
    }
}
