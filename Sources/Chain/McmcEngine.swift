import Diffusion
import Foundation
import Inference
import ModelSpace

/// The classical engine: the ball-and-sticks chain with automatic relevance determination (`BallSticksChain`).
///
/// A draw's structure is the number of its fibres with f > 0.05, as bedpostx counts, with spread in model 2, Gaussian
/// noise; structure probabilities are shares of draws, so none is finer than 1/S and structures never visited have −∞.
/// How readily a voxel is given another fibre is governed by the relevance prior: λ has no part in it. The noise is
/// integrated out: a known σ has no place in it. Fibres at or below 0.05 are left out of a draw and their fractions go
/// to the ball.
public struct McmcRecipe: EngineRecipe {
    public let name = "mcmc"
    let chain: ChainOptions, shared: BallSticksChain.SharedDesign, measurementCount: Int, seed: UInt64

    public init(acquisition: Acquisition, chain: ChainOptions, options: FitOptions) {
        self.init(acquisition: acquisition, chain: chain, seed: options.seed)
    }

    private init(acquisition: Acquisition, chain: ChainOptions, seed: UInt64) {
        self.chain = chain
        shared = BallSticksChain.SharedDesign(acquisition: acquisition, hasSpread: chain.hasSpread)
        measurementCount = acquisition.count
        self.seed = seed
    }

    public var drawCount: Int { chain.drawCount }
    public var allocatesDraws: Bool { false }
    public var notes: [String: String] {
        [
            "model": chain.hasSpread ? "2" : "1", "fibres": "\(chain.fibres)", "burnin": "\(chain.burnIn)",
            "jumps": "\(chain.jumps)",
            "every": "\(chain.every)", "relevance_weight": "\(chain.relevanceWeight)",
            "fraction_floor": "\(chain.fractionFloor)",
        ]
    }
    public var voxelsAtOnce: Int { 1 }
    public func makeEngine() -> any PosteriorEngine { McmcEngine(self) }
    /// The chain's noise is Gaussian whatever the scan's.
    public func adapted(to acquisition: Acquisition, noise: NoiseKinds) -> any EngineRecipe {
        McmcRecipe(acquisition: acquisition, chain: chain, seed: seed)
    }
}

final class McmcEngine: PosteriorEngine {
    private typealias Slot = BallSticks.Slot
    private let recipe: McmcRecipe, chain: BallSticksChain
    /// Index of the structure with n sticks, n = 0 … 3.
    private let structureIndices: [Int]
    private let structures = BallSticks().structureSpace.structures
    private var shouldStop: @Sendable () -> Bool = { false }

    init(_ recipe: McmcRecipe) {
        self.recipe = recipe
        chain = BallSticksChain(shared: recipe.shared, options: recipe.chain)
        let all = structures, spread = recipe.chain.hasSpread
        structureIndices = (0...3).map { n in
            all.firstIndex {
                BallSticks.stickCount($0) == n && BallSticks.hasSpread($0) == spread && !BallSticks.isRician($0)
            }!
        }
    }

    func stop(when isAsked: @escaping @Sendable () -> Bool) { shouldStop = isAsked }

    func restricted(to acquisition: Acquisition) -> any PosteriorEngine {
        recipe.adapted(to: acquisition, noise: .gaussian).makeEngine()
    }

    func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64], sigma: [Double?]) -> [VoxelPosterior] {
        precondition(sigma.allSatisfy { $0 == nil }, "the chain integrates the noise out")
        var answers: [VoxelPosterior] = []
        for v in 0..<count {
            let draws = recipe.drawCount
            var random = RandomSource(seed: recipe.seed, stream: keys[v]),
                theta = [Double](repeating: 0, count: draws * Slot.count)
            do {
                try chain.sample(y + v * recipe.measurementCount, using: &random, into: &theta) {
                    if shouldStop() { throw Stopped() }
                }
            } catch { break }
            var drawn: [Int] = [], counts = [Int](repeating: 0, count: structures.count)
            theta.withUnsafeMutableBufferPointer { all in
                for d in 0..<draws {
                    let z = structureIndices[Self.canonicalise(all.baseAddress! + d * Slot.count)]
                    drawn.append(z)
                    counts[z] += 1
                }
            }
            answers.append(
                VoxelPosterior(
                    of: structures,
                    logProbability: counts.map { $0 > 0 ? log(Double($0) / Double(draws)) : -.infinity },
                    structures: drawn, parameters: theta))
        }
        return answers
    }

    /// Keeps the fibres above the floor, by falling fraction, in the first places of a draw; returns their number. Of a
    /// draw without any, the direction of the largest stays in the first place.
    static func canonicalise(_ row: UnsafeMutablePointer<Double>) -> Int {
        let old = (0..<Slot.count).map { row[$0] }
        let falling = (0..<3).sorted { (old[Slot.fraction + $0], $1) > (old[Slot.fraction + $1], $0) }
        let kept = falling.prefix { old[Slot.fraction + $0] > BallSticks.fractionFloor }.count
        for k in 0..<3 {
            row[Slot.fraction + k] = k < kept ? old[Slot.fraction + falling[k]] : 0
            for c in 0..<3 { row[Slot.axis + 3 * k + c] = k < max(kept, 1) ? old[Slot.axis + 3 * falling[k] + c] : 0 }
        }
        return kept
    }
}
