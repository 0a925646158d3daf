import CNIfTI

/// A checked NIfTI-1 or NIfTI-2 header: the grid, and how the voxels lie in the file.
struct ImageHeader {
    let geometry: VolumeGeometry
    let decoder: SampleDecoder
    /// Bytes before the first voxel in the file that holds the voxels.
    let dataOffset: Int
    /// Whether the voxels are in this file (.nii) rather than beside it (.hdr and .img).
    let isSingleFile: Bool

    var volumeBytes: Int { geometry.voxelsPerVolume * decoder.datatype.bytes }
    var dataBytes: Int { volumeBytes * geometry.volumeCount }

    /// Reads and checks the header at the source's beginning; takes no memory on the header's word.
    init(_ source: ByteSource) throws {
        let fields = try HeaderFields(source)
        let path = source.path
        let (shape, samples) = try Self.shape(fields.dim, path)
        guard let datatype = Datatype(rawValue: fields.datatype) else {
            let name = String(cString: nifti_datatype_to_string(Int32(truncatingIfNeeded: fields.datatype)))
            let isNamed = name != "DT_UNKNOWN" && name != "DT_NONE"
            throw VolumeError.unsupportedType(
                path: path, type: isNamed ? name : "unknown (datatype \(fields.datatype))")
        }
        let (_, overflows) = samples.multipliedReportingOverflow(by: datatype.bytes)
        guard !overflows else {
            throw VolumeError.badHeader(
                path: path, reason: "dimensions \(VolumeError.shape(shape)) are beyond any file")
        }

        isSingleFile = fields.isSingleFile
        let smallest = isSingleFile ? fields.headerBytes + 4 : 0
        guard fields.dataOffset.isFinite, fields.dataOffset >= 0, fields.dataOffset < 1e15 else {
            throw VolumeError.badHeader(path: path, reason: "vox_offset is \(fields.dataOffset)")
        }
        // Some writers leave the offset at 0 and mean "right after the header".
        dataOffset = fields.dataOffset == 0 ? smallest : Int(fields.dataOffset)
        guard dataOffset >= smallest else {
            throw VolumeError.badHeader(path: path, reason: "vox_offset \(dataOffset) lies inside the header")
        }

        let isScaled = fields.slope.isFinite && fields.slope != 0
        decoder = SampleDecoder(
            datatype: datatype, isReversed: fields.isReversed, slope: isScaled ? fields.slope : 1,
            intercept: isScaled && fields.intercept.isFinite ? fields.intercept : 0)
        geometry = try Self.geometry(fields, shape: shape, path: path)
    }

    /// An MRtrix3 image's.
    init(_ header: MRtrixHeader) {
        (geometry, decoder, dataOffset, isSingleFile) = (header.geometry, header.decoder, header.dataOffset, true)
    }

    /// dim[1...dim[0]], filled up to three dimensions, and their product.
    private static func shape(_ dim: [Int], _ path: String) throws -> ([Int], samples: Int) {
        guard (1...7).contains(dim[0]) else {
            throw VolumeError.badHeader(path: path, reason: "it names \(dim[0]) dimensions; 1 to 7 exist")
        }
        var shape = Array(dim[1...dim[0]])
        while shape.count < 3 { shape.append(1) }
        var samples = 1
        for size in shape {
            guard size > 0 else {
                throw VolumeError.badHeader(
                    path: path, reason: "dimensions \(VolumeError.shape(shape)) are not all above 0")
            }
            let (product, overflows) = samples.multipliedReportingOverflow(by: size)
            guard !overflows else {
                throw VolumeError.badHeader(
                    path: path, reason: "dimensions \(VolumeError.shape(shape)) are beyond any file")
            }
            samples = product
        }
        return (shape, samples)
    }

    /// A quaternion (b, c, d) longer than 1 by a rounding of its digits is normalised; one longer than this is damaged.
    private static let longestQuaternion = 1.01

