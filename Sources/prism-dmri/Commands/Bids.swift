import ArgumentParser
import CommandLineSupport
import Foundation
import Inference
import Networks
import Reporting
import Volumes

struct Bids: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fit every diffusion series of a BIDS dataset, as a BIDS App.",
        usage: "prism-dmri bids <bids-dir> <out> participant|group [options]",
        discussion: Manual.page(
            """
            participant: each series is fitted as 'fit' does; its maps go to sub-*/[ses-*/]dwi/, the fit itself to \
            fits/, a page to sub-*.html. What is finished is left as it is, and what was interrupted goes on, when \
            the same command is given again. group: group.html and group.tsv put all scans side by side, with outliers.

            The output is a BIDS derivative dataset. Series should be corrected for motion and eddy currents: name \
            the output of a preprocessing program (QSIPrep) as the dataset. A series that cannot be fitted does not \
            keep the others from it; the exit code then is that of the first failure.
            """,
            examples: [
                ("two participants", "prism-dmri bids data out participant --participant-label 01 02"),
                ("all scans side by side", "prism-dmri bids data out group"),
            ],
            references: [.bids, .behrens2003, .jbabdi2012]))

    enum Level: String, CaseIterable { case participant, group }

    @Argument(help: "Top of the dataset.", completion: .directory) var bidsDir: String
    @Argument(
        help: "Top of the derivative dataset to write, e.g. BIDS_DIR/derivatives/prism-dmri.", completion: .directory)
    var out: String
    // A text: BIDS Apps end with a code of their own for a level that they do not know.
    @Argument(
        help: "participant (each series) or group (all of them).", completion: .list(Level.allCases.map(\.rawValue)))
    var level: String
    @OptionGroup(title: "Input") var selection: Selection
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Output") var output: Output
    @OptionGroup(title: "Running") var running: Running

    struct Selection: ParsableArguments {
        @Option(
            name: [.long, .customLong("participant_label")], parsing: .upToNextOption,
            help: "Labels of the participants, with or without sub- (default: all).")
        var participantLabel: [String] = []
        @Option(
            name: [.long, .customLong("session_label")], parsing: .upToNextOption,
            help: "Labels of the sessions, with or without ses- (default: all).")
        var sessionLabel: [String] = []
        @Flag(
            name: [.long, .customLong("skip_bids_validator"), .customLong("skip-bids-validator")],
            help: "Do without dataset_description.json; names must be BIDS' all the same.")
        var skipBidsValidation = false
    }

    struct Output: ParsableArguments {
        @Option(
            help: """
                What fits/ holds for other programs, besides the report: \
                \(WrittenList.words.filter { $0 != "bids" }.joined(separator: ", ")), separated by commas.
                """) var write: WrittenList?
        @Option(help: KeptPosterior.help) var keep: KeptPosterior = .structures
        @Flag(help: "Fit again what is fitted.") var force = false
    }

    struct Running: ParsableArguments {
        @Option(help: "Seed of all random numbers.") var seed: UInt64 = 1
        @Option(
            name: [.customShort("w"), .customLong("work-dir")],
            help: "Taken as other BIDS Apps do; what is unfinished is kept in the output.", completion: .directory)
        var workDirectory: String?
        @OptionGroup var threads: ThreadOptions
        @OptionGroup var talk: TalkOptions
    }

    // The chain runs as it does by default: its short options are other BIDS Apps' (-w).
    func validate() throws { try model.validate(try ChainArguments.parse([])) }

    func run() throws {
        guard let level = Level(rawValue: level) else { throw UnknownLevel(level: level) }
        let dataset = try BIDSDerivative(out, of: bidsDir)
        switch level {
        case .participant:
            let inputs = try BIDSInputs(
                bidsDir, participants: selection.participantLabel, sessions: selection.sessionLabel,
                validates: !selection.skipBidsValidation)
            for (path, reason) in inputs.unfit { Terminal.note("warning: \(path) \(reason): it is left out") }
            try dataset.begin(doi: inputs.doi)
            var failures: [(path: String, error: any Error)] = []
            for scan in inputs.scans {
                do { try fit(scan, inputs, dataset) } catch  where !(error is Interrupted) {
                    Terminal.note("warning: \(scan.path): \(Failure.describe(error).message)")
                    failures.append((scan.path, error))
                }
            }
            for participant in Set(inputs.scans.map(\.participant)).sorted() { try dataset.page(of: participant) }
            if let first = failures.first {
                throw BIDSFailures(
                    paths: failures.map(\.path), count: inputs.scans.count,
                    exitStatus: Failure.describe(first.error).status)
            }
        case .group:
            let count = try dataset.group()
            if !running.talk.quiet { Terminal.note("\(count) scans side by side: \(out)/group.html, \(out)/group.tsv") }
        }
    }

    private func fit(_ scan: BIDSInputs.Scan, _ inputs: BIDSInputs, _ dataset: BIDSDerivative) throws {
        let name = BIDSDerivative.name(scan.stem), place = dataset.fit(name)
        let already = try? FitProvenance(path: place + "/fit.json")
        var fit = try Fit.parse([inputs.root + "/" + scan.path, "--out", place])
        if let already, !output.force {
            guard already.sources == [scan.uri] else { throw BIDSDerivativeError.twoScans(scan.path, already.sources) }
            if let difference = try difference(from: already, scan: fit.input) {
                throw BIDSDerivativeError.otherOptions(scan.path, difference)
            }
            try dataset.install(name, folder: scan.folder)
            if !running.talk.quiet { Terminal.note("\(scan.path): fitted already") }
            return
        }
        fit.model = model
        (fit.running.seed, fit.running.threads, fit.running.talk) = (running.seed, running.threads, running.talk)
        fit.output.choice.write = WrittenList((output.write?.formats ?? [.report, .picture]).union(.bids))
        fit.output.keep = output.keep
        fit.output.force = output.force && already != nil
        fit.output.resume = already == nil && dataset.isBegun(name)
        if !running.talk.quiet { Terminal.note(scan.path) }
        try fit.run(as: FitSource(stem: scan.stem, uris: [scan.uri], root: inputs.root))
        try dataset.install(name, folder: scan.folder)
    }
}

