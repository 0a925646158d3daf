import ArgumentParser
import Foundation
import Inference
import Reporting

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "One self-contained HTML page of a finished fit, to look at and to pass on.",
        discussion: """
            The page shows structure probabilities with a λ slider, orientations, parameter and uncertainty maps, \
            checks, provenance and a methods text. It needs \
            the fit's folder alone, and loads nothing from elsewhere. 'fit' and 'maps' make one too.
            """)

    @Argument(help: "Folder of a finished fit.") var fit: String
    @Option(help: "File to write (default: FIT/report.html).") var out: String?
    @Option(help: "Worker threads (default: all cores).") var nthreads: Int = ProcessInfo.processInfo
        .activeProcessorCount
    @Flag(help: "Replace a file already there.") var force = false

    func validate() throws {
        guard (1...1024).contains(nthreads) else { throw ValidationError("--nthreads must lie between 1 and 1024.") }
    }

    func run() throws {
        let path = out ?? fit + "/report.html"
        let finished = try FinishedFit(folder: fit), file = try OutputFile(path, kind: .page, force: force)
        guard finished.archive.metadata.hasDraws else { throw ReportingError.noDraws(directory: fit) }
        let summary = PosteriorSummary(finished.archive, lambda: finished.provenance.lambda, threads: nthreads)
        try file.write(
            Report.html(summary, geometry: finished.geometry, provenance: finished.provenance, threads: nthreads))
    }
}