    /// Divided by its length so that b² + c² + d² does not exceed 1, not even by the last bit.
    private static func unit(_ q: SIMD3<Double>, _ length: Double) -> SIMD3<Double> {
        let unit = q / length
        return (unit * unit).sum() > 1 ? unit * (1 - 0x1p-52) : unit
    }

    private static func geometry(_ fields: HeaderFields, shape: [Int], path: String) throws -> VolumeGeometry {
        let pixdim = fields.pixdim[1...3].map { $0.isFinite && $0 != 0 ? abs($0) : nil }
        // Codes that NIfTI does not know are read as set, as FSL and MRtrix3 do, but would be lost by nibabel if they
        // were written again.
        func code(_ stored: Int) -> Int { (1...5).contains(stored) ? stored : 2 }
        var sform =
            fields.sformCode > 0
            ? VolumeGeometry.SForm(code: code(fields.sformCode), matrix: Affine(rows: fields.sform)) : nil
        var qform: VolumeGeometry.QForm?
        let q = fields.quaternion, bcd = SIMD3(q[0], q[1], q[2]), length = (bcd * bcd).sum().squareRoot()
        let wasNormalised = length > 1
        if fields.qformCode > 0, q.allSatisfy(\.isFinite), length <= Self.longestQuaternion {
            qform = .init(
                code: code(fields.qformCode), quaternion: wasNormalised ? Self.unit(bcd, length) : bcd,
                offset: SIMD3(q[3], q[4], q[5]),
                handedness: fields.pixdim[0] < 0 ? -1 : 1)
        }
        func sizes() throws -> [Double] {
            try zip(pixdim, fields.pixdim[1...3]).map { size, stored in
                guard let size else { throw VolumeError.badAffine(path: path, reason: "a voxel size is \(stored)") }
                return size
            }
        }
        let affine: Affine
        let source: VolumeGeometry.AffineSource
        if let sform {
            (affine, source) = (sform.matrix, .sform)
        } else if fields.qformCode > 0 {
            guard let qform else {
                throw VolumeError.badAffine(
                    path: path,
                    reason: length.isFinite
                        ? "its quaternion has length \(VolumeError.number(length)), not 1"
                        : "its quaternion holds a number that is not finite")
            }
            (affine, source) = (qform.matrix(voxelSizes: try sizes()), .qform)
            // A half turn's quaternion shortened by rounding to float32 reads as a slightly smaller turn; the sform
            // keeps the place exactly.
            if wasNormalised { sform = .init(code: qform.code, matrix: affine) }
        } else {
            let d = try sizes()
            let centre = (0..<3).map { d[$0] * Double(shape[$0] - 1) / 2 }
            affine = Affine(rows: [-d[0], 0, 0, centre[0], 0, d[1], 0, -centre[1], 0, 0, d[2], -centre[2]])
            source = .voxelSizes
        }
        if let defect = affine.defect {
            let remedy =
                source == .sform && qform != nil
                ? " of its sform; 'fslorient -copyqform2sform' puts its qform there" : ""
            throw VolumeError.badAffine(path: path, reason: defect + remedy)
        }
        let voxelSizes = (0..<3).map { pixdim[$0] ?? affine.columnNorm($0) }
        return VolumeGeometry(
            shape: shape, voxelSizes: voxelSizes, affine: affine, affineSource: source, sform: sform, qform: qform)
    }
}

/// The header fields that matter here, the same for NIfTI-1 and NIfTI-2, in this machine's byte order, not yet checked.
private struct HeaderFields {
    let headerBytes: Int
    let isReversed: Bool
    let isSingleFile: Bool
    let datatype: Int
    let dim: [Int]
    let pixdim: [Double]
    let dataOffset, slope, intercept: Double
    let qformCode, sformCode: Int
    /// b, c, d, then the offsets x, y, z.
    let quaternion: [Double]
    /// Three rows of four.
    let sform: [Double]

