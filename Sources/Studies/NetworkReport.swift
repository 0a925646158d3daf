import Diffusion
import Foundation
import Inference

/// The outcome of a `NetworkStudy`.
public struct NetworkReport: Codable, Sendable {
    public struct Network: Codable, Sendable {
        public var path: String, method: String, weights: Int, simulations: Int
        /// λ that it has for good.
        public var lambda: Double?
    }

    /// How well a network tells structures at a λ.
    public struct Structures: Codable, Sendable {
        /// Which of the networks.
        public var network: Int
        public var lambda: Double
        /// Whether its answer is brought to λ from where it is best asked by the exact identity, over the listed
        /// structures alone.
        public var isReweighted: Bool
        public var structures: ProbabilityScores, fibres: ProbabilityScores
        /// How far the log score of structures is above the first network's own answer, voxel by voxel.
        public var aboveFirst: Spread
        /// Mean probability of what is no structure of the family.
        public var lost: Double
    }

    /// What a network knows of the parameters at a λ, given the true structure.
    public struct Parameters: Codable, Sendable {
        public var network: Int
        public var lambda: Double
        /// Ranked probability score of numbers as the network sees them, whose prior has a standard deviation of 1; and
        /// energy score of axes by the sine of their angles, of which the prior's is π/8. Over voxels.
        public var numbers: Spread, axes: Spread
        /// How far both are above the first network's, voxel by voxel.
        public var numbersAboveFirst: Spread, axesAboveFirst: Spread
        /// log density of the true coordinates, over the voxels whose structure has no axis.
        public var logDensity: Spread
        /// Ranks of the truth among draws, of every quantity that enough voxels have.
        public var ranks: [RankTest]
        /// Of these those that fail, p below 1 % shared among all; and the largest distance of any from uniform ranks.
        public var failures: [String], largestDistance: Double, farthest: String
        /// Processor time a voxel, of structures and draws.
        public var milliseconds: Double
    }

    public var kind = "networks"
    public var family: String, acquisitions = "", voxels: Int, draws: Int, seed: UInt64
    public var networks: [Network]
    public private(set) var structures: [Structures] = [], parameters: [Parameters] = []

    init(_ networks: [StudiedNetwork], family: String, voxels: Int, seed: UInt64) {
        (self.family, self.voxels, self.seed, draws) = (family, voxels, seed, NetworkStudy.draws)
        self.networks = networks.map {
            Network(
                path: $0.path, method: $0.methodName, weights: $0.weightCount, simulations: $0.origin.simulations,
                lambda: $0.ownLambda)
        }
    }

    /// - Parameter first: what the first network says of the same voxels.
    mutating func add(
        _ voxels: [NetworkStudy.Voxel], beside first: [NetworkStudy.Voxel], seconds: Double, network: Int,
        lambda: Double,
        family: StudyFamily, quantities: CalibrationQuantities
    ) {
        let list = family.structures!
        func row(_ p: [[Double]], isReweighted: Bool) -> Structures {
            let rest = p.map { max(0, 1 - $0.reduce(0, +)) }
            return Structures(
                network: network, lambda: lambda, isReweighted: isReweighted,
                structures: ProbabilityScores(lists: p, rest: rest, truth: voxels.map(\.truth), seed: seed),
                fibres: ProbabilityScores(
                    lists: p.map { family.fibreProbabilities($0, list) }, rest: rest,
                    truth: voxels.map { family.fibreCount(list[$0.truth]) }, seed: seed),
                aboveFirst: Spread(
                    voxels.indices.map {
                        log(max(1e-300, first[$0].ofTruth)) - log(max(1e-300, p[$0][voxels[$0].truth]))
                    }),
                lost: rest.reduce(0, +) / Double(rest.count))
        }
        structures.append(row(voxels.map(\.asked), isReweighted: false))
        if networks[network].lambda ?? AmortisedSampler<BallSticks>.referenceLambda != lambda {
            structures.append(row(voxels.map(\.reweighted), isReweighted: true))
        }
        func above(_ score: (NetworkStudy.Voxel) -> Double?) -> Spread {
            Spread(zip(voxels, first).compactMap { own, other in score(own).map { $0 - score(other)! } })
        }
        let ranks = quantities.conditional.enumerated().map { q, label in
            RankTest(
                name: label.name, label: label.text, isCone: label.isCone, draws: draws,
                ranks: voxels.compactMap { $0.ranks[q] })
        }.filter(\.isTelling)
        let farthest = ranks.max { $0.distance < $1.distance }
        parameters.append(
            Parameters(
                network: network, lambda: lambda, numbers: Spread(voxels.compactMap(\.numbers)),
                axes: Spread(voxels.compactMap(\.axes)), numbersAboveFirst: above(\.numbers),
                axesAboveFirst: above(\.axes), logDensity: Spread(voxels.compactMap(\.logDensity)),
                ranks: ranks, failures: RankTest.failures(ranks).map(\.name),
                largestDistance: farthest?.distance ?? 0, farthest: farthest?.label ?? "",
                milliseconds: 1000 * seconds / Double(max(1, voxels.count))))
    }
}

extension RankTest {
    /// The largest distance between the ranks' distribution function and that of uniform ones.
    var distance: Double {
        var sum = 0, largest = 0.0
        for (r, n) in counts.enumerated() {
            sum += n
            largest = max(
                largest, abs(Double(sum) / Double(max(1, voxels)) - Double(r + 1) / Double(counts.count)))
        }
        return voxels == 0 ? 0 : largest
    }
}
