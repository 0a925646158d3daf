import Diffusion
import Foundation
import ModelSpace
import Tensors
import TestFixtures
import Testing

@testable import Inference

/// Archives of lists: of a family of few structures, and of one of too many to have a row for each.
struct ListArchiveTests {
    /// 2²⁰ · 4 · 2 structures: terms, up to three fibres, two noises.
    static let many: FamilyDescription = {
        let terms = (0..<20).map {
            ComponentGroup(
                "term\($0)", .optional,
                [Parameter("a", "", .coefficient(sd: 1)), Parameter("d", "mm^2/s", .logUniform(low: 1e-4, high: 5e-3))])
        }
        let fibres = ComponentGroup(
            "fibre", .upTo(3), [Parameter("f", "", .weight(floor: 0.05)), Parameter("mu", "", .axis)], fibreAxis: "mu")
        let noise = ComponentGroup(
            "noise", .oneOf(["gaussian", "rician"]), [Parameter("snr", "", .logUniform(low: 3, high: 150))])
        do {
            return try FamilyDescription(
                "many", shared: [Parameter("s", "", .uniform(low: 0, high: 1))], groups: terms + [fibres], noise: noise)
        } catch {
            fatalError("\(error)")
        }
    }()

    struct Voxel { var structures: [Structure], log: [Double], logRest: Double, drawn: [Structure], rows: [Float] }

    /// A voxel's list of `count` structures and 5 draws.
    static func voxel(_ seed: UInt64, _ metadata: PosteriorMetadata, count: Int) -> Voxel {
        var random = RandomSource(seed: seed), all: Set<Structure> = []
        let rule = metadata.layout.rule, p = metadata.layout.count
        while all.count < count { all.insert(rule.draw(lambda: 0.3, using: &random)) }
        let structures = all.sorted().reversed().map { $0 }, log = structures.map { _ in 4 * random.normal() }
        let drawn = (0..<5).map { _ in structures[random.index(below: count)] }
        var rows = [Float](repeating: 0, count: 5 * p)
        for (d, z) in drawn.enumerated() {
            for c in metadata.layout.columns(of: z) { rows[d * p + c] = Float(Float16(random.normal())) }
        }
        return Voxel(structures: structures, log: log, logRest: -3, drawn: drawn, rows: rows)
    }

    static func write(_ folder: String) throws -> (metadata: PosteriorMetadata, voxels: [Voxel?]) {
        let metadata = PosteriorMetadata(
            family: many, drawLambda: 0.5, referenceLambda: 0, drawCount: 5, grid: [4, 2, 1], seed: 1, shardCount: 2,
            voxelCount: 7)
        var all: [Voxel?] = []
        for (index, range) in [0..<4, 4..<7].enumerated() {
            var batch = PosteriorBatch(voxels: range.map(Int32.init))
            for (i, v) in range.enumerated() {
                let voxel = v == 2 ? nil : Self.voxel(UInt64(v), metadata, count: [1, 7, 0, 40, 200, 256, 12][v])
                all.append(voxel)
                guard let voxel else { continue }
                (batch.quality[i], batch.meanB0[i], batch.misfit[i]) = (0, 100, 1)
                batch.records[i] = VoxelRecord(
                    structures: voxel.structures, logProbability: voxel.log, logRest: voxel.logRest, restParameters: 2,
                    drawn: voxel.drawn, rows: voxel.rows,
                    layout: metadata.layout)
            }
            try PosteriorShard.write(
                batch, metadata: metadata, index: index, first: range.lowerBound, directory: folder)
        }
        return (metadata, all)
    }