    init(_ source: ByteSource) throws {
        let path = source.path
        func tooShort(_ bytes: Int) -> VolumeError {
            .notNIfTI(path: path, reason: "\(bytes) bytes are too few for a header")
        }
        var raw = [UInt8](repeating: 0, count: 540)
        let got = try raw.withUnsafeMutableBytes { try source.read($0.baseAddress!, upTo: 348) }
        if let what = StandIn.recognise(raw.prefix(got), path: path) {
            throw VolumeError.standIn(path: path, what: what)
        }
        guard got == 348 else { throw tooShort(got) }
        let size = raw.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) }
        isReversed = size.byteSwapped == 348 || size.byteSwapped == 540
        switch isReversed ? size.byteSwapped : size {
        case 348:
            var h = raw.withUnsafeBytes { $0.loadUnaligned(as: nifti_1_header.self) }
            if isReversed { nifti_swap_as_nifti1(&h) }
            let magic = Self.bytes(h.magic)
            isSingleFile = magic == Array("n+1\0".utf8)
            guard isSingleFile || magic == Array("ni1\0".utf8) else {
                throw VolumeError.notNIfTI(
                    path: path,
                    reason: magic == [0, 0, 0, 0]
                        ? "it is ANALYZE 7.5, which leaves left and right open" : "its magic bytes are wrong")
            }
            headerBytes = 348
            datatype = Int(h.datatype)
            dim = Self.numbers(h.dim, of: Int16.self).map { Int($0) }
            pixdim = Self.numbers(h.pixdim, of: Float.self).map { Double($0) }
            (dataOffset, slope, intercept) = (Double(h.vox_offset), Double(h.scl_slope), Double(h.scl_inter))
            (qformCode, sformCode) = (Int(h.qform_code), Int(h.sform_code))
            quaternion = [h.quatern_b, h.quatern_c, h.quatern_d, h.qoffset_x, h.qoffset_y, h.qoffset_z].map {
                Double($0)
            }
            sform = [h.srow_x, h.srow_y, h.srow_z].flatMap { Self.numbers($0, of: Float.self).map { Double($0) } }
        case 540:
            let more = try raw.withUnsafeMutableBytes { try source.read($0.baseAddress! + 348, upTo: 192) }
            guard more == 192 else { throw tooShort(348 + more) }
            var h = nifti_2_header()
            withUnsafeMutableBytes(of: &h) { $0.copyBytes(from: raw) }
            if isReversed { nifti_swap_as_nifti2(&h) }
            let magic = Self.bytes(h.magic)
            isSingleFile = magic == Array("n+2\0\r\n\u{1a}\n".utf8)
            guard isSingleFile || magic == Array("ni2\0\r\n\u{1a}\n".utf8) else {
                throw VolumeError.notNIfTI(path: path, reason: "its magic bytes are wrong")
            }
            headerBytes = 540
            datatype = Int(h.datatype)
            dim = Self.numbers(h.dim, of: Int64.self).map { Int($0) }
            pixdim = Self.numbers(h.pixdim, of: Double.self)
            (dataOffset, slope, intercept) = (Double(h.vox_offset), h.scl_slope, h.scl_inter)
            (qformCode, sformCode) = (Int(h.qform_code), Int(h.sform_code))
            quaternion = [h.quatern_b, h.quatern_c, h.quatern_d, h.qoffset_x, h.qoffset_y, h.qoffset_z]
            sform = [h.srow_x, h.srow_y, h.srow_z].flatMap { Self.numbers($0, of: Double.self) }
        default:
            throw VolumeError.notNIfTI(path: path, reason: "it does not begin with a header size of 348 or 540")
        }
    }

    private static func numbers<Tuple, Element>(_ tuple: Tuple, of: Element.Type) -> [Element] {
        withUnsafeBytes(of: tuple) { bytes in
            (0..<bytes.count / MemoryLayout<Element>.stride).map {
                bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.stride, as: Element.self)
            }
        }
    }
    private static func bytes<Tuple>(_ tuple: Tuple) -> [UInt8] { withUnsafeBytes(of: tuple) { Array($0) } }
}
