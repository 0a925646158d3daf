/// The header of an MRtrix3 image to be written whose voxels follow in the same file as NIfTI has them, x fastest,
/// volume after volume, in this machine's byte order.
///
/// The transform has the voxel axes as unit columns, of either handedness, and the first voxel's centre. Source:
/// MRtrix3's documentation, "Image file formats".
func encodeMRtrixHeader(_ geometry: VolumeGeometry, datatype: Datatype, description: String) -> [UInt8] {
    let n = geometry.shape.count, sizes = (0..<3).map(geometry.affine.columnNorm) + Array(repeating: 1, count: n - 3)
    func list(_ numbers: [Double]) -> String { numbers.map { "\($0)" }.joined(separator: ",") }
    let rows = (0..<3).map { r in
        let axes = (0..<3).map { c in geometry.affine[r, c] / geometry.affine.columnNorm(c) }
        return "transform: " + list(axes + [geometry.affine[r, 3]])
    }
    let head = [
        "mrtrix image", "dim: " + geometry.shape.map { "\($0)" }.joined(separator: ","), "vox: " + list(sizes),
        "layout: " + (0..<n).map { "+\($0)" }.joined(separator: ","),
        "datatype: " + MRtrixHeader.name(of: datatype),
    ]
    // A line's end would end the entry.
    let comment = description.isEmpty ? [] : ["comments: " + description.filter { !$0.isNewline }]
    let before = (head + rows + comment).joined(separator: "\n") + "\nfile: . "
    let after = "\nEND\n"
    // The place of the first voxel, which MRtrix3 reads in words of its type, is a multiple of 16, and itself part of
    // the header.
    let longest = before.utf8.count + after.utf8.count + 20, offset = (longest + 15) / 16 * 16
    let text = before + "\(offset)" + after
    return Array(text.utf8) + Array(repeating: 0, count: offset - text.utf8.count)
}
