import Foundation
import ModelSpace

extension StructureExplorer {
    /// Evidence of the structures that may matter. False when told to stop.
    func sample(
        _ y: UnsafePointer<Float>, _ entries: [Entry], _ sigma: Double?, _ stream: (Structure, Int) -> RandomSource
    ) -> Bool {
        let gap = gaps(entries.map(\.laplace), entries)
        let hasNetwork = entries.contains { $0.networkTotal.isFinite }
        let networkGap = hasNetwork ? gaps(entries.map(\.networkTotal), entries) : entries.map { _ in 0 }
        func most(_ entry: Entry) -> Int {
            let byShape = (options.perDimension * Double(entry.layout.shapeDimension)).rounded()
            return min(options.most, options.fewest + Int(byShape))
        }
        func advance(_ entry: Entry, _ generations: Int) {
            sampler.advance(entry.run!, y, generations: generations, options: options.sampling) {
                stream(entry.structure, $0)
            }
            entry.weigh()
        }
        for (i, entry) in entries.enumerated() {
            guard let modes = entry.modes, gap[i] <= options.cutoff else { continue }
            if shouldStop() { return false }
            let near = min(gap[i], networkGap[i]), first = near < 3 ? options.likely : options.unlikely
            entry.run = sampler.start(
                y, modes, generations: max(first, most(entry)) + options.further, options: options.sampling,
                noises: Set(entry.variants.map(\.noise)), sigma: sigma, isClose: near <= options.close)
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

    /// Samples a structure that is to be drawn from and was not sampled, being unlikely: its mode would stand for all
    /// of it, and among hundreds of unlikely structures some are drawn from in most voxels. Its probability stays as it
    /// is.
    public func sampleToDraw(
        _ index: Int, of found: ExploredStructures, _ y: UnsafePointer<Float>, sigma: Double?, seed: UInt64,
        key: UInt64
    ) {
        let entry = found.entry(index)
        guard options.samplesDrawn, entry.run == nil, let modes = entry.modes else { return }
        let run = sampler.start(
            y, modes, generations: 1, options: options.sampling, noises: Set(entry.variants.map(\.noise)),
            sigma: sigma, isClose: false)
        sampler.advance(run, y, options: options.sampling) { Self.stream(seed, key, entry.structure, $0) }
        entry.run = run
    }

    /// Which share of its generations each structure is to have: like (P (1 − P))^⅔, the more of the least λ and 1. (An
    /// error of P falls with the root of the samples n: Σ P/√n is least, all n together being given, with n ∝ P^⅔.)
    private func shares(_ entries: [Entry]) -> [Double] {
        var share = [Double](repeating: 0, count: entries.count)
        for lambda in [options.leastLambda, 1] {
            let p = StructureSpace.normalise(entries.map { $0.evidence - lambda * Double($0.k) }).map { exp($0) }
            for (i, p) in p.enumerated() { share[i] = max(share[i], min(1, 1.6 * pow(4 * p * (1 - p), 2.0 / 3))) }
        }
        return share
    }

    /// The structure of probability P whose error e moves the posterior most, by P (1 − P) e at the least λ or 1; nil
    /// when none exceeds the tolerance.
    private func mostUncertain(_ entries: [Entry]) -> Entry? {
        var worst = options.tolerance, chosen: Entry?
        for lambda in [options.leastLambda, 1] {
            let p = StructureSpace.normalise(entries.map { $0.evidence - lambda * Double($0.k) }).map { exp($0) }
            for (entry, p) in zip(entries, p) where entry.run?.isExhausted == false {
                let value = p * (1 - p) * min(1, entry.standardError) * entry.shortfall
                if value > worst { (worst, chosen) = (value, entry) }
            }
        }
        return chosen
    }
}
