import Diffusion
import Exact
import Foundation
import ModelSpace

/// The posterior of one observation, as an engine gives it.
///
/// Shapes: L structures listed, D draws, P parameters in the family's own layout.
public struct VoxelPosterior: Sendable {
    /// L, each once. A family's engine lists all of its structures or those that matter.
    public var listed: [Structure]
    /// log p(z | y, λ = 0) of each; with that of the rest they are normalised.
    public var logProbability: [Double]
    /// log of the mass of all other structures, and how many parameters it is charged for towards larger λ
    /// (`StructurePosterior`); −∞ where there is none, or none known.
    public var logRest = -Double.infinity, restParameters = 0.0
    /// The place in the list of each draw's structure; within a structure draws are exchangeable. How many draws each
    /// structure has is a choice, not a probability (`DrawAllocation`, `DrawWeights`).
    public var structures: [Int]
    /// D × P.
    public var parameters: [Double]
    /// Standard error of each structure's log-evidence, where the engine states it; else empty. ∞ of an approximation
    /// that was not sampled.
    public var logEvidenceError: [Double]
    /// ln Σ_z p(y | z), of which structure z has p(z | y, λ = 0), up to a constant that all families and engines share;
    /// −∞ where the engine does not state it.
    public var logEvidence = -Double.infinity
    /// The probability at λ = 0 of structures that stand in with approximations where the engine states errors.
    public var approximateMass: Double {
        zip(logProbability, logEvidenceError).reduce(0) { $1.1 == .infinity ? $0 + exp($1.0) : $0 }
    }

    public init(
        of listed: [Structure], logProbability: [Double], structures: [Int] = [], parameters: [Double] = [],
        logEvidenceError: [Double] = []
    ) {
        self.listed = listed
        self.logProbability = logProbability
        self.structures = structures
        self.parameters = parameters
        self.logEvidenceError = logEvidenceError
    }

    /// Lists what a network says of structures that are not listed, and makes room for those that it did not read.
    ///
    /// Its word is brought to the level of what is listed at `lambda` and the larger λ of the search (`NetworkLevel`).
    ///
    /// Rich structures have most of the rest's mass at λ = 0, and lose it soon as λ grows, when the few plain ones are
    /// all that is left of it. What they are charged for together is what brings the bound of their mass from 0 to
    /// `lambda`, or the next larger λ at which there is one; up to there it stays a bound
    /// (`StructurePosterior.restParameters`).
    /// - Parameter options: of the search that did not look at them.
    mutating func add(
        unseen read: StructurePosterior, _ rule: StructureRule, at lambda: Double, _ options: StructureExplorer.Options
    ) {
        let places = Dictionary(uniqueKeysWithValues: zip(listed, 0...))
        var seen = zip(listed, logProbability).map { (word: -Double.infinity, found: $1, k: rule.parameterCount($0)) }
        var unseen: [(structure: Structure, word: Double)] = []
        for (z, word) in zip(read.structures, read.logProbability) {
            if let place = places[z] { seen[place].word = word } else { unseen.append((z, word)) }
        }
        let level = NetworkLevel(
            lambdas: [lambda] + options.lambdas.filter { $0 > lambda }, exclusion: options.networkExclusion, seen: seen)
        guard let level else { return }
        for (z, word) in unseen {
            listed.append(z)
            logProbability.append(level.value(word, rule.parameterCount(z)))
        }
        var slope = read.restParameters
        if let there = read.restBounds.first(where: { $0.step >= lambda }) {
            slope = max(slope, (read.logRest - there.logMass) / there.step)
        }
        let here = read.logRest + level.first - slope * lambda
        for bound in read.restBounds where bound.step > lambda {
            guard let moved = level.ofBest(bound.step) else { continue }
            slope = max(slope, (here - bound.logMass - moved) / (bound.step - lambda))
        }
        if read.logRest.isFinite { (logRest, restParameters) = (here + slope * lambda, slope) }
        let all = StructureSpace.normalise(logProbability + [logRest])
        (logProbability, logRest) = (Array(all.dropLast()), all[all.count - 1])
    }

