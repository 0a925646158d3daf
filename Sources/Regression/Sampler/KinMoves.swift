import Foundation

/// A term gives its place to one of its kind, which begins with the numbers that both have.
extension CollapsedSampler {
    /// Terms alike: those that share an inner parameter's meaning; all that have none are alike too.
    static func kin(_ terms: [Term]) -> [[Int]] {
        let meanings = terms.map { Set($0.meanings) }
        return terms.indices.map { i in
            terms.indices.filter { j in
                j != i && (meanings[i] == meanings[j] || !meanings[i].isDisjoint(with: meanings[j]))
            }
        }
    }

    /// A shared parameter's new score lies about the one that has the present value,
    ///
    ///     score′ = S′(v) + s ε,   ε ~ N(0, 1),   log s uniform on [log 0.003, log 0.3]
    ///
    /// others are drawn from their prior; accepted by Metropolis and Hastings, the way back having the same s. An
    /// exchange that draws all numbers anew hardly ever meets a frequency, told to 0.006 of its score.
    func exchangeKin() {
        guard density.size > 0 else { return }
        let c = random.index(below: density.size), old = density.terms[c], own = density.inner[c], kin = kin[old]
        guard !kin.isEmpty else { return }
        let t = kin[random.index(below: kin.count)]
        guard !density.terms.contains(t) else { return }
        let from = family.terms[old], to = family.terms[t], s = 0.3 * pow(0.01, random.uniform())
        var scores: [Double] = [], logRatio = cost(old) - cost(t) + log(Double(kin.count) / Double(self.kin[t].count))
        for (p, meaning) in zip(to.inner, meanings[t]) {
            let e = random.normal()
            guard let i = meanings[old].firstIndex(of: meaning) else { scores.append(e); continue }
            let other = from.inner[i], score = p.score(other.value(own[i])) + s * e
            let back = (own[i] - other.score(p.value(score))) / s
            logRatio += 0.5 * (own[i] * own[i] - score * score + e * e - back * back)
            scores.append(score)
        }
        guard scores.allSatisfy({ abs($0) < 8 }) else { return }
        density.replace(c, t, scores)
        let now = logDensity(level)
        if accepts(now - value + logRatio) { value = now } else { density.restore(c, old, own) }
    }
}
