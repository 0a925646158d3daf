import ArgumentParser
import CommandLineSupport
import Files
import Foundation
import Inference
import Reporting
import Volumes

struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Join the parts of a fit made with 'fit --shard I/N', and write all maps.",
        usage: "prism-dmri merge <parts> ... --out <folder> [options]",
        discussion: Manual.page(
            """
            Every part holds some of one fit's posterior-*.safetensors, or pieces of them, and a fit.json. They are \
            checked to belong together and to be complete, \
            then joined in --out, whose files are those of a fit made in one go, byte for byte.
            """,
            examples: [
                ("two halves, made on two machines", "prism-dmri merge part1 part2 --out fit"),
                ("a lean copy of a finished fit", "prism-dmri merge fit --out lean --write bids --keep structures"),
            ]))

    struct Input: ParsableArguments {
        @Argument(help: "Folders of the parts.", completion: .directory) var parts: [String]

        func validate() throws {
            guard !parts.isEmpty else { throw ValidationError("Name the folders of the parts.") }
        }
    }

    struct Output: ParsableArguments {
        @Option(help: "Folder to write.", completion: .directory) var out: String
        @OptionGroup var choice: OutputChoice
        @Option(help: KeptPosterior.help) var keep: KeptPosterior = .draws
        @Flag(help: "Replace a fit already in --out.") var force = false
        @Flag(
            help: """
                When the whole fit is in --out, remove what 'fit' wrote in the parts' folders, and those that are \
                empty \
                then; other files stay.
                """)
        var removeParts = false
    }

    @OptionGroup(title: "Input") var input: Input
    @OptionGroup(title: "Output") var output: Output
    @OptionGroup(title: "Running") var running: ReadingOptions

    func run() throws {
        let parts = input.parts, out = output.out, keep = output.keep
        let gathered = try gather(parts), metadata = gathered.metadata
        let provenances = try parts.map { try FitProvenance(path: $0 + "/fit.json") }
        var provenance = Self.join(provenances, parts: parts)
        provenance.kept = keep == .draws ? nil : keep
        let geometry = try FinishedFit.geometry(of: provenance, folders: parts)
        try FinishedFit.require(metadata.grid, in: geometry, folder: parts[0])
        let inputs = parts + gathered.shards.flatMap { $0.files.map(\.path) }
        // Whether the parts can go is found out before anything is written.
        let spent =
            output.removeParts
            ? try parts.map { try OutputFolder($0, by: program, kind: .fit, mode: .force, inputs: [out]) } : []
        let target = try OutputFolder(
            out, by: program, kind: .fit, mode: output.force ? .force : .fresh, inputs: inputs)
        let known = Set(provenance.warnings)
        try target.fill { place in
            for shard in gathered.shards {
                try shard.write(to: place, metadata: metadata)
            }
            let archive = try PosteriorArchive(directory: place)
            let noise = try FinishedFit.noise(
                of: archive, geometry: geometry, folders: parts, origin: provenance.noiseOrigin)
            let survey = ResidualSurvey.joining(
                try parts.map { try FinishedFit.survey(in: $0, grid: archive.metadata.grid) })
            if output.choice.formats.contains(.report) { try survey?.write(to: place + "/" + ResidualSurvey.fileName) }
            let written = try FitOutputs.write(
                archive: archive, lambda: provenance.lambda, geometry: geometry, directory: place,
                provenance: provenance, formats: output.choice.formats, noise: noise, survey: survey,
                threads: running.threads.nthreads)
            for warning in written.provenance.warnings where !known.contains(warning) {
                Terminal.note("warning: " + warning)
            }
            if output.choice.formats.contains(.fsl) { try TensorOutputs.copy(from: parts, to: place) }
            try target.keep(keep, of: archive)
        }
        Fit.warnOfEarlierReadings(target)
        for part in spent {
            let others = try part.discard()
            if let one = others.first {
                Terminal.note("warning: \(part.name) stays: it holds \(others.count) other files, such as \(one)")
            }
        }
        if !running.talk.quiet { Terminal.note("\(metadata.shardCount) shards of \(parts.count) parts joined: \(out)") }
    }

    /// One shard of the fit to be: a file as it is, or voxels from several.
    private struct Joined {
        var index: Int, first: Int, files: [PosteriorShard]

        var count: Int { files.first { $0.isWhole }?.count ?? Set(files.flatMap(\.voxels)).count }

        func write(to folder: String, metadata: PosteriorMetadata) throws {
            if let whole = files.first(where: \.isWhole), whole.metadata.format == metadata.format {
                try FileManager.default.copyItem(atPath: whole.path, toPath: folder + "/" + PosteriorShard.name(index))
            } else {
                try PosteriorShard.write(
                    PosteriorBatch(joining: files), metadata: metadata, index: index, first: first, directory: folder)
            }
        }
    }

    /// The shards of all parts in order: of one fit, complete, no file named twice.
    private func gather(_ parts: [String]) throws -> (metadata: PosteriorMetadata, shards: [Joined]) {
        var byIndex: [Int: [PosteriorShard]] = [:], reference: PosteriorShard?
        for part in parts {
            let shards = try PosteriorArchive.shards(in: part)
            // With more parts than voxels some parts are empty, but they say so.
            if shards.isEmpty && !FileManager.default.fileExists(atPath: part + "/fit.json") {
                throw PosteriorArchiveError.empty(directory: part)
            }
            for shard in shards {
                if let reference, let difference = reference.metadata.difference(shard.metadata) {
                    throw MergeError.otherFit(path: shard.path, reference: reference.path, difference: difference)
                }
                if let twin = byIndex[shard.index]?.first(where: {
                    $0.first == shard.first && $0.isWhole == shard.isWhole && $0.count == shard.count
                }) {
                    throw MergeError.twice(index: shard.index, paths: [twin.path, shard.path])
                }
                byIndex[shard.index, default: []].append(shard)
                reference = reference ?? shard
            }
        }
        // Parts of an earlier version become files of this one.
        guard let metadata = reference?.metadata.inCurrentFormat else {
            throw PosteriorArchiveError.empty(directory: parts[0])
        }
        var joined: [Joined] = [], position = 0
        for (index, files) in byIndex.sorted(by: { $0.key < $1.key }) {
            joined.append(Joined(index: index, first: position, files: files))
            position += joined.last!.count
        }
        guard position >= metadata.voxelCount else {
            throw MergeError.missing(metadata.voxelCount - position, of: metadata.voxelCount)
        }
        return (metadata, joined)
    }

    /// What the parts say of themselves, as one: work is added up, warnings are told once.
    private static func join(_ all: [FitProvenance], parts: [String]) -> FitProvenance {
        var joined = all.first { $0.grid.count == 3 && $0.affine.count == 16 } ?? all[0]
        joined.commandLine = CommandLine.arguments
        joined.startedAt = all.map(\.startedAt).filter { !$0.isEmpty }.min() ?? ""
        joined.peakMemoryBytes = all.map(\.peakMemoryBytes).max()!
        joined.noiseOrigin = all.lazy.compactMap(\.noiseOrigin).first
        joined.residuals = ShellResiduals.joining(all.map(\.residuals))
        joined.timings = [:]
        joined.warnings = []
        for (part, one) in zip(parts, all) {
            for stage in ["reading", "noise", "fitting"] {
                if let seconds = one.timings[stage] { joined.timings[stage, default: 0] += seconds }
            }
            for warning in one.warnings where !joined.warnings.contains(warning) { joined.warnings.append(warning) }
            joined.inputs["part " + part] = one.commandLine.joined(separator: " ")
        }
        return joined
    }
}

/// Why parts do not make a fit.
enum MergeError: CommandFailure {
    case otherFit(path: String, reference: String, difference: String)
    case twice(index: Int, paths: [String])
    case missing(Int, of: Int)

    var exitStatus: ExitStatus { .badData }

    var description: String {
        switch self {
        case let .otherFit(path, reference, difference):
            "\(path) belongs to another fit than \(reference) (\(difference)); merge parts of one fit only"
        case let .twice(index, paths):
            "shard \(index) is there twice, as \(paths[0]) and \(paths[1]); name each part once"
        case let .missing(missing, count):
            "\(missing) of \(count) voxels are in none of the parts; name all parts, or finish them with --resume"
        }
    }
}
