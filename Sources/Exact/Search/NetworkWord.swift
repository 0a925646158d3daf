import Foundation
import ModelSpace

/// What a network's probabilities of structures say of where to look.
extension StructureExplorer {
    /// The plainest structures, and those that the network does not rule out at every λ. Its word alone would not do:
    /// what is far from all that it names is reached only from the plainest, by steps that the signals decide on.
    func seeds(_ network: StructurePosterior?) -> [Structure] {
        guard let network else { return rule.plainest }
        return rule.plainest + named(network.structures, network.logProbability).map { network.structures[$0] }
    }

    /// Structures that the network rules out at every λ by so much that neighbours of what matters are not looked at.
    func excluded(_ network: StructurePosterior?) -> Set<Structure> {
        guard let network, options.networkExclusion < .infinity else { return [] }
        var total: [Structure: Double] = [:]
        for (z, l) in zip(network.structures, network.logProbability) {
            let signal = rule.signal(z)
            total[signal] = logSum([total[signal] ?? -.infinity, l])
        }
        let list = total.keys.sorted { $0.bits < $1.bits }
        let gap = Self.gaps(list.map { total[$0]! }, list.map { kind($0).k })
        return Set(zip(list, gap).filter { $1 > options.networkExclusion }.map(\.0))
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
            gap = Self.gaps(list.map { best[$0]!.total }, list.map { kind($0).k })
        let named = list.indices.filter { gap[$0] <= options.networkCutoff }.sorted { (gap[$0], $0) < (gap[$1], $1) }
        return named.prefix(options.mostNamed).map { best[list[$0]]!.index }
    }
}
