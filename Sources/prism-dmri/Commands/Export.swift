import ArgumentParser
import Foundation
import Inference
import Reporting

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a finished fit for other tools: FSL, MRtrix3, DIPY or BIDS, from the fit's folder alone.",
        discussion: """
            fsl: fsl.bedpostX/ for probtrackx2. mrtrix: mrtrix/peaks.nii.gz (twice the fraction long, for tckgen's \
            cutoff of \
            0.1), fixels and fod.mif.gz, the draws' density for iFOD2. dipy: peaks along voxel axes and fod_sh.nii.gz, \
            the same for its probabilistic tracker. bids: dwi/*_dwimap.nii.gz with sidecars. Directions \
            are in the frame that each tool expects. quality.nii.gz, misfit.nii.gz and fit.json come along.
            """)

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

    @Argument(help: "Folder of a finished fit.") var fit: String
    @Option(help: "For whom: \(Format.allCases.map(\.rawValue).joined(separator: ", ")); may be given several times.")
    var format: [Format]
    @Option(help: "λ of what is written (default: that of the fit's maps).") var lambda: Double?
    @Option(help: "Folder to write (default: FIT/export).") var out: String?
    @Option(help: "Worker threads (default: all cores).") var nthreads: Int = ProcessInfo.processInfo
        .activeProcessorCount
    @Flag(help: "With mrtrix and bids: every posterior draw as well (large).") var draws = false
    @Flag(help: "With fsl: its files at the folder's top, as in bedpostX's SUBJECT.bedpostX, not in fsl.bedpostX/.")
    var fslLayout = false
    @Flag(help: "Replace an export already there.") var force = false
    @Flag(help: "No progress on stderr; warnings remain.") var quiet = false

    func validate() throws {
        guard !format.isEmpty else {
            throw ValidationError("--format is needed: \(Format.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        if fslLayout, !format.contains(.fsl) { throw ValidationError("--fsl-layout belongs to --format fsl.") }
        if let lambda {
            guard lambda >= 0, lambda <= 10 else { throw ValidationError("--lambda must lie between 0 and 10.") }
        }
        guard (1...1024).contains(nthreads) else { throw ValidationError("--nthreads must lie between 1 and 1024.") }
    }

    func run() throws {
        let finished = try FinishedFit(folder: fit), folder = out ?? fit + "/export"
        var provenance = finished.provenance
        let value = lambda ?? provenance.lambda
        let target = try OutputFolder(folder, kind: .export, mode: force ? .force : .fresh, inputs: [fit])
        if let warning = LambdaRange.warning(value), !provenance.warnings.contains(warning) {
            Progress.note("warning: " + warning)
            provenance.warnings.append(warning)
        }
        let known = Set(provenance.warnings)
        provenance.commandLine = CommandLine.arguments
        var formats = format.reduce(into: FitOutputs.Formats()) { $0.formUnion($1.formats) }
        if draws { formats.insert(.draws) }
        if fslLayout { formats.insert(.fslLayout) }
        try target.fill { place in
            let written = try FitOutputs.write(
                archive: finished.archive, lambda: value, geometry: finished.geometry, directory: place,
                provenance: provenance, formats: formats,
                threads: nthreads)
            for warning in written.provenance.warnings where !known.contains(warning) {
                Progress.note("warning: " + warning)
            }
            if formats.contains(.fsl) { try TensorOutputs.copy(from: [fit], to: place) }
        }
        if !quiet { Progress.note("written: \(folder)") }
    }
}
