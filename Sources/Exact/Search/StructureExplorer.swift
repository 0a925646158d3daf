import Foundation
import ModelSpace

/// Structure posterior and draws of one observation, for any family whose signal is linear in its weights, however many
/// structures it has.
///
/// Structures are never listed. Those that a network names (or where there is none the plainest) have their modes
/// looked for; then the neighbours of every structure that matters, until those that matter have only neighbours that
/// do not. What matters is within some nats of the best at a λ in [0, 3] by Laplace's approximation or by the network.
/// Evidence by importance sampling follows for them, generation by generation, where it most moves the posterior.
///
/// Everything random comes from streams named by the observation, the structure and the generation: one structure less
/// changes no other's draws.
public final class StructureExplorer {
    public struct Options: Sendable {
        package var sampling = ImportanceSampler.Options()
        /// Nats below the best at every λ in [0, 3] beyond which a structure is not sampled: by Laplace's
        /// approximation, and by the network.
        public var cutoff = 10.0, networkCutoff = 8.0
        /// Nats below the best within which a structure's neighbours are looked at too.
        public var window = 6.0
        /// Structures looked at, noise aside, at most, and how many of them because a network names them.
        public var mostStructures = 192, mostNamed = 20
        /// From how many neighbours' modes a structure's own are looked for, with how many starts each, of how many
        /// that are tried.
        public var parents = 2, births = 2, tries = 64
        /// The same where there is nothing to start from.
        public var firstStarts = 4, firstTries = 256
        /// Generations that a structure gets first: within 3 nats of the best, and the others; and where it is as
        /// likely as not, by its shape's dimension.
        public var likely = 2, unlikely = 1, fewest = 3, perDimension = 0.55
        /// Generations given after that, one at a time to the structure whose error most moves the posterior, while it
        /// moves it by more than `tolerance`.
        public var further = 5, tolerance = 0.01
        public init() {}

        /// What the answers depend on, in a line.
        public var summary: String {
            """
            \(sampling.summary); \(mostStructures) structures, \(mostNamed) named, \(parents)x\(births) of \(tries) \
            and \(firstStarts) of \(firstTries) starts,\u{20}
            """
                + """
                cutoffs \(cutoff)/\(networkCutoff)/\(window), \(likely)/\(unlikely) to \(fewest)+\(perDimension)d \
                generations+\(further) to \(tolerance)
                """
        }
    }

    /// A start that somebody knows: a structure (with its noise) and θ.
    public struct Start {
        public var structure: Structure, theta: [Double]
        public init(_ structure: Structure, _ theta: [Double]) { (self.structure, self.theta) = (structure, theta) }
    }

    let rule: StructureRule, options: Options
    private let theta: ThetaLayout, noiseOptions: [Structure], noise: (Structure) -> NoiseLikelihood
    private let sampler: ImportanceSampler, finder: StartFinder, m: Int
    private var layouts: [Structure: SignalLayout] = [:]
    /// What the rule says of structures met before: it costs more than a climb.
    private var nearby: [Structure: (list: [Structure], places: Set<Structure>)] = [:]
    private var kinds: [Structure: (k: Int, variants: [(structure: Structure, noise: NoiseLikelihood)])] = [:]
    private var shouldStop: () -> Bool = { false }

    public init<F: LinearFamily>(_ family: F, kernels: any SignalKernels, options: Options = Options()) {
        rule = StructureRule(family.description)
        theta = ThetaLayout(family.description)
        self.options = options
        sampler = ImportanceSampler(kernels)
        finder = StartFinder(kernels)
        m = kernels.measurementCount
        noiseOptions = rule.noiseOptions
        noise = family.noise
    }

    public func stop(when isAsked: @escaping () -> Bool) { shouldStop = isAsked }

    func layout(_ z: Structure) -> SignalLayout {
        let signal = rule.signal(z)
        if let known = layouts[signal] { return known }
        let new = SignalLayout(rule.family, theta, rule, signal)
        layouts[signal] = new
        return new
    }

