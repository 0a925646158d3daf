import ArgumentParser
import CommandLineSupport
import Foundation
import Inference
import Reporting

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "One self-contained HTML page of a finished fit, to look at and to pass on.",
        usage: "prism-dmri report <fit> [options]",
        discussion: Manual.page(
            """
            The page shows structure probabilities with a λ slider, orientations, parameter and uncertainty maps, \
            checks, provenance and a methods text. It needs \
            the fit's folder alone, and loads nothing from elsewhere. 'fit' and 'maps' make one too.
            """,
            examples: [
                ("make the page again", "prism-dmri report fit --force"),
                ("elsewhere", "prism-dmri report fit --out subject-01.html"),
            ]))

    struct Input: ParsableArguments {
        @Argument(help: "Folder of a finished fit.", completion: .directory) var fit: String
    }

    struct Output: ParsableArguments {
        @Option(help: "File to write (default: FIT/report.html).", completion: .file()) var out: String?
        @Flag(help: "Replace a file already there.") var force = false
    }

    struct Running: ParsableArguments {
        @OptionGroup var threads: ThreadOptions
        @OptionGroup var debugging: DebugOptions
    }

    @OptionGroup(title: "Input") var input: Input
    @OptionGroup(title: "Output") var output: Output
    @OptionGroup(title: "Running") var running: Running

    func run() throws {
        let fit = input.fit, path = output.out ?? fit + "/report.html", threads = running.threads
        let finished = try FinishedFit(folder: fit), file = try OutputFile(path, kind: .page, force: output.force)
        guard finished.archive.metadata.hasDraws else { throw ReportingError.noDraws(directory: fit) }
        let summary = PosteriorSummary(finished.archive, lambda: finished.provenance.lambda, threads: threads.nthreads)
        try file.write(
            Report.html(
                summary, archive: finished.archive, geometry: finished.geometry, provenance: finished.provenance,
                survey: finished.survey(), threads: threads.nthreads))
    }
}
