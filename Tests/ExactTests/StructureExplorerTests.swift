import Foundation
import ModelSpace
import Testing

@testable import Exact

/// The explorer against closed forms and against listing every structure.
@Suite struct StructureExplorerTests {
    private static func waves(_ z: Structure, seed: UInt64) -> (t: [Double], y: [Float]) {
        var random = RandomSource(seed: seed)
        let t = (0..<40).map { _ in random.uniform(0, 3) }, layout = Waves.layout(z)
        let u = layout.components.map { $0.bound * random.normal() },
            omega = layout.scalars.map { random.uniform($0.low, $0.high) }
        let y = t.map { t in
            var wave = 0
            let signal = layout.components.enumerated().reduce(0.0) { sum, item in
                let (k, c) = item
                switch c.group {
                case "constant": return sum + u[k]
                case "slope": return sum + u[k] * t
                default:
                    wave += 1
                    return sum + u[k] * cos(omega[wave - 1] * t)
                }
            }
            return Float(signal + 0.15 * random.normal())
        }
        return (t, y)
    }

    /// Of Waves' six structures all but those with two waves have evidence in closed form; the explorer's agrees, and
    /// what it finds is a posterior.
    @Test func agreesWithTheClosedForm() throws {
        var checked = 0
        for seed in 1...6 as ClosedRange<UInt64> { checked += try agreesWithTheClosedForm(seed: seed) }
        #expect(checked >= 8)
    }

