import Foundation
import ModelSpace

/// Structure posterior and draws of one observation, for any family whose signal is linear in its weights, however many
/// structures it has.
///
/// Structures are never listed. Those that a network names (or where there is none the plainest) have their modes
/// looked for; then the neighbours of every structure that matters, until those that matter have only neighbours that
/// do not, or only such as the network rules out. What matters is within some nats of the best, at a λ from
/// `Options.leastLambda` to 3, by Laplace's approximation or by the network.
/// Evidence by importance sampling follows for them, generation by generation, where it most moves the posterior.
/// Structures of more components or shape coordinates than modes are made for (`SignalLimits`: 12 and 48) are not
/// looked at: a network's word, where there is one, is all that is known of them.
///
/// Everything random comes from streams named by the observation, the structure and the generation: one structure less
/// changes no other's draws.
public final class StructureExplorer {
    /// A start that somebody knows: a structure (with its noise) and θ.
    public struct Start {
        public var structure: Structure, theta: [Double]
        public init(_ structure: Structure, _ theta: [Double]) { (self.structure, self.theta) = (structure, theta) }
    }

    let rule: StructureRule, options: Options, plainest: [Structure]
    private let theta: ThetaLayout, noiseOptions: [Structure], noise: (Structure) -> NoiseLikelihood
    let sampler: ImportanceSampler
    private let finder: StartFinder, m: Int
    /// Structures met before, without noise, and how many observations have been explored.
    private var met: [Structure: Met] = [:], round = 0
    private(set) var shouldStop: () -> Bool = { false }

    public init<F: LinearFamily>(_ family: F, kernels: any SignalKernels, options: Options = Options()) {
        rule = StructureRule(family.description)
        plainest = rule.plainest
        theta = ThetaLayout(family.description)
        self.options = options
        sampler = ImportanceSampler(kernels)
        finder = StartFinder(kernels)
        m = kernels.measurementCount
        noiseOptions = rule.noiseOptions
        noise = family.noise
    }

    /// Structures of which is kept what the rule says of them: some hundred megabytes at most.
    static let remembered = 16384

    public func stop(when isAsked: @escaping () -> Bool) { shouldStop = isAsked }

    /// What the rule says of a structure without noise, which costs more than a climb.
    final class Met {
        let structure: Structure, k: Int
        /// The allowed structures with any noise.
        let variants: [(structure: Structure, noise: NoiseLikelihood)]
        private let rule: StructureRule, theta: ThetaLayout
        private(set) lazy var layout = SignalLayout(rule.family, theta, rule, structure)
        /// One step away.
        private(set) lazy var neighbours = rule.neighbours(of: structure).map(\.structure)
        /// The last observation for which it was looked at.
        var round = 0
        /// Passages from other structures, those to which it is near.
        private var transfers: [(from: Structure, transfer: LayoutTransfer)] = []

        init(
            _ structure: Structure, _ rule: StructureRule, _ theta: ThetaLayout,
            variants: [(structure: Structure, noise: NoiseLikelihood)]
        ) {
            (self.structure, self.rule, self.theta, self.variants) = (structure, rule, theta, variants)
            k = rule.parameterCount(structure)
        }

        func transfer(from other: Met) -> LayoutTransfer {
            if let known = transfers.first(where: { $0.from == other.structure }) { return known.transfer }
            let new = LayoutTransfer(from: other.layout, to: layout)
            transfers.append((other.structure, new))
            return new
        }
    }

    /// - Parameter signal: a structure without noise.
    func meet(_ signal: Structure) -> Met {
        if let known = met[signal] { return known }
        let variants = noiseOptions.map { Structure(bits: signal.bits | $0.bits) }.filter(rule.allows)
        let new = Met(
            signal, rule, theta, variants: variants.map { (structure: $0, noise: noise($0)) })
        met[signal] = new
        return new
    }

    /// One structure, noise aside, and what is known of it from an observation.
    final class Entry {
        let met: Met, structure: Structure, layout: SignalLayout, k: Int
        /// With each noise that is possible.
        let variants: [(structure: Structure, noise: NoiseLikelihood)]
        /// The network's word on each variant; −∞ where it has none.
        let network: [Double]
        var starts: [(NoiseLikelihood, [Double])] = []
        var modes: ImportanceSampler.Modes? { didSet { laplace = modes?.laplace ?? -.infinity } }
        private(set) var laplace = -Double.infinity
        var run: ImportanceSampler.Run?
        /// log-evidence over all kinds of noise from the samples so far, and its error.
        private(set) var evidence = -Double.infinity, standardError = Double.infinity
        var hasExpanded = false

