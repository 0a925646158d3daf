#if canImport(Glibc)
import Files
import Glibc
#else
import Darwin
#endif

/// The header of an MRtrix3 image: `.mif`, `.mif.gz`, or `.mih` with its data beside it.
///
/// The grid's axes are taken in the order and sense in which voxels lie in the file, with the affine that belongs to
/// them: so does `mrconvert` when it writes NIfTI, and so an image and its NIfTI copy have the same voxels at the same
/// places. Source: MRtrix3's documentation, "Image file formats".
struct MRtrixHeader {
    let geometry: VolumeGeometry
    let decoder: SampleDecoder
    /// How elements lie in the file; nil when as in NIfTI, volume after volume.
    let layout: StoredLayout?
    /// Bytes before the first element, in the file of that name.
    let dataOffset: Int
    let dataPath: String
    /// Bytes of the elements in the file.
    let storedBytes: Int
    /// Rows x y z b, directions in the scanner's frame; nil when the header holds none.
    let gradients: [[Double]]?

    private static let magic = "mrtrix image", longest = 64 << 20


    init(path: String) throws {
        func bad(_ reason: String) -> VolumeError { .badMRtrixHeader(path: path, reason: reason) }
        let lines = try Self.lines(path)
        var values: [String: [String]] = [:]
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else { continue }
            values[Self.trimmed(line[..<colon]).lowercased(), default: []].append(
                Self.trimmed(line[line.index(after: colon)...]))
        }
        func list(_ text: String) -> [String] {
            text.split(separator: ",", omittingEmptySubsequences: false).map { Self.trimmed($0) }
        }
        func numbers(_ key: String) throws -> [Double]? {
            try values[key]?.first.map {
                try list($0).map { word in
                    guard let x = Double(word) else {
                        throw bad("'\(key)' holds '\(word.printable(longest: 40))', which is no number")
                    }
                    return x
                }
            }
        }

        guard let dims = try numbers("dim"), (3...7).contains(dims.count) else {
            throw bad("it needs 'dim' with 3 to 7 numbers")
        }
        var samples = 1
        for d in dims {
            guard d >= 1, d == d.rounded(), d < 1e9 else {
                throw bad("dimensions \(values["dim"]![0].printable(longest: 80)) are not all above 0")
            }
            let (product, overflows) = samples.multipliedReportingOverflow(by: Int(d))
            guard !overflows, product < 1 << 56 else { throw bad("its dimensions are beyond any file") }
            samples = product
        }
        let sizes = dims.map { Int($0) }, n = sizes.count
        guard let words = values["layout"]?.first.map(list), words.count == n else {
            throw bad("'layout' does not match 'dim'")
        }
        let axes = words.compactMap { word in
            Int(word.drop { $0 == "+" || $0 == "-" }).map { (rank: $0, isReversed: word.hasPrefix("-")) }
        }
        guard axes.count == n, axes.map(\.rank).sorted() == Array(0..<n) else {
            throw bad("'layout' names no order of the axes")
        }

        let type = values["datatype"]?.first ?? ""
        guard let (datatype, isReversed, isBit) = Self.datatype(type) else {
            throw VolumeError.unsupportedType(path: path, type: type.printable(longest: 40))
        }
        let scaling = try numbers("scaling") ?? [0, 1]
        guard scaling.count == 2, scaling.allSatisfy(\.isFinite) else {
            throw bad("'scaling' is not an offset and a factor")
        }
        decoder = SampleDecoder(
            datatype: datatype, isReversed: isReversed, slope: scaling[1] == 0 ? 1 : scaling[1], intercept: scaling[0])
        storedBytes = isBit ? (samples + 7) / 8 : samples * datatype.bytes

        guard let files = values["file"], let file = files.first else {
            throw bad("it does not say where its voxels are ('file')")
        }
        guard files.count == 1 else {
            throw bad("its voxels lie in several files, which is not read; join them with mrconvert")
        }
        let place = file.split(separator: " "), offset = place.count > 1 ? Int(place[place.count - 1]) : 0
        guard let offset, offset >= 0, !place.isEmpty else { throw bad("'file' is \(file.printable(longest: 80))") }
        dataOffset = offset
        let name = place.count > 1 ? place.dropLast().joined(separator: " ") : file
        let folder = FilePath.folder(of: path)
        dataPath = name == "." ? path : name.hasPrefix("/") || folder.isEmpty ? name : folder + "/" + name

        // Grid axes: the spatial axes as they lie in the file, fastest first; then the others in their own order.
        let spatial = (0..<3).sorted { axes[$0].rank < axes[$1].rank }, order = spatial + Array(3..<n)
        guard let vox = try numbers("vox"), vox.count >= 3, vox[0..<3].allSatisfy({ $0.isFinite && $0 > 0 }) else {
            throw bad("'vox' holds no voxel sizes")
        }
        geometry = try Self.geometry(
            path: path, sizes: sizes, order: order, spatial: spatial, voxelSizes: vox, reversed: axes.map(\.isReversed),
            transform: values["transform"])