    private func neighbours(_ z: Structure) -> (list: [Structure], places: Set<Structure>) {
        if let known = nearby[z] { return known }
        let list = rule.neighbours(of: z).map(\.structure)
        nearby[z] = (list, Set(list))
        return nearby[z]!
    }

    /// k and the allowed structures with any noise of one without.
    private func kind(_ signal: Structure) -> (k: Int, variants: [(structure: Structure, noise: NoiseLikelihood)]) {
        if let known = kinds[signal] { return known }
        let variants = noiseOptions.map { Structure(bits: signal.bits | $0.bits) }.filter(rule.allows).map {
            (structure: $0, noise: noise($0))
        }
        let new = (k: rule.parameterCount(signal), variants: variants)
        kinds[signal] = new
        return new
    }

    /// One structure, noise aside, and what is known of it.
    final class Entry {
        let structure: Structure, layout: SignalLayout, k: Int
        /// With each noise that is possible.
        let variants: [(structure: Structure, noise: NoiseLikelihood)]
        /// The network's word on each variant; −∞ where it has none.
        var network: [Double]
        var starts: [(NoiseLikelihood, [Double])] = []
        var modes: ImportanceSampler.Modes?, run: ImportanceSampler.Run?
        var hasExpanded = false

        init(
            _ structure: Structure, _ layout: SignalLayout, k: Int,
            variants: [(structure: Structure, noise: NoiseLikelihood)], network: [Double]
        ) {
            (self.structure, self.layout, self.k) = (structure, layout, k)
            (self.variants, self.network) = (variants, network)
        }

        var laplace: Double { modes?.laplace ?? -.infinity }
        var networkTotal: Double { logSum(network) }
    }

