import CZlib
import Foundation
import ModelSpace
import Networks
import Reporting
import Tensors
import Testing
import Volumes

@testable import Diffusion
@testable import Inference
@testable import prism_dmri

/// Something that reads files: sound examples, how to damage them, and how the program reads them. Reading ends with a
/// value or an error.
struct FuzzedParser {
    let name: String
    /// How often it is taken, relative to the others.
    let weight: Int
    let seeds: [[UInt8]]
    let mutate: (inout Mutator, [UInt8]) -> [UInt8]
    /// Reads the file at the path.
    let parse: (String) throws -> Void

    static func all(in folder: String) throws -> [FuzzedParser] {
        try images(folder) + tables(folder) + settings() + tensors(folder) + fits(folder)
    }

    static func bytes(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    // MARK: safetensors and networks

    /// The header and the length before it are damaged as a text, the length put right more often than not; or the
    /// whole as bytes.
    private static func damageTensors(_ m: inout Mutator, _ seed: [UInt8]) -> [UInt8] {
        guard m.chance(0.8) else {
            return m.binary(
                seed, fields: [(offset: 0, width: 8)] + (0..<8).map { (offset: seed.count - 4 - 4 * $0, width: 4) })
        }
        let count = seed.withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
        let header = m.text(Array(seed[8..<8 + count])), length = m.chance(0.9) ? header.count : m.below(1 << 20)
        return withUnsafeBytes(of: UInt64(length)) { Array($0) } + header + seed[(8 + count)...]
    }

    private static func tensors(_ folder: String) throws -> [FuzzedParser] {
        let path = folder + "/seed.safetensors"
        try SafetensorsWriter.write(
            [("a", [2, 3], [1, 2, 3, 4, 5, 6]), ("b", [4], [1, 2, 3, 4])], metadata: ["k": "v", "n": "{\"x\":1}"],
            to: path)
        let plain = try bytes(path)
        var c = NetworkConfiguration()
        (c.width, c.heads, c.latents, c.blocksPerReading, c.structureBlocks) = (8, 2, 2, 1, 1)
        (c.parameterWidth, c.parameterHeads, c.parameterBlocks) = (8, 2, 1)
        let network = Network(FamilyShape(BallSticks()), c)
        let origin = NetworkOrigin(
            name: "n", family: "ball-sticks", recipe: "name: n\n", simulations: 1, steps: 1, structureLoss: 1,
            parameterLoss: 1)
        try NetworkFile(network: network, weights: network.initialWeights(seed: 1), origin: origin).write(to: path)
        let whole = try bytes(path)
        let acquisition = try Acquisition(
            bValues: [0] + Array(repeating: 1000, count: 12), directions: [.zero] + DirectionSets.fibonacci(12))
        return [
            FuzzedParser(name: "safetensors", weight: 10, seeds: [plain], mutate: damageTensors) { path in
                let file = try SafetensorsReader(path: path)
                for entry in file.entries {
                    _ = try? file.floats(entry.name); _ = file.bytes(entry).reduce(0) { $0 &+ Int($1) }
                }
            },
            FuzzedParser(name: "network", weight: 6, seeds: [whole], mutate: damageTensors) { path in
                let file = try NetworkFile(path: path)
                _ = try PrismRecipe(file: file, path: path, acquisition: acquisition, options: FitOptions())
            },
        ]
    }

    // MARK: finished fits

    private static func fits(_ folder: String) throws -> [FuzzedParser] {
        let fit = folder + "/fit"
        try FileManager.default.createDirectory(atPath: fit, withIntermediateDirectories: true)
        let
            geometry = VolumeGeometry(
                shape: [3, 2, 2], affine: Affine(rows: [-2, 0, 0, 3, 0, 2, 0, -2, 0, 0, 2, -1])), draws = 3
        let metadata = PosteriorMetadata(
            family: BallSticks.family, drawLambda: 0.5, referenceLambda: 0, drawCount: draws,
            grid: geometry.spatialShape, seed: 1,
            networkName: "n", networkSHA256: "00", shardCount: 1, voxelCount: 4)
        var batch = PosteriorBatch(voxels: [1, 4, 5, 9])
        let structures = metadata.structures.rows.map(\.structure)
        for v in 1..<4 {
            (batch.quality[v], batch.meanB0[v], batch.misfit[v]) = (0, 500, 1)
            var row = [Float](repeating: 0, count: DrawColumn.count)
            for (k, x) in ([1, 0, 25, 1] as [Float]).enumerated() { row[k] = x }
            for k in 0..<v { (row[DrawColumn.fraction + k], row[DrawColumn.direction + 4 * k]) = (0.2, 1) }
            batch.records[v] = VoxelRecord(
                structures: structures, logProbability: structures.map { _ in -log(16) },
                drawn: Array(repeating: structures[4 * v], count: draws), rows: (0..<draws).flatMap { _ in row },
                layout: metadata.layout)
        }
        try PosteriorShard.write(batch, metadata: metadata, index: 0, first: 0, directory: fit)
        var provenance = FitProvenance(
            version: "0", commandLine: ["prism-dmri", "fit"], startedAt: "2026-01-01T00:00:00Z", engine: "prism",
            family: "ball-sticks", lambda: 0.5, drawLambda: 0.5,
            seed: 1, drawsPerVoxel: draws, networkName: "n", networkSHA256: "00", inputs: ["dwi": "x.nii.gz"],
            sources: ["x.nii.gz"], sourceStem: "x",
            acquisition: .init(volumeCount: 13, baselineCount: 1, shells: [.init(bValue: 1000, volumeCount: 12)]),
            threads: 1)
        (provenance.grid, provenance.affine, provenance.timings) = (
            geometry.spatialShape, geometry.affine.elements, ["fitting": 1.5]
        )
        try provenance.write(to: fit + "/fit.json")
        let shard = fit + "/" + PosteriorShard.name(0), soundShard = try bytes(shard),
            soundJSON = try bytes(fit + "/fit.json"), survey = fit + "/" + ResidualSurvey.fileName
        let table = try Acquisition(
            bValues: [0] + Array(repeating: 1000, count: 6), directions: [.zero] + DirectionSets.fibonacci(6))
        try FitResiduals(
            PosteriorArchive.shards(in: fit), lambda: 0.5, mask: [1, 4, 5, 9],
            signals: (0..<28).map { 400 + Float($0) }, acquisition: table, threads: 1
        ).volumes!.write(to: survey)
        let soundSurvey = try bytes(survey)
        func replay() throws {
            let finished = try FinishedFit(folder: fit)
            _ = try Report.html(
                PosteriorSummary(finished.archive, lambda: finished.provenance.lambda, threads: 1),
                archive: finished.archive, geometry: finished.geometry, provenance: finished.provenance,
                survey: finished.survey())
        }
        return [
            FuzzedParser(name: "residuals", weight: 2, seeds: [soundSurvey], mutate: damageTensors) { path in
                overwrite(fit + "/fit.json", soundJSON)
                overwrite(shard, soundShard)
                overwrite(survey, try bytes(path))
                try replay()
            },
            FuzzedParser(name: "archive", weight: 3, seeds: [soundShard], mutate: damageTensors) { path in
                overwrite(survey, soundSurvey)
                overwrite(fit + "/fit.json", soundJSON)
                overwrite(shard, try bytes(path))
                try replay()
            },
            FuzzedParser(name: "fit.json", weight: 3, seeds: [soundJSON], mutate: { $0.text($1) }) { path in
                overwrite(survey, soundSurvey)
                overwrite(shard, soundShard)
                overwrite(fit + "/fit.json", try bytes(path))
                try replay()
            },
        ]
    }
}