        init(_ met: Met, variants: [(structure: Structure, noise: NoiseLikelihood)], network: [Double]) {
            (self.met, structure, layout, k) = (met, met.structure, met.layout, met.k)
            (self.variants, self.network) = (variants, network)
        }

        var networkTotal: Double { logSum(network) }

        /// Takes in what the samples have come to say.
        func weigh() {
            guard let run else { return }
            evidence = logSum(variants.indices.map(logEvidence))
            let all = variants.map { run.sample.evidence[$0.noise] ?? .init() }, total = logSum(all.map(\.logEvidence))
            standardError = all.reduce(0) {
                $1.logEvidence.isFinite ? $0 + exp($1.logEvidence - total) * $1.standardError : $0
            }
        }
    }

    /// - Parameters:
    ///   - y: M normalised signals.
    ///   - network: log p(z | y, λ = 0) of the structures that an amortised estimate lists, as `word` reads it; nil
    ///   without one.
    ///   - starts: θ near which to look, of any structures.
    ///   - allows: whether a kind of noise is possible for these data.
    ///   - sigma: the noise's standard deviation where it is known. The network's word, given without it, then only
    ///   says where to look.
    ///   - seed, key: name the observation's random streams.
    /// - Returns: nil when the signals are impossible under every structure, or the search was told to stop.
    public func explore(
        _ y: UnsafePointer<Float>, network word: NetworkWord? = nil, starts: [Start] = [],
        allows: (NoiseLikelihood) -> Bool, sigma: Double? = nil,
        seed: UInt64, key: UInt64
    ) -> ExploredStructures? {
        var entries: [Entry] = []
        round += 1
        // Of millions of structures a fit meets ever new ones.
        if met.count >= Self.remembered { met.removeAll() }
        func stream(_ z: Structure, _ generation: Int) -> RandomSource { Self.stream(seed, key, z, generation) }

        func enter(_ z: Structure) -> Entry? {
            guard entries.count < options.mostStructures, case let met = meet(rule.signal(z)), met.round < round else {
                return nil
            }
            met.round = round
            // Of richer ones no evidence can be had here.
            guard ImportanceSampler.canSample(met.layout) else { return nil }
            let variants = met.variants.filter { allows($0.noise) }
            guard !variants.isEmpty else { return nil }
            let entry = Entry(
                met, variants: variants, network: variants.map { word?.table[$0.structure] ?? -.infinity })
            entries.append(entry)
            return entry
        }

        // The plainest, and what the network names.
        for z in plainest { _ = enter(z) }
        for z in word?.named ?? [] { _ = enter(z) }
        for start in starts {
            guard let entry = entries.first(where: { $0.structure == rule.signal(start.structure) }),
                let noise = entry.variants.first(where: { $0.structure == start.structure }) ?? entry.variants.first
            else { continue }
            var x = [Double](repeating: 0, count: entry.layout.count)
            entry.layout.pack(start.theta, into: &x)
            entry.starts.append((noise.noise, x))
        }
        for entry in entries.sorted(by: { $0.k < $1.k }) {
            if shouldStop() { return nil }
            look(y, entry, entries, sigma, word, stream)
        }
        settleNoise(y, entries, sigma)
        // Neighbours of what matters.
        while entries.count < options.mostStructures {
            let gap = gaps(entries.map(\.laplace), entries)
            guard
                let next = entries.indices.filter({ !entries[$0].hasExpanded && gap[$0] <= options.window }).min(by: {
                    gap[$0] < gap[$1]
                })
            else { break }
            entries[next].hasExpanded = true
            for z in entries[next].met.neighbours {
                if shouldStop() { return nil }
                if sigma == nil, word?.rulesOut(z) == true { continue }
                if let entry = enter(z) { look(y, entry, entries, sigma, word, stream) }
            }
        }
        guard entries.contains(where: { $0.laplace.isFinite }) else { return nil }
        // What the network's word, now that it can be held against some, does not leave as far below as it seemed.
        for _ in 0..<(sigma == nil ? options.rereadings : 0) {
            guard let near = word.map({ stillNear($0, entries) }), !near.isEmpty else { break }
            for z in near.prefix(options.mostReread) {
                if shouldStop() { return nil }
                if let entry = enter(z) { look(y, entry, entries, sigma, word, stream) }
            }
        }
        settleNoise(y, entries, sigma)
        guard reopen(y, entries, sigma, stream) else { return nil }
        guard sample(y, entries, sigma, stream) else { return nil }
        return ExploredStructures(entries: entries, hasNetwork: word != nil && sigma == nil)
    }

