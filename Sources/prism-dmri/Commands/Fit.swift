import ArgumentParser
import CommandLineSupport
import Files
import Foundation
import Reporting
import Tensors

struct Fit: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fit every voxel: model probabilities, parameter posteriors, fibre orientations.",
        usage: "prism-dmri fit <image> --out <folder> [options]",
        discussion: Manual.page(
            """
            Writes to --out: fit.json (provenance), quality and misfit maps, dwi/ (model maps, BIDS names), \
            fsl.bedpostX/ (for probtrackx2), mrtrix/ (peaks, fixels, fod.mif.gz for iFOD2), dipy/, orientations.png, \
            report.html, and posterior-*.safetensors (the draws themselves); --write and --keep choose among them. \
            Interrupted fits go on with --resume.
            """,
            examples: [
                (
                    "the table and the mask beside the image, by their usual names",
                    "prism-dmri fit dwi.nii.gz --out fit"
                ),
                (
                    "each file by its name, and four times as fast",
                    "prism-dmri fit d.nii --bvals b --bvecs v --mask m.nii --out fit --preset fast"
                ),
                ("a subject's folder, as bedpostx takes it", "prism-dmri fit SUBJECT --fsl-layout"),
                ("what would be done, and how long it takes", "prism-dmri fit dwi.nii.gz --out fit --dry-run"),
                (
                    "scans of several shells: bundles, water between axons",
                    "prism-dmri fit dwi.nii.gz --out fit --family tissue"
                ),
                ("the classical chain", "prism-dmri fit dwi.nii.gz --out fit --engine mcmc --fibres 2"),
            ],
            references: [
                .behrens2003, .jbabdi2012, .gloeckler2026,
                .delMoral2006,
            ]))

    @OptionGroup(title: "Input") var input: DiffusionInput
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Output") var output: FitOutput
    @OptionGroup(title: "Running") var running: FitRunning
    @OptionGroup(title: "Options of --engine mcmc") var chain: ChainArguments

    /// bedpostX's place is beside the subject's folder, that of the image.
    var out: String { output.folder ?? input.subjectFolder + ".bedpostX" }
    var isQuiet: Bool { running.talk.quiet }

    func validate() throws {
        if running.shard != nil, output.choice.isGiven || output.keep != nil {
            throw ValidationError(
                "--write, --keep and --fsl-layout belong to 'merge', which writes the files of a fit in parts.")
        }
        try model.validate(chain)
    }

    func run() throws { try run(as: nil) }

    /// - Parameter source: what the image is called in the output; nil for its own name.
    func run(as source: FitSource?) throws {
        let recipe = model.family.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }
        let read = input.allFiles + [model.network, recipe].compactMap { $0 }
        let target = try OutputFolder(
            out, by: program, kind: .fit, mode: output.resume ? .resume : output.force ? .force : .fresh,
            canResume: true,
            inputs: read)
        if output.resume, !target.holdsWorkBeside, let kept = try? FitProvenance(path: out + "/fit.json").kept {
            throw NothingToResume(out: out, kept: kept)
        }
        let again: Again = source != nil ? .sameCommand : output.force ? .resumeInsteadOfForce : .resume
        func stopped() -> Interrupted { Interrupted(out: out, keepsWork: target.keepsWork, again: again) }
        Interrupt.whenStopped(say: { stopped().description }, cleanUp: { target.abandon() })
        do {
            Blas.prepare()
            var fit = try PreparedFit(self)
            if running.dryRun { return try FitPlan(fit, self).put(asJSON: running.json) }
            try fit.run(self, target, as: source)
        } catch {
            target.abandon()
            if error is Interrupted { throw stopped() }
            let isFull = target.keepsWork && Failure.describe(error).status == .io
            throw isFull ? WorkKept(cause: target.named(error), out: out, again: again) : target.named(error)
        }
    }

    /// Maps and exports beside a fit that was replaced are still those of the old one.
    static func warnOfEarlierReadings(_ target: OutputFolder) {
        let names = target.earlierReadings
        if !names.isEmpty {
            Terminal.note(
                """
                warning: \(names.joined(separator: " and ")) stay as made from the fit that was replaced; make them \
                again with --force
                """
            )
        }
    }
}
