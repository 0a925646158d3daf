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

    private static func bytes(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    // MARK: images

    private static func images(_ folder: String) throws -> [FuzzedParser] {
        let geometry = VolumeGeometry(
            shape: [4, 3, 2, 5], affine: Affine(rows: [-2, 0, 0, 3, 0, 2, 0, -2, 0, 0, 2, -1]))
        let path = folder + "/seed.nii"
        try VolumeWriter.write(path, geometry: geometry, as: Int16.self) { t, grid in
            for i in grid.indices { grid[i] = Int16(i * (t + 1)) }
        }
        let first = try bytes(path)
        try VolumeWriter.write(path, geometry: geometry.withTrailing([]), as: Float.self) { _, grid in
            for i in grid.indices { grid[i] = Float(i % 2) }
        }
        let mask = try bytes(path), seeds = [first, mask, nifti2()]
        // dim, datatype, bitpix, pixdim, vox_offset, slope, codes, quaternion, sform of NIfTI-1; of NIfTI-2 what stands
        // elsewhere.
        func fields(_ single: [(Int, Int)], _ runs: [(first: Int, count: Int, width: Int)]) -> [(
            offset: Int, width: Int
        )] {
            var all: [(offset: Int, width: Int)] = single.map { (offset: $0.0, width: $0.1) }
            for run in runs {
                for k in 0..<run.count { all.append((offset: run.first + k * run.width, width: run.width)) }
            }
            return all
        }
        let one = fields(
            [(0, 4), (70, 2), (72, 2), (108, 4), (112, 4), (116, 4), (252, 2), (254, 2), (344, 4)],
            [(40, 8, 2), (76, 8, 4), (256, 6, 4), (280, 12, 4)])
        let two = fields(
            [(0, 4), (4, 8), (12, 2), (168, 8), (176, 8), (184, 8), (344, 4), (348, 4)],
            [(16, 8, 8), (104, 8, 8), (352, 6, 8), (400, 12, 8)])
        func damage(_ m: inout Mutator, _ seed: [UInt8]) -> [UInt8] {
            m.binary(seed, fields: seed[0] == 0x1C ? two : one)
        }
        func read(_ path: String) throws {
            let reader = try VolumeReader(path: path), grid = reader.geometry
            _ = try? Mask(path: path, matching: geometry, of: "the image")
            _ = try? Volume(path: path)
            guard grid.voxelsPerVolume <= 1 << 20 else { return }
            try MaskedSeries.requireSeries(grid, path: path)
            _ = try Volume(meanOf: [0], in: path)
            _ = try? Mask.simple(b0: Volume(meanOf: [0], in: path))
            _ = try MaskedSeries(
                path: path,
                mask: Mask(
                    geometry: grid,
                    indices: [0, grid.voxelsPerVolume - 1].sorted().reduce(into: []) {
                        if $0.last != $1 { $0.append($1) }
                    }))
        }
        return [
            FuzzedParser(name: "nifti", weight: 16, seeds: seeds, mutate: damage, parse: read),
            FuzzedParser(
                name: "nifti.gz", weight: 8, seeds: seeds,
                mutate: { m, seed in
                    let packed = gzip(damage(&m, seed))
                    return m.chance(0.5) ? packed : m.binary(packed, fields: [])
                }, parse: read),
            FuzzedParser(
                name: "image.mif", weight: 10, seeds: mrtrix(),
                mutate: { m, seed in
                    m.chance(0.7) ? m.text(seed) : m.binary(seed, fields: [])
                }, parse: read),
        ]
    }

    /// Small MRtrix3 images: volumes interleaved with a gradient table, and bits.
    private static func mrtrix() -> [[UInt8]] {
        let transform = "transform: 1,0,0,-3\ntransform: 0,1,0,4\ntransform: 0,0,1,0\n"
        let series =
            "mrtrix image\ndim: 4,3,2,5\nvox: 2,2,2,1\nlayout: -1,+2,+3,+0\ndatatype: Int16LE\n" + transform
            + "dw_scheme: 0,0,0,0\ndw_scheme: 0.6,0.8,0,1000\nscaling: 0,2\nfile: . 256\nEND\n"
        let bits =
            "mrtrix image\ndim: 4,3,2\nvox: 2,2,2\nlayout: +0,+1,+2\ndatatype: Bit\n" + transform + "file: . 192\nEND\n"
        func padded(_ text: String, to offset: Int, _ data: Int) -> [UInt8] {
            Array(text.utf8) + [UInt8](repeating: 0, count: offset - text.utf8.count)
                + (0..<data).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        }
        return [padded(series, to: 256, 240), padded(bits, to: 192, 3)]
    }

    /// A small NIfTI-2 image: 3 × 2 × 2 of int16.
    private static func nifti2() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 544 + 24)
        func put<T>(_ value: T, _ offset: Int) {
            withUnsafeBytes(of: value) { for (k, byte) in $0.enumerated() { bytes[offset + k] = byte } }
        }
        put(Int32(540), 0)
        for (k, byte) in Array("n+2\0\r\n\u{1a}\n".utf8).enumerated() { bytes[4 + k] = byte }
        put(Int16(4), 12); put(Int16(16), 14)
        for (k, n) in [3, 3, 2, 2, 1, 1, 1, 1].enumerated() { put(Int64(n), 16 + 8 * k) }
        for k in 0..<8 { put(2.0, 104 + 8 * k) }
        put(Int64(544), 168); put(1.0, 176)
        put(Int32(1), 348)
        for k in 0..<3 { put(2.0, 400 + 40 * k) }
        return bytes
    }

    private static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        var stream = z_stream(), out = [UInt8](repeating: 0, count: bytes.count + bytes.count / 100 + 128),
            source = bytes
        deflateInit2_(
            &stream, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        let count = source.withUnsafeMutableBufferPointer { source in
            out.withUnsafeMutableBufferPointer { out in
                (stream.next_in, stream.avail_in, stream.next_out, stream.avail_out) = (
                    source.baseAddress, UInt32(source.count), out.baseAddress, UInt32(out.count)
                )
                deflate(&stream, Z_FINISH)
                return out.count - Int(stream.avail_out)
            }
        }
        deflateEnd(&stream)
        return Array(out[..<count])
    }

    // MARK: gradient tables

    private static func tables(_ folder: String) throws -> [FuzzedParser] {
        let directions = DirectionSets.fibonacci(12),
            b = [0.0] + Array(repeating: 1000.0, count: 6) + Array(repeating: 2000.0, count: 6)
        let text = GradientTable(bValues: b, vectors: [.zero] + directions, frame: .fsl).fslText
        let mrtrix = zip(b, [.zero] + directions).map { "\($1.x) \($1.y) \($1.z) \($0)\n" }.joined()
        let bvals = folder + "/sound.bval", bvecs = folder + "/sound.bvec"
        try Data(text.bvals.utf8).write(to: URL(fileURLWithPath: bvals))
        try Data(text.bvecs.utf8).write(to: URL(fileURLWithPath: bvecs))
        func use(_ table: GradientTable) {
            for conversion in [
                try! FrameConversion(affine3x3: [2, 0, 0, 0, 2, 0, 0, 0, 2]),
                try! FrameConversion(affine3x3: [-2, 0, 0, 0, 2, 0, 0, 0, 2]),
            ] {
                for lengths in [Acquisition.LengthRule.normalise, .scaleByLength] {
                    if let a = try? table.acquisition(conversion: conversion, volumes: nil, lengths: lengths) {
                        _ = ProtocolMixture().rangeViolations(of: a)
                    }
                }
            }
        }
        return [
            FuzzedParser(name: "bvals", weight: 10, seeds: [Array(text.bvals.utf8)], mutate: { $0.text($1) }) {
                use(try GradientTable.readFSL(bvals: $0, bvecs: bvecs))
            },
            FuzzedParser(name: "bvecs", weight: 10, seeds: [Array(text.bvecs.utf8)], mutate: { $0.text($1) }) {
                use(try GradientTable.readFSL(bvals: bvals, bvecs: $0))
            },
            FuzzedParser(name: "mrtrix.b", weight: 10, seeds: [Array(mrtrix.utf8)], mutate: { $0.text($1) }) {
                use(try GradientTable.readMRtrix($0))
            },
        ]
    }

    // MARK: YAML

    private static func settings() -> [FuzzedParser] {
        let acquisitions = [
            """
            name: a\ndescription: >-\n  Two lines\n  of text.\nunweighted: {count: 3, b: 5, placement: \
            spread}\nshells:\n  - {b: 1000, directions: 12}\n  - {b: 2500.5, directions: 20}\ntiming: {delta: 10.6, \
            Delta: 43.1}\n
            """,
            "name: \"b\"\nunweighted:\n  count: 1\nshells: [{b: 1000, directions: 6}]\n",
        ]
        let recipe =
            """
            name: r\nfamily: ball-sticks\ntraining:\n  seed: 1\n  batch: 256\n  chunk: 16\n  noiseDraws: 2\n  rate: \
            1.2e-3\n  warmup: 500\n
            """
                + """
                  network: {width: 64, heads: 4, latents: 16, blocksPerReading: 2, parameterWidth: 64, \
                parameterHeads: 4}\n
                """
                + """
                mixture: {singleShell: 0.3, known: 0.2, smallestB: 300, largestB: 6000, largestCount: 320, \
                largestUnweightedCount: 18, jitter: 0.5}\n
                """
        // Every kind of presence, prior, reference, condition and rule.
        let composed =
            """
            name: c\nfamily:\n  name: f\n  shared: {d: log-uniform 1e-4 4e-3 in mm^2/s}\n  components:\n    ball: \
            {presence: always, weight: rest, signal:\u{20}
            """
                + """
                [{compartment: ball, when: [spread], spread: spread.s / d}, ball]}\n    bundle:\n      presence: up \
                to 2\n      weight: 0.05\n      parameters: {mu: axis}\n
                """
                + """
                      common: {odi: uniform 0.02 0.9}\n      fibre: mu\n      signal:\n        - {compartment: noddi, \
                when: [extra=free], f_in: extra.f_in, ratio: 1 - extra.f_in * 0.5, d_par: d}\n
                """
                + """
                        - {compartment: watson_stick, d: d}\n    extra: {presence: "one of none, free", parameters: \
                {f_in: uniform 0.05 0.95 for free}}\n
                """
                + """
                    tensor: {weight: 0.1, parameters: {d2: 1e-3, d3: uniform 1e-4 1e-3, r: rotation}, signal: \
                {compartment: tensor, d1: d, rotation: r}}\n
                """
                + """
                    spread: {parameters: {s: log-uniform 0.1 1 of d}}\n  rules: [extra needs bundle or tensor, at \
                most 3 of bundle, tensor, tensor excludes spread]\n  noise: {kinds: [gaussian, rician], snr: \
                log-uniform 3 150}\ntraining: {batch: 32}\n
                """
        return [
            FuzzedParser(
                name: "acquisition.yaml", weight: 14, seeds: acquisitions.map { Array($0.utf8) },
                mutate: { $0.text($1) }
            ) { path in
                let file = try AcquisitionFile(path: path)
                // Making thousands of directions takes its time, and is no parser's.
                if file.shells.reduce(0, { $0 + $1.directions }) <= 200 {
                    _ = ProtocolMixture().rangeViolations(of: try file.acquisition())
                }
            },
            FuzzedParser(
                name: "recipe.yaml", weight: 20, seeds: [Array(recipe.utf8), Array(composed.utf8)],
                mutate: { $0.text($1) }
            ) { path in
                let recipe = try Recipe(yaml: Recipe.text(path: path), path: path)
                var random = RandomSource(seed: 2)
                let design = recipe.mixture.draw(using: &random)
                _ = recipe.training.drawLambda(&random)
                // What is accepted can be simulated, and its table written.
                guard let family = recipe.composed else { return }
                _ = FamilyTable(family.composition).text
                let z = family.structureSpace.structures.last!, count = family.tokenCount * family.coordinateCount
                var theta = [Double](repeating: 0, count: family.parameterNames.count),
                    y = [Float](repeating: 0, count: design.count)
                var features = [Float](repeating: 0, count: design.count * family.featureCount),
                    summary = [Float](repeating: 0, count: family.summaryCount)
                var coordinates = [Float](repeating: 0, count: count)
                family.drawParameters(z, design, using: &random, into: &theta)
                family.simulate(&theta, z, design, using: &random, into: &y)
                let frame = family.observe(y, design, features: &features, summary: &summary)
                family.encode(theta, z, design, frame, into: &coordinates)
                guard (coordinates + y).allSatisfy(\.isFinite), family.logPrior(theta, z).isFinite else {
                    throw Unsound(what: "a simulation of the family")
                }
            },
        ]
    }

    /// A family that was accepted and then gave numbers that are none: no refusal, and so told apart from one.
    struct Unsound: Error, CustomStringConvertible {
        let what: String
        init(what: String) {
            self.what = what
            Issue.record("\(what) is not sound")
        }
        var description: String { what }
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
        try ResidualSurvey(
            PosteriorArchive.shards(in: fit), lambda: 0.5, mask: [1, 4, 5, 9],
            signals: (0..<28).map { 400 + Float($0) }, acquisition: table, threads: 1
        ).write(to: survey)
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
