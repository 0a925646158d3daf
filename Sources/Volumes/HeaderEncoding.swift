import CNIfTI

/// The header of a file to be written, as bytes: NIfTI-1, or NIfTI-2 when a dimension is above 32767, then four zero
/// bytes (no extension).
///
/// Keeps sform and qform with their codes; units mm and s; slope 1 and intercept 0; in this machine's byte order.
func encodeHeader(_ geometry: VolumeGeometry, datatype: Datatype, description: String, meaning: ImageMeaning) -> [UInt8]
{
    let dim = [geometry.shape.count] + geometry.shape + Array(repeating: 1, count: 7 - geometry.shape.count)
    let pixdim = [geometry.qform?.handedness ?? (geometry.isRightHanded ? 1 : -1)] + geometry.voxelSizes + [1, 1, 1, 1]
    let qform = geometry.qform, sform = geometry.sform?.matrix.elements
    let units = NIFTI_UNITS_MM | NIFTI_UNITS_SEC
    var bytes: [UInt8]
    if geometry.shape.allSatisfy({ $0 <= Int(Int16.max) }) {
        var h = nifti_1_header()
        h.sizeof_hdr = 348
        h.regular = CChar(UInt8(ascii: "r"))
        h.datatype = Int16(datatype.rawValue)
        h.bitpix = Int16(8 * datatype.bytes)
        h.vox_offset = 352
        h.scl_slope = 1
        h.xyzt_units = CChar(units)
        set(&h.dim, dim.map { Int16($0) })
        set(&h.pixdim, pixdim.map { Float($0) })
        set(&h.descrip, text(description, 79))
        h.intent_code = Int16(meaning.intent.rawValue)
        if let window = meaning.window { (h.cal_min, h.cal_max) = (Float(window.lowerBound), Float(window.upperBound)) }
        set(&h.magic, Array("n+1\0".utf8))
        if let qform {
            h.qform_code = Int16(qform.code)
            (h.quatern_b, h.quatern_c, h.quatern_d) = (
                Float(qform.quaternion.x), Float(qform.quaternion.y), Float(qform.quaternion.z)
            )
            (h.qoffset_x, h.qoffset_y, h.qoffset_z) = (
                Float(qform.offset.x), Float(qform.offset.y), Float(qform.offset.z)
            )
        }
        if let sform {
            h.sform_code = Int16(geometry.sform!.code)
            set(&h.srow_x, sform[0..<4].map { Float($0) })
            set(&h.srow_y, sform[4..<8].map { Float($0) })
            set(&h.srow_z, sform[8..<12].map { Float($0) })
        }
        bytes = withUnsafeBytes(of: &h) { Array($0) }
    } else {
        var h = nifti_2_header()
        h.sizeof_hdr = 540
        h.datatype = Int16(datatype.rawValue)
        h.bitpix = Int16(8 * datatype.bytes)
        h.vox_offset = 544
        h.scl_slope = 1
        h.xyzt_units = Int32(units)
        set(&h.dim, dim.map { Int64($0) })
        set(&h.pixdim, pixdim)
        set(&h.descrip, text(description, 79))
        h.intent_code = Int32(meaning.intent.rawValue)
        if let window = meaning.window { (h.cal_min, h.cal_max) = (window.lowerBound, window.upperBound) }
        set(&h.magic, Array("n+2\0\r\n\u{1a}\n".utf8))
        if let qform {
            h.qform_code = Int32(qform.code)
            (h.quatern_b, h.quatern_c, h.quatern_d) = (qform.quaternion.x, qform.quaternion.y, qform.quaternion.z)
            (h.qoffset_x, h.qoffset_y, h.qoffset_z) = (qform.offset.x, qform.offset.y, qform.offset.z)
        }
        if let sform {
            h.sform_code = Int32(geometry.sform!.code)
            set(&h.srow_x, Array(sform[0..<4]))
            set(&h.srow_y, Array(sform[4..<8]))
            set(&h.srow_z, Array(sform[8..<12]))
        }
        bytes = withUnsafeBytes(of: &h) { Array($0.prefix(540)) }
    }
    return bytes + [0, 0, 0, 0]
}

/// Copies numbers over the beginning of a C array.
private func set<Tuple, Element: BitwiseCopyable>(_ tuple: inout Tuple, _ values: [Element]) {
    withUnsafeMutableBytes(of: &tuple) { target in values.withUnsafeBytes { target.copyMemory(from: $0) } }
}

/// UTF-8 cut to `limit` bytes at a character's end; the rest of the field stays 0.
private func text(_ string: String, _ limit: Int) -> [UInt8] {
    var result: [UInt8] = []
    for character in string {
        let bytes = Array(String(character).utf8)
        if result.count + bytes.count > limit { break }
        result += bytes
    }
    return result
}
