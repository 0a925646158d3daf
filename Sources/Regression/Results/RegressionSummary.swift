import Foundation

/// What a fit says at one λ, as JSON and as a table.
public struct RegressionSummary: Codable, Sendable {
    public struct Number: Codable, Sendable { public var name: String, mean: Double, sd: Double }
    public struct Formula: Codable, Sendable {
        public var probability: Double, formula: String, noise: String, parameters: Int, logEvidence: Double
        /// Standard error of logEvidence; absent where it is Laplace's.
        public var logEvidenceError: Double?
        public var numbers: [Number]
    }
    /// - Parameter sampled: by the reference sampler's visits; absent at another λ than the search's.
    public struct Bit: Codable, Sendable { public var name: String, probability: Double, sampled: Double? }

    public var terms: Int, lambda: Double, observations: Int
    /// The family's units: x' = 10 (x − x0)/xUnit, y' = (y − y0)/yUnit.
    public var x0: Double, xUnit: Double, y0: Double, yUnit: Double
    public var structuresListed: Int
    /// Share of the probability in structures whose evidence is Laplace's, not sampled.
    public var laplaceShare: Double
    /// Share of the reference sampler's visits, at the search's λ, that are to listed structures.
    public var samplerVisitsListed: Double?
    public var searchLambda: Double
    public var formulas: [Formula], termProbabilities: [Bit], noiseProbabilities: [Bit]

    public init(_ fit: RegressionFit, lambda: Double, most: Int = 20) {
        let family = RegressionFamily(terms: fit.terms), p = fit.probabilities(lambda: lambda), f = fit.file
        terms = fit.terms
        self.lambda = lambda
        observations = f.x.count
        (x0, xUnit, y0, yUnit) = (f.x0, f.xUnit, f.y0, f.yUnit)
        structuresListed = fit.entries.count
        (samplerVisitsListed, searchLambda) = (fit.covered, fit.searchLambda)
        laplaceShare = fit.unsampled(lambda: lambda)
        let order = fit.entries.indices.sorted { (p[$1], $0) < (p[$0], $1) }
        formulas = order.prefix(most).map { i in
            let e = fit.entries[i], parts = fit.numbers(family, e)
            let inner = parts.terms.flatMap { part in
                [Number(name: part.term.name + ".amplitude", mean: part.amplitude.mean, sd: part.amplitude.sd)]
                    + zip(part.term.inner, part.inner).map {
                        Number(name: part.term.name + "." + $0.name, mean: $1.mean, sd: $1.sd)
                    }
            }
            return Formula(
                probability: p[i], formula: fit.formula(family, e), noise: family.noise(e.structure).rawValue,
                parameters: e.parameters, logEvidence: e.logEvidence,
                logEvidenceError: e.error.isFinite ? e.error : nil,
                numbers: e.draws.isEmpty
                    ? [] : inner + [Number(name: "sigma", mean: parts.sigma.mean, sd: parts.sigma.sd)])
        }
        let bits = fit.bits(family, lambda: lambda)
        // The sampler's word is of the λ at which it ran, and of bits: the first noise has none.
        let sampled = abs(lambda - fit.searchLambda) < 1e-9 ? fit.sampledBits : nil, count = family.terms.count
        termProbabilities = family.terms.enumerated().map {
            Bit(name: $1.name, probability: bits.terms[$0], sampled: sampled?[$0])
        }
        noiseProbabilities = family.noises.enumerated().map { i, noise in
            let others = sampled?[count...].reduce(0, +)
            return Bit(
                name: noise.rawValue, probability: bits.noises[i],
                sampled: i == 0 ? others.map { 1 - $0 } : sampled?[count + i - 1])
        }
    }

    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }

    public var text: String {
        var lines = [
            String(format: "λ = %g, %d observations, %d structures listed", lambda, observations, structuresListed)
        ]
        lines.append(
            "x' = 10 (x - \(RegressionPage.number(x0))) / \(RegressionPage.number(xUnit)), "
                + "y' = (y - \(RegressionPage.number(y0))) / \(RegressionPage.number(yUnit))")
        for f in formulas.prefix(10) {
            lines.append(String(format: "%6.3f  y' = ", f.probability) + f.formula + "   (noise \(f.noise))")
        }
        lines.append(
            "terms" + (termProbabilities.contains { $0.sampled != nil } ? " (of the list; of the sampler):" : ":"))
        func line(_ b: Bit) -> String {
            String(format: "%6.3f ", b.probability) + (b.sampled.map { String(format: "%6.3f", $0) } ?? "") + "  "
                + b.name
        }
        func weight(_ b: Bit) -> Double { b.sampled ?? b.probability }
        lines += termProbabilities.filter { max(weight($0), $0.probability) >= 0.01 }
            .sorted { (weight($1), $0.name) < (weight($0), $1.name) }.map(line)
        lines.append("noise:")
        lines += noiseProbabilities.filter { max(weight($0), $0.probability) >= 0.01 }.map(line)
        return lines.joined(separator: "\n")
    }
}
