import Foundation
import ModelSpace

/// One step from a structure in every direction.
extension FormulaSearch {
    func expand(_ f: FoundStructure) {
        expanded.insert(f.structure)
        let z = f.structure, mode = f.modes.max { $0.logMass < $1.logMass }!
        let (level, inner) = parts(z, mode.point)
        add(to: z, level, inner, most: 4)
        for t in family.active(z) {
            var less = z
            less[t] = false
            var own = inner
            own[t] = nil
            offer(less, point(less, level, own))
        }
        // What one term gives up another may do better.
        let weakest = family.active(z).compactMap { t -> FoundStructure? in
            var less = z
            less[t] = false
            return found[less]
        }.sorted { (score($1), $0.structure) < (score($0), $1.structure) }.prefix(3)
        for less in weakest where !expanded.contains(less.structure) {
            let mode = less.modes.max { $0.logMass < $1.logMass }!, (level, inner) = parts(less.structure, mode.point)
            add(to: less.structure, level, inner, most: 3)
        }
        for index in family.noises.indices where index != family.noiseIndex(z) {
            let other = family.with(z, noise: index)
            offer(other, point(other, level, inner))
        }
    }

    /// Structures with one term more: the most promising are climbed.
    private func add(to z: Structure, _ level: Double, _ inner: [Int: [Double]], most: Int) {
        let ratio = prepare(z, point(z, level, inner))
        var list: [(score: Double, term: Int, starts: [[Double]])] = []
        for t in family.terms.indices where !z[t] {
            let candidates = trials[family.terms[t].inner.count], gains = density.gains(t, candidates, ratio: ratio)
            let peak = gains.max()!
            let mean = peak + log(gains.reduce(0) { $0 + exp($1 - peak) } / Double(gains.count))
            let order = gains.indices.sorted { (gains[$1], $0) < (gains[$0], $1) }
            var starts = [candidates[order[0]]]
            // A second place, if there is one elsewhere.
            if let second = order.first(where: { i in
                zip(candidates[i], starts[0]).contains { abs($0 - $1) > 0.3 } && gains[i] > peak - 6
            }) {
                starts.append(candidates[second])
            }
            list.append((mean - lambda * Double(1 + family.terms[t].inner.count), t, starts))
        }
        list.sort { ($1.score, $0.term) < ($0.score, $1.term) }
        var chosen = Array(list.prefix(most).prefix(while: { $0.score > -7 }))
        for i in chosen.indices {
            chosen[i].starts = chosen[i].starts.map { refine(chosen[i].term, $0, ratio: ratio) }
        }
        for candidate in chosen {
            var more = z
            more[candidate.term] = true
            for start in candidate.starts {
                var own = inner
                own[candidate.term] = start
                let start = point(more, level, own)
                // A trial lies beside a narrow mode, far below it: of a structure of one mode it is climbed from all
                // the same.
                if let known = found[more], known.modes.count > 1 {
                    offer(more, start)
                } else {
                    visit(more, from: start)
                }
            }
        }
    }

    /// A trial of a term with one inner parameter, moved to where among its surroundings the term explains most: a step
    /// or a fast wave lies between two trials with many nats on the way. After `prepare`.
    func refine(_ t: Int, _ trial: [Double], ratio: Double) -> [Double] {
        guard trial.count == 1 else { return trial }
        let place = NormalScore.probability(trial[0]), width = 1 / Double(trials[1].count)
        let near = (-6...6).map { k in
            [NormalScore.score(min(0.999, max(0.001, place + width * Double(k) / 6)))]
        }
        let gains = density.gains(t, near, ratio: ratio)
        return near[gains.indices.max { (gains[$0], $1) < (gains[$1], $0) }!]
    }
}
