import Foundation
import ModelSpace

/// One draw of a structure's numbers: scores of σ and the inner parameters (terms rising), and the amplitudes.
public struct RegressionDraw: Sendable {
    public var point: [Double], amplitudes: [Double]
}

/// A structure's evidence by importance sampling.
public struct RegressionEvidence: Sendable {
    /// log p(y | z).
    public var logEvidence: Double
    /// Standard error of `logEvidence`, and the effective number of draws behind it.
    public var error: Double, effective: Double
    /// Equally weighted draws of the posterior.
    public var draws: [RegressionDraw]
}

/// p(y | z) = ∫ p(y | point) p(point): draws from a mixture of t-distributions about the modes and of the prior (a
/// tenth, so that no weight is unbounded); after a first round the mixture is fitted to what was found.
struct EvidenceSampler {
    private static let degrees = 5.0
    /// Share of the prior among the draws.
    private static let prior = 0.1

    private struct Part { var weight: Double, middle: [Double], lower: [Double], logConstant: Double }

    static func run(
        _ density: CollapsedDensity, _ z: Structure, _ modes: [Mode], draws: Int, keep: Int,
        using random: inout RandomSource
    ) -> RegressionEvidence {
        let d = modes[0].point.count, target = StructureDensity(density, z, at: modes[0].point)
        let top = modes.map(\.logMass).max()!
        var parts = modes.map { part(max(0.05, exp($0.logMass - top)), $0.point, $0.spread, d) }
        let best = modes.max { $0.logMass < $1.logMass }!, share = 0.25 * parts.reduce(0) { $0 + $1.weight }
        let owners = target.counts.filter { $0 > 0 }
        var first = 1
        // A term elsewhere, the rest about where it is: what is told weakly has many modes.
        for count in owners {
            parts.append(elsewhere(share / Double(owners.count), best, first..<first + count, d))
            first += count
        }
        var result = RegressionEvidence(logEvidence: -.infinity, error: .infinity, effective: 0, draws: [])
        for round in 0..<2 {
            let count = round == 0 ? max(64, draws / 3) : draws
            let total = parts.reduce(0) { $0 + $1.weight }
            for i in parts.indices { parts[i].weight *= (1 - prior) / total }
            var points: [[Double]] = [], logs: [Double] = [], heavy: [[Double]] = []
            for _ in 0..<count {
                let x = draw(parts, d, using: &random), proposal = logProposal(parts, x, d)
                var value = target.value(x)
                if density.isHeavy, value > -.infinity {
                    let sample = density.heavy.sample(
                        density, NoiseModel.level.value(x[0]), draws: 4, using: &random)
                    value += sample.logDensity - density.logDensity(x[0])
                    heavy.append(sample.amplitudes)
                } else {
                    heavy.append([])
                }
                points.append(x)
                logs.append(value - proposal)
            }
            let peak = logs.max()!
            guard peak > -.infinity else { return result }
            let w = logs.map { exp($0 - peak) }, sum = w.reduce(0, +), squares = w.reduce(0) { $0 + $1 * $1 }
            let effective = sum * sum / squares, n = Double(count)
            if round == 0 {
                // One more part, fitted to the draws.
                if effective > Double(d) + 2 {
                    var mean = [Double](repeating: 0, count: d), covariance = [Double](repeating: 0, count: d * d)
                    for (x, w) in zip(points, w) { for i in 0..<d { mean[i] += w / sum * x[i] } }
                    for (x, w) in zip(points, w) {
                        for i in 0..<d {
                            for j in 0...i { covariance[i * d + j] += w / sum * (x[i] - mean[i]) * (x[j] - mean[j]) }
                        }
                    }
                    for i in 0..<d { covariance[i * d + i] = covariance[i * d + i] * 1.1 + 1e-10 }
                    let share = parts.reduce(0) { $0 + $1.weight }
                    parts.append(part(share, mean, StructureDensity.lower(covariance, d), d))
                }
                continue
            }
            result.logEvidence = peak + log(sum / n)
            result.effective = effective
            result.error = max(0, 1 / effective - 1 / n).squareRoot()
            let chosen = systematicResample(w, count: min(keep, count), offset: random.uniform())
            result.draws = chosen.map { i in
                if density.isHeavy { return RegressionDraw(point: points[i], amplitudes: heavy[i]) }
                _ = target.value(points[i])
                return RegressionDraw(
                    point: points[i], amplitudes: density.amplitudes(points[i][0], using: &random))
            }
        }
        return result
    }

    private static func part(_ weight: Double, _ middle: [Double], _ lower: [Double], _ d: Int) -> Part {
        let nu = degrees, dimension = Double(d)
        var constant = lgamma((nu + dimension) / 2) - lgamma(nu / 2) - 0.5 * dimension * log(nu * .pi)
        for i in 0..<d { constant -= log(lower[i * d + i]) }
        return Part(weight: weight, middle: middle, lower: lower, logConstant: constant)
    }

    /// About a mode, but with these numbers from their prior and errors of the others independent of each other.
    private static func elsewhere(_ weight: Double, _ mode: Mode, _ own: Range<Int>, _ d: Int) -> Part {
        var middle = mode.point, lower = [Double](repeating: 0, count: d * d)
        for i in 0..<d {
            lower[i * d + i] = own.contains(i) ? 1 : 1.5 * mode.variance(i).squareRoot()
            if own.contains(i) { middle[i] = 0 }
        }
        return part(weight, middle, lower, d)
    }

    private static func draw(_ parts: [Part], _ d: Int, using random: inout RandomSource) -> [Double] {
        var u = random.uniform()
        var e = (0..<d).map { _ in random.normal() }
        for p in parts {
            u -= p.weight
            guard u < 0 else { continue }
            var square = 0.0
            for _ in 0..<5 { let g = random.normal(); square += g * g }
            let scale = (degrees / square).squareRoot()
            for i in 0..<d { e[i] *= scale }
            return (0..<d).map { i in (0...i).reduce(p.middle[i]) { $0 + p.lower[i * d + $1] * e[$1] } }
        }
        return e
    }

    private static func logProposal(_ parts: [Part], _ x: [Double], _ d: Int) -> Double {
        let nu = degrees, dimension = Double(d)
        var logs = [
            log(prior) - 0.5 * x.reduce(0) { $0 + $1 * $1 } - 0.5 * dimension * log(2 * .pi)
        ]
        for p in parts {
            var e = [Double](repeating: 0, count: d), square = 0.0
            for i in 0..<d {
                var s = x[i] - p.middle[i]
                for k in 0..<i { s -= p.lower[i * d + k] * e[k] }
                e[i] = s / p.lower[i * d + i]
                square += e[i] * e[i]
            }
            logs.append(log(p.weight) + p.logConstant - (nu + dimension) / 2 * log1p(square / nu))
        }
        return logSum(logs)
    }
}
