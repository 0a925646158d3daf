import Diffusion
import Foundation
import Inference
import ModelSpace
import Networks

/// Makes an engine for an acquisition.
public typealias EngineMaker = @Sendable (Acquisition, FitOptions) throws -> any EngineRecipe

/// Calibration on simulations: voxels drawn from the prior, simulated over the acquisitions asked for, fitted, and held
/// against what they were.
public struct SimulationStudy: Sendable {
    /// Which acquisitions voxels get. Each block of voxels shares one.
    public enum Acquisitions: Sendable {
        /// A new one for each block.
        case mixture(ProtocolMixture)
        /// Taken in turn.
        case listed([Acquisition])
    }

    /// What is drawn from and fitted.
    public var family: any DiffusionFamily = BallSticks()
    public var acquisitions = Acquisitions.mixture(ProtocolMixture())
    public var voxels = 1000
    /// λ of the prior that structures are drawn from, and of the posteriors.
    public var lambda = 0.0
    /// Whether engines are told the true σ.
    public var isNoiseKnown = false
    /// How many voxels the reference engine fits too: evenly spaced, so that they meet all acquisitions.
    public var referenceVoxels = 0
    /// What the reference is, where it is less than an exact engine.
    public var referenceStatement: String?
    /// Where set, these voxels' structures are held against smc one by one, and no reference engine is asked.
    public var evidenceCheck: EvidenceCheck.Options?
    /// λ at which the network is asked outright.
    public var consistencyLambdas = [0.5, 1, 2]

    /// Draws a rank is taken among: of the joint posterior, and of the true structure.
    static let jointDraws = 31, conditionalDraws = 7
    /// Voxels fitted together, at most.
    static let largestBlock = 32
    /// Voxels that share an acquisition: fewer where all acquisitions given, or 32 of a mixture, would not be met
    /// otherwise.
    var blockSize: Int {
        let wanted = if case .listed(let list) = acquisitions { list.count } else { 32 }
        return max(1, min(Self.largestBlock, voxels / wanted))
    }
    /// Separates the random streams of simulations, acquisitions and ranks from the engines' own.
    private static let simulationStream: UInt64 = 0x5349_4D55, acquisitionStream: UInt64 = 0x4143_5155,
        rankStream: UInt64 = 0x5241_4E4B

    public init() {}

    /// What is kept of one voxel.
    struct Voxel {
        var truth: Structure
        var posterior: VoxelPosterior?, y: [Float] = [], sigma: Double?
        /// p(z | y, λ) of the structures that are listed, and of all others.
        var listed: [Structure], probability: [Double], rest: Double
        var joint: [Int?], conditional: [Int?]
        var repeated: Int
        var consistency: [Double]
    }

    /// A block of simulated voxels: their acquisition, true structures, θ (V × P) and signals (V × M).
    struct Block {
        var acquisition: Acquisition
        var structures: [Structure] = [], theta: [Double] = [], y: [Float] = []

        /// The true σ of voxel i, in units of y.
        func sigma(_ i: Int, _ family: StudyFamily) -> Double {
            let at = i * family.count
            return theta[at + family.s0] / theta[at + family.snr]
        }
    }

