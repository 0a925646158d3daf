import Diffusion
import Foundation
import ModelSpace

/// What every shard of a posterior archive says of the fit it belongs to.
public struct PosteriorMetadata: Equatable, Sendable {
    /// The family, from which names and places of the draws' numbers follow.
    public let family: FamilyDescription
    public let layout: DrawLayout
    /// 3, or of fits of earlier versions 2.
    public private(set) var format = listFormat
    /// The rows of tables of structure probabilities. Of a family of many structures they are known when the whole
    /// archive is (`PosteriorArchive`).
    public internal(set) var structures: StructureTable
    /// λ that the fit was asked for, and λ of the stored structure log-probabilities.
    public var drawLambda: Double, referenceLambda: Double
    /// D, draws a voxel holds, and S, equally weighted draws that outputs get of them.
    public var drawCount: Int, sampleCount: Int
    /// The image's X, Y, Z.
    public var grid: [Int]
    public var seed: UInt64
    /// The network's name and the SHA-256 of its file (empty for exact engines).
    public var networkName: String, networkSHA256: String
    /// Number of shards of the whole fit, and of voxels in all of them.
    public var shardCount: Int, voxelCount: Int
    /// Further texts that travel with the fit.
    public var notes: [String: String]
    /// λ from which on the family is to be read (`FamilyWords.leastLambda`).
    public let leastLambda: Double

    /// - Precondition: the family makes sense (`DrawLayout`).
    public init(
        family: FamilyDescription, drawLambda: Double, referenceLambda: Double, drawCount: Int, sampleCount: Int? = nil,
        grid: [Int], seed: UInt64,
        networkName: String = "", networkSHA256: String = "", shardCount: Int, voxelCount: Int,
        notes: [String: String] = [:]
    ) {
        precondition(grid.count == 3 && grid.allSatisfy { $0 > 0 }, "the grid needs X, Y and Z")
        precondition(drawLambda.isFinite && referenceLambda.isFinite && drawCount > 0 && shardCount > 0)
        let words = notes[Self.wordsNote].flatMap { try? FamilyWords(json: $0, of: family) } ?? .none
        guard
            let layout = try? DrawLayout(
                family, words: words, composition: Self.composition(notes, of: family),
                timing: notes["timing"].flatMap(PulseTiming.init(note:)))
        else {
            preconditionFailure("a family that makes no sense")
        }
        self.family = family
        self.layout = layout
        leastLambda = words.leastLambda ?? 0
        structures = layout.table
        self.drawLambda = drawLambda
        self.referenceLambda = referenceLambda
        self.drawCount = drawCount
        self.sampleCount = sampleCount ?? drawCount
        self.grid = grid
        self.seed = seed
        self.networkName = networkName
        self.networkSHA256 = networkSHA256
        self.shardCount = shardCount
        self.voxelCount = voxelCount
        self.notes = notes
    }

    /// The layout's name, which ends with its version; readers refuse others than these.
    private static let formatName = "prism-dmri posterior "
    static let listFormat = 3, denseFormat = 2

    /// Of the same fit, in the format that is written.
    public var inCurrentFormat: PosteriorMetadata {
        var other = self
        other.format = Self.listFormat
        other.structures = layout.table
        return other
    }

    private static let keptNote = "kept"
    /// What users call the family's numbers and structures (`FamilyWords`), in JSON.
    static let wordsNote = "words"
    /// Which compartments the family has (`FamilyComposition`), in JSON. Fits of earlier versions lack it.
    static let definitionNote = "family_definition"

    private static func composition(_ notes: [String: String], of family: FamilyDescription) -> FamilyComposition? {
        notes[definitionNote].flatMap { try? FamilyComposition(json: $0) }.flatMap {
            $0.description == family ? $0 : nil
        }
    }

    /// How many draws a structure was given (`DrawAllocation`). Fits of earlier versions lack it.
    static let allocationNote = "draw_counts", byExpectation = "expected"
    var allocatesByExpectation: Bool { notes[Self.allocationNote] == Self.byExpectation }

    /// Whether the archive holds draws, not structures' probabilities alone.
    public var hasDraws: Bool { notes[Self.keptNote] != "structures" }
    /// D as far as they are there.
    var heldDraws: Int { hasDraws ? drawCount : 0 }

