import CKernels
import Diffusion
import Foundation
import Inference
import ModelSpace
import TestFixtures
import Testing

/// A folder that goes when the test does.
final class Scratch {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("inference-\(UUID().uuidString)").path
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Writes an archive of `sizes.count` shards over a 10 × 10 × 10 grid; voxel numbers 3, 6, 9 …; the last voxel of each
/// shard is not fitted.
func writeArchive(
    _ directory: String, sizes: [Int], s: Int = 50, seed: UInt64 = 3, drawLambda: Double = 0.5,
    referenceLambda: Double = 0.5
) throws -> PosteriorMetadata {
    let metadata = PosteriorMetadata(
        family: BallSticks.family, drawLambda: drawLambda, referenceLambda: referenceLambda, drawCount: s,
        grid: [10, 10, 10],
        seed: seed, networkName: "n", networkSHA256: "abc", shardCount: sizes.count, voxelCount: sizes.reduce(0, +),
        notes: ["mask": "m.nii.gz"])
    var first = 0
    for (index, size) in sizes.enumerated() {
        var batch = DenseBatch(voxels: (first..<(first + size)).map { Int32(3 * $0) }, drawCount: s)
        for i in 0..<max(0, size - 1) {
            var random = RandomSource(seed: seed, stream: UInt64(first + i))
            // Structure log-probabilities at λ_ref, and draws of z at λ_draws.
            let log0 = (0..<table.count).map { _ in 2 * random.normal() }
            let space = StructureSpace(
                componentCount: 4, structures: (0..<16).map { Structure(bits: $0) },
                parameterCounts: table.rows.map(\.parameterCount))
            let reference = StructureSpace.normalise(log0),
                atDraws = space.reweight(reference, from: referenceLambda, to: drawLambda)
            for z in 0..<table.count { batch.logProbability[i * table.count + z] = Float(reference[z]) }
            batch.quality[i] = i % 5 == 4 ? VoxelQuality.negativeSignal.rawValue : 0
            batch.meanB0[i] = 100 + Float(i)
            batch.misfit[i] = 1.5
            for d in 0..<s {
                var u = random.uniform(), z = 0
                while z < table.count - 1 && u > exp(atDraws[z]) { u -= exp(atDraws[z]); z += 1 }
                batch.drawStructures[i * s + d] = UInt8(z)
                let axes = [unit(1, 0.2, 0), unit(0, 1, 0.3), unit(0.2, 0, 1)]
                let voxel = SyntheticVoxel(
                    fibres: axes.prefix(table.rows[z].fibreCount).map { .init(axis: $0, fraction: 0.3) })
                var values = voxel.draws(1, using: &random).values
                if table.rows[z].hasSpread { values[DrawColumn.spread] = 0.4 }
                for p in 0..<DrawColumn.count { batch.draws[(i * s + d) * DrawColumn.count + p] = Float16(values[p]) }
            }
        }
        try PosteriorShard.write(
            batch.lists(metadata), metadata: metadata, index: index, first: first, directory: directory)
        first += size
    }
    return metadata
}

struct PosteriorArchiveTests {
    @Test func roundTrip() throws {
        let scratch = try Scratch()
        let metadata = try writeArchive(scratch.path, sizes: [7, 0, 5])
        let archive = try PosteriorArchive(directory: scratch.path)
        #expect(archive.metadata == metadata)
        #expect(archive.shards.map(\.count) == [7, 0, 5])
        #expect(archive.shards.flatMap { Array($0.voxels) } == (0..<12).map { Int32(3 * $0) })
        #expect(archive.shards[0].quality[6] == VoxelQuality.notFitted.rawValue && archive.shards[0].quality[4] == 4)
        #expect(archive.shards[2].meanB0[1] == 101)
        let table = archive.shards[0].dense.logProbability
        #expect(abs((0..<16).reduce(0) { $0 + exp(Double(table[$1])) } - 1) < 1e-6)
    }