extension Bids {
    /// In what a finished fit is not the one that is asked for; nil where it is.
    fileprivate func difference(from fit: FitProvenance, scan: DiffusionInput) throws -> String? {
        let network = try model.network.map(NetworkFile.init(path:))
        let choice = try model.family(of: scan.open { _ in }.acquisition, network: network), family = choice.family.name
        let isChain = model.engine == .mcmc
        let used = model.engine == .prism ? try network ?? choice.builtInNetwork() : nil
        // As users see them elsewhere: the start of the file's SHA-256.
        func named(_ sha256: String?) -> String { sha256.map { String($0.prefix(12)) } ?? "" }
        // As --preset NAME or --preset=NAME.
        let words = fit.commandLine.flatMap { $0.split(separator: "=", maxSplits: 1).map(String.init) }
        let preset = words.firstIndex(of: "--preset").flatMap { words.indices.contains($0 + 1) ? words[$0 + 1] : nil }
        let asked: [(name: String, asked: String, fitted: String)] = [
            ("--engine", model.engine.rawValue, fit.engine), ("--family", family, fit.family),
            ("--lambda", "\(isChain ? 0 : model.lambda ?? FitOptions().lambda)", "\(fit.drawLambda)"),
            (
                "--samples", isChain ? "" : "\(model.samples ?? FitOptions().samples)",
                isChain ? "" : "\(fit.drawsPerVoxel)"
            ),
            ("--seed", "\(running.seed)", "\(fit.seed)"),
            ("--preset", (model.preset ?? .balanced).rawValue, preset ?? PrismPreset.balanced.rawValue),
            ("the network", named(used?.sha256), named(fit.networkSHA256)),
        ]
        return asked.first { $0.asked != $0.fitted }.map { "\($0.name) \($0.fitted), not \($0.asked)" }
    }
}

extension BIDSInputs.Scan {
    /// BIDS' name of the file, wherever the dataset lies.
    fileprivate var uri: String { "bids:raw:" + path }
}

/// A level of analysis that is none of ours.
struct UnknownLevel: CommandFailure {
    let level: String
    var exitStatus: ExitStatus { .unknownLevel }
    var description: String {
        "'\(level)' is no level of analysis; give \(Bids.Level.allCases.map(\.rawValue).joined(separator: " or "))"
    }
}

/// Series that could not be fitted, while others were.
struct BIDSFailures: CommandFailure {
    let paths: [String], count: Int, exitStatus: ExitStatus
    var description: String {
        """
        \(paths.count) of \(count) series could not be fitted (\(paths.prefix(5).joined(separator: ", "))\
        \(paths.count > 5 ? ", …" : "")); the warnings above say why, and the same command tries them again
        """
    }
}
