import Foundation
import ModelSpace

/// A network's word on structures that were not looked at, brought to the level of what was found of those that were.
///
/// A network errs little about what it thinks likely, and by tens of nats about what it thinks unlikely: of what is
/// plainer than the data allow it cannot know more than that. At a larger λ that is what counts, all else being charged
/// for. So there is a level for each λ, the mean over what was looked at of what was found, ln p(z | y), less its word,
/// weighted by its own p at that λ; and a structure takes the level of the λ at which the network has it nearest to the
/// best of what was looked at. (Were it brought there by sums, one structure that it had thought unlikely and that
/// turns out likely would lift all that it thinks unlikely.) Besides, none comes nearer, at any λ, to the best that was
/// found than the network has it to the best of those, or than `exclusion`: so far below stays what is not looked at.
package struct NetworkLevel {
    private let lambdas: [Double], exclusion: Double
    /// At each λ: what brings the network's word to the level of what was found; the best that was found; the best of
    /// what was looked at, by the network.
    private var shift: [Double] = [], found: [Double] = [], top: [Double] = []

    /// - Parameters:
    ///   - exclusion: nats.
    ///   - seen: of structures looked at, the network's word, what was found, and how many free parameters they have.
    /// - Returns: nil where there is nothing to compare its word with.
    package init?(lambdas: [Double], exclusion: Double, seen: [(word: Double, found: Double, k: Int)]) {
        (self.lambdas, self.exclusion) = (lambdas, exclusion)
        let both = seen.filter { $0.word.isFinite && $0.found.isFinite }
        guard !both.isEmpty else { return nil }
        for lambda in lambdas {
            let charged = both.map { $0.word - lambda * Double($0.k) }, peak = charged.max()!
            var sum = 0.0, total = 0.0
            for (x, entry) in zip(charged, both) {
                sum += exp(x - peak) * (entry.found - entry.word)
                total += exp(x - peak)
            }
            shift.append(sum / total)
            found.append(seen.reduce(-.infinity) { max($0, $1.found - lambda * Double($1.k)) })
            top.append(peak)
        }
    }

    /// What brings the network's word to the level of what was found at the first λ.
    package var first: Double { shift[0] }

    /// How far the best that was found is from the best by the network, at one of the λ.
    package func ofBest(_ lambda: Double) -> Double? {
        lambdas.firstIndex(of: lambda).map { found[$0] - top[$0] }
    }

    /// The level of a structure's word, and how far below the best it then stays at the λ that favours it most.
    private func level(_ word: Double, _ k: Int) -> (value: Double, gap: Double) {
        var nearest = Double.infinity, value = 0.0
        for (j, lambda) in lambdas.enumerated() {
            let gap = top[j] - (word - lambda * Double(k))
            if gap <= nearest { (nearest, value) = (gap, word + shift[j]) }
        }
        var gap = Double.infinity
        for (j, lambda) in lambdas.enumerated() { gap = min(gap, found[j] - (value - lambda * Double(k))) }
        return (value, gap)
    }

    /// How far below the best a structure stays that was not looked at, at the λ that favours it most; below 0 where
    /// its word would have it above all that was found.
    package func gap(_ word: Double, _ k: Int) -> Double { level(word, k).gap }

    /// What its word stands for on the scale of what was found.
    package func value(_ word: Double, _ k: Int) -> Double {
        var value = level(word, k).value
        for (j, lambda) in lambdas.enumerated() {
            let own = top[j] - (word - lambda * Double(k))
            value = min(value, found[j] + lambda * Double(k) - min(own, exclusion))
        }
        return value
    }
}