    /// ln Σ_z p(y | z) by structures' evidences and their probabilities, which may have been combined with something
    /// else: by each structure it is ln p(y | z) − ln p(z | y), of which the mean counts.
    /// - Parameter isKnown: whether a structure's evidence is more than a guess.
    static func logEvidence(_ logProbability: [Double], _ evidence: [Double], isKnown: (Int) -> Bool) -> Double {
        var sum = 0.0, weight = 0.0
        for z in logProbability.indices where logProbability[z].isFinite && evidence[z].isFinite && isKnown(z) {
            let p = exp(logProbability[z])
            sum += p * (evidence[z] - logProbability[z])
            weight += p
        }
        return weight > 0 ? sum / weight : -.infinity
    }
}

/// Turns normalised signals into posteriors. One a worker thread; it may hold scratch memory.
///
/// Everything random about an observation comes from streams named by its own key, so answers do not depend on batches
/// or threads.
public protocol PosteriorEngine: AnyObject {
    /// - Parameters:
    ///   - y: V × M signals over mean b≈0.
    ///   - keys: names the random streams of each observation.
    ///   - sigma: V standard deviations of the noise, in units of y, which then enter the likelihood as known; nil
    ///   where one is not. Empty: none is.
    /// - Returns: V posteriors of `drawCount` draws each; when the engine is told to stop, those of the first
    ///   observations that are finished.
    func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64], sigma: [Double?]) -> [VoxelPosterior]

    /// Gives the engine a question to ask as it works, at least once a second; when the answer is yes it gives up the
    /// observation that it has in hand. Engines whose observations are quick need not listen.
    func stop(when isAsked: @escaping @Sendable () -> Bool)

    /// An engine for voxels that lack some of the measurements. It may use this one's memory: the two serve one thread.
    func restricted(to acquisition: Acquisition) -> any PosteriorEngine
}

/// An engine that takes observations of several designs together, which is faster than one by one.
package protocol DesignsEngine: PosteriorEngine {
    /// The same of observations each of which was taken by a design of its own, of as many measurements.
    func posteriors(_ y: UnsafePointer<Float>, keys: [UInt64], sigma: [Double?], designs: [Acquisition])
        -> [VoxelPosterior]
}

extension PosteriorEngine {
    public func stop(when isAsked: @escaping @Sendable () -> Bool) {}

    /// The same where no σ is known.
    public func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64]) -> [VoxelPosterior] {
        posteriors(y, count: count, keys: keys, sigma: [])
    }
}

/// Thrown by work that was told to stop, so that nothing half-finished can be taken for a result.
package struct Stopped: Error {
    package init() {}
}

/// An engine before it has a thread: what the archive must know of it, and how to make one.
public protocol EngineRecipe: Sendable {
    /// What is fitted.
    var diffusionFamily: any DiffusionFamily { get }
    /// As on the command line: prism, smc, mcmc.
    var name: String { get }
    /// D, draws a voxel.
    var drawCount: Int { get }
    var networkName: String { get }
    var networkSHA256: String { get }
    /// Settings on which the answers depend; a fit resumes only with the same.
    var notes: [String: String] { get }
    /// What a structure that an answer gives no probability may have all the same, as a log-probability, where the
    /// engine does not look at every one; nil where it does.
    var leastLogProbability: Double? { get }
    /// Whether the number of a structure's draws is `DrawAllocation`'s; else draws come as they come.
    var allocatesDraws: Bool { get }
    /// Observations that an engine does well to get together; 1 where each takes long.
    var voxelsAtOnce: Int { get }
    func makeEngine() -> any PosteriorEngine
    /// The same recipe for other measurements, and for the kinds of noise that a scan has.
    func adapted(to acquisition: Acquisition, noise: NoiseKinds) -> any EngineRecipe
}

extension EngineRecipe {
    public var diffusionFamily: any DiffusionFamily { BallSticks() }
    public var networkName: String { "" }
    public var networkSHA256: String { "" }
    public var leastLogProbability: Double? { nil }
    public var allocatesDraws: Bool { true }
    public var voxelsAtOnce: Int { 32 }
}
