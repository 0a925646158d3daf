import ArgumentParser
import Foundation
import Inference
import Reporting

struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Join the parts of a fit made with 'fit --shard I/N', and write all maps.",
        discussion: """
            Every part holds some of one fit's posterior-*.safetensors and a fit.json. They are checked to belong together and to be complete, then copied to --out, \
            whose maps are those of a fit made in one go, byte for byte.
            """)

    @Argument(help: "Folders of the parts.") var parts: [String]
    @Option(help: "Folder to write.") var out: String
    @Option(help: "Worker threads (default: all cores).") var nthreads: Int = ProcessInfo.processInfo.activeProcessorCount
    @Flag(help: "Replace a fit already in --out.") var force = false
    @Flag(help: "No progress on stderr; warnings remain.") var quiet = false

    func validate() throws {
        guard !parts.isEmpty else { throw ValidationError("Name the folders of the parts.") }
        guard (1...1024).contains(nthreads) else { throw ValidationError("--nthreads must lie between 1 and 1024.") }
    }

    func run() throws {
        try FinishedFit.requireOther(out, than: parts)
        let shards = try gather()
        let provenances = try parts.map { try FitProvenance(path: $0 + "/fit.json") }
        let provenance = Self.join(provenances, parts: parts)
        let geometry = try FinishedFit.geometry(of: provenance, folders: parts)
        let target = try FreshFolder(out, marker: "fit.json", force: force)
        let known = Set(provenance.warnings)
        try target.fill { place in
            for shard in shards {
                let copy = place + "/" + (shard.path as NSString).lastPathComponent
                do { try FileManager.default.copyItem(atPath: shard.path, toPath: copy) } catch {
                    throw FreshFolderError.writeFailed(path: out, reason: error.localizedDescription)
                }
            }
            let archive = try PosteriorArchive(directory: place)
            let noise = try FinishedFit.noise(of: archive, geometry: geometry, folders: parts, origin: provenance.noiseOrigin)
            let written = try FitOutputs.write(
                archive: archive, lambda: provenance.lambda, geometry: geometry, directory: place, provenance: provenance,
                formats: .standard.union(.dipy), noise: noise, threads: nthreads)
            for warning in written.provenance.warnings where !known.contains(warning) { Progress.note("warning: " + warning) }
        }
        if !quiet { Progress.note("\(shards.count) shards of \(parts.count) parts joined: \(out)") }
    }

    /// The shards of all parts in order: of one fit, each there once.
    private func gather() throws -> [PosteriorShard] {
        var byIndex: [Int: PosteriorShard] = [:], first: PosteriorShard?
        for part in parts {
            let shards = try PosteriorArchive.shards(in: part)
            // With more parts than shards some parts are empty, but they say so.
            if shards.isEmpty && !FileManager.default.fileExists(atPath: part + "/fit.json") { throw PosteriorArchiveError.empty(directory: part) }
            for shard in shards {
                if let first, first.metadata != shard.metadata {
                    throw MergeError.otherFit(path: shard.path, reference: first.path, difference: first.metadata.difference(shard.metadata))
                }
                if let twin = byIndex[shard.index] { throw MergeError.twice(index: shard.index, paths: [twin.path, shard.path]) }
                byIndex[shard.index] = shard
                first = first ?? shard
            }
        }
        guard let first else { throw PosteriorArchiveError.empty(directory: parts[0]) }
        let count = first.metadata.shardCount, missing = (0..<count).filter { byIndex[$0] == nil }
        guard missing.isEmpty else { throw MergeError.missing(missing, of: count) }
        return (0..<count).map { byIndex[$0]! }
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
            for stage in ["reading", "noise", "fitting"] { if let seconds = one.timings[stage] { joined.timings[stage, default: 0] += seconds } }
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
    case missing([Int], of: Int)

    var exitStatus: ExitStatus { .badData }

    var description: String {
        switch self {
        case let .otherFit(path, reference, difference): "\(path) belongs to another fit than \(reference) (\(difference)); merge parts of one fit only"
        case let .twice(index, paths): "shard \(index) is there twice, as \(paths[0]) and \(paths[1]); name each part once"
        case let .missing(missing, count):
            "\(missing.count) of \(count) shards are in none of the parts (\(missing.prefix(5).map(String.init).joined(separator: ", "))\(missing.count > 5 ? ", …" : "")); "
                + "name all parts, or finish them with --resume"
        }
    }
}