        let isPlain =
            zip(order, order.dropFirst()).allSatisfy { axes[$0].rank < axes[$1].rank }
            && !axes[3...].contains { $0.isReversed }
        layout =
            isPlain && !isBit
            ? nil
            : StoredLayout(
                sizes: sizes, ranks: axes.map(\.rank), reversed: axes.map(\.isReversed), order: order, isBit: isBit,
                bytes: datatype.bytes)

        gradients = try values["dw_scheme"].map { rows in
            try rows.map { row in
                let numbers = list(row).compactMap { Double($0) }
                guard numbers.count >= 4 else {
                    throw bad("a row of 'dw_scheme' is '\(row.printable(longest: 60))', not x, y, z, b")
                }
                return Array(numbers[0..<4])
            }
        }
    }

    /// The header's lines, without the first and END.
    private static func lines(_ path: String) throws -> [String] {
        let source = try ByteSource(path: path)
        var bytes: [UInt8] = [], chunk = [UInt8](repeating: 0, count: 1 << 16)
        let end = Array("\nEND".utf8)
        while true {
            let got = try chunk.withUnsafeMutableBytes { try source.read($0.baseAddress!, upTo: $0.count) }
            let from = max(0, bytes.count - end.count)
            bytes += chunk[0..<got]
            if from == 0 {
                if let what = StandIn.recognise(bytes.prefix(200), path: path) {
                    throw VolumeError.standIn(path: path, what: what)
                }
                guard bytes.starts(with: magic.utf8) else {
                    throw VolumeError.badMRtrixHeader(path: path, reason: "it does not begin with '\(magic)'")
                }
            }
            if let found = firstRange(of: end, in: bytes, from: from) {
                return String(decoding: bytes[0..<found], as: UTF8.self).split(whereSeparator: \.isNewline).dropFirst()
                    .map(String.init)
            }
            guard got > 0, bytes.count < longest else {
                throw VolumeError.badMRtrixHeader(path: path, reason: "its header has no END")
            }
        }
    }

    private static func firstRange(of pattern: [UInt8], in bytes: [UInt8], from: Int) -> Int? {
        guard bytes.count >= pattern.count else { return nil }
        return (from...bytes.count - pattern.count).first { k in
            pattern.indices.allSatisfy { bytes[k + $0] == pattern[$0] }
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
    private static func trimmed(_ text: String) -> String { trimmed(text[...]) }

    /// The name of a type in this machine's byte order.
    static func name(of type: Datatype) -> String {
        let order = UInt16(1).littleEndian == 1 ? "LE" : "BE"
        return switch type {
        case .int8: "Int8"
        case .uint8: "UInt8"
        case .int16: "Int16" + order
        case .uint16: "UInt16" + order
        case .int32: "Int32" + order
        case .uint32: "UInt32" + order
        case .int64: "Int64" + order
        case .uint64: "UInt64" + order
        case .float32: "Float32" + order
        case .float64: "Float64" + order
        }
    }

    private static func datatype(_ name: String) -> (Datatype, isReversed: Bool, isBit: Bool)? {
        let lower = name.lowercased()
        if lower == "bit" { return (.uint8, false, true) }
        let isBig = lower.hasSuffix("be"), base = isBig || lower.hasSuffix("le") ? String(lower.dropLast(2)) : lower
        let types: [String: Datatype] = [
            "int8": .int8, "uint8": .uint8, "int16": .int16, "uint16": .uint16, "int32": .int32, "uint32": .uint32,
            "int64": .int64,
            "uint64": .uint64, "float32": .float32, "float64": .float64,
        ]
        // Without an ending: this machine's order, which is little-endian wherever this runs.
        return types[base].map { ($0, isBig, false) }
    }

    private static func geometry(
        path: String, sizes: [Int], order: [Int], spatial: [Int], voxelSizes: [Double], reversed: [Bool],
        transform: [String]?
    ) throws -> VolumeGeometry {
        var columns = (0..<3).map { a in SIMD3<Double>(a == 0 ? 1 : 0, a == 1 ? 1 : 0, a == 2 ? 1 : 0) }
        // Without a transform the image is centred on the scanner's origin.
        var origin = SIMD3<Double>((0..<3).map { -0.5 * Double(sizes[$0] - 1) * voxelSizes[$0] })
        if let transform {
            let rows = transform.map { $0.split(separator: ",").compactMap { Double(trimmed($0)) } }
            guard rows.count >= 3, rows[0..<3].allSatisfy({ $0.count == 4 && $0.allSatisfy(\.isFinite) }) else {
                throw VolumeError.badAffine(path: path, reason: "its 'transform' has not three rows of four numbers")
            }
            columns = (0..<3).map { c in SIMD3(rows[0][c], rows[1][c], rows[2][c]) }
            origin = SIMD3(rows[0][3], rows[1][3], rows[2][3])
        }
        for a in 0..<3 {
            columns[a] *= voxelSizes[a]
            if reversed[a] {
                origin += columns[a] * Double(sizes[a] - 1)
                columns[a] = -columns[a]
            }
        }
        let affine = Affine(rows: (0..<3).flatMap { r in spatial.map { columns[$0][r] } + [origin[r]] })
        if let defect = affine.defect { throw VolumeError.badAffine(path: path, reason: defect) }
        return VolumeGeometry(shape: order.map { sizes[$0] }, affine: affine)
    }
}
