import Diffusion
import Foundation
import Inference
import ModelSpace

/// Networks alone, of several methods, on the same voxels drawn from the prior at one λ after another: how well they
/// tell structures, and what they know of the parameters given the true one.
///
/// Shapes: L structures, P numbers of θ, T × Q coordinates.
public struct NetworkStudy: Sendable {
    public var family: any DiffusionFamily = BallSticks()
    public var acquisitions = SimulationStudy.Acquisitions.mixture(ProtocolMixture())
    public var voxels = 1000, lambdas = [0.0, 1, 2], seed: UInt64 = 1, threads = 1

    /// Draws of the true structure's parameters.
    static let draws = 63
    private static let rankStream: UInt64 = 0x4E45_5453

    public init() {}

    /// What is kept of one voxel and network.
    struct Voxel: Sendable {
        /// The true structure's place among the L.
        var truth: Int
        /// Of the L structures.
        var asked: [Double], reweighted: [Double]
        /// Means over the structure's numbers and axes; nil where it has none.
        var numbers: Double?, axes: Double?
        var ranks: [Int?], logDensity: Double?
        /// Probability of the true structure as the network says it.
        var ofTruth: Double { asked[truth] }
    }

    /// - Parameters:
    ///   - progress: called with voxels done, of all λ, from any thread.
    ///   - shouldStop: asked between blocks of voxels.
    /// - Returns: nil when stopped. The same for any number of threads, but for the time.
    /// - Throws: `StructuresNotListed`, `NetworkFileError`.
    public func run(
        _ networks: [StudiedNetwork], progress: @escaping @Sendable (_ done: Int) -> Void = { _ in },
        shouldStop: @escaping @Sendable () -> Bool = { false }
    ) throws -> NetworkReport? {
        guard family.structureList != nil else { throw StructuresNotListed(family: family.name) }
        for network in networks { try network.check(family) }
        let studied = StudyFamily(family), quantities = CalibrationQuantities(studied)
        var report = NetworkReport(networks, family: family.name, voxels: voxels, seed: seed)
        for (l, lambda) in lambdas.enumerated() {
            var simulations = SimulationStudy()
            (simulations.family, simulations.acquisitions) = (family, acquisitions)
            (simulations.voxels, simulations.lambda) = (voxels, lambda)
            let fixed = simulations, size = fixed.blockSize
            let blocks = try resultsInParallel(
                (voxels + size - 1) / size, threads: threads, progress: { progress(l * voxels + $0) },
                shouldStop: shouldStop, size: { $0.voxelCount }
            ) { b -> Block? in
                let block = fixed.simulate(block: b, seed: seed)
                let answers = networks.map {
                    ask($0, family, block, first: b * size, lambda: lambda, studied, quantities)
                }
                return Block(acquisition: block.acquisition, answers: answers)
            }
            guard let blocks else { return nil }
            report.acquisitions = SimulationStudy.describe(acquisitions, blocks.map(\.acquisition))
            let found = networks.indices.map { n in blocks.flatMap { $0.answers[n].voxels } }
            for n in networks.indices {
                report.add(
                    found[n], beside: found[0], seconds: blocks.reduce(0) { $0 + $1.answers[n].seconds }, network: n,
                    lambda: lambda, family: studied, quantities: quantities)
            }
        }
        return report
    }

    private struct Block: Sendable {
        var acquisition: Acquisition, answers: [(voxels: [Voxel], seconds: Double)]
        var voxelCount: Int { answers.first?.voxels.count ?? 0 }
    }

    private func ask<F: DiffusionFamily>(
        _ network: StudiedNetwork, _ family: F, _ block: SimulationStudy.Block, first: Int, lambda: Double,
        _ studied: StudyFamily, _ quantities: CalibrationQuantities
    ) -> (voxels: [Voxel], seconds: Double) {
        let count = block.structures.count, p = studied.count, m = block.acquisition.count, design = block.acquisition
        let theta = (0..<count).map { Array(block.theta[$0 * p..<($0 + 1) * p]) },
            y = (0..<count).map { Array(block.y[$0 * m..<($0 + 1) * m]) },
            frames = y.map { family.observed($0, design).frame }
        func encode(_ theta: [Double], _ i: Int) -> [Float] {
            var x = [Float](repeating: 0, count: family.tokenCount * family.coordinateCount)
            family.encode(theta, block.structures[i], design, frames[i], into: &x)
            return x
        }
        let truths = (0..<count).map { encode(theta[$0], $0) }
        let axes = block.structures.map { z in
            let has = studied.presence(z)
            return studied.axes.map(\.axis).filter { has[$0.place] }
        }
        let (answers, seconds) = network.lone(family).answers(
            LoneQuestion(
                y: block.y, design: design, lambda: lambda, truths: block.structures,
                // On a surface there is no density to compare.
                coordinates: (0..<count).map { axes[$0].isEmpty ? truths[$0] : nil },
                keys: (0..<count).map { UInt64(first + $0) }, seed: seed, draws: Self.draws))
        let found = answers.enumerated().map { i, answer -> Voxel in
            let z = block.structures[i], drawn = answer.draws.map { encode($0, i) }
            let numbers = family.numberCoordinates(z).map { place in
                DrawScores.number(drawn.map { Double($0[place]) }, truth: Double(truths[i][place]))
            }
            let directions = axes[i].map { axis in
                DrawScores.axis(answer.draws.map { axis.direction($0) }, truth: axis.direction(theta[i]))
            }
            var random = RandomSource(seed: seed, stream: UInt64(first + i), substream: Self.rankStream)
            let ranks = quantities.conditionalRanks(
                [(theta[i], z)] + answer.draws.map { ($0, z) }, y[i], design, using: &random)
            func mean(_ x: [Double]) -> Double? { x.isEmpty ? nil : x.reduce(0, +) / Double(x.count) }
            return Voxel(
                truth: family.structureList!.index(of: z)!, asked: answer.asked.map { exp($0) },
                reweighted: answer.reweighted.map { exp($0) }, numbers: mean(numbers), axes: mean(directions),
                ranks: ranks, logDensity: answer.logDensity)
        }
        return (found, seconds)
    }
}

/// A family whose structures are too many for all their probabilities to be asked for.
public struct StructuresNotListed: Error, CustomStringConvertible {
    let family: String
    public var description: String {
        "the structures of '\(family)' are not listed, so that there is no table of them; choose another family"
    }
}