    /// Structures that were not looked at and should have been, by a network's word on the level of what was found: the
    /// nearest first.
    private func stillNear(_ word: NetworkWord, _ entries: [Entry]) -> [Structure] {
        let lambdas = options.lambdas.count > 1 ? Array(options.lambdas.dropFirst()) : options.lambdas
        let level = NetworkLevel(
            lambdas: lambdas, exclusion: options.networkExclusion,
            seen: entries.map { ($0.networkTotal, $0.laplace, $0.k) })
        guard let level else { return [] }
        return word.signals.filter { meet($0.structure).round < round }
            .map { (structure: $0.structure, gap: level.gap($0.word, $0.k)) }
            .filter { $0.gap <= options.networkExclusion }
            .sorted { ($0.gap, $0.structure.bits) < ($1.gap, $1.structure.bits) }.map(\.structure)
    }

    /// Looks for a structure's modes: from the starts that it has, and from the modes of neighbours that have been
    /// found.
    /// - Parameter word: a network's, which says where to look of the structures that it knows.
    private func look(
        _ y: UnsafePointer<Float>, _ entry: Entry, _ all: [Entry], _ sigma: Double?, _ word: NetworkWord?,
        _ stream: (Structure, Int) -> RandomSource
    ) {
        var random = stream(entry.structure, 255), starts = entry.starts
        // What neighbours lead to may be another peak; a plain structure is soon tried all over, and starts others.
        let isNamed = word?.knows(entry.structure) ?? false,
            isPlain = !isNamed && entry.layout.componentCount <= options.plainCount
        let near = entry.met.neighbours
        let parents = all.filter { $0.modes != nil && near.contains($0.structure) }.sorted { $0.laplace > $1.laplace }
            .prefix(isPlain ? options.plainParents : options.parents)
        for parent in parents {
            let best = parent.modes!.best, transfer = entry.met.transfer(from: parent.met)
            let noise = entry.variants.contains { $0.noise == best.noise } ? best.noise : entry.variants[0].noise
            starts += finder.starts(y, transfer, from: best.centre, most: options.births, tries: options.tries, &random)
                .map { (noise, $0) }
        }
        if starts.isEmpty || isPlain {
            let found = finder.starts(
                y, LayoutTransfer(open: entry.layout), from: [],
                most: starts.isEmpty ? options.firstStarts : options.plainStarts, tries: options.firstTries, &random)
            starts += found.map { (entry.variants.last!.noise, $0) }
        }
        entry.modes = sampler.modes(y, entry.layout, starts: starts, sigma: sigma, options: options.sampling)
    }

    /// Brings all structures to the kinds of noise that suit the best of them. A start brings a kind of noise with it,
    /// a network's too, and a mode is found under that alone: where signals near the noise floor prefer another, by
    /// many nats, structures would be told apart by their starts.
    private func settleNoise(_ y: UnsafePointer<Float>, _ entries: [Entry], _ sigma: Double?) {
        func bring(_ entry: Entry, to noise: NoiseLikelihood) {
            guard let modes = entry.modes, entry.variants.contains(where: { $0.noise == noise }) else { return }
            entry.modes = sampler.modes(y, modes, under: noise, sigma: sigma)
        }
        var kinds: [NoiseLikelihood] = []
        for lambda in options.lambdas {
            let leader = entries.max { $0.laplace - lambda * Double($0.k) < $1.laplace - lambda * Double($1.k) }
            guard let leader, let modes = leader.modes else { continue }
            if lambda == options.leastLambda, !sampler.tellsNoise(modes) { return }
            for variant in leader.variants { bring(leader, to: variant.noise) }
            if let best = leader.modes?.best.noise, !kinds.contains(best) { kinds.append(best) }
        }
        for entry in entries { for noise in kinds { bring(entry, to: noise) } }
    }

    /// Looks for more modes of what is likely: a weak member among several alike may belong in more than one place (on
    /// either side of a strong one, or beside another). False when told to stop.
    private func reopen(
        _ y: UnsafePointer<Float>, _ entries: [Entry], _ sigma: Double?, _ stream: (Structure, Int) -> RandomSource
    ) -> Bool {
        guard options.reopenings > 0 else { return true }
        let gap = gaps(entries.map(\.laplace), entries)
        for (i, entry) in entries.enumerated() where gap[i] <= options.reopening {
            guard let found = entry.modes, !entry.layout.exchangeable.isEmpty else { continue }
            if shouldStop() { return false }
            var random = stream(entry.structure, 254), starts: [(NoiseLikelihood, [Double])] = []
            for member in entry.layout.exchangeable.joined() {
                starts += finder.starts(
                    y, LayoutTransfer(entry.layout, reopening: member), from: found.best.centre,
                    most: options.reopenings, tries: options.tries, &random
                ).map { (found.best.noise, $0) }
            }
            entry.modes = sampler.modes(
                y, entry.layout, starts: starts, sigma: sigma, known: found.list, options: options.sampling)
        }
        return true
    }
}
