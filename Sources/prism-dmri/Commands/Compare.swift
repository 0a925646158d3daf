import ArgumentParser
import CommandLineSupport
import Foundation
import Inference
import Reporting
import Volumes

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Log Bayes factors of two fits of one scan: which family explains each voxel better.",
        usage: "prism-dmri compare <first> <second> [options]",
        discussion: Manual.page(
            """
            Prints a tab-separated table: ln p(y | A) − ln p(y | B), in nats, over all voxels and by the most probable \
            number of fibres of A; 3 nats are strong evidence, 5 very strong. Both fits must be of the same scan, mask \
            and noise. At --lambda above 0 plain structures count more within each family. --map writes the \
            differences as an image, 0 where voxels are left out.
            """,
            examples: [
                ("does tissue explain the scan better?", "prism-dmri compare fit-tissue fit-ball-sticks"),
                ("where", "prism-dmri compare fit-tissue fit-ball-sticks --lambda 0 --map bayes.nii.gz"),
            ]))

    struct Input: ParsableArguments {
        @Argument(help: "Folder of a finished fit.", completion: .directory) var first: String
        @Argument(help: "Folder of a finished fit of the same scan with another family.", completion: .directory)
        var second: String
        @Option(help: "λ at which structures are weighed (default: that of both fits' maps).") var lambda: Double?

        func validate() throws {
            if let lambda {
                guard lambda >= 0, lambda <= 10 else { throw ValidationError("--lambda must lie between 0 and 10.") }
            }
        }
    }

    struct Output: ParsableArguments {
        @Option(
            help: "Image to write (.nii, .nii.gz): the log Bayes factor of every voxel.", completion: .file())
        var map: String?
        @Flag(help: "Print JSON.") var json = false

        func validate() throws {
            if let map, !map.hasSuffix(".nii"), !map.hasSuffix(".nii.gz") {
                throw ValidationError("--map must end in .nii or .nii.gz.")
            }
        }
    }

    @OptionGroup(title: "Input") var input: Input
    @OptionGroup(title: "Output") var output: Output

    func run() throws {
        let first = input.first, second = input.second, lambda = input.lambda, json = output.json
        let target = try output.map.map { try OutputFile($0, kind: .table, force: false) }
        let a = try FinishedFit(folder: first), b = try FinishedFit(folder: second)
        guard lambda != nil || a.provenance.lambda == b.provenance.lambda else {
            throw ValidationError(
                "\(first) and \(second) have maps of λ = \(a.provenance.lambda) and \(b.provenance.lambda); give "
                    + "--lambda."
            )
        }
        guard a.geometry.affine == b.geometry.affine else {
            throw FitComparisonError.differentFits(
                first, second, reason: "their images lie differently in the scanner")
        }
        let comparison = try FitComparison(a.archive, b.archive, lambda: lambda ?? a.provenance.lambda)
        let fits = [a, b].map(\.archive.metadata)
        let report = ComparisonReport(
            comparison, fits: [first, second], families: fits.map(\.family.name),
            leastLambdas: Dictionary(fits.map { ($0.family.name, $0.leastLambda) }, uniquingKeysWith: max))
        if let target {
            let mask = Mask(geometry: a.geometry, indices: comparison.voxels)
            try VolumeWriter.write(
                target.path, mask: mask, as: Float.self, description: "prism-dmri log Bayes factor",
                meaning: ImageMeaning(.estimate)
            ) { _, buffer in
                for v in buffer.indices { buffer[v] = Float(comparison.logBayesFactor[v]) }
            }
        }
        for text in report.warnings { Terminal.note("warning: " + text) }
        print(json ? report.json.text : report.text, terminator: json ? "\n" : "")
    }
}
