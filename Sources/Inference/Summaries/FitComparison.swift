import Diffusion
import Exact
import Foundation
import ModelSpace

/// Log Bayes factors of two fits of one scan, voxel by voxel: how much better family A explains the signals than B.
///
///     ln K = ln p(y | A, λ) − ln p(y | B, λ)
///     ln p(y | F, λ) = ln Σ_z p(y | z) exp(−λ k(z)) − ln Σ_z exp(−λ k(z))
///
/// Both sums are over the family's structures: at λ = 0 all count alike, at larger λ the prior prefers the plain ones
/// within each family. What p(y | z) leaves out (the densities' constants in M, the scale of S0, which has no proper
/// prior) is the same in every family and engine, so that it cancels.
///
/// - Units: nats.
/// - Accuracy: the evidences' own, by importance sampling mostly below 0.1 nats a fit; where families overlap two
///   engines agree within 0.25.
public struct FitComparison: Sendable {
    /// Why voxels are left out: not fitted by both; fitted to different measurements; without evidence.
    public struct Omissions: Sendable, Equatable { public var unfitted = 0, measurements = 0, evidence = 0 }

    public let lambda: Double
    /// [V] index in the image, x fastest; ln K, 0 where left out; whether it is compared.
    public let voxels: [Int], logBayesFactor: [Double], isCompared: [Bool]
    /// [V] the most probable number of fibres by fit A at λ.
    public let fibreCount: [Int]
    public let omissions: Omissions

    /// - Throws: `FitComparisonError` when the fits are not of one scan, or hold no evidence.
    public init(_ a: PosteriorArchive, _ b: PosteriorArchive, lambda: Double) throws {
        try Self.check(a, b)
        self.lambda = lambda
        let first = Self.evidences(a, lambda), second = Self.evidences(b, lambda)
        voxels = first.map(\.voxel)
        var omissions = Omissions(), ratio = [Double](repeating: 0, count: first.count),
            isCompared = [Bool](repeating: false, count: first.count)
        for (v, (x, y)) in zip(first, second).enumerated() {
            switch true {
            case !x.isFitted || !y.isFitted: omissions.unfitted += 1
            case x.measurements != y.measurements: omissions.measurements += 1
            case !x.evidence.isFinite || !y.evidence.isFinite: omissions.evidence += 1
            default:
                ratio[v] = x.evidence - y.evidence
                isCompared[v] = true
            }
        }
        for (archive, list) in [(a, first), (b, second)] {
            if list.contains(where: \.isFitted), !list.contains(where: \.evidence.isFinite) {
                throw FitComparisonError.noEvidence(directory: archive.directory)
            }
        }
        (logBayesFactor, self.isCompared, self.omissions) = (ratio, isCompared, omissions)
        fibreCount = first.map(\.fibreCount)
    }

    private static func check(_ a: PosteriorArchive, _ b: PosteriorArchive) throws {
        let one = a.metadata, other = b.metadata
        func fail(_ reason: String) -> FitComparisonError {
            .differentFits(a.directory, b.directory, reason: reason)
        }
        guard one.grid == other.grid else { throw fail("their images have the grids \(one.grid) and \(other.grid)") }
        let voxels = [a, b].map { $0.shards.flatMap { $0.voxels.map(Int.init) } }
        guard voxels[0] == voxels[1] else {
            throw fail("their masks differ (\(voxels[0].count) and \(voxels[1].count) voxels)")
        }
        func note(_ key: String) -> Bool { one.notes[key] == other.notes[key] }
        guard note("dwi_digest") else { throw fail("they are of different scans or gradient tables") }
        // Families without restricted compartments note no timing.
        if let a = one.notes["timing"], let b = other.notes["timing"], a != b {
            throw fail("they take the gradients' timing to be \(a) and \(b)")
        }
        guard note("noise") else { throw fail("only one of them allows Rician noise (--noise)") }
        let known =
            one.notes.keys.filter { $0.hasPrefix("known_noise") }
            + other.notes.keys.filter {
                $0.hasPrefix("known_noise")
            }
        guard known.allSatisfy(note) else { throw fail("they take different noise as known (--known-noise)") }
        for archive in [a, b] where archive.metadata.notes["engine"] == "mcmc" {
            throw FitComparisonError.noEvidence(directory: archive.directory)
        }
    }

    private struct Voxel {
        var voxel: Int, isFitted: Bool, measurements: UInt8, evidence: Double, fibreCount: Int
    }

    private static func evidences(_ archive: PosteriorArchive, _ lambda: Double) -> [Voxel] {
        let layout = archive.metadata.layout, counts = layout.rule.countsByParameters
        let prior = logSum(counts.indices.filter { counts[$0] > 0 }.map { log(counts[$0]) - lambda * Double($0) })
        var posterior = ListedPosterior(), result: [Voxel] = []
        for shard in archive.shards {
            for i in 0..<shard.count {
                let quality = VoxelQuality(rawValue: shard.quality[i])
                var voxel = Voxel(
                    voxel: Int(shard.voxels[i]), isFitted: !quality.contains(.notFitted),
                    measurements: quality.rawValue,
                    evidence: -.infinity, fibreCount: 0)
                defer { result.append(voxel) }
                guard voxel.isFitted else { continue }
                shard.readList(i, into: &posterior)
                var byCount = [Double](repeating: 0, count: DrawColumn.fibreCount + 1)
                let reference = archive.metadata.referenceLambda
                let terms = posterior.structures.indices.map { j in
                    Double(posterior.logProbability[j])
                        - (lambda - reference) * Double(layout.parameterCount(posterior.structures[j]))
                }
                let peak = terms.max() ?? 0
                for (term, row) in zip(terms, posterior.rows) {
                    byCount[archive.metadata.structures.rows[row].fibreCount] += exp(term - peak)
                }
                let rest = Double(posterior.logRest) - (lambda - reference) * Double(posterior.restParameters)
                voxel.fibreCount = byCount.indices.max {
                    byCount[$0] < byCount[$1] || byCount[$0] == byCount[$1] && $0 > $1
                }!
                voxel.evidence = Double(posterior.logEvidence) + logSum(terms + [rest]) - prior
            }
        }
        return result
    }
}

public enum FitComparisonError: Error, Equatable, CustomStringConvertible {
    case differentFits(String, String, reason: String)
    case noEvidence(directory: String)

    public var description: String {
        switch self {
        case let .differentFits(a, b, reason):
            "\(a) and \(b) cannot be compared: \(reason); fit the same scan, mask and noise with both families"
        case .noEvidence(let directory):
            """
            \(directory) holds no evidence of its family: an earlier version or --engine mcmc made it; fit it again
            """
        }
    }
}
