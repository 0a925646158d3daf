import ArgumentParser
import CommandLineSupport
import Diffusion
import Files
import Foundation
import Inference
import Networks
import Reporting
import Tensors
import Volumes

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at a scan before it is fitted: gradient directions, b-values, noise, damaged volumes, mask.",
        usage: "prism-dmri check <image> [options]",
        discussion: Manual.page(
            """
            Prints a line for each part and every finding with its remedy; ends with 0, or with 1 when there is a \
            problem. \
            Gradient directions are tested on the scan itself: with the right table fibres go on from voxel to voxel \
            along their own direction. All 24 changes of signs and order of the axes are tried; how much worse the \
            others are is given in standard errors.
            """,
            examples: [
                ("look at everything", "prism-dmri check dwi.nii.gz --mask mask.nii.gz"),
                ("for a program to read", "prism-dmri check dwi.nii.gz --json"),
                ("repair a gradient table", "prism-dmri check dwi.nii.gz --corrected-bvecs right.bvec"),
            ],
            references: [
                "The test of directions: Jeurissen et al. 2014, Med Image Anal 18:953, doi:10.1016/j.media.2014.05.012",
                .veraart2016,
            ]))

    @OptionGroup(title: "Input") var input: DiffusionInput
    @Option(
        help:
            """
            Trained network: is this protocol within what it was trained on? (default: that which 'fit' takes for it).
            """,
        completion: .file()) var network: String?
    @Option(
        help: "File to write with the gradient table whose axes fit best, where the one given is wrong.",
        completion: .file())
    var correctedBvecs: String?
    @OptionGroup var threads: ThreadOptions
    @Flag(help: "Print JSON.") var json = false
    @OptionGroup var talk: TalkOptions

    func run() throws {
        Blas.prepare()
        let target = try correctedBvecs.map {
            try OutputFile($0, kind: .table, force: false, inputs: input.allFiles + [network].compactMap { $0 })
        }
        var remarks: [String] = []
        let (geometry, acquisition) = try input.open { remarks.append($0) }
        let given = try network.map { (file: try NetworkFile(path: $0), path: $0) }
        let asked = try FamilyChoice(nil, network: given.map { ($0.file.origin, $0.path) }, scan: acquisition)
        // What 'fit' would say of timing, `ScanCheck` says.
        let family = try asked.suited(
            isTimed: acquisition.hasTiming, isIgnored: input.timing.ignoreTiming, warn: { _ in }, note: { _ in })
        try family.check(given, asked: asked)
        let file = try given?.file ?? family.builtInNetwork()
        let mask = try input.openMask(geometry, acquisition) { remarks.append($0) }
        if let deviation = try input.openDeviation(geometry, mask), let file = input.deviationFile {
            remarks.append(deviation.description(path: file) + ": 'fit' takes it in.")
        }
        let bar = ProgressLine("reading", unit: "volumes", total: acquisition.count, quiet: talk.quiet)
        let series = try MaskedSeries(path: input.dwi, mask: mask) { read, _ in bar.update(read) }
        // Of a mask made here there is nothing to ask.
        let simple =
            input.maskFile == nil
            ? nil : try? Mask.simple(b0: Volume(meanOf: acquisition.unweightedIndices, in: input.dwi))
        let check = try ScanCheck(
            series: series, geometry: geometry, acquisition: acquisition, frame: input.frame, simple: simple,
            family: family.family.name, violations: file.flatMap { family.violations(of: acquisition, $0) },
            timed: asked.timedComponents, remarks: remarks,
            threads: threads.nthreads,
            shouldStop: { Interrupt.requested })
        let name = input.dwi, maskName = input.maskFile
        print(
            json
                ? check.json(image: name, mask: maskName).text
                : check.text(image: name, mask: maskName).printableLines(), terminator: json ? "" : "\n")
        if let target { try correct(check.orientation, target) }
        if let reason = Terminal.outputFailure { throw OutputLost(reason: reason) }
        if check.hasProblem { throw ExitCode(ExitStatus.other.rawValue) }
    }

    /// Writes the table that is right instead of the one given, if that is known.
    private func correct(_ test: OrientationTest, _ target: OutputFile) throws {
        guard test.verdict == .wrong, test.remaining == [test.best.change] else {
            return Terminal.note(
                "\(target.path) is not written: "
                    + (test.verdict == .right
                        ? "the table is right as it is" : "which table is right cannot be told for sure"))
        }
        var table = try input.readTable()
        table.vectors = table.vectors.map { test.best.change($0) }
        try target.write(table.frame == .fsl ? table.fslText.bvecs : table.mrtrixText)
        if !talk.quiet { Terminal.note("written: \(target.path), the table with \(test.best.change.words)") }
    }
}