    private func agreesWithTheClosedForm(seed: UInt64) throws -> Int {
        let structures = Waves.rule.all()!, truth = structures[Int(seed) % structures.count],
            (t, y) = Self.waves(truth, seed: seed)
        let explorer = StructureExplorer(Waves(), kernels: Waves().kernels(t))
        let found = try #require(explorer.explore(y, allows: { _ in true }, seed: 1, key: seed))
        let exact = Dictionary(
            uniqueKeysWithValues: structures.filter { $0.count < 3 && !($0[1] && $0[2]) }.map { z in
                (z, Waves.logEvidence(y.map(Double.init), t, z))
            })
        var checked = 0
        for (i, z) in found.structures.enumerated() {
            guard let value = exact[z], found.isSampled[i] else { continue }
            checked += 1
            #expect(
                abs(found.logEvidence[i] - value) < 0.02 + 5 * found.standardError[i],
                "structure \(z.bits): \(found.logEvidence[i]), not \(value)")
        }
        #expect(abs(found.logProbability.reduce(0) { $0 + exp($1) } - 1) < 1e-9)
        return checked
    }

    /// Nothing that matters is missed: every structure of Decays, begun at each one alone by its own starts, has no
    /// more evidence than what was found.
    @Test(arguments: [0b00000, 0b00101, 0b00110, 0b01101] as [UInt128]) func findsWhatMatters(bits: UInt128) throws {
        let z = Structure(bits: bits)
        guard Decays.rule.allows(z) else { return }
        var random = RandomSource(seed: UInt64(bits))
        let layout = Decays.layout(z), design = StartFinderTests.design
        var x = [Double](repeating: 0, count: layout.count)
        for (j, s) in layout.scalars.enumerated() { x[layout.firstScalar + j] = random.uniform(s.low, s.high) }
        for a in layout.axes.indices { for c in 0..<3 { x[layout.firstAxis + 3 * a + c] = random.normal() } }
        for k in 0..<layout.componentCount { x[SignalLayout.firstWeight + k] = 0.2 + random.uniform() }
        x[SignalLayout.sigma] = log(0.02)
        layout.clamp(&x)
        let y = StartFinderTests.signal(layout, x).map { $0 + 0.02 * Float(random.normal()) }
        let kernels = Decays().kernels(design), explorer = StructureExplorer(Decays(), kernels: kernels)
        let found = try #require(explorer.explore(y, allows: { $0 == .gaussian }, seed: 1, key: UInt64(bits)))
        let listed = Dictionary(uniqueKeysWithValues: zip(found.structures, found.logEvidence)),
            best = found.logEvidence.max()!
        let sampler = ImportanceSampler(kernels), finder = StartFinder(kernels)
        for other in Decays.rule.all()! where Decays.rule.signal(other) == other {
            let layout = Decays.layout(other)
            let starts = finder.starts(y, LayoutTransfer(open: layout), from: [], most: 12, tries: 2048, &random).map {
                (NoiseLikelihood.gaussian, $0)
            }
            guard let modes = sampler.modes(y, layout, starts: starts, sigma: nil, options: .init()),
                modes.laplace > best - 4
            else { continue }
            let known = try #require(
                listed[other], "structure \(other.bits) was not looked at: \(modes.laplace) beside \(best)")
            let run = sampler.start(y, modes, generations: 8, options: .init(), noises: [.gaussian])
            sampler.advance(run, y, generations: 8, options: .init()) {
                RandomSource(seed: 7, stream: UInt64(other.bits), substream: UInt64($0))
            }
            let thorough = run.sample.evidence[.gaussian]!
            #expect(known > thorough.logEvidence - 0.3 - 4 * thorough.standardError, "structure \(other.bits)")
        }
        // The truth is among what is likely.
        let truth = try #require(found.structures.firstIndex(of: z))
        #expect(found.logProbability[truth] > -6)
    }

    /// Structures that a search does not sample come nearer to what samples say of them than Laplace's approximation
    /// does, and by about as much as it says.
    @Test func evidenceOfTheUnsampledFollowsThatOfTheSampled() throws {
        var rough = 0.0, laplace = 0.0, stated = 0.0, count = 0.0
        for seed in 1...120 as ClosedRange<UInt64> {
            let (t, y) = Self.waves(Structure(bits: 0b011), seed: seed), kernels = Waves().kernels(t)
            var options = StructureExplorer.Options()
            (options.cutoff, options.window) = (1e6, 1e6)
            let all = try #require(
                StructureExplorer(Waves(), kernels: kernels, options: options)
                    .explore(y, allows: { _ in true }, seed: 1, key: seed))
            let gaps = all.logEvidence.map { all.logEvidence.max()! - $0 }.sorted()
            options.cutoff = gaps[min(gaps.count - 1, 6)] - 3
            let some = try #require(
                StructureExplorer(Waves(), kernels: kernels, options: options)
                    .explore(y, allows: { _ in true }, seed: 1, key: seed))
            guard let error = RoughEvidence(some.entries).error else { continue }
            for (i, z) in some.structures.enumerated() where !some.isSampled[i] {
                let j = all.structures.firstIndex(of: z)!
                let entry = some.entries.first { $0.variants.contains { $0.structure == z } }!
                rough += pow(some.logEvidence[i] - all.logEvidence[j], 2)
                laplace += pow(entry.laplace - all.logEvidence[j], 2)
                stated += error * error
                count += 1
            }
        }
        print(
            """
            \(count) not sampled: error \((rough / count).squareRoot()), Laplace's \((laplace / count).squareRoot()), \
            stated \((stated / count).squareRoot()) nats
            """)
        #expect(count >= 10 && rough < laplace)
    }

    @Test func oneStructureLessChangesNoOthersSamples() throws {
        let (t, y) = Self.waves(Structure(bits: 0b011), seed: 9)
        var few = StructureExplorer.Options()
        few.window = -1
        let kernels = Waves().kernels(t),
            all = StructurePosterior(structures: Waves.rule.all()!, logProbability: Waves.rule.all()!.map { _ in 0 })
        let some = StructurePosterior(
            structures: Array(all.structures.dropLast()), logProbability: Array(all.logProbability.dropLast()))
        few.further = 0
        few.perDimension = 0
        few.fewest = 2
        let explorer = StructureExplorer(Waves(), kernels: kernels, options: few)
        let a = try #require(explorer.explore(y, network: explorer.word(all), allows: { _ in true }, seed: 1, key: 1))
        let b = try #require(explorer.explore(y, network: explorer.word(some), allows: { _ in true }, seed: 1, key: 1))
        #expect(b.structures.count < a.structures.count)
        for (i, z) in b.structures.enumerated() where b.isSampled[i] {
            let j = a.structures.firstIndex(of: z)!
            #expect(a.logEvidence[j] == b.logEvidence[i])
        }
    }

    /// From the least λ on answers are as if it had been searched from 0, of fewer structures.
    @Test func whatMattersAtSmallerLambdaOnlyIsLeft() throws {
        var fewer = 0
        for seed in 1...12 as ClosedRange<UInt64> {
            let (t, y) = Self.waves(Structure(bits: 0b011), seed: seed)
            func found(from least: Double) throws -> ExploredStructures {
                var options = StructureExplorer.Options()
                (options.cutoff, options.window, options.leastLambda) = (6, 6, least)
                let explorer = StructureExplorer(Waves(), kernels: Waves().kernels(t), options: options)
                return try #require(explorer.explore(y, allows: { _ in true }, seed: 1, key: seed))
            }
            func probability(_ found: ExploredStructures, at lambda: Double) -> [Structure: Double] {
                let logs = StructureSpace.normalise(
                    zip(found.structures, found.logEvidence).map {
                        $1 - lambda * Double(Waves.rule.parameterCount($0))
                    })
                return Dictionary(uniqueKeysWithValues: zip(found.structures, logs.map { exp($0) }))
            }
            let all = try found(from: 0), some = try found(from: 2)
            let sampled = { (found: ExploredStructures) in
                Set(found.structures.indices.filter { found.isSampled[$0] }.map { found.structures[$0] })
            }
            #expect(sampled(some).isSubset(of: sampled(all)))
            if sampled(some).count < sampled(all).count { fewer += 1 }
            for lambda in [2.0, 2.5, 3] {
                let a = probability(all, at: lambda), b = probability(some, at: lambda)
                for z in Set(a.keys).union(b.keys) {
                    #expect(abs((a[z] ?? 0) - (b[z] ?? 0)) < 0.02, "seed \(seed), λ \(lambda), structure \(z.bits)")
                }
            }
        }
        #expect(fewer >= 6, "\(fewer)")
        var options = StructureExplorer.Options()
        #expect(options.lambdas == [0, 0.5, 1, 2, 3])
        options.leastLambda = 0.5
        #expect(options.lambdas == [0.5, 1, 2, 3])
        options.leastLambda = 0.25
        #expect(options.lambdas == [0.25, 0.5, 1, 2, 3])
    }

    /// A neighbour that the network rules out is not looked at, unless σ is known, of which the network was not told;
    /// one that it leaves open is.
    @Test func whatTheNetworkRulesOutIsNotLookedAt() throws {
        let (t, y) = Self.waves(Structure(bits: 0b011), seed: 9), structures = Waves.rule.all()!
        let plain = Set(Waves.rule.plainest.map(Waves.rule.signal)),
            excluded = structures.filter { !plain.contains($0) && $0.count == 1 }
        #expect(!excluded.isEmpty)
        var options = StructureExplorer.Options()
        (options.networkExclusion, options.networkCutoff, options.window) = (5, -1, 1e6)
        let explorer = StructureExplorer(Waves(), kernels: Waves().kernels(t), options: options)
        func found(_ fall: Double, sigma: Double? = nil) throws -> Set<Structure> {
            let network = StructurePosterior(
                structures: structures, logProbability: structures.map { excluded.contains($0) ? -fall : 0 })
            let found = try #require(
                explorer.explore(
                    y, network: explorer.word(network), allows: { _ in true }, sigma: sigma, seed: 1, key: 1))
            return Set(found.structures)
        }
        let all = try found(1)
        #expect(excluded.allSatisfy(all.contains))
        #expect(try found(20).isDisjoint(with: excluded))
        // Of what it does not list it may say how far away that is at least.
        let listed = structures.filter { !excluded.contains($0) }
        for reach in [0.0, 4.9, 5] {
            let network = StructurePosterior(
                structures: listed, logProbability: listed.map { _ in 0 }, logRest: -9, reach: reach)
            let found = try #require(
                explorer.explore(y, network: explorer.word(network), allows: { _ in true }, seed: 1, key: 1))
            #expect(Set(found.structures).isDisjoint(with: excluded) == (reach >= 5))
        }
        #expect(try found(20, sigma: 0.15) == all)
    }

    /// Of components that a network was not trained for it says nothing: however sure it is of what it knows, they are
    /// looked at.
    @Test func whatTheNetworkDoesNotKnowIsLookedAt() throws {
        let (t, y) = Self.waves(Structure(bits: 0b011), seed: 9)
        var known = Waves.description
        known.groups.removeAll { $0.name == "slope" }
        let part = FamilyPart(known, of: Waves.description), structures = Waves.rule.all()!.filter(part.has)
        var options = StructureExplorer.Options()
        (options.networkExclusion, options.networkCutoff, options.window) = (5, -1, 1e6)
        let explorer = StructureExplorer(Waves(), kernels: Waves().kernels(t), options: options)
        let network = StructurePosterior(
            structures: structures, logProbability: structures.map { _ in 0 }, reach: .infinity)
        func found(_ part: FamilyPart?) throws -> Set<Structure> {
            let word = explorer.word(network, part: part)
            return Set(
                try #require(explorer.explore(y, network: word, allows: { _ in true }, seed: 1, key: 1)).structures)
        }
        #expect(try found(nil) == Set(structures) && found(part) == Set(Waves.rule.all()!))
    }

    /// Draws of a structure that was not sampled stand at its mode, unless it is sampled first; what is known of its
    /// probability stays.
    @Test func whatIsDrawnFromIsSampledFirst() throws {
        let (t, y) = Self.waves(Waves.rule.all()![4], seed: 3)
        for isSampled in [true, false] {
            var options = StructureExplorer.Options()
            (options.cutoff, options.samplesDrawn) = (0, isSampled)
            let explorer = StructureExplorer(Waves(), kernels: Waves().kernels(t), options: options)
            let found = try #require(explorer.explore(y, allows: { _ in true }, seed: 1, key: 3))
            let index = try #require(
                found.structures.indices.first { !found.isSampled[$0] && !found.layout($0).scalars.isEmpty })
            let before = found.logProbability
            func values() -> Int {
                var random = RandomSource(seed: 9)
                return Set(
                    found.draw(index, count: 40, using: &random).map { $0[found.layout(index).firstScalar] }
                ).count
            }
            #expect(values() == 1)
            explorer.sampleToDraw(index, of: found, y, sigma: nil, seed: 1, key: 3)
            #expect(isSampled ? values() > 10 : values() == 1)
            #expect(found.logProbability == before)
        }
    }
}
