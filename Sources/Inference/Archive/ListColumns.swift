import Foundation
import ModelSpace
import Tensors

/// Format 3: a table of the structures that occur in the file, and for every voxel a list of structures with
/// log-probabilities and its draws, each with the numbers that its structure has. Voxels that are not fitted have
/// neither.
///
/// Shapes: v voxels, n structures in the table, P numbers of θ, L listed, S draws, N numbers of draws in all; indices
/// are of 8, 16 or 32 bits, as few as will do.
///
/// | tensor | | |
/// |---|---|---|
/// | structure | U64 [n, 2] | bits 0–63 and 64–127, rising (`Structure`) |
/// | structure_parameters | U16 [n] | k(z) |
/// | structure_columns | U8 [n, P] | 1 for the numbers that a draw of it has |
/// | list_count, draw_count | U16 [v] | how many of L and S are the voxel's |
/// | list_structure | index [L] | row of the table, rising within a voxel |
/// | list_logprob | F32 [L] | at the reference λ |
/// | log_rest, rest_parameters | F32 [v] | `StructurePosterior.logRest`, `.restParameters` |
/// | log_evidence | F32 [v] | ln Σ_z p(y | z), −∞ where not known; absent where nowhere (and of earlier versions) |
/// | draw_place | index [S] | place in the voxel's list |
/// | draws | F16 [N] | the numbers of one draw after another |
final class ListColumns: PosteriorColumns {
    let structures: [Structure]
    private var rows: [Int]
    /// How many numbers a draw of each structure has; their columns, one structure after another; and where each begins
    /// there.
    private let widths: [Int], columns: [Int], columnStart: [Int]
    private let listStructure: IndexColumn, drawPlace: IndexColumn
    private let logProbability: MappedColumn<Float>, logRest: MappedColumn<Float>, restParameters: MappedColumn<Float>
    private let logEvidence: MappedColumn<Float>?
    private let draws: MappedColumn<Float16>
    /// [v + 1] where the voxels' lists, draws and numbers of draws begin.
    private let listStart: [Int], drawStart: [Int], valueStart: [Int]
    private let p: Int, layout: DrawLayout

    init(_ file: SafetensorsReader, _ metadata: PosteriorMetadata, quality: MappedColumn<UInt8>) throws {
        func damaged(_ reason: String) -> PosteriorArchiveError { .damaged(path: file.path, reason: reason) }
        let v = quality.count, layout = metadata.layout, p = layout.count
        self.p = p
        let bits: MappedColumn<UInt64> = try file.column("structure", [-1, 2]), n = bits.count / 2
        let structures = (0..<n).map { Structure(bits: UInt128(bits[2 * $0 + 1]) << 64 | UInt128(bits[2 * $0])) }
        let isRising = zip(structures, structures.dropFirst()).allSatisfy { $0 < $1 }
        guard isRising, structures.allSatisfy(layout.rule.allows) else {
            throw damaged("a structure of its table is not allowed, or out of order")
        }
        self.structures = structures
        let columns = structures.map(layout.columns)
        let widths = columns.map(\.count)
        self.widths = widths
        self.columns = columns.flatMap { $0 }
        columnStart = widths.reduce(into: [0]) { $0.append($0.last! + $1) }
        let parameters: MappedColumn<UInt16> = try file.column("structure_parameters", [n])
        let masks: MappedColumn<UInt8> = try file.column("structure_columns", [n, p])
        for (i, z) in structures.enumerated() {
            let own = (0..<p).filter { masks[i * p + $0] != 0 }
            guard Int(parameters[i]) == layout.parameterCount(z), own == columns[i] else {
                throw damaged("its table of structures is not that of the family '\(metadata.family.name)'")
            }
        }
        self.layout = layout
        rows = metadata.structures.places(of: structures, layout.rule)
        let listCount: MappedColumn<UInt16> = try file.column("list_count", [v])
        let drawCount: MappedColumn<UInt16> = try file.column("draw_count", [v])
        listStructure = try IndexColumn(file, "list_structure")
        drawPlace = try IndexColumn(file, "draw_place")
        logProbability = try file.column("list_logprob", [listStructure.count])
        logRest = try file.column("log_rest", [v])
        restParameters = try file.column("rest_parameters", [v])
        logEvidence = try file.entry("log_evidence") == nil ? nil : file.column("log_evidence", [v])
        draws = try file.column("draws", [-1])
        var listStart = [0], drawStart = [0], valueStart = [0], list = 0, draw = 0, value = 0
        for i in 0..<v {
            let isFitted = !VoxelQuality(rawValue: quality[i]).contains(.notFitted)
            let l = Int(listCount[i]), d = Int(drawCount[i])
            guard isFitted ? l > 0 && d == metadata.heldDraws : l == 0 && d == 0 else {
                throw damaged("a voxel has no list, or not the draws it should have")
            }
            guard list + l <= listStructure.count, draw + d <= drawPlace.count else {
                throw damaged("its lists or draws are fewer than its voxels need")
            }
            var previous = -1
            for j in list..<list + l {
                let z = listStructure[j]
                guard z > previous, z < n else {
                    throw damaged("a list of structures is out of order, or names one that the file does not have")
                }
                previous = z
            }
            for j in draw..<draw + d {
                guard drawPlace[j] < l else { throw damaged("a draw names a structure that its voxel does not list") }
                value += widths[listStructure[list + drawPlace[j]]]
            }
            (list, draw) = (list + l, draw + d)
            listStart.append(list)
            drawStart.append(draw)
            valueStart.append(value)
        }
        guard list == listStructure.count, draw == drawPlace.count, value == draws.count else {
            throw damaged("its lists or draws are more than its voxels need")
        }
        guard logProbability.allSatisfy({ $0 < .infinity }), logRest.allSatisfy({ $0 < .infinity }),
            restParameters.allSatisfy(\.isFinite), logEvidence?.allSatisfy({ $0 < .infinity }) ?? true
        else { throw damaged("it holds values that are not finite") }
        (self.listStart, self.drawStart, self.valueStart) = (listStart, drawStart, valueStart)
    }

