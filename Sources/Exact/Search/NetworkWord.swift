import Foundation
import ModelSpace

/// What a network's probabilities of structures say of where to look.
public struct NetworkWord {
    /// Structures not ruled out at every λ, the likeliest first, each with the noise that is likelier: where the search
    /// begins.
    public let named: [Structure]
    /// log p(z | y, λ = 0) of those listed.
    let table: [Structure: Double]
    /// The same of all kinds of noise together, with the number of free parameters.
    let signals: [(structure: Structure, word: Double, k: Int)]
    /// How far below the best each structure stays, noise aside, at the λ that favours it most; and what is not listed
    /// at least.
    private let gaps: [Structure: Double], reach: Double
    private let exclusion: Double
    /// What the network knows of the family; nil where that is all.
    private let part: FamilyPart?

    init(_ network: StructurePosterior, _ explorer: StructureExplorer, part: FamilyPart?) {
        self.part = part
        var places: [Structure: Int] = [:], signals: [Structure] = [], best: [Int] = [], total: [Double] = []
        var table = [Structure: Double](minimumCapacity: network.structures.count)
        for (i, (z, l)) in zip(network.structures, network.logProbability).enumerated() {
            table[z] = l
            let signal = explorer.rule.signal(z)
            guard let known = places[signal] else {
                places[signal] = signals.count
                signals.append(signal)
                best.append(i)
                total.append(l)
                continue
            }
            if l > network.logProbability[best[known]] { best[known] = i }
            total[known] = logSum([total[known], l])
        }
        let options = explorer.options, counts = signals.map { explorer.meet($0).k },
            gap = StructureExplorer.gaps(total, counts, lambdas: options.lambdas)
        self.signals = signals.indices.map { (signals[$0], total[$0], counts[$0]) }
        self.table = table
        gaps = Dictionary(uniqueKeysWithValues: zip(signals, gap))
        (reach, exclusion) = (network.reach, options.networkExclusion)
        named = signals.indices.filter { gap[$0] <= options.networkCutoff }
            .sorted { (gap[$0], signals[$0].bits) < (gap[$1], signals[$1].bits) }.prefix(options.mostNamed)
            .map { network.structures[best[$0]] }
    }

    /// Whether a structure is one of those that the network was trained for.
    func knows(_ signal: Structure) -> Bool { part?.has(signal) ?? true }

    /// Whether a structure, noise aside, is so unlikely at every λ that it is not looked at for its neighbours' sake.
    func rulesOut(_ signal: Structure) -> Bool {
        knows(signal) && (gaps[signal].map { $0 > exclusion } ?? (reach >= exclusion))
    }
}

extension StructureExplorer {
    /// What a network says of where to look. Its word alone would not do: what is far from all that it names is reached
    /// only from the plainest structures, by steps that the signals decide on.
    /// - Parameter part: what of the family the network was trained for, and speaks of; nil for all of it.
    public func word(_ network: StructurePosterior, part: FamilyPart? = nil) -> NetworkWord {
        NetworkWord(network, self, part: part)
    }

    /// Whether a network's word stands for what is not looked at.
    public var listsUnseen: Bool { options.networkReach != nil }

    /// What a network is to be asked, so that the search misses nothing it has to say: how far below the best, at which
    /// λ, and how many.
    public var reading: (lambdas: [Double], reach: Double, named: Int, namedReach: Double, always: [Structure]) {
        (
            options.lambdas, options.networkReach ?? options.networkExclusion, options.mostNamed, options.networkCutoff,
            plainest
        )
    }
}
