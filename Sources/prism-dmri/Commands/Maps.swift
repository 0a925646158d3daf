import ArgumentParser
import CommandLineSupport
import Files
import Foundation
import Inference
import Reporting
import Volumes

struct Maps: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read a finished fit again at other λ: all maps and orientation files, without the scan.",
        usage: "prism-dmri maps <fit> --lambda <numbers> [options]",
        discussion: Manual.page(
            """
            Structure probabilities follow from the fit's by p(z|λ′) ∝ p(z|λ) exp(−(λ′−λ) k). Draws are those of the \
            fit, weighted; where a λ far from the fit's leaves few of them in use, \
            a warning goes to stderr and into fit.json. Each λ gets its own folder, OUT/lambda-X.
            """,
            examples: [
                ("how maps change with λ", "prism-dmri maps fit --lambda 0,0.5,1,2"),
                ("one λ, for tractography with MRtrix3", "prism-dmri maps fit --lambda 1 --out at-1 --write mrtrix"),
            ]))

    struct Input: ParsableArguments {
        @Argument(help: "Folder of a finished fit.", completion: .directory) var fit: String
        @Option(help: "One or more λ, separated by commas.") var lambda: String
    }

    struct Output: ParsableArguments {
        @Option(help: "Folder to write (default: FIT/maps).", completion: .directory) var out: String?
        @OptionGroup var choice: OutputChoice
        @Flag(help: "Replace maps already there.") var force = false
    }

    @OptionGroup(title: "Input") var input: Input
    @OptionGroup(title: "Output") var output: Output
    @OptionGroup(title: "Running") var running: ReadingOptions

    func validate() throws {
        _ = try lambdas()
    }

    private func lambdas() throws -> [Double] {
        let values = try input.lambda.split(separator: ",", omittingEmptySubsequences: false).map { text in
            guard let x = Double(text), x >= 0, x <= 10 else {
                throw ValidationError("'\(text)' is not a λ between 0 and 10.")
            }
            return x
        }
        guard Set(values).count == values.count else { throw ValidationError("A λ is given twice.") }
        return values
    }

    func run() throws {
        let finished = try FinishedFit(folder: input.fit), archive = finished.archive
        guard archive.metadata.notes["engine"] != "mcmc" else {
            throw ValidationError(
                """
                \(input.fit) was made by --engine mcmc, whose structure probabilities are shares of draws under its \
                own \
                prior: λ has no meaning for it.
                """
            )
        }
        let noise = try finished.noise(), survey = try finished.survey(),
            formats = finished.formats(output.choice.formats)
        // All of them can be written, or none is begun.
        let targets = try lambdas().map { value in
            let folder = (output.out ?? input.fit + "/maps") + "/lambda-" + String(format: "%g", value)
            return (
                value,
                try OutputFolder(
                    folder, by: program, kind: .maps, mode: output.force ? .force : .fresh, inputs: [input.fit])
            )
        }
        for (value, target) in targets {
            var provenance = finished.provenance
            if let warning = LambdaRange.warning(value, archive.metadata) {
                Terminal.note("warning: " + warning)
                provenance.warnings.append(warning)
            }
            let known = Set(provenance.warnings)
            provenance.commandLine = CommandLine.arguments
            let begin = ContinuousClock.now
            try target.fill { place in
                let written = try FitOutputs.write(
                    archive: archive, lambda: value, geometry: finished.geometry, directory: place,
                    provenance: provenance,
                    formats: formats, noise: noise, survey: survey, threads: running.threads.nthreads)
                for warning in written.provenance.warnings where !known.contains(warning) {
                    Terminal.note("warning: " + warning)
                }
            }
            if !running.talk.quiet {
                Terminal.note(
                    String(
                        format: "λ = %g: %@ (%.1f s)", value, target.name as NSString,
                        ProgressLine.seconds(from: begin, to: .now)))
            }
        }
    }
}