    func place(in table: StructureTable) { rows = table.places(of: structures, layout.rule) }

    func readList(_ i: Int, into posterior: inout ListedPosterior) {
        let list = listStart[i]..<listStart[i + 1]
        posterior.rows.removeAll(keepingCapacity: true)
        posterior.structures.removeAll(keepingCapacity: true)
        posterior.logProbability.removeAll(keepingCapacity: true)
        posterior.drawPlaces.removeAll(keepingCapacity: true)
        for j in list {
            let z = listStructure[j]
            posterior.rows.append(rows[z])
            posterior.structures.append(structures[z])
            posterior.logProbability.append(logProbability[j])
        }
        (posterior.logRest, posterior.restParameters) = (logRest[i], restParameters[i])
        posterior.logEvidence = logEvidence?[i] ?? -.infinity
    }

    func read(_ i: Int, into posterior: inout ListedPosterior) {
        readList(i, into: &posterior)
        let drawn = drawStart[i]..<drawStart[i + 1]
        for j in drawn { posterior.drawPlaces.append(UInt16(drawPlace[j])) }
        if posterior.draws.count != drawn.count * p { posterior.draws = Array(repeating: 0, count: drawn.count * p) }
        guard !drawn.isEmpty else { return }
        posterior.draws.withUnsafeMutableBufferPointer { readDraws(i, 0...drawn.count - 1, into: $0.baseAddress!) }
    }

    func readDraws(_ i: Int, _ range: ClosedRange<Int>, into values: UnsafeMutablePointer<Float>) {
        let list = listStart[i], first = drawStart[i]
        @inline(__always) func structure(_ d: Int) -> Int { listStructure[list + drawPlace[first + d]] }
        values.update(repeating: 0, count: range.count * p)
        widths.withUnsafeBufferPointer { widths in
            columns.withUnsafeBufferPointer { columns in
                var start = valueStart[i], count = 0
                for d in 0..<range.lowerBound { start += widths[structure(d)] }
                for d in range { count += widths[structure(d)] }
                withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, count)) { packed in
                    HalfPrecision.decode(draws.start + start, packed.baseAddress!, count: count)
                    var at = 0, row = values
                    for d in range {
                        let z = structure(d), own = columnStart[z]
                        for k in 0..<widths[z] { row[columns[own + k]] = packed[at + k] }
                        at += widths[z]
                        row += p
                    }
                }
            }
        }
    }

    func record(_ i: Int) -> VoxelRecord {
        let list = listStart[i]..<listStart[i + 1]
        return VoxelRecord(
            structures: list.map { structures[listStructure[$0]] }, logProbability: Array(logProbability[list]),
            logRest: logRest[i], restParameters: restParameters[i], logEvidence: logEvidence?[i] ?? -.infinity,
            drawPlaces: (drawStart[i]..<drawStart[i + 1]).map { UInt16(drawPlace[$0]) },
            draws: Array(draws[valueStart[i]..<valueStart[i + 1]]))
    }
}