    @Test(
        "2²³ structures: lists and draws come back as they were written, and summaries at any λ are those of the lists")
    func roundTrip() throws {
        let scratch = try Scratch(), (metadata, voxels) = try Self.write(scratch.path)
        let archive = try PosteriorArchive(directory: scratch.path), rule = metadata.layout.rule
        #expect(archive.metadata.structures.count > 20 && archive.metadata.structures.count < 256)
        var posterior = ListedPosterior()
        for lambda in [0, 0.5, 2.3] {
            let summary = PosteriorSummary(archive, lambda: lambda, threads: 2)
            for shard in archive.shards {
                for i in 0..<shard.count {
                    guard let voxel = voxels[shard.first + i] else {
                        #expect(!summary.isFitted(shard.first + i))
                        continue
                    }
                    shard.read(i, into: &posterior)
                    #expect(
                        posterior.structures == voxel.structures.sorted() && posterior.logRest == Float(voxel.logRest)
                            && posterior.restParameters == 2)
                    #expect(
                        posterior.drawPlaces.map { posterior.structures[Int($0)] } == voxel.drawn
                            && posterior.draws == voxel.rows)
                    var values = [Float](repeating: 7, count: 2 * metadata.layout.count)
                    shard.readDraws(i, 2...3, into: &values)
                    #expect(values == Array(voxel.rows[2 * metadata.layout.count..<4 * metadata.layout.count]))
                    // What the summary should say, from the list as it was.
                    let mass = zip(voxel.structures, voxel.log).map {
                        exp(Double(Float($1)) - lambda * Double(rule.parameterCount($0)))
                    }
                    let rest = exp(voxel.logRest - 2 * lambda), total = mass.reduce(rest, +)
                    func value(_ column: SummaryColumn) -> Double {
                        Double(Array(summary.column(column))[shard.first + i])
                    }
                    #expect(abs(value(.unlisted) - rest / total) < 1e-6)
                    for n in 0...3 {
                        let p = zip(voxel.structures, mass).reduce(0) {
                            $0 + (rule.fibreCount($1.0) == n ? $1.1 / total : 0)
                        }
                        #expect(abs(value(.fibreCount(n)) - p) < 1e-6)
                    }
                    let rician = zip(voxel.structures, mass).reduce(0) {
                        $0 + (rule.has("rician", $1.0) ? $1.1 / total : 0)
                    }
                    #expect(abs(value(.rician) - rician) < 1e-6)
                    let byRow = (0..<archive.metadata.structures.count).reduce(0) { $0 + value(.structure($1)) }
                    #expect(abs(byRow - (1 - rest / total)) < 1e-5)
                }
            }
        }
        // In another order, joined from pieces, the bytes are the same.
        let other = try Scratch(), batch = PosteriorBatch(joining: [archive.shards[1]])
        try PosteriorShard.write(
            batch.selecting([0]), metadata: metadata, index: 1, first: 4, directory: other.path, isPiece: true)
        try PosteriorShard.write(
            batch.selecting([1, 2]), metadata: metadata, index: 1, first: 5, directory: other.path, isPiece: true)
        let joined = PosteriorBatch(joining: try PosteriorArchive.shards(in: other.path).reversed())
        try PosteriorShard.write(joined, metadata: metadata, index: 1, first: 4, directory: other.path)
        let name = "/" + PosteriorShard.name(1)
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: other.path + name))
                == Data(contentsOf: URL(fileURLWithPath: scratch.path + name)))
    }

    @Test("What a list leaves out is bounded at every λ, and accounted for")
    func leftOut() throws {
        let metadata = PosteriorMetadata(
            family: Self.many, drawLambda: 0, referenceLambda: 0, drawCount: 5, grid: [1, 1, 1], seed: 1, shardCount: 1,
            voxelCount: 1)
        var voxel = Self.voxel(5, metadata, count: 900)
        for i in voxel.log.indices { voxel.log[i] *= 5 }
        let record = VoxelRecord(
            structures: voxel.structures, logProbability: voxel.log, drawn: voxel.drawn, rows: voxel.rows,
            layout: metadata.layout)
        #expect(record.structures.count < 900 && Set(voxel.drawn).isSubset(of: record.structures))
        let kept = Set(record.structures)
        for lambda in stride(from: 0, through: 3, by: 0.1) {
            func mass(_ isIn: (Structure) -> Bool) -> Double {
                zip(voxel.structures, voxel.log).reduce(0) {
                    $0 + (isIn($1.0) ? exp($1.1 - lambda * Double(metadata.layout.rule.parameterCount($1.0))) : 0)
                }
            }
            let left = mass { !kept.contains($0) }, all = mass { _ in true }
            #expect(left <= 2e-6 * all)
            #expect(left <= exp(Double(record.logRest) - lambda * Double(record.restParameters)) * (1 + 1e-4))
        }
    }

    static let earlier = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("format-2")
        .path

    /// Numbers from the maps that version 0.1.0 wrote of its own fit at λ = 1.5.
    @Test("A fit in format 2 says what it said, and the same in format 3")
    func earlierFormat() throws {
        let archive = try PosteriorArchive(directory: Self.earlier + "/fit")
        #expect(archive.metadata.format == 2 && archive.voxelCount == 16 && archive.metadata.structures.count == 16)
        let summary = PosteriorSummary(archive, lambda: 1.5, threads: 1)
        func sum(_ column: SummaryColumn) -> Double { summary.column(column).reduce(0) { $0 + Double($1) } }
        for (column, expected) in [
            (SummaryColumn.fibreCount(0), 11.9991927), (.fibreCount(1), 3.99191175), (.fibreCount(2), 8.86165840e-3),
            (.fibreCount(3), 3.40307711e-5),
            (.expectedFibreCount, 4.00973693), (.statistic(.diffusivity, .mean), 0.01841645),
            (.statistic(.snr, .q95), 757.76126862), (.dispersion(0), 1.89771337e-3),
        ] {
            #expect(abs(sum(column) - expected) < 1e-5 * expected, "\(column): \(sum(column))")
        }
        // The parts joined, in the format of today.
        let parts = try ["part-1", "part-2"].flatMap { try PosteriorArchive.shards(in: Self.earlier + "/" + $0) },
            scratch = try Scratch()
        #expect(parts.allSatisfy { $0.metadata == archive.metadata })
        let metadata = archive.metadata.inCurrentFormat
        #expect(metadata != archive.metadata && metadata.difference(archive.metadata) == "format 2, not 3")
        try PosteriorShard.write(
            PosteriorBatch(joining: parts), metadata: metadata, index: 0, first: 0, directory: scratch.path)
        let now = try PosteriorArchive(directory: scratch.path)
        for lambda in [0, 0.5, 1.5, 3] {
            let a = PosteriorSummary(archive, lambda: lambda, threads: 1),
                b = PosteriorSummary(now, lambda: lambda, threads: 1)
            #expect(
                a.chosenDraws == b.chosenDraws && a.assignments == b.assignments && a.quality == b.quality
                    && a.misfit == b.misfit && a.meanB0 == b.meanB0)
            for i in 0...SummaryColumn.unlisted.index(SummaryShape(structures: 16)) {
                #expect(
                    a.values[i * 16..<(i + 1) * 16].map(\.bitPattern)
                        == b.values[i * 16..<(i + 1) * 16].map(\.bitPattern), "column \(i), λ \(lambda)")
            }
        }
        let one = archive.shards[0].dense, other = now.shards[0].dense
        #expect(
            one.draws.map(\.bitPattern) == other.draws.map(\.bitPattern) && one.drawStructures == other.drawStructures)
    }

    @Test("Lists, draws and tables that contradict each other are refused")
    func contradictions() throws {
        let scratch = try Scratch(), target = try Scratch()
        _ = try Self.write(scratch.path)
        let path = scratch.path + "/" + PosteriorShard.name(0), place = target.path + "/" + PosteriorShard.name(0)
        let file = try SafetensorsReader(path: path)
        var passed: [String] = []
        for entry in file.entries
        where !["voxel", "quality", "b0", "misfit", "draws", "list_logprob", "log_rest", "rest_parameters"].contains(
            entry.name)
        {
            for at in Set([0, entry.offsets.count / 2, entry.offsets.count - 1]) {
                var texts = file.metadata
                texts["checksum"] = nil
                let writer = try SafetensorsWriter(
                    path: place, tensors: file.entries.map { ($0.name, $0.type, $0.shape) }, metadata: texts)
                for other in file.entries {
                    var bytes = Array(file.bytes(other))
                    if other.name == entry.name { bytes[at] = bytes[at] == 0 ? 255 : 0 }
                    try bytes.withUnsafeBytes { try writer.append($0, to: other.name) }
                }
                try writer.finish()
                // A draw may be said to be of another structure with as many numbers.
                if (try? PosteriorShard(path: place)) != nil, entry.name != "draw_place" {
                    passed.append("\(entry.name), byte \(at)")
                }
            }
        }
        #expect(passed.isEmpty)
    }
}
