import ModelSpace
import Tensors

/// Format 2, of versions to 0.2: for every voxel a log-probability of each of the family's structures, and all P
/// numbers of each of its D draws.
///
/// Tensors: logprob F32 [v, Z], draw_structure U8 [v, D], draws F16 [v, D, P].
final class DenseColumns: PosteriorColumns {
    let structures: [Structure]
    private let logProbability: MappedColumn<Float>, drawStructures: MappedColumn<UInt8>, draws: MappedColumn<Float16>
    private let z: Int, d: Int, p: Int, layout: DrawLayout

    init(_ file: SafetensorsReader, _ metadata: PosteriorMetadata, voxels v: Int) throws {
        structures = metadata.structures.rows.map(\.structure)
        (z, d, p, layout) = (metadata.structures.count, metadata.drawCount, metadata.layout.count, metadata.layout)
        logProbability = try file.column("logprob", [v, z])
        drawStructures = try file.column("draw_structure", [v, d])
        draws = try file.column("draws", [v, d, p])
        guard drawStructures.max().map({ Int($0) < z }) ?? true else {
            throw PosteriorArchiveError.damaged(
                path: file.path, reason: "a draw names a structure that the fit does not have")
        }
        guard !logProbability.contains(where: \.isNaN) else {
            throw PosteriorArchiveError.damaged(path: file.path, reason: "it holds values that are not finite")
        }
    }

    /// The table is the file's own.
    func place(in table: StructureTable) {}

    func readList(_ i: Int, into posterior: inout ListedPosterior) { read(i, into: &posterior) }

    func read(_ i: Int, into posterior: inout ListedPosterior) {
        if posterior.rows.count != z { (posterior.rows, posterior.structures) = (Array(0..<z), structures) }
        posterior.logProbability = Array(logProbability[i * z..<(i + 1) * z])
        (posterior.logRest, posterior.restParameters, posterior.logEvidence) = (-.infinity, 0, -.infinity)
        posterior.drawPlaces = drawStructures[i * d..<(i + 1) * d].map(UInt16.init)
        if posterior.draws.count != d * p { posterior.draws = Array(repeating: 0, count: d * p) }
        posterior.draws.withUnsafeMutableBufferPointer { readDraws(i, 0...d - 1, into: $0.baseAddress!) }
    }

    func readDraws(_ i: Int, _ range: ClosedRange<Int>, into values: UnsafeMutablePointer<Float>) {
        HalfPrecision.decode(draws.start + (i * d + range.lowerBound) * p, values, count: range.count * p)
    }

    func record(_ i: Int) -> VoxelRecord {
        var all = ListedPosterior()
        read(i, into: &all)
        return VoxelRecord(
            structures: structures, logProbability: all.logProbability.map(Double.init),
            drawn: all.drawPlaces.map { structures[Int($0)] }, rows: all.draws, layout: layout)
    }
}