    /// Runs the study.
    ///
    /// - Parameters:
    ///   - reference: the exact engine, for `referenceVoxels` of the voxels.
    ///   - network: asked at `consistencyLambdas`, where given.
    ///   - progress: called with voxels done of all and, in the second phase, reference fits done; from any thread.
    ///   - shouldStop: asked between blocks.
    /// - Returns: nil when stopped. The same for any number of threads.
    public func run(
        options base: FitOptions, engine: EngineMaker, reference: EngineMaker? = nil, network: NetworkFile? = nil,
        progress: @escaping @Sendable (_ phase: StudyPhase, _ done: Int) -> Void = { _, _ in },
        shouldStop: @escaping @Sendable () -> Bool = { false }
    ) throws -> SimulationReport? {
        var options = base
        options.lambda = lambda
        let fixed = options, count = (voxels + blockSize - 1) / blockSize
        let family = StudyFamily(self.family), quantities = CalibrationQuantities(family)
        let blocks = try resultsInParallel(
            count, threads: options.threads, progress: { progress(.fitting, $0) }, shouldStop: shouldStop,
            size: { $0.1.count }
        ) { b -> (Block, [Voxel])? in
            let block = simulate(block: b, seed: fixed.seed)
            let worker = try engine(block.acquisition, fixed).makeEngine()
            worker.stop(when: shouldStop)
            let fitted = fit(
                block, number: b, family, quantities, options: fixed, engine: worker, network: network)
            return fitted.map { (block, $0) }
        }
        guard let blocks else { return nil }
        let sample = try engine(blocks[0].0.acquisition, fixed)
        var report = SimulationReport(
            blocks.flatMap(\.1), family: family, quantities: quantities, recipe: sample, lambda: lambda,
            seed: fixed.seed,
            consistencyLambdas: network == nil ? [] : consistencyLambdas)
        if isNoiseKnown { report.notes["known_noise"] = "true sigma" }
        report.acquisitions = Self.describe(acquisitions, blocks.map(\.0.acquisition))
        guard referenceVoxels > 0, reference != nil || evidenceCheck != nil else { return report }
        let compared = referenceIndices.map { v in
            let (block, fitted) = blocks[v / blockSize], voxel = fitted[v % blockSize]
            return ReferenceCase(
                acquisition: block.acquisition, y: voxel.y, posterior: voxel.posterior!, sigma: voxel.sigma,
                key: UInt64(v), truth: voxel.truth, voxel: nil)
        }
        if let evidenceCheck {
            report.evidence = try EvidenceCheck.run(
                compared, evidenceCheck, family: family, options: fixed, engine: sample.name, progress: progress,
                shouldStop: shouldStop)
            return report.evidence == nil ? nil : report
        }
        guard let reference else { return report }
        report.agreement = try ReferenceStudy(
            family: family, options: fixed, reference: reference, statement: referenceStatement,
            leastLogProbability: sample.leastLogProbability
        )
        .run(compared, engine: sample.name, progress: progress, shouldStop: shouldStop)
        return report.agreement == nil ? nil : report
    }

    private var referenceIndices: [Int] {
        let n = min(referenceVoxels, voxels)
        return (0..<n).map { $0 * voxels / n }
    }

    /// Block `b`: depends on its number and the seed only.
    func simulate(block b: Int, seed: UInt64) -> Block {
        var random = RandomSource(seed: seed, stream: UInt64(b), substream: Self.acquisitionStream)
        let acquisition =
            switch acquisitions {
            case .mixture(let mixture):
                family.needsTiming ? mixture.drawTimed(using: &random) : mixture.draw(using: &random)
            case .listed(let list): list[b % list.count]
            }
        let m = acquisition.count, p = family.parameterNames.count
        let range = b * blockSize..<min((b + 1) * blockSize, voxels)
        var block = Block(acquisition: acquisition)
        block.theta = Array(repeating: 0, count: range.count * p)
        block.y = Array(repeating: 0, count: range.count * m)
        for (i, v) in range.enumerated() {
            var random = RandomSource(seed: seed, stream: UInt64(v), substream: Self.simulationStream)
            let z = family.drawStructure(lambda: lambda, using: &random)
            block.structures.append(z)
            block.theta.withUnsafeMutableBufferPointer { theta in
                block.y.withUnsafeMutableBufferPointer { y in
                    family.drawParameters(z, acquisition, using: &random, into: theta.baseAddress! + i * p)
                    family.simulate(
                        theta.baseAddress! + i * p, z, acquisition, using: &random, into: y.baseAddress! + i * m)
                }
            }
        }
        return block
    }