    @Test func whatIsWrongIsSaid() throws {
        let scratch = try Scratch()
        #expect(throws: PosteriorArchiveError.empty(directory: scratch.path)) {
            try PosteriorArchive(directory: scratch.path)
        }
        _ = try writeArchive(scratch.path, sizes: [3, 4, 5])
        let second = scratch.path + "/" + PosteriorShard.name(1)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: second))
        try FileManager.default.removeItem(atPath: second)
        #expect(throws: PosteriorArchiveError.incomplete(directory: scratch.path, missing: 4, of: 12)) {
            try PosteriorArchive(directory: scratch.path)
        }
        #expect(try PosteriorArchive.shards(in: scratch.path).map(\.index) == [0, 2])
        try bytes.prefix(bytes.count - 10).write(to: URL(fileURLWithPath: second))
        #expect(throws: (any Error).self, "cut short") { try PosteriorArchive(directory: scratch.path) }
        try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/" + PosteriorShard.name(0))).write(
            to: URL(fileURLWithPath: second))
        #expect(throws: PosteriorArchiveError.self, "under another's name") {
            try PosteriorArchive(directory: scratch.path)
        }
        let other = try Scratch()
        _ = try writeArchive(other.path, sizes: [3, 4, 5], seed: 9)
        try Data(contentsOf: URL(fileURLWithPath: other.path + "/" + PosteriorShard.name(1))).write(
            to: URL(fileURLWithPath: second))
        do {
            _ = try PosteriorArchive(directory: scratch.path)
            Issue.record("accepted the shard of another fit")
        } catch let error as PosteriorArchiveError {
            #expect("\(error)".contains("seed 9, not 3"))
        }
    }

    @Test func halvesConvertExactly() {
        let all = (0...UInt16.max).map { Float16(bitPattern: $0) }
        let floats = HalfPrecision.decode(all)
        for (half, float) in zip(all, floats) {
            #expect(half.isFinite ? float.bitPattern == Float(half).bitPattern : float == 0)
        }
        var back = [Float16](repeating: 0, count: floats.count)
        let isFine = HalfPrecision.encode(floats, &back, count: floats.count)
        #expect(isFine)
        for (half, again) in zip(all, back) where half.isFinite { #expect(half.bitPattern == again.bitPattern) }
        var random = RandomSource(seed: 1)
        for _ in 0..<10000 {
            let value = Float(exp(random.uniform(-20, 11)) * (random.uniform() < 0.5 ? -1 : 1))
            var half = Float16()
            let isFinite = withUnsafePointer(to: value) { HalfPrecision.encode($0, &half, count: 1) }
            #expect(isFinite && half == Float16(value))
        }
        for value in [Float.nan, .infinity, -.infinity, 65520] {
            var half = Float16(1)
            let isFinite = withUnsafePointer(to: value) { HalfPrecision.encode($0, &half, count: 1) }
            #expect(!isFinite && half == 0)
        }
    }
}

