import Foundation
import ModelSpace

extension StructureExplorer.Entry {
    /// log p(y | z) of a variant from samples.
    func logEvidence(_ variant: Int) -> Double {
        let found = run?.sample.evidence[variants[variant].noise] ?? .init()
        return found.logEvidence + lack(found.standardError)
    }

    /// How much what importance sampling says of its own error falls short of it: it knows nothing of where no sample
    /// fell, which is the more of a shape the more coordinates that has.
    var shortfall: Double { 1 + max(0, Double(layout.shapeDimension) - 4) / 3 }

    /// By how much a log-evidence from samples is too low on average: of a mean with a relative error e the logarithm
    /// is, by e²/2. The factor of 2 and the bound were chosen by the log score of simulations (tissue, 1000 voxels:
    /// 4.122 nats without, 4.111 with at λ = 0, 0.983 at λ = 1 either way).
    private func lack(_ standardError: Double) -> Double {
        let e = min(1, 2 * shortfall * standardError)
        return standardError.isFinite ? 0.5 * e * e : 0
    }
}

/// What was found of one observation's structures.
public struct ExploredStructures {
    let entries: [StructureExplorer.Entry]
    public let hasNetwork: Bool
    /// Structures with their noise.
    public let structures: [Structure]
    /// log p(y | z) and its standard error, nats; `RoughEvidence` and ∞ where `isSampled` is false.
    public let logEvidence: [Double], standardError: [Double]
    public let isSampled: [Bool]
    private let origin: [(entry: Int, variant: Int)]
    private let rough: RoughEvidence

    init(entries: [StructureExplorer.Entry], hasNetwork: Bool) {
        self.entries = entries
        self.hasNetwork = hasNetwork
        var origin: [(Int, Int)] = []
        for (i, entry) in entries.enumerated() where entry.modes != nil {
            for v in entry.variants.indices { origin.append((i, v)) }
        }
        self.origin = origin.map { ($0.0, $0.1) }
        let rough = RoughEvidence(entries)
        self.rough = rough
        structures = origin.map { entries[$0.0].variants[$0.1].structure }
        logEvidence = origin.map { i, v in
            let entry = entries[i]
            return entry.run == nil ? rough.logEvidence(entry, entry.variants[v].noise) : entry.logEvidence(v)
        }
        isSampled = origin.map { entries[$0.0].run != nil }
        standardError = origin.map { i, v in
            entries[i].run?.sample.evidence[entries[i].variants[v].noise]?.standardError ?? .infinity
        }
    }

    /// The network's word on each structure, log p(z | y, λ = 0); −∞ where it has none.
    public var network: [Double] { origin.map { entries[$0.entry].network[$0.variant] } }

    /// log p(z | y, λ = 0) of the structures found: by evidence, and where there is a network by both
    /// (`EvidenceCombination`).
    public var logProbability: [Double] {
        guard hasNetwork else { return StructureSpace.normalise(logEvidence) }
        return EvidenceCombination.combine(
            evidence: logEvidence, standardError: standardError, isSampled: isSampled, amortised: network,
            trust: .manyStructures, roughError: rough.error)
    }

    func entry(_ index: Int) -> StructureExplorer.Entry { entries[origin[index].entry] }
    public func layout(_ index: Int) -> SignalLayout { entry(index).layout }
    public func noise(_ index: Int) -> NoiseLikelihood {
        entries[origin[index].entry].variants[origin[index].variant].noise
    }

    /// Points drawn from the posterior of one structure's parameters: samples by weight, or where it was not sampled
    /// (`StructureExplorer.sampleToDraw`) its best mode.
    public func draw(_ index: Int, count: Int, using random: inout RandomSource) -> [[Double]] {
        let entry = entries[origin[index].entry], noise = noise(index)
        guard let sample = entry.run?.sample, case let weights = sample.weights(noise), !weights.isEmpty else {
            return Array(repeating: entry.modes!.best.centre, count: count)
        }
        return systematicResample(weights, count: count, offset: random.uniform()).map { i in
            var x = [Double](repeating: 0, count: entry.layout.count)
            sample.point(i, into: &x)
            return x
        }
    }
}
