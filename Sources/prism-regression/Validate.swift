import ArgumentParser
import Baselines
import CommandLineSupport
import Foundation
import Networks
import Regression
import Tensors

struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "How well formulas are told on simulations, beside the reference sampler and a network.",
        usage: "prism-regression validate [--terms <n>] [--series <n>] [--sweeps <n>] [--network <file>] [options]",
        discussion: """
            Which formula: rank of the truth among others drawn from the prior, its probability, calibration of terms. \
            Its numbers, given the true formula: ranks among draws (uniform where calibrated), the continuous ranked \
            probability score, the density of the truth. Beyond: the error of the predicted curve on x from 10 to 12; \
            observations lie on [0, 10].
            """)

    @Option(help: "Number of candidate terms: 15, 30, 50, 80 or 100.") var terms = 15
    @Option(parsing: .upToNextOption, help: "Parsimony, of the simulations as of the answers; or several in turn.")
    var lambda = [1.0]
    @Option(help: "Number of series.") var series = 20
    @Option(help: "Structures among which the truth is ranked; 1 for none.") var subspace = 200
    @Option(help: "Sweeps of the reference sampler; 0 for none.") var sweeps = 0
    @Option(help: "A network: judged alone, and its draws are where the search begins.") var network: String?
    @Flag(help: "The network alone, without the search: a hundred times as many series in the same time.")
    var networkOnly = false
    @Option(help: "Seed.") var seed: UInt64 = 1
    @OptionGroup var threads: ThreadOptions
    @Flag(help: "Print JSON instead of a table.") var json = false

    func validate() throws {
        try TermsOption.check(terms)
        for l in lambda { try Fit.check(lambda: l) }
        guard (1...100_000).contains(series), (1...100_000).contains(subspace), (0...100_000_000).contains(sweeps)
        else {
            throw ValidationError("--series, --subspace and --sweeps must be whole numbers above 0 (sweeps may be 0).")
        }
        guard !networkOnly || network != nil else { throw ValidationError("--network-only needs a --network.") }
    }

    func run() throws {
        Blas.prepare()
        let terms = terms, reader = try network.map { try Self.reader($0, terms: terms) }
        _ = try reader?()
        var study = SimulatedSeriesStudy(RegressionFamily(terms: terms))
        (study.seriesCount, study.subspace, study.searches) = (series, subspace, !networkOnly)
        (study.seed, study.threads, study.sweeps) = (seed, threads.nthreads, sweeps)
        var reports: [SimulatedSeriesStudy.Report] = []
        for l in lambda {
            study.lambda = l
            let report = try study.run(network: reader)
            reports.append(report)
            if !json { show(report) }
        }
        guard json else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let data = reports.count == 1 ? try encoder.encode(reports[0]) : try encoder.encode(reports)
        print(String(decoding: data, as: UTF8.self))
    }

    /// Makes readers of a network of either method, one for each thread.
    private static func reader(_ path: String, terms: Int) throws -> @Sendable () throws -> any FormulaReader {
        if SBMIFile.isOne(path) {
            let file = try SBMIFile(path: path)
            return { try SBMISeries(file, path: path, terms: terms) }
        }
        let file = try NetworkFile(path: path)
        return { try SeriesReader(file, path: path, terms: terms) }
    }

    private func show(_ report: SimulatedSeriesStudy.Report) {
        func row(_ name: String, _ s: SimulatedSeriesStudy.Scores) {
            func share(_ x: Double?) -> String { x.map { String(format: "%5.3f", $0) } ?? "    –" }
            print(
                name + "  \(share(s.top1))  \(share(s.top5))  "
                    + String(
                        format: "%5.3f     %6.4f (%6.4f)         %7.3f ± %.3f   %8.3f", s.macroF1, s.calibrationError,
                        s.calibrationErrorIfPerfect, s.logTruth,
                        s.logTruthError, s.secondsPerSeries))
        }
        print("\(report.series) series, \(terms) terms, λ = \(report.lambda), seed \(seed)")
        print("         top-1  top-5  macro-F1  calibration (perfect)    log p(truth)      s a series")
        if let s = report.search { row("search ", s) }
        if let s = report.network { row("network", s) }
        if let s = report.sampler { row("sampler", s) }
        if let d = report.distanceToSampler, let c = report.coveredOfSampler {
            print(String(format: "list against sampler: total variation %.3f; %.3f of its visits are listed", d, c))
        }
        if let truth = report.logTruthByShare, let above = report.aboveShare, let error = report.aboveShareError {
            print(
                String(
                    format: "log p(truth) by evidences and that share: %.3f; the search's own is %.3f ± %.3f above it",
                    truth, above, error))
        }
        showNumbers(report)
    }

    private func showNumbers(_ report: SimulatedSeriesStudy.Report) {
        let methods = [("search ", report.search), ("network", report.network)].compactMap { name, s in
            s.map { (name, $0) }
        }
        print("numbers  ranks: n, mean, distance (chance)                                       CRPS   log density")
        for (name, scores) in methods {
            guard let s = scores.numbers else { continue }
            let ranks = NumberKind.allCases.compactMap { kind in
                s.ranks[kind.rawValue].map {
                    String(
                        format: "\(kind.rawValue) %d %.3f %.3f (%.3f)", $0.count, $0.mean, $0.distance, $0.chance)
                }
            }
            let density = s.logDensity.map { String(format: "%7.3f ± %.3f", $0, s.logDensityError ?? 0) } ?? "–"
            print(
                "\(name)  " + ranks.joined(separator: "; ")
                    + String(format: "  %.4f  ", s.rankedProbabilityScore) + density)
        }
        print("beyond   rms    median error of the curve on x from 10 to 12")
        for (name, beyond) in methods.map({ ($0.0, $0.1.beyond) }) + [("formula", report.beyondWithFormula)] {
            if let beyond { print(name + String(format: "  %5.3f  %5.3f", beyond.rms, beyond.median)) }
        }
    }
}
