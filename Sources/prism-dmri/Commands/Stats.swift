import ArgumentParser
import CommandLineSupport
import Foundation
import Inference
import Reporting
import Volumes

struct Stats: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Numbers of regions and bundles of a finished fit, with the posterior's standard deviation.",
        usage: "prism-dmri stats <fit> (--roi <image> | --tracks <file>) [options]",
        discussion: Manual.page(
            """
            A table (tab-separated) with a row for each region and quantity: the posterior mean of the region's mean, \
            its \
            standard deviation and 5, 50 and 95 % quantiles, and how much the region's voxels differ (voxel_sd). \
            p_fibresN is the share of voxels with N fibres. Of maps without a posterior (misfit, dti_fa, dti_md) the \
            mean \
            alone \
            is given. Voxels count as independent: noise that neighbours share, as after interpolation, is not in sd.
            """,
            examples: [
                ("regions of an atlas", "prism-dmri stats fit --roi labels.nii.gz --names lut.txt --out regions.tsv"),
                ("along a bundle", "prism-dmri stats fit --tracks cst.tck --nodes 50"),
            ]))

    struct Input: ParsableArguments {
        @Argument(help: "Folder of a finished fit.", completion: .directory) var fit: String
        @Option(help: "Image of labels on the fit's grid: a region for each whole number above 0.", completion: .file())
        var roi: String?
        @Option(
            help: "Names of the labels: text with a number and a name in each line, as FreeSurfer and MRtrix3 have.",
            completion: .file())
        var names: String?
        @Option(
            help: "Streamlines (.tck): the bundle as a whole, voxels weighted by the length within, and along it.",
            completion: .file())
        var tracks: String?
        @Option(help: "Stretches of equal length along the bundle, from one end to the other.") var nodes = 20
        @Option(help: "λ of what is read (default: that of the fit's maps).") var lambda: Double?

        func validate() throws {
            guard roi != nil || tracks != nil else { throw ValidationError("Give --roi, --tracks or both.") }
            guard names == nil || roi != nil else {
                throw ValidationError("--names are those of --roi, which is missing.")
            }
            guard (1...1000).contains(nodes) else { throw ValidationError("--nodes must lie between 1 and 1000.") }
            if let lambda {
                guard lambda >= 0, lambda <= 10 else { throw ValidationError("--lambda must lie between 0 and 10.") }
            }
        }
    }

    struct Output: ParsableArguments {
        @Option(help: "File to write (default: standard output).", completion: .file()) var out: String?
        @Flag(help: "Replace a table already there.") var force = false
    }

    struct Running: ParsableArguments {
        @Option(help: "Seed of the draws that are taken together.") var seed: UInt64 = 1
        @OptionGroup var threads: ThreadOptions
        @OptionGroup var debugging: DebugOptions
    }

    @OptionGroup(title: "Input") var input: Input
    @OptionGroup(title: "Output") var output: Output
    @OptionGroup(title: "Running") var running: Running

    func run() throws {
        let fit = input.fit, lambda = input.lambda, roi = input.roi, names = input.names, tracks = input.tracks
        let finished = try FinishedFit(folder: fit), archive = finished.archive
        guard lambda == nil || archive.metadata.notes["engine"] != "mcmc" else {
            throw ValidationError("\(fit) was made by --engine mcmc, for which λ has no meaning; leave out --lambda.")
        }
        let file = try output.out.map {
            try OutputFile($0, kind: .statistics, force: output.force, inputs: [roi, names, tracks].compactMap { $0 })
        }
        let value = lambda ?? finished.provenance.lambda
        if let warning = LambdaRange.warning(value, archive.metadata) { Terminal.note("warning: " + warning) }
        let mask = Mask(geometry: finished.geometry, indices: archive.shards.flatMap { $0.voxels.map(Int.init) })
        var regions: [VoxelRegion] = []
        if let roi {
            regions += try LabelRegions.read(
                roi, names: try names.map(LabelRegions.names) ?? [:], mask: mask, of: fit,
                warn: { Terminal.note("warning: " + $0) })
        }
        if let tracks {
            let lines = try Streamlines(path: tracks)
            regions += try BundleRegions.read(
                lines, path: tracks, nodes: input.nodes, mask: mask, warn: { Terminal.note("warning: " + $0) })
        }
        if !archive.metadata.hasDraws {
            Terminal.note("warning: \(fit) kept no draws (--keep structures): only numbers of structures are given")
        }
        let summary = PosteriorSummary(archive, lambda: value, threads: running.threads.nthreads)
        let statistics = RegionStatistics(
            archive, summary, regions: regions, seed: running.seed, threads: running.threads.nthreads)
        let text = try RegionTable.text(
            statistics, regions: regions, summary: summary, mask: mask, folder: fit)
        if let file { try file.write(text) } else { print(text, terminator: "") }
    }
}