    /// Of the same fit without its draws.
    var withoutDraws: PosteriorMetadata {
        var other = inCurrentFormat
        other.notes[Self.keptNote] = "structures"
        return other
    }

    /// Whether draws have the numbers of `DrawColumn` in its places: what fibres and maps of parameters are made from.
    public var hasFibreColumns: Bool { layout.fibres.isIdentity }

    /// How many structures the family has.
    public var structureCount: Double { layout.rule.count }

    /// Whether tables of structure probabilities have a row for each structure, not for classes of those that occur.
    public var listsEveryStructure: Bool { format == Self.denseFormat || !layout.table.rows.isEmpty }

    public static func == (a: Self, b: Self) -> Bool { a.difference(b) == nil }

    /// The entries of the metadata, beside those that begin with `note.`.
    private static let keys: Set = [
        "format", "family", "structures", "lambda_draws", "lambda_reference", "draws", "samples", "grid", "seed",
        "network", "network_sha256", "shards",
        "voxels", "shard", "first_voxel", "columns", "checksum",
    ]
    /// Draws a voxel; choices among them are numbered with 16 bits.
    static let mostDraws = Int(UInt16.max)

    /// The safetensors metadata of shard `shard`, whose first voxel is the `first`-th of the fit.
    func encode(shard: Int, first: Int) -> [String: String] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let description = (try? encoder.encode(family)).flatMap { String(data: $0, encoding: .utf8) }
        var texts = [
            "format": Self.formatName + "\(Self.listFormat)", "family": description ?? "",
            "lambda_draws": "\(drawLambda)",
            "lambda_reference": "\(referenceLambda)", "draws": "\(drawCount)", "samples": "\(sampleCount)",
            "grid": grid.map(String.init).joined(separator: ","),
            "seed": "\(seed)", "network": networkName, "network_sha256": networkSHA256, "shards": "\(shardCount)",
            "voxels": "\(voxelCount)",
            "shard": "\(shard)", "first_voxel": "\(first)", "columns": layout.names.joined(separator: ","),
        ]
        for (key, value) in notes { texts["note." + key] = value }
        return texts
    }

    /// Reads what `encode` wrote.
    /// - Throws: `PosteriorArchiveError.damaged` when an entry is absent or senseless.
    static func decode(_ texts: [String: String], path: String) throws -> (
        metadata: PosteriorMetadata, shard: Int, first: Int
    ) {
        func text(_ key: String) throws -> String {
            guard let value = texts[key] else {
                throw PosteriorArchiveError.damaged(path: path, reason: "its metadata lacks '\(key)'")
            }
            return value
        }
        func bad(_ key: String) -> PosteriorArchiveError {
            .damaged(path: path, reason: "'\(key)' of its metadata makes no sense")
        }
        func whole(_ key: String, in range: ClosedRange<Int>) throws -> Int {
            guard let value = Int(try text(key)), range.contains(value) else { throw bad(key) }
            return value
        }
        func lambda(_ key: String) throws -> Double {
            guard let value = Double(try text(key)), (0...1000).contains(value) else { throw bad(key) }
            return value
        }
        guard let format = [listFormat, denseFormat].first(where: { texts["format"] == formatName + "\($0)" }) else {
            throw PosteriorArchiveError.damaged(
                path: path, reason: "it is no posterior archive that this version reads ('\(texts["format"] ?? "")')")
        }
        // A name that this version does not know is a damaged one: were it that of the checksum, nothing would be
        // checked.
        if let stranger = texts.keys.filter({ !$0.hasPrefix("note.") && !keys.contains($0) }).min() {
            throw PosteriorArchiveError.damaged(path: path, reason: "its metadata hold an unknown entry '\(stranger)'")
        }
        let family = try text("family"), description: FamilyDescription, layout: DrawLayout
        if format == denseFormat {
            // There was one family, of which the name was enough.
            guard family == BallSticks.family.name else { throw bad("family") }
            description = BallSticks.family
        } else {
            guard let decoded = try? JSONDecoder().decode(FamilyDescription.self, from: Data(family.utf8)) else {
                throw bad("family")
            }
            description = decoded
        }
        do { layout = try DrawLayout(description) } catch {
            throw PosteriorArchiveError.damaged(
                path: path, reason: "'family' of its metadata makes no sense (\(error))")
        }
        guard
            try text("columns") == (format == denseFormat ? DrawColumn.denseNames : layout.names).joined(separator: ",")
        else { throw bad("columns") }
        let grid = try text("grid").split(separator: ",").compactMap { Int($0) }
        var extent = 1, overflow = false
        for n in grid where !overflow { (extent, overflow) = extent.multipliedReportingOverflow(by: n) }
        guard grid.count == 3, grid.allSatisfy({ $0 > 0 }), !overflow, extent <= Int(Int32.max) else {
            throw bad("grid")
        }
        guard let seed = UInt64(try text("seed")) else { throw bad("seed") }
        var structures = layout.table
        if format == denseFormat {
            // The rows are the file's own, in its order: which structure each is shows by its fibres and flags.
            guard
                var rows = try? JSONDecoder().decode(
                    [StructureTable.Row].self, from: Data(try text("structures").utf8)), !rows.isEmpty,
                Set(rows.map { [$0.fibreCount, $0.hasSpread ? 1 : 0, $0.isRician ? 1 : 0] }).count == rows.count
            else { throw bad("structures") }
            for i in rows.indices {
                let row = rows[i]
                guard (0...1000).contains(row.parameterCount),
                    let known = structures.rows.first(where: {
                        $0.fibreCount == row.fibreCount && $0.hasSpread == row.hasSpread && $0.isRician == row.isRician
                    })
                else { throw bad("structures") }
                rows[i].structure = known.structure
            }
            structures = StructureTable(rows: rows)
        }
        var notes: [String: String] = [:]
        for (key, value) in texts where key.hasPrefix("note.") { notes[String(key.dropFirst(5))] = value }
        let draws = try whole("draws", in: 1...mostDraws), voxels = try whole("voxels", in: 0...extent),
            shards = try whole("shards", in: 1...max(1, voxels))
        // A reader has all numbers of a voxel's draws in memory.
        guard draws * layout.count <= 1 << 24 else { throw bad("draws") }
        if let words = notes[wordsNote] {
            guard (try? FamilyWords(json: words, of: description)) != nil else { throw bad("note.words") }
        }
        guard notes[definitionNote] == nil || composition(notes, of: description) != nil else {
            throw bad("note.\(definitionNote)")
        }
        var metadata = PosteriorMetadata(
            family: description, drawLambda: try lambda("lambda_draws"),
            referenceLambda: try lambda("lambda_reference"), drawCount: draws,
            sampleCount: try whole("samples", in: 1...mostDraws), grid: grid, seed: seed,
            networkName: try text("network"), networkSHA256: try text("network_sha256"), shardCount: shards,
            voxelCount: voxels, notes: notes)
        metadata.format = format
        metadata.structures = structures
        return (metadata, try whole("shard", in: 0...shards - 1), try whole("first_voxel", in: 0...voxels))
    }
}

/// The ways in which a directory of posterior shards can disappoint.
public enum PosteriorArchiveError: Error, Equatable, CustomStringConvertible {
    /// There is no shard in the directory.
    case empty(directory: String)
    /// So many voxels of the fit are not there.
    case incomplete(directory: String, missing: Int, of: Int)
    /// A shard is not what its name or format says.
    case damaged(path: String, reason: String)
    /// Two shards belong to different fits.
    case mixed(path: String, reason: String)

    public var description: String {
        switch self {
        case let .empty(directory):
            return "\(directory): no posterior-*.safetensors here; give the directory that 'fit --out' wrote"
        case let .incomplete(directory, missing, count):
            return
                """
                \(directory): \(missing) of \(count) voxels are not fitted yet; finish the fit with --resume or merge \
                its parts
                """
        case let .damaged(path, reason):
            return "\(path): \(reason); copy it again, or remove it and run the fit again with --resume"
        case let .mixed(path, reason):
            return "\(path): belongs to another fit than the shards before it (\(reason)); keep one fit a directory"
        }
    }
}

extension PosteriorArchiveError: LocalizedError {
    public var errorDescription: String? { description }
}
