import Foundation
import ModelSpace
import Parallel

/// A structure of a fit by its name, with what the data say of it.
public struct NamedStructure: Equatable, Sendable {
    public var name: String, fibreCount: Int, parameterCount: Int
    /// Of one voxel: log-probability at the fit's λ, up to a constant.
    public var logProbability: Double
}

/// The structures of a whole fit, whatever their number, by how much probability they have.
public struct StructureTally: Sendable {
    public struct Entry: Equatable, Sendable {
        public var structure: NamedStructure
        /// Mean probability over fitted voxels, and the share of them in which none is more probable.
        public var mean: Double, called: Double
    }
    /// Falling mean.
    public let entries: [Entry]

    /// - Parameter lambda: λ of the probabilities.
    public init(_ archive: PosteriorArchive, lambda: Double, threads: Int) {
        let metadata = archive.metadata
        let blocks = archive.shards.flatMap { shard in
            stride(from: 0, to: shard.count, by: 1024).map { (shard: shard, range: $0..<min($0 + 1024, shard.count)) }
        }
        var parts = [[Structure: SIMD2<Double>]](repeating: [:], count: blocks.count)
        parts.withUnsafeMutableBufferPointer { parts in
            nonisolated(unsafe) let parts = parts.baseAddress!
            try! forEachInParallel(blocks.count, threads: threads) { number in
                let (shard, range) = blocks[number]
                var sums: [Structure: SIMD2<Double>] = [:], posterior = ListedPosterior(), p: [Double] = []
                for i in range where !VoxelQuality(rawValue: shard.quality[i]).contains(.notFitted) {
                    shard.read(i, into: &posterior)
                    guard let best = posterior.weigh(metadata, lambda, into: &p) else { continue }
                    for (place, z) in posterior.structures.enumerated() where p[place] > 1e-9 {
                        sums[z, default: SIMD2()] += SIMD2(p[place], place == best ? 1 : 0)
                    }
                }
                parts[number] = sums
            }
        }
        var all: [Structure: SIMD2<Double>] = [:]
        for part in parts { for (z, sum) in part { all[z, default: SIMD2()] += sum } }
        let count = archive.shards.reduce(0) { sum, shard in
            sum + shard.quality.count { !VoxelQuality(rawValue: $0).contains(.notFitted) }
        }
        let rule = metadata.layout.rule
        entries = all.map { z, sum in
            Entry(
                structure: NamedStructure(z, rule, logProbability: 0), mean: sum.x / Double(max(1, count)),
                called: sum.y / Double(max(1, count)))
        }.sorted { ($1.mean, $0.structure.name) < ($0.mean, $1.structure.name) }
    }
}

extension NamedStructure {
    fileprivate init(_ z: Structure, _ rule: StructureRule, logProbability: Double) {
        self.init(
            name: Self.words(z, rule), fibreCount: min(rule.fibreCount(z), DrawColumn.fibreCount),
            parameterCount: rule.parameterCount(z), logProbability: logProbability)
    }
}

extension NamedStructure {
    /// As people write it: 2 bundles + dispersed + extra tied, Rician noise.
    static func words(_ z: Structure, _ rule: StructureRule) -> String {
        let parts = rule.family.groups.compactMap { group -> String? in
            let choice = rule.choice(of: group.name, in: z)
            switch group.presence {
            case .oneOf(let options):
                return choice.option.flatMap { $0 == options[0] ? nil : "\(group.name)\u{A0}\($0)" }
            case .upTo(let most) where most > 1:
                let plural = choice.members > 1 ? "s" : ""
                return choice.members == 0 ? nil : "\(choice.members)\u{A0}\(group.name)\(plural)"
            default: return choice.members == 0 ? nil : group.name
            }
        }
        let noise = rule.choice(of: rule.family.noise.name, in: z).option ?? ""
        let told = noise.isEmpty ? "" : ", \(noise.prefix(1).uppercased())\(noise.dropFirst()) noise"
        return parts.joined(separator: " + ") + told
    }
}

extension PosteriorArchive {
    /// The structures of a voxel that matter most at some λ from 0 to 3, most probable first; none of one not fitted.
    /// - Parameter rank: among the fit's voxels.
    public func structures(ofVoxel rank: Int, most: Int) -> [NamedStructure] {
        guard let shard = shards.last(where: { $0.first <= rank }), rank < shard.first + shard.count else { return [] }
        let i = rank - shard.first
        guard !VoxelQuality(rawValue: shard.quality[i]).contains(.notFitted) else { return [] }
        var posterior = ListedPosterior(), p: [Double] = []
        shard.read(i, into: &posterior)
        var largest = [Double](repeating: 0, count: posterior.structures.count)
        for lambda in [metadata.drawLambda, 0, 1, 2, 3] {
            guard posterior.weigh(metadata, lambda, into: &p) != nil else { return [] }
            for place in largest.indices { largest[place] = max(largest[place], p[place]) }
        }
        let rule = metadata.layout.rule
        let kept = largest.indices.sorted { largest[$0] > largest[$1] }.prefix(most).filter { largest[$0] > 0.005 }
        return kept.map { place in
            let k = Double(rule.parameterCount(posterior.structures[place]))
            let log =
                Double(posterior.logProbability[place]) - (metadata.drawLambda - metadata.referenceLambda) * k
            return NamedStructure(posterior.structures[place], rule, logProbability: log)
        }
    }
}

extension ListedPosterior {
    /// Probabilities of what is listed at λ, and the place of the largest; nil where they make no sense.
    fileprivate func weigh(_ metadata: PosteriorMetadata, _ lambda: Double, into p: inout [Double]) -> Int? {
        p.removeAll(keepingCapacity: true)
        let shift = lambda - metadata.referenceLambda
        for (place, row) in rows.enumerated() {
            p.append(Double(logProbability[place]) - shift * Double(metadata.structures.rows[row].parameterCount))
        }
        guard let peak = p.max(), peak.isFinite else { return nil }
        var total = 0.0, best = 0
        for place in p.indices {
            p[place] = exp(p[place] - peak)
            total += p[place]
            if p[place] > p[best] { best = place }
        }
        for place in p.indices { p[place] /= total }
        return best
    }
}
