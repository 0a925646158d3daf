import Foundation
import ModelSpace

/// A fitted series: structures with their evidences and draws. λ is chosen when it is read.
public struct RegressionFit: Sendable {
    /// A structure on the list.
    public struct Entry: Sendable {
        public var structure: Structure, parameters: Int, logEvidence: Double
        /// Standard error of `logEvidence`; NaN where it is Laplace's.
        public var error: Double
        /// Equally weighted draws; none where it was not sampled.
        public var draws: [RegressionDraw]
    }

    public var terms: Int, file: SeriesFile
    /// The λ at which structures were looked for.
    public var searchLambda: Double
    /// What the entries hold of the posterior, by the reference sampler; nil where it was not asked.
    public var coverage: ListCoverage?
    public var entries: [Entry]

    public init(
        terms: Int, file: SeriesFile, searchLambda: Double, coverage: ListCoverage?, entries: [Entry]
    ) {
        (self.terms, self.file, self.searchLambda, self.entries) = (terms, file, searchLambda, entries)
        self.coverage = coverage
    }

    /// What a search found, the best `most` at its λ.
    public init(_ search: FormulaSearch, file: SeriesFile, most: Int = 1000) {
        terms = search.family.terms.count
        self.file = file
        searchLambda = search.lambda
        entries = search.ranked.prefix(most).map {
            Entry(
                structure: $0.structure, parameters: $0.parameters, logEvidence: $0.logEvidence,
                error: $0.evidence?.error ?? .nan, draws: $0.evidence?.draws ?? [])
        }
        coverage = search.check.map {
            ListCoverage($0, of: entries.map(\.structure), lambda: search.lambda, search.family.rule)
        }
    }

    /// Share of the probability at λ that is listed; 1 where nothing is known of the rest.
    public func share(lambda: Double) -> Double { coverage?.share(lambda: lambda) ?? 1 }

    /// Probabilities of the entries at λ: log p(z|y,λ) = log p(y|z) − λ k(z) + const. They sum to the share that is
    /// listed.
    public func probabilities(lambda: Double) -> [Double] {
        let logs = entries.map { $0.logEvidence - lambda * Double($0.parameters) }, peak = logs.max() ?? 0
        let weights = logs.map { exp($0 - peak) }, total = weights.reduce(0, +), share = share(lambda: lambda)
        return weights.map { $0 / total * share }
    }

    /// Probability of each term, then of each noise: the entries', and of what is not listed the sampler's.
    public func bits(_ family: RegressionFamily, lambda: Double) -> (terms: [Double], noises: [Double]) {
        var terms = family.terms.map { _ in 0.0 }, noises = family.noises.map { _ in 0.0 }
        for (p, e) in zip(probabilities(lambda: lambda), entries) {
            for t in family.active(e.structure) { terms[t] += p }
            noises[family.noiseIndex(e.structure)] += p
        }
        if let coverage {
            let rest = 1 - share(lambda: lambda), bits = coverage.bits(family.description.bitCount, lambda: lambda)
            for t in terms.indices { terms[t] += rest * bits[t] }
            // The first noise has no bit.
            for i in noises.indices.dropFirst() { noises[i] += rest * bits[terms.count + i - 1] }
            noises[0] += rest * (1 - bits[terms.count...].reduce(0, +))
        }
        return (terms, noises)
    }

    /// Share of the mass at λ in entries whose evidence is Laplace's only.
    public func unsampled(lambda: Double) -> Double {
        zip(probabilities(lambda: lambda), entries).reduce(0) { $0 + ($1.1.error.isNaN ? $1.0 : 0) }
    }

    /// A draw's curve at places of the family's axis, in the family's units.
    public func curve(_ family: RegressionFamily, _ e: Entry, _ draw: RegressionDraw, at x: [Double]) -> [Double] {
        var total = [Double](repeating: 0, count: x.count), column = total, at = 1
        for (c, t) in family.active(e.structure).enumerated() {
            let term = family.terms[t], n = term.inner.count
            let p = zip(term.inner, draw.point[at..<at + n]).map { $0.value($1) }
            at += n
            column.withUnsafeMutableBufferPointer { term.fill(x, x.count, p, into: $0.baseAddress!) }
            for i in x.indices { total[i] += draw.amplitudes[c] * column[i] }
        }
        return total
    }

    /// Mean and standard deviation over an entry's draws of each number: amplitudes and inner parameters by term, σ.
    public func numbers(_ family: RegressionFamily, _ e: Entry) -> (
        terms: [(term: Term, amplitude: (mean: Double, sd: Double), inner: [(mean: Double, sd: Double)])],
        sigma: (mean: Double, sd: Double)
    ) {
        func summary(_ v: [Double]) -> (mean: Double, sd: Double) {
            let mean = v.reduce(0, +) / Double(max(1, v.count))
            return (mean, (v.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, v.count - 1))).squareRoot())
        }
        var at = 1
        let terms = family.active(e.structure).enumerated().map { c, t in
            let term = family.terms[t]
            defer { at += term.inner.count }
            return (
                term: term, amplitude: summary(e.draws.map { $0.amplitudes[c] }),
                inner: term.inner.enumerated().map { i, p in summary(e.draws.map { p.value($0.point[at + i]) }) }
            )
        }
        return (terms, summary(e.draws.map { NoiseModel.level.value($0.point[0]) }))
    }

    /// An entry's formula in the family's units, with means in the parameters' places.
    public func formula(_ family: RegressionFamily, _ e: Entry) -> String {
        let parts = numbers(family, e).terms
        if e.draws.isEmpty {
            let names = family.active(e.structure).map { "a " + family.terms[$0].general }
            return names.isEmpty ? "0" : names.joined(separator: " + ")
        }
        let words = parts.map { part -> String in
            let f = part.term.formula(part.inner.map(\.mean))
            let a = String(format: "%.3g", part.amplitude.mean)
            return f == "1" ? a : "\(a) \(f)"
        }
        return words.isEmpty ? "0" : words.joined(separator: " + ").replacingOccurrences(of: "+ -", with: "- ")
    }
}
