import Diffusion
import Foundation
import ModelSpace

extension BallSticksPopulation {
    static let clusterLimit = 4

    /// Densities fitted to the particles, one for each cluster they fall into, with weights that sum to 1.
    ///
    /// Classification EM from one cluster up: the particles worst described so far, and those most like the worst of
    /// them, seed the next. A further cluster is kept when it raises the mean log-density by more than its parameters
    /// cost.
    func fitClusters(inflation: Double) -> [FittedDensity] {
        var all = [FittedDensity()]
        fit(all[0], inflation: inflation)
        var score = meanLogDensity(all)
        let d = all[0].dimension, least = max(3 * d, count / 20)
        guard sticks > 0 else { return all }
        while all.count < Self.clusterLimit {
            // Seed: the worst-described tenth, about the one of median rank among them.
            let described = (0..<count).map { mixtureDensity(all, x + $0 * Self.width) }
            let order = (0..<count).sorted { (described[$0], $0) < (described[$1], $1) }
            let seed = order[count / 20]
            let like = (0..<count).map { likeness(seed, $0) }
            let members = Array((0..<count).sorted { (like[$0], $0) < (like[$1], $1) }.prefix(max(least, count / 8)))
            var next = all.map { $0.weight }, parts = all, fresh = FittedDensity()
            fit(fresh, members, inflation: inflation)
            parts.append(fresh)
            next = next.map { $0 * 0.9 } + [0.1]
            var sound = true
            for _ in 0..<5 {
                var groups = [[Int]](repeating: [], count: parts.count)
                for i in 0..<count {
                    let p = x + i * Self.width
                    var best = 0, top = -Double.infinity
                    for (j, g) in parts.enumerated() {
                        let value = g.logDensity(p) + log(next[j])
                        if value > top { top = value; best = j }
                    }
                    groups[best].append(i)
                }
                guard groups.allSatisfy({ $0.count >= least }) else { sound = false; break }
                parts = groups.map { group in
                    fresh = FittedDensity()
                    fit(fresh, group, inflation: inflation)
                    return fresh
                }
                next = groups.map { Double($0.count) / Double(count) }
            }
            guard sound else { break }
            for (j, g) in parts.enumerated() { g.weight = next[j] }
            let better = meanLogDensity(parts)
            guard better > score + 0.5 * Double(d * (d + 3) / 2) / Double(count) else { break }
            all = parts
            score = better
        }
        return all
    }

    /// Fits a density to some of the particles.
    private func fit(_ density: FittedDensity, _ members: [Int], inflation: Double) {
        var best = 0
        for (k, i) in members.enumerated() {
            (otherX + k * Self.width).update(from: x + i * Self.width, count: Self.width)
            if logLikelihood[i] > logLikelihood[members[best]] { best = k }
        }
        density.fit(
            otherX, count: members.count, sticks: sticks, spread: spread, logSigma: logSigma, best: best,
            inflation: inflation, room: room)
    }

    private func mixtureDensity(_ parts: [FittedDensity], _ p: UnsafePointer<Double>) -> Double {
        var total = -Double.infinity
        for g in parts {
            total = logSum(total, g.logDensity(p) + log(g.weight))
        }
        return total
    }

    private func meanLogDensity(_ parts: [FittedDensity]) -> Double {
        (0..<count).reduce(0) { $0 + mixtureDensity(parts, x + $1 * Self.width) } / Double(count)
    }

    /// How far apart two particles' sticks are: each stick of the one to the nearest of the other, weighted by
    /// fraction.
    private func likeness(_ i: Int, _ j: Int) -> Double {
        let a = x + i * Self.width, b = x + j * Self.width
        var total = 0.0
        for (p, q) in [(a, b), (b, a)] {
            for k in 0..<sticks {
                var nearest = Double.infinity
                for l in 0..<sticks {
                    let v = p + Slot.axis + 3 * k, w = q + Slot.axis + 3 * l,
                        c = v[0] * w[0] + v[1] * w[1] + v[2] * w[2]
                    let off = p[Slot.fraction + k] - q[Slot.fraction + l]
                    nearest = min(nearest, 1 - c * c + off * off)
                }
                total += nearest
            }
        }
        return total
    }
}
