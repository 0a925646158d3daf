import Diffusion
import Exact
import Foundation
import ModelSpace
import Networks
import Tensors

/// The engine for any family whose signal is linear in its weights: structures found by exploration
/// (`StructureExplorer`), their evidence by importance sampling, draws ended by exact-likelihood moves. A trained
/// network, where there is one, says where to look and what to expect: of all structures, or, trained for the family
/// without what depends on the gradients' timing, of those that it knows.
public struct FamilyEngineRecipe<F: DiffusionFamily>: EngineRecipe {
    public var exploration = StructureExplorer.Options.balanced
    /// Sweeps of moves that end each voxel's draws, and of how many draws of a structure: fewer stay samples by weight.
    public var sweeps = 10, fewestMoved = 2
    /// Steps of the network's diffusion solver, and its draws that each structure starts from.
    public var solverSteps = 2, starts = 1

    public let family: F
    let file: NetworkFile?, options: FitOptions
    /// What the network was trained for.
    private let trained: F?
    private(set) var acquisition: Acquisition, noise = NoiseKinds.either

    /// - Parameter file: nil to search without a network.
    /// - Throws: `NetworkFileError.otherFamily` when the network was trained for something else.
    public init(
        family: F, file: NetworkFile?, path: String, acquisition: Acquisition, options: FitOptions,
        preset: PrismPreset = .balanced
    ) throws {
        trained = try file.map { file in
            guard let own = family.family(of: file.origin), file.network.shape == FamilyShape(own) else {
                throw NetworkFileError.otherFamily(path: path, found: file.origin.family, wanted: family.name)
            }
            return own
        }
        (self.family, self.file, self.acquisition, self.options) = (family, file, acquisition, options)
        preset.apply(to: &self)
        // By what the family is, not by whether its structures happen to be listed.
        let isListed = StructureRule(family.description).count <= Double(CompartmentFamily.mostListed)
        if file != nil { exploration.lean(isListed: isListed) } else if !isListed { exploration.widen() }
        exploration.leastLambda = family.words.leastLambda ?? 0
    }

    public var diffusionFamily: any DiffusionFamily { family }
    public var name: String { file == nil ? "search" : "prism" }
    public var drawCount: Int { DrawAllocation.total(samples: options.samples) }
    public var networkName: String { file?.origin.name ?? "" }
    public var networkSHA256: String { file?.sha256 ?? "" }
    /// The same for every preset, which scores could not be compared by otherwise: what `balanced` leaves out is about
    /// so far below the best.
    public var leastLogProbability: Double? { -7 }
    public var voxelsAtOnce: Int { file == nil ? 4 : 32 }
    public var notes: [String: String] {
        var notes = ["exploration": exploration.summary, "correction_sweeps": "\(sweeps) of \(fewestMoved) and more"]
        if file != nil {
            (notes["solver_steps"], notes["precision"]) = ("\(solverSteps)", NetworkPrecision.fastest.rawValue)
        }
        return notes.merging(noise.notes) { $1 }
    }

    public func makeEngine() -> any PosteriorEngine {
        FamilyEngine(self, file.map { FamilySampler(family: family, trained: trained!, file: $0) })
    }

    public func adapted(to acquisition: Acquisition, noise: NoiseKinds) -> any EngineRecipe {
        var recipe = self
        (recipe.acquisition, recipe.noise) = (acquisition, noise)
        return recipe
    }

    fileprivate func restricted(to acquisition: Acquisition) -> Self {
        var recipe = self
        recipe.acquisition = acquisition
        return recipe
    }
}