extension ListColumns {
    /// The tensors of a batch before they are written.
    struct Tensors {
        let shapes: [(name: String, type: SafetensorsType, shape: [Int])]
        private let records: [VoxelRecord?], table: [Structure], layout: DrawLayout
        private let longest: Int, hasEvidence: Bool

        init(_ batch: PosteriorBatch, _ metadata: PosteriorMetadata) {
            let records = batch.records, layout = metadata.layout
            (self.records, self.layout) = (records, layout)
            var all: Set<Structure> = []
            for record in records { if let record { all.formUnion(record.structures) } }
            let table = all.sorted(), longest = records.reduce(0) { max($0, $1?.structures.count ?? 0) }
            let hasEvidence = records.contains { $0?.logEvidence.isFinite == true }
            (self.table, self.longest, self.hasEvidence) = (table, longest, hasEvidence)
            func total(_ count: (VoxelRecord) -> Int) -> Int { records.reduce(0) { $0 + ($1.map(count) ?? 0) } }
            let v = records.count, n = table.count, l = total(\.structures.count), s = total(\.drawPlaces.count)
            shapes =
                [
                    ("structure", .u64, [n, 2]), ("structure_parameters", .u16, [n]),
                    ("structure_columns", .u8, [n, layout.count]),
                    ("list_count", .u16, [v]), ("draw_count", .u16, [v]), ("list_structure", IndexColumn.type(n), [l]),
                    ("list_logprob", .f32, [l]), ("log_rest", .f32, [v]), ("rest_parameters", .f32, [v]),
                    ("draw_place", IndexColumn.type(longest), [s]), ("draws", .f16, [total(\.draws.count)]),
                ] + (hasEvidence ? [("log_evidence", .f32, [v])] : [])
        }

        func write(to writer: SafetensorsWriter) throws {
            let words = table.flatMap { [UInt64(truncatingIfNeeded: $0.bits), UInt64($0.bits >> 64)] }
            try writer.append(words, to: "structure")
            try writer.append(table.map { UInt16(layout.parameterCount($0)) }, to: "structure_parameters")
            try writer.append(
                table.flatMap { z in
                    let own = Set(layout.columns(of: z))
                    return (0..<layout.count).map { own.contains($0) ? UInt8(1) : 0 }
                }, to: "structure_columns")
            try writer.append(records.map { UInt16($0?.structures.count ?? 0) }, to: "list_count")
            try writer.append(records.map { UInt16($0?.drawPlaces.count ?? 0) }, to: "draw_count")
            let rows = Dictionary(uniqueKeysWithValues: zip(table, 0...))
            let listed = records.flatMap { $0?.structures.map { rows[$0]! } ?? [] }
            try IndexColumn.write(listed, below: table.count, to: writer, "list_structure")
            try writer.append(records.flatMap { $0?.logProbability ?? [] }, to: "list_logprob")
            try writer.append(records.map { $0?.logRest ?? -.infinity }, to: "log_rest")
            try writer.append(records.map { $0?.restParameters ?? 0 }, to: "rest_parameters")
            let places = records.flatMap { $0?.drawPlaces.map(Int.init) ?? [] }
            try IndexColumn.write(places, below: longest, to: writer, "draw_place")
            try writer.append(records.flatMap { $0?.draws ?? [] }, to: "draws")
            if hasEvidence { try writer.append(records.map { $0?.logEvidence ?? -.infinity }, to: "log_evidence") }
        }
    }
}
