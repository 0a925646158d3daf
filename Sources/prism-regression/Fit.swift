import ArgumentParser
import CommandLineSupport
import Files
import Foundation
import ModelSpace
import Networks
import Regression
import Tensors

struct Fit: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Which formulas explain a series, with what probability and what numbers.",
        usage: "prism-regression fit <file> [--lambda <x>] [--out <dir>] [options]",
        discussion: """
            FILE has two columns, x and y. With --out a folder appears: fit.json, report.html (opens without a \
            network; \
            λ can be changed there) and posterior.safetensors, which 'maps' reads again at another λ.
            """)

    @Argument(help: "Two columns, x and y (CSV).") var file: String
    @Option(help: "Parsimony: nats that a parameter costs.") var lambda = 1.0
    @Option(help: "Number of candidate terms: 15, 30, 50, 80 or 100.") var terms = 15
    @Option(help: "A network whose draws the search begins with.") var network: String?
    @Option(help: "Folder for the results.") var out: String?
    @Option(help: "Structures that the search expands, at most.") var expansions = SearchOptions().expansions
    @Option(help: "Sweeps of the reference sampler that completes and checks the list; 0 for none.")
    var sweeps = SearchOptions().sweeps
    @Option(help: "Seed.") var seed: UInt64 = 1
    @Flag(help: "Print JSON instead of a table.") var json = false
    @Flag(help: "x and y are in the family's units: x in [0, 10], amplitudes of about 1.") var scaled = false
    @Flag(help: "Replace an earlier result in the folder.") var force = false

    func validate() throws {
        try TermsOption.check(terms)
        try Self.check(lambda: lambda)
        guard (1...10_000).contains(expansions) else {
            throw ValidationError("--expansions is \(expansions); it must be from 1 to 10000.")
        }
        guard sweeps == 0 || (8...1_000_000).contains(sweeps) else {
            throw ValidationError("--sweeps is \(sweeps); it must be 0, or from 8 to 1000000.")
        }
    }

    static func check(lambda: Double) throws {
        guard lambda >= 0, lambda <= 100 else {
            throw ValidationError("--lambda is \(lambda); it must be a number from 0 to 100.")
        }
    }

    func run() throws {
        let data = try SeriesFile(path: file, isScaled: scaled), series = data.series
        let folder = try out.map {
            try OutputFolder(
                $0, by: program, kind: .fit, mode: force ? .force : .fresh, inputs: [file] + [network].compactMap { $0 }
            )
        }
        let family = RegressionFamily(terms: terms)
        var starts: [Structure] = []
        if let network {
            Blas.prepare()
            let reader = try SeriesReader(NetworkFile(path: network), path: network, terms: terms)
            if series.count > 500 {
                Terminal.say("The network was trained on 20 to 500 observations and this series has \(series.count).")
            }
            starts = reader.draws(series, lambda: lambda, count: 256, seed: seed).prefix(16).map(\.structure)
        }
        var options = SearchOptions()
        options.expansions = expansions
        options.seed = seed
        options.sweeps = sweeps
        let search = FormulaSearch(family, series, lambda: lambda, options: options)
        Interrupt.polled { search.run(starts: starts, isStopped: { Interrupt.requested }) }
        if Interrupt.requested { throw Stopped() }
        let fit = RegressionFit(search, file: data), summary = RegressionSummary(fit, lambda: lambda)
        if let share = summary.shareListed, share < 0.9 {
            Terminal.say(
                String(
                    format: "The list holds about %.0f %% of the probability at λ = %g (by the reference sampler's "
                        + "visits); terms and noise count the rest too. A larger --expansions or --lambda lists more.",
                    100 * share, lambda))
            // The chain is exact in the long run; among many terms the 8,000 sweeps that count by default are not long.
            if share < FormulaSearch.scarce, let count = fit.coverage?.count {
                Terminal.say(
                    "So little is listed that probabilities of terms rest on \(count) sweeps of the sampler. "
                        + "Among many terms these are too few to be sure: more --sweeps tell more.")
            }
        }
        if summary.laplaceShare > 0.05 {
            Terminal.say(
                String(
                    format: "%.0f %% of the probability is in structures whose evidence is only Laplace's.",
                    100 * summary.laplaceShare))
        }
        try Self.write(fit, summary, lambda: lambda, title: file, to: folder)
        print(json ? try summary.json() : summary.text, terminator: json ? "" : "\n")
    }

    static func write(
        _ fit: RegressionFit, _ summary: RegressionSummary, lambda: Double, title: String, to folder: OutputFolder?
    ) throws {
        try folder?.fill { place in
            try fit.write(to: place + "/posterior.safetensors")
            try Files.write(Data(summary.json().utf8), to: place + "/fit.json")
            let name = title.split(separator: "/").last.map(String.init) ?? title
            try Files.write(
                Data(RegressionPage.html(fit, lambda: lambda, title: name).utf8), to: place + "/report.html")
        }
    }
}

/// Ended by Ctrl-C before anything was written.
struct Stopped: CommandFailure {
    var exitStatus: ExitStatus { .interrupted }
    var description: String { "Stopped; nothing was written" }
}

struct Maps: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read a finished fit again at another λ.",
        usage: "prism-regression maps <dir> --lambda <x> [--out <dir>] [--json]")

    @Argument(help: "Folder of a fit.") var fit: String
    @Option(help: "Parsimony: nats that a parameter costs.") var lambda: Double
    @Option(help: "Folder for the results.") var out: String?
    @Flag(help: "Print JSON instead of a table.") var json = false
    @Flag(help: "Replace an earlier result in the folder.") var force = false

    func validate() throws { try Fit.check(lambda: lambda) }

    func run() throws {
        let read = try RegressionFit(path: fit + "/posterior.safetensors")
        let folder = try out.map {
            try OutputFolder($0, by: program, kind: .maps, mode: force ? .force : .fresh, inputs: [fit])
        }
        let summary = RegressionSummary(read, lambda: lambda)
        if read.coverage == nil {
            Terminal.say(
                "Probabilities are those of the list alone: the fit did without the reference sampler (--sweeps 0), or "
                    + "is of an earlier version; fit again to know what else there is.")
        }
        if lambda < read.searchLambda - 1e-9 {
            Terminal.say(
                String(
                    format: "The structures were looked for at λ = %g; below it others may matter that are not "
                        + "listed: fit again at %g to be sure.", read.searchLambda, lambda))
        }
        try Fit.write(read, summary, lambda: lambda, title: fit, to: folder)
        print(json ? try summary.json() : summary.text, terminator: json ? "" : "\n")
    }
}
