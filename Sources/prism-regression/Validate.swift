import ArgumentParser
import CommandLineSupport
import Foundation
import Networks
import Regression
import Tensors

struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "How well formulas are told on simulations, beside the reference sampler and a network.",
        usage: "prism-regression validate [--terms <n>] [--series <n>] [--sweeps <n>] [--network <file>] [options]")

    @Option(help: "Number of candidate terms: 15, 30, 50, 80 or 100.") var terms = 15
    @Option(help: "Parsimony, of the simulations as of the answers.") var lambda = 1.0
    @Option(help: "Number of series.") var series = 20
    @Option(help: "Structures among which the truth is ranked; 1 for none.") var subspace = 200
    @Option(help: "Sweeps of the reference sampler; 0 for none.") var sweeps = 0
    @Option(help: "A network: judged alone, and its draws are where the search begins.") var network: String?
    @Option(help: "Seed.") var seed: UInt64 = 1
    @OptionGroup var threads: ThreadOptions
    @Flag(help: "Print JSON instead of a table.") var json = false

    func validate() throws {
        try TermsOption.check(terms)
        try Fit.check(lambda: lambda)
        guard (1...100_000).contains(series), (1...100_000).contains(subspace), (0...100_000_000).contains(sweeps)
        else {
            throw ValidationError("--series, --subspace and --sweeps must be whole numbers above 0 (sweeps may be 0).")
        }
    }

    func run() throws {
        Blas.prepare()
        let file = try network.map { try NetworkFile(path: $0) }, path = network ?? "", terms = terms
        if let file { _ = try SeriesReader(file, path: path, terms: terms) }
        var study = SimulatedSeriesStudy(RegressionFamily(terms: terms))
        (study.lambda, study.seriesCount, study.subspace) = (lambda, series, subspace)
        (study.seed, study.threads, study.sweeps) = (seed, threads.nthreads, sweeps)
        let report = try study.run(
            network: file.map { file in { @Sendable in try SeriesReader(file, path: path, terms: terms) } })
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            print(String(decoding: try encoder.encode(report), as: UTF8.self))
            return
        }
        func row(_ name: String, _ s: SimulatedSeriesStudy.Scores) {
            func share(_ x: Double?) -> String { x.map { String(format: "%5.3f", $0) } ?? "    –" }
            print(
                name + "  \(share(s.top1))  \(share(s.top5))  "
                    + String(
                        format: "%5.3f     %6.4f       %7.3f ± %.3f   %8.3f", s.macroF1, s.calibrationError, s.logTruth,
                        s.logTruthError, s.secondsPerSeries))
        }
        print("\(report.series) series, \(terms) terms, λ = \(lambda), seed \(seed)")
        print("         top-1  top-5  macro-F1  calibration  log p(truth)      s a series")
        row("search ", report.search)
        if let s = report.network { row("network", s) }
        if let s = report.sampler { row("sampler", s) }
        if let d = report.distanceToSampler, let c = report.coveredOfSampler {
            print(String(format: "list against sampler: total variation %.3f; %.3f of its visits are listed", d, c))
        }
    }
}