final class FamilyEngine<F: DiffusionFamily>: DesignsEngine {
    private let recipe: FamilyEngineRecipe<F>, sampler: FamilySampler<F>?
    private let explorer: StructureExplorer, moves: PosteriorMoves, rule: StructureRule
    /// What the network is asked, and at which λ.
    private let reading: StructureReadingPlan, lambda: Double
    /// Of the recipe, which would be copied with all that it refers to where one of them is asked for.
    private let options: FitOptions, sweeps: Int, fewestMoved: Int, drawCount: Int, parameterCount: Int
    /// The exact half reads the volumes shell by shell.
    private let order: [Int], kernels: any DiffusionKernels
    private var shouldStop: @Sendable () -> Bool = { false }

    init(_ recipe: FamilyEngineRecipe<F>, _ sampler: FamilySampler<F>?) {
        (self.recipe, self.sampler) = (recipe, sampler)
        (options, drawCount, parameterCount) = (recipe.options, recipe.drawCount, recipe.family.parameterNames.count)
        (sweeps, fewestMoved) = (recipe.sweeps, recipe.fewestMoved)
        order = recipe.acquisition.shellOrder
        kernels = recipe.family.diffusionKernels(recipe.acquisition.taking(order))
        explorer = StructureExplorer(recipe.family, kernels: kernels, options: recipe.exploration)
        moves = PosteriorMoves(kernels)
        rule = StructureRule(recipe.family.description)
        let wanted = explorer.reading, description = recipe.family.description
        lambda = wanted.lambdas[0]
        reading = StructureReadingPlan(
            steps: wanted.lambdas.map { $0 - wanted.lambdas[0] }, reach: wanted.reach,
            named: wanted.named, namedReach: wanted.namedReach, always: wanted.always,
            signalBits: description.bitCount - description.noise.bitNames.count)
    }

    func stop(when isAsked: @escaping @Sendable () -> Bool) {
        shouldStop = isAsked
        explorer.stop(when: isAsked)
    }

    func restricted(to acquisition: Acquisition) -> any PosteriorEngine {
        FamilyEngine(recipe.restricted(to: acquisition), sampler)
    }

    func posteriors(_ y: UnsafePointer<Float>, count: Int, keys: [UInt64], sigma: [Double?]) -> [VoxelPosterior] {
        posteriors(y, keys: keys, sigma: sigma, Array(repeating: recipe.acquisition, count: count), areOwn: false)
    }

    func posteriors(_ y: UnsafePointer<Float>, keys: [UInt64], sigma: [Double?], designs: [Acquisition])
        -> [VoxelPosterior]
    {
        defer { kernels.take(recipe.acquisition.taking(order)) }
        return posteriors(y, keys: keys, sigma: sigma, designs, areOwn: true)
    }

    private func posteriors(
        _ y: UnsafePointer<Float>, keys: [UInt64], sigma: [Double?], _ designs: [Acquisition], areOwn: Bool
    ) -> [VoxelPosterior] {
        let count = designs.count, sigma = sigma.isEmpty ? Array(repeating: nil, count: count) : sigma
        let m = recipe.acquisition.count, seed = options.seed, starts = recipe.starts
        var words: [NetworkWord] = []
        let guesses = sampler?.read(
            y, designs: designs, keys: keys, seed: seed, steps: recipe.solverSteps, lambda: lambda, plan: reading
        ) {
            // Draws of the structures that the search begins from.
            words.append(self.explorer.word($0, part: self.sampler?.part))
            let named = words.last!.named
            return self.order(named).flatMap { Array(repeating: named[$0], count: starts) }
        }
        var answers: [VoxelPosterior] = []
        for v in 0..<count {
            let signals = order.map { y[v * m + $0] }
            if areOwn { kernels.take(designs[v].taking(order)) }
            let guess = guesses.map {
                Guess(word: words[v], read: $0[v].structures, drawn: $0[v].drawn, parameters: $0[v].parameters)
            }
            guard let answer = posterior(signals, guess, sigma[v], designs[v], key: keys[v]) else { break }
            answers.append(answer)
        }
        return answers
    }

    /// What the network says of a voxel, and its draws.
    private struct Guess {
        let word: NetworkWord, read: StructurePosterior, drawn: [Structure], parameters: [Double]
    }