    /// Nil when the engine was stopped.
    private func fit(
        _ block: Block, number b: Int, _ studied: StudyFamily, _ quantities: CalibrationQuantities, options: FitOptions,
        engine: any PosteriorEngine,
        network: NetworkFile?
    ) -> [Voxel]? {
        let count = block.structures.count, m = block.acquisition.count, first = b * blockSize
        let referenced = Set(referenceIndices)
        let sigma: [Double?] = isNoiseKnown ? (0..<count).map { block.sigma($0, studied) } : []
        let answers = engine.posteriors(
            block.y, count: count, keys: (0..<count).map { UInt64(first + $0) }, sigma: sigma)
        guard answers.count == count else { return nil }
        var consistency: [[Double]] = []
        if let network, let space = family.structureList, !consistencyLambdas.isEmpty {
            // The identity is applied to the network's own answer at the reference λ, whatever the engine makes of it.
            let found = Self.ask(network, family, block, lambdas: [Self.referenceLambda] + consistencyLambdas)
            consistency = (0..<count).map { i in
                consistencyLambdas.enumerated().map { k, other in
                    let identity = space.reweight(found[0][i], from: Self.referenceLambda, to: other)
                    return CalibrationStatistics.totalVariation(
                        identity.map { exp($0) }, found[k + 1][i].map { exp($0) })
                }
            }
        }
        return (0..<count).map { i in
            let y = Array(block.y[i * m..<(i + 1) * m])
            var voxel = rank(
                block, i, y, studied.aligned([answers[i]])[0], studied, quantities,
                RandomSource(seed: options.seed, stream: UInt64(first + i), substream: Self.rankStream))
            if !consistency.isEmpty { voxel.consistency = consistency[i] }
            if referenced.contains(first + i) {
                (voxel.posterior, voxel.y, voxel.sigma) = (answers[i], y, isNoiseKnown ? sigma[i] : nil)
            }
            return voxel
        }
    }

    /// Puts the truth of voxel `i` among draws of its posterior.
    private func rank(
        _ block: Block, _ i: Int, _ y: [Float], _ answer: VoxelPosterior, _ studied: StudyFamily,
        _ quantities: CalibrationQuantities, _ source: RandomSource
    ) -> Voxel {
        var random = source
        let p = family.parameterNames.count, z = block.structures[i], place = answer.listed.firstIndex(of: z)
        let (probability, rest) = studied.probabilities(answer, lambda: lambda)
        let truth = (theta: Array(block.theta[i * p..<(i + 1) * p]), z: z), design = block.acquisition
        func items(_ draws: [Int]) -> [CalibrationQuantities.Item] {
            [truth]
                + draws.map {
                    (Array(answer.parameters[$0 * p..<($0 + 1) * p]), answer.listed[answer.structures[$0]])
                }
        }
        let joint = ExchangeableDraws(
            answer, weights: studied.weights(answer, lambda: lambda).weights, count: Self.jointDraws, using: &random)
        let same = place.flatMap {
            ExchangeableDraws.of(structure: $0, answer, count: Self.conditionalDraws, using: &random)
        }
        return Voxel(
            truth: z, listed: answer.listed, probability: probability, rest: rest,
            joint: quantities.jointRanks(items(joint.indices), y, design, using: &random),
            conditional: same.map { quantities.conditionalRanks(items($0), y, design, using: &random) } ?? [],
            repeated: joint.repeated, consistency: [])
    }

    private static let referenceLambda = AmortisedSampler<BallSticks>.referenceLambda

    private static func ask<F: DiffusionFamily>(_ network: NetworkFile, _ family: F, _ block: Block, lambdas: [Double])
        -> [[[Double]]]
    {
        AmortisedSampler(family: family, file: network).structureLogProbabilities(
            block.y, count: block.structures.count, design: block.acquisition, lambdas: lambdas)
    }

    static func describe(_ acquisitions: Acquisitions, _ used: [Acquisition]) -> String {
        switch acquisitions {
        case .mixture:
            """
            \(used.count) drawn from the protocol mixture, \(used.map(\.count).min()!) to \(used.map(\.count).max()!) \
            volumes
            """
        case .listed(let list) where list.count == 1: "one, \(list[0].count) volumes"
        case .listed(let list):
            "\(list.count) given, \(list.map(\.count).min()!) to \(list.map(\.count).max()!) volumes"
        }
    }
}

/// What a study is busy with.
public enum StudyPhase: Sendable { case fitting, reference }