    /// - Parameters:
    ///   - y: M normalised signals.
    ///   - network: log p(z | y, λ = 0) of the structures that an amortised estimate lists; nil without one.
    ///   - starts: θ near which to look, of any structures.
    ///   - allows: whether a kind of noise is possible for these data.
    ///   - sigma: the noise's standard deviation where it is known. The network's word, given without it, then only
    ///   says where to look.
    ///   - seed, key: name the observation's random streams.
    /// - Returns: nil when the signals are impossible under every structure, or the search was told to stop.
    public func explore(
        _ y: UnsafePointer<Float>, network: StructurePosterior? = nil, starts: [Start] = [],
        allows: (NoiseLikelihood) -> Bool, sigma: Double? = nil,
        seed: UInt64, key: UInt64
    ) -> ExploredStructures? {
        var table: [Structure: Double] = [:]
        if let network { for (z, l) in zip(network.structures, network.logProbability) { table[z] = l } }
        var entries: [Entry] = [], known: Set<Structure> = []
        func stream(_ z: Structure, _ generation: Int) -> RandomSource { Self.stream(seed, key, z, generation) }

        func enter(_ z: Structure) -> Entry? {
            let signal = rule.signal(z)
            guard known.insert(signal).inserted, entries.count < options.mostStructures else { return nil }
            let kind = kind(signal), variants = kind.variants.filter { allows($0.noise) }
            guard !variants.isEmpty else { return nil }
            let entry = Entry(
                signal, layout(signal), k: kind.k, variants: variants,
                network: variants.map { table[$0.structure] ?? -.infinity })
            entries.append(entry)
            return entry
        }

        // The plainest, and what the network names.
        for z in seeds(network) { _ = enter(z) }
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
            look(y, entry, entries, sigma, stream)
        }
        // Neighbours of what matters.
        while entries.count < options.mostStructures {
            let gap = gaps(entries.map(\.laplace), entries)
            guard
                let next = entries.indices.filter({ !entries[$0].hasExpanded && gap[$0] <= options.window }).min(by: {
                    gap[$0] < gap[$1]
                })
            else { break }
            entries[next].hasExpanded = true
            for z in neighbours(entries[next].structure).list {
                if shouldStop() { return nil }
                if let entry = enter(z) { look(y, entry, entries, sigma, stream) }
            }
        }
        guard entries.contains(where: { $0.laplace.isFinite }) else { return nil }
        guard sample(y, entries, sigma, stream) else { return nil }
        return ExploredStructures(entries: entries, hasNetwork: network != nil && sigma == nil)
    }

    /// The plainest structures, and those that the network does not rule out at every λ. Its word alone would not do:
    /// what is far from all that it names is reached only from the plainest, by steps that the signals decide on.
    private func seeds(_ network: StructurePosterior?) -> [Structure] {
        guard let network else { return rule.plainest }
        return rule.plainest + named(network.structures, network.logProbability).map { network.structures[$0] }
    }

    /// Of structures with an amortised log-probability those that the search begins from, the likeliest first: not
    /// ruled out at every λ, each with the noise that is likelier. Indices.
    public func named(_ structures: [Structure], _ logProbability: [Double]) -> [Int] {
        var best: [Structure: (index: Int, total: Double)] = [:]
        for (i, z) in structures.enumerated() {
            let signal = rule.signal(z)
            if let known = best[signal] {
                let isBetter = logProbability[i] > logProbability[known.index]
                best[signal] = (isBetter ? i : known.index, logSum([known.total, logProbability[i]]))
            } else {
                best[signal] = (i, logProbability[i])
            }
        }
        let list = best.keys.sorted { $0.bits < $1.bits },
            gap = Self.gaps(list.map { best[$0]!.total }, list.map(rule.parameterCount))
        let named = list.indices.filter { gap[$0] <= options.networkCutoff }.sorted { (gap[$0], $0) < (gap[$1], $1) }
        return named.prefix(options.mostNamed).map { best[list[$0]]!.index }
    }

    /// Looks for a structure's modes: from the starts that it has, and from the modes of neighbours that have been
    /// found.
    private func look(
        _ y: UnsafePointer<Float>, _ entry: Entry, _ all: [Entry], _ sigma: Double?,
        _ stream: (Structure, Int) -> RandomSource
    ) {
        var random = stream(entry.structure, 255), starts = entry.starts
        let near = neighbours(entry.structure).places
        let parents = all.filter { $0.modes != nil && near.contains($0.structure) }.sorted { $0.laplace > $1.laplace }
            .prefix(options.parents)
        for parent in parents {
            let best = parent.modes!.best, transfer = LayoutTransfer(from: parent.layout, to: entry.layout)
            let noise = entry.variants.contains { $0.noise == best.noise } ? best.noise : entry.variants[0].noise
            starts += finder.starts(y, transfer, from: best.centre, most: options.births, tries: options.tries, &random)
                .map { (noise, $0) }
        }
        if starts.isEmpty {
            let found = finder.starts(
                y, LayoutTransfer(open: entry.layout), from: [], most: options.firstStarts, tries: options.firstTries,
                &random)
            starts = found.map { (entry.variants.last!.noise, $0) }
        }
        entry.modes = sampler.modes(y, entry.layout, starts: starts, sigma: sigma, options: options.sampling)
    }

    /// Evidence of the structures that may matter. False when told to stop.
    private func sample(
        _ y: UnsafePointer<Float>, _ entries: [Entry], _ sigma: Double?, _ stream: (Structure, Int) -> RandomSource
    ) -> Bool {
        let gap = gaps(entries.map(\.laplace), entries)
        let hasNetwork = entries.contains { $0.networkTotal.isFinite }
        let networkGap = hasNetwork ? gaps(entries.map(\.networkTotal), entries) : entries.map { _ in 0 }
        func most(_ entry: Entry) -> Int {
            options.fewest + Int((options.perDimension * Double(entry.layout.shapeDimension)).rounded())
        }
        func advance(_ entry: Entry, _ generations: Int) {
            sampler.advance(&entry.run!, y, generations: generations, options: options.sampling) {
                stream(entry.structure, $0)
            }
        }
        for (i, entry) in entries.enumerated() {
            guard let modes = entry.modes, gap[i] <= options.cutoff else { continue }
            if shouldStop() { return false }
            let first = min(gap[i], networkGap[i]) < 3 ? options.likely : options.unlikely
            entry.run = sampler.start(
                y, modes, generations: max(first, most(entry)) + options.further, options: options.sampling,
                noises: Set(entry.variants.map(\.noise)),
                sigma: sigma)
            advance(entry, first)
        }
        let sampled = entries.filter { $0.run != nil }
        for (entry, share) in zip(sampled, shares(sampled)) {
            if shouldStop() { return false }
            let more = Int((share * Double(most(entry))).rounded()) - entry.run!.generations
            if more > 0, !entry.run!.isExhausted { advance(entry, more) }
        }
        for _ in 0..<options.further {
            guard let entry = mostUncertain(sampled) else { break }
            if shouldStop() { return false }
            advance(entry, 1)
        }
        return true
    }

    /// Which share of its generations each structure is to have: like the root of P (1 − P), the more of λ = 0 and 1.
    private func shares(_ entries: [Entry]) -> [Double] {
        var share = [Double](repeating: 0, count: entries.count)
        for lambda in [0.0, 1] {
            let p = StructureSpace.normalise(entries.map { $0.evidence - lambda * Double($0.k) }).map { exp($0) }
            for (i, p) in p.enumerated() { share[i] = max(share[i], min(1, 1.3 * (4 * p * (1 - p)).squareRoot())) }
        }
        return share
    }

    /// The structure of probability P whose error e moves the posterior most, by P (1 − P) e at λ = 0 or 1; nil when
    /// none exceeds the tolerance.
    private func mostUncertain(_ entries: [Entry]) -> Entry? {
        var worst = options.tolerance, chosen: Entry?
        for lambda in [0.0, 1] {
            let p = StructureSpace.normalise(entries.map { $0.evidence - lambda * Double($0.k) }).map { exp($0) }
            for (entry, p) in zip(entries, p) where entry.run?.isExhausted == false {
                // What importance sampling says of its own error falls short of it the more dimensions there are.
                let understated = 1 + max(0, Double(entry.layout.shapeDimension) - 4) / 3
                let value = p * (1 - p) * min(1, entry.standardError) * understated
                if value > worst { (worst, chosen) = (value, entry) }
            }
        }
        return chosen
    }

    private func gaps(_ values: [Double], _ entries: [Entry]) -> [Double] { Self.gaps(values, entries.map(\.k)) }

    /// How far each stays below the best, at the λ that favours it most.
    package static func gaps(_ values: [Double], _ counts: [Int], lambdas: [Double] = [0, 0.5, 1, 2, 3]) -> [Double] {
        var gap = [Double](repeating: .infinity, count: values.count)
        for lambda in lambdas {
            let here = zip(values, counts).map { $0 - lambda * Double($1) }, best = here.max() ?? 0
            guard best.isFinite else { continue }
            for i in gap.indices { gap[i] = min(gap[i], best - here[i]) }
        }
        return gap
    }

    /// The same at nine λ of a range.
    package static func gaps(_ values: [Double], _ counts: [Int], lambdas: ClosedRange<Double>) -> [Double] {
        gaps(
            values, counts,
            lambdas: (0...8).map { lambdas.lowerBound + (lambdas.upperBound - lambdas.lowerBound) * Double($0) / 8 })
    }

    /// The stream of one observation, structure and generation.
    static func stream(_ seed: UInt64, _ key: UInt64, _ z: Structure, _ generation: Int) -> RandomSource {
        RandomSource(
            seed: seed, stream: key,
            substream: (UInt64(truncatingIfNeeded: z.bits ^ (z.bits >> 64)) &* 0x9E37_79B9_7F4A_7C15)
                ^ (UInt64(generation) << 56) ^ (1 << 33))
    }
}

/// log Σ exp.
func logSum(_ x: [Double]) -> Double {
    guard let peak = x.max(), peak > -.infinity else { return -.infinity }
    return peak + log(x.reduce(0) { $0 + exp($1 - peak) })
}
