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
    public struct Bit: Codable, Sendable { public var name: String, probability: Double }

    public var terms: Int, lambda: Double, observations: Int
    /// The family's units: x' = 10 (x − x0)/xUnit, y' = (y − y0)/yUnit.
    public var x0: Double, xUnit: Double, y0: Double, yUnit: Double
    public var structuresListed: Int
    /// Share of the probability in structures whose evidence is Laplace's, not sampled.
    public var laplaceShare: Double
    /// Share of the probability that is listed, by the reference sampler; absent where it was not asked. Formulas'
    /// probabilities sum to it.
    public var shareListed: Double?
    public var searchLambda: Double
    public var formulas: [Formula], termProbabilities: [Bit], noiseProbabilities: [Bit]

    public init(_ fit: RegressionFit, lambda: Double, most: Int = 20) {
        let family = RegressionFamily(terms: fit.terms), p = fit.probabilities(lambda: lambda), f = fit.file
        terms = fit.terms
        self.lambda = lambda
        observations = f.x.count
        (x0, xUnit, y0, yUnit) = (f.x0, f.xUnit, f.y0, f.yUnit)
        structuresListed = fit.entries.count
        (shareListed, searchLambda) = (fit.coverage?.share(lambda: lambda), fit.searchLambda)
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
        termProbabilities = zip(family.terms, bits.terms).map { Bit(name: $0.name, probability: $1) }
        noiseProbabilities = zip(family.noises, bits.noises).map { Bit(name: $0.rawValue, probability: $1) }
    }

    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }

    public var text: String {
        var lines = [
            String(format: "λ = %g, %d observations, %d structures listed", lambda, observations, structuresListed)
                + (shareListed.map { String(format: ", which hold %.0f %% of the probability", 100 * $0) } ?? "")
        ]
        lines.append(
            "x' = 10 (x - \(RegressionPage.number(x0))) / \(RegressionPage.number(xUnit)), "
                + "y' = (y - \(RegressionPage.number(y0))) / \(RegressionPage.number(yUnit))")
        for f in formulas.prefix(10) {
            lines.append(String(format: "%6.3f  y' = ", f.probability) + f.formula + "   (noise \(f.noise))")
        }
        func line(_ b: Bit) -> String { String(format: "%6.3f  ", b.probability) + b.name }
        lines.append("terms:")
        lines += termProbabilities.filter { $0.probability >= 0.01 }
            .sorted { ($1.probability, $0.name) < ($0.probability, $1.name) }.map(line)
        lines.append("noise:")
        lines += noiseProbabilities.filter { $0.probability >= 0.01 }.map(line)
        return lines.joined(separator: "\n")
    }
}
