import ArgumentParser
import CommandLineSupport
import Files
import Foundation
import Inference
import Reporting

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a finished fit for other tools: FSL, MRtrix3, DIPY or BIDS, from the fit's folder alone.",
        usage: "prism-dmri export <fit> --format <tool> [options]",
        discussion: Manual.page(
            """
            fsl: fsl.bedpostX/ for probtrackx2. mrtrix: mrtrix/peaks.nii.gz (twice the fraction long, for tckgen's \
            cutoff of \
            0.1), fixels and fod.mif.gz, the draws' density for iFOD2. dipy: peaks along voxel axes and fod_sh.nii.gz, \
            the same for its probabilistic tracker. bids: dwi/*_dwimap.nii.gz with sidecars. Directions \
            are in the frame that each tool expects. quality.nii.gz, misfit.nii.gz and fit.json come along.
            """,
            examples: [
                (
                    "for probtrackx2, as bedpostX leaves it",
                    "prism-dmri export fit --format fsl --fsl-layout --out subject.bedpostX"
                ),
                ("every draw, for MRtrix3", "prism-dmri export fit --format mrtrix --draws"),
            ],
            references: [
                "probtrackx2: Behrens et al. 2007, NeuroImage 34:144, doi:10.1016/j.neuroimage.2006.09.018",
                .tournier2019, "DIPY: Garyfallidis et al. 2014, Front Neuroinform 8:8, doi:10.3389/fninf.2014.00008",
            ]))

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case fsl, mrtrix, dipy, bids
        var formats: FitOutputs.Formats {
            switch self {
            case .fsl: .fsl
            case .mrtrix: .mrtrix
            case .dipy: .dipy
            case .bids: .bids
            }
        }
    }

    struct Input: ParsableArguments {
        @Argument(help: "Folder of a finished fit.", completion: .directory) var fit: String
        @Option(help: "λ of what is written (default: that of the fit's maps).") var lambda: Double?

        func validate() throws {
            if let lambda {
                guard lambda >= 0, lambda <= 10 else { throw ValidationError("--lambda must lie between 0 and 10.") }
            }
        }
    }

    struct Output: ParsableArguments {
        @Option(
            help: "For whom: \(Format.allCases.map(\.rawValue).joined(separator: ", ")); may be given several times.")
        var format: [Format]
        @Option(help: "Folder to write (default: FIT/export).", completion: .directory) var out: String?
        @Flag(help: "With mrtrix and bids: every posterior draw as well (large).") var draws = false
        @Flag(help: "With fsl: its files at the folder's top, as in bedpostX's SUBJECT.bedpostX, not in fsl.bedpostX/.")
        var fslLayout = false
        @Flag(help: "Replace an export already there.") var force = false

        func validate() throws {
            guard !format.isEmpty else {
                throw ValidationError("--format is needed: \(Format.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            if fslLayout, !format.contains(.fsl) { throw ValidationError("--fsl-layout belongs to --format fsl.") }
        }
    }

    @OptionGroup(title: "Input") var input: Input
    @OptionGroup(title: "Output") var output: Output
    @OptionGroup(title: "Running") var running: ReadingOptions

    func run() throws {
        let fit = input.fit, finished = try FinishedFit(folder: fit), folder = output.out ?? fit + "/export"
        var provenance = finished.provenance
        let value = input.lambda ?? provenance.lambda
        let target = try OutputFolder(
            folder, by: program, kind: .export, mode: output.force ? .force : .fresh, inputs: [fit])
        if let warning = LambdaRange.warning(value, finished.archive.metadata), !provenance.warnings.contains(warning) {
            Terminal.note("warning: " + warning)
            provenance.warnings.append(warning)
        }
        let known = Set(provenance.warnings)
        provenance.commandLine = CommandLine.arguments
        var formats = output.format.reduce(into: FitOutputs.Formats()) { $0.formUnion($1.formats) }
        if output.draws { formats.insert(.draws) }
        if output.fslLayout { formats.insert(.fslLayout) }
        try target.fill { place in
            let written = try FitOutputs.write(
                archive: finished.archive, lambda: value, geometry: finished.geometry, directory: place,
                provenance: provenance, formats: formats,
                threads: running.threads.nthreads)
            for warning in written.provenance.warnings where !known.contains(warning) {
                Terminal.note("warning: " + warning)
            }
            if formats.contains(.fsl) { try TensorOutputs.copy(from: [fit], to: place) }
        }
        if !running.talk.quiet { Terminal.note("written: \(folder)") }
    }
}