    /// The order of structures by the family's rule, which no search changes.
    private func order(_ structures: [Structure]) -> [Int] {
        let places = structures.map(rule.place)
        return structures.indices.sorted { places[$0] < places[$1] }
    }

    /// Nil when told to stop.
    private func posterior(
        _ y: UnsafePointer<Float>, _ guess: Guess?, _ sigma: Double?, _ design: Acquisition, key: UInt64
    ) -> VoxelPosterior? {
        let p = parameterCount
        let canBeRician = recipe.noise.allowRician(y, count: recipe.acquisition.count)
        var starts: [StructureExplorer.Start] = []
        if let guess {
            for (d, z) in guess.drawn.enumerated() {
                starts.append(.init(z, Array(guess.parameters[d * p..<(d + 1) * p])))
            }
        }
        let found = explorer.explore(
            y, network: guess?.word, starts: starts, allows: { $0 == .gaussian || canBeRician }, sigma: sigma,
            seed: options.seed, key: key)
        if found == nil && shouldStop() { return nil }
        var random = RandomSource(seed: options.seed, stream: key, substream: 1 << 32)
        guard let found else {
            // No structure explains these signals: the network's word, or the prior's.
            return .prior(
                recipe.family, rule, design, known: guess?.read, lambda: options.lambda, total: drawCount,
                using: &random)
        }
        let all = found.logProbability, index = order(found.structures)
        let listed = index.map { found.structures[$0] }, logProbability = index.map { all[$0] }
        let counts = DrawAllocation.counts(
            logProbability, parameterCounts: listed.map(rule.parameterCount),
            fibreCounts: listed.map(rule.fibreCount), lambda: options.lambda, total: drawCount,
            offset: random.uniform())
        var drawn: [Int] = [], parameters = [Double](repeating: 0, count: drawCount * p)
        for (z, n) in counts.enumerated() where n > 0 {
            let layout = found.layout(index[z])
            explorer.sampleToDraw(index[z], of: found, y, sigma: sigma, seed: options.seed, key: key)
            let points = draws(y, found, index[z], count: n, sigma, &random)
            for (d, point) in points.enumerated() {
                parameters.withUnsafeMutableBufferPointer {
                    layout.unpack(point, into: $0.baseAddress! + (drawn.count + d) * p)
                }
            }
            drawn += Array(repeating: z, count: n)
        }
        var answer = VoxelPosterior(
            of: listed, logProbability: logProbability, structures: drawn, parameters: parameters)
        if sigma == nil, explorer.listsUnseen || recipe.family.structureList == nil, let read = guess?.read {
            answer.add(unseen: read, rule, at: options.lambda, recipe.exploration)
        }
        // Of all structures: those not looked at have their share of it.
        answer.logEvidence = VoxelPosterior.logEvidence(
            Array(answer.logProbability.prefix(index.count)), index.map { found.logEvidence[$0] }
        ) { found.isSampled[index[$0]] }
        return answer
    }

    /// Draws of one structure found. They move in an ensemble that fills the lanes of two blocks: few would have no
    /// partners, and cost as much.
    private func draws(
        _ y: UnsafePointer<Float>, _ found: ExploredStructures, _ i: Int, count: Int, _ sigma: Double?,
        _ random: inout RandomSource
    ) -> [[Double]] {
        guard found.isSampled[i], sweeps > 0, count >= fewestMoved else {
            return found.draw(i, count: count, using: &random)
        }
        let layout = found.layout(i), width = layout.count, whole = max(32, (count + 15) / 16 * 16)
        var points = found.draw(i, count: whole, using: &random).flatMap { $0 }
        moves.run(y, points: &points, layout, found.noise(i), sigma: sigma, sweeps: sweeps, using: &random)
        return DrawAllocation.evenly(count, of: whole, offset: random.uniform()).map {
            Array(points[$0 * width..<($0 + 1) * width])
        }
    }
}