struct SummariesTests {
    @Test func columnsAtTheFitsLambda() throws {
        let scratch = try Scratch()
        _ = try writeArchive(scratch.path, sizes: [40, 30])
        let archive = try PosteriorArchive(directory: scratch.path)
        let summary = PosteriorSummary(archive, lambda: 0.5, threads: 2)
        let shard = archive.shards[0].dense, s = 50
        for v in 0..<39 {
            let draws = HalfPrecision.decode(Array(shard.draws[(v * s * 16)..<((v + 1) * s * 16)]))
            // A draw of structure z counts p(z)/n_z.
            let structures = (0..<s).map { Int(shard.drawStructures[v * s + $0]) }
            let share = structures.map { z in
                exp(Double(shard.logProbability[v * 16 + z])) / Double(structures.filter { $0 == z }.count)
            }
            let total = share.reduce(0, +), w = share.map { $0 / total }
            func mean(_ x: (Int) -> Double) -> Double { (0..<s).reduce(0) { $0 + w[$1] * x($1) } }
            func d(_ i: Int) -> Double { Double(draws[i * 16]) * 1e-3 }
            func value(_ column: SummaryColumn) -> Double { Double(Array(summary.column(column))[v]) }
            #expect(abs(value(.statistic(.diffusivity, .mean)) - mean(d)) < 1e-9)
            #expect(abs(value(.statistic(.s0, .mean)) - mean { Double(draws[$0 * 16 + 3]) } * Double(100 + v)) < 1e-2)
            let sorted = (0..<s).sorted { d($0) < d($1) }
            let below = sorted.prefix { d($0) < value(.statistic(.diffusivity, .q50)) }.reduce(0) { $0 + w[$1] }
            #expect(abs(below - 0.5) <= w.max()! + 1e-9)
            let fractions =
                value(.statistic(.fraction1, .mean)) + value(.statistic(.fraction2, .mean))
                + value(.statistic(.fraction3, .mean))
            #expect(abs(fractions - value(.statistic(.fractionSum, .mean))) < 1e-6)
            #expect(abs(value(.effectiveDraws) - 1 / w.reduce(0) { $0 + $1 * $1 }) < 1e-3)
            // Systematic resampling: each draw is chosen ⌊50 w⌋ or ⌈50 w⌉ times.
            for i in 0..<s {
                let times = (0..<s).count { summary.draw(v, $0) == i }
                #expect(
                    Double(times) >= (50 * w[i] - 1e-3).rounded(.down)
                        && Double(times) <= (50 * w[i] + 1e-3).rounded(.up))
            }
            for k in 0..<3 where value(.presence(k)) > 0 {
                let axis = (0..<3).map { value(.direction(k, axis: $0)) }
                #expect(
                    abs(axis.reduce(0) { $0 + $1 * $1 } - 1) < 1e-6 && value(.dispersion(k)) >= 0
                        && value(.dispersion(k)) <= 2.0 / 3 + 1e-6)
            }
        }
        for column in [
            SummaryColumn.structure(0), .fibreCount(1), .effectiveDraws, .statistic(.snr, .q95), .dispersion(0),
        ] {
            #expect(Array(summary.column(column))[39] == 0 && Array(summary.column(column))[69] == 0, "not fitted")
        }
    }

    @Test(arguments: [(0.5, 0.5, 0.0), (0.5, 0.5, 1.7), (1.0, 0.0, 0.3)])
    func otherLambdas(draws: Double, reference: Double, target: Double) throws {
        let scratch = try Scratch()
        _ = try writeArchive(scratch.path, sizes: [20], s: 4000, drawLambda: draws, referenceLambda: reference)
        let archive = try PosteriorArchive(directory: scratch.path), shard = archive.shards[0].dense
        let summary = PosteriorSummary(archive, lambda: target, threads: 1)
        for v in 0..<19 {
            let log0 = (0..<16).map { Double(shard.logProbability[v * 16 + $0]) }
            let drawn = Set((0..<4000).map { Int(shard.drawStructures[v * 4000 + $0]) })
            let exact = StructureSpace.normalise(
                (0..<16).map { log0[$0] - (target - reference) * Double(table.rows[$0].parameterCount) }
            ).map { exp($0) }
            func value(_ column: SummaryColumn) -> Double { Double(Array(summary.column(column))[v]) }
            for z in 0..<16 { #expect(abs(value(.structure(z)) - exact[z]) < 1e-6) }
            let expected = (0..<16).reduce(0) { $0 + exact[$1] * Double(table.rows[$1].fibreCount) }
            #expect(abs(value(.expectedFibreCount) - expected) < 1e-5)
            // Every stick has fraction 0.3 on average: the weighted draws must carry the same number of sticks as the
            // exact probabilities.
            let effective = value(.effectiveDraws),
                lost = (0..<16).filter { !drawn.contains($0) }.reduce(0) { $0 + exact[$1] }
            guard effective > 400, lost < 1e-3 else { continue }
            #expect(abs(value(.statistic(.fractionSum, .mean)) - 0.3 * expected) < 5 * 0.4 / effective.squareRoot())
            let chosen = (0..<4000).map { shard.drawStructures[v * 4000 + summary.draw(v, $0)] }
            let sticks = chosen.reduce(0) { $0 + table.rows[Int($1)].fibreCount }
            #expect(abs(Double(sticks) / 4000 - expected) < 5 * 1.2 / effective.squareRoot())
        }
    }

    @Test func threadsDoNotMatter() throws {
        let one = try Scratch()
        _ = try writeArchive(one.path, sizes: [300])
        let single = PosteriorSummary(try PosteriorArchive(directory: one.path), lambda: 1.25, threads: 1)
        let threaded = PosteriorSummary(try PosteriorArchive(directory: one.path), lambda: 1.25, threads: 5)
        #expect(single.assignments == threaded.assignments && single.chosenDraws == threaded.chosenDraws)
        for column in [
            SummaryColumn.statistic(.fraction2, .mean), .direction(0, axis: 1), .dispersion(2), .structure(7),
        ] {
            #expect(single.column(column).elementsEqual(threaded.column(column)))
        }
    }
}

struct OrderTests {
    @Test func orderIsThatOfAStableSort() {
        var random = RandomSource(seed: 5, stream: 0)
        let special: [Float] = [
            -.greatestFiniteMagnitude, -1, -.leastNonzeroMagnitude, 0, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
        ]
        for n in 1...70 {
            for isCoarse in [false, true] {
                let values = (0..<n).map { _ in
                    isCoarse ? special[random.index(below: special.count)] : Float(random.normal())
                }
                var order = [Int32](repeating: -1, count: n), work = [Int32](repeating: 0, count: n + 15)
                pk_order(values, n, &order, &work)
                #expect(order.map(Int.init) == (0..<n).sorted { (values[$0], $0) < (values[$1], $1) }, "\(values)")
            }
        }
    }
}
