import Files
import Foundation

/// Streamlines of MRtrix3's `.tck` format: points in scanner mm (RAS), as `tckgen`, DIPY and others write them.
///
/// Source: MRtrix3's documentation, "Tracks file format".
public struct Streamlines: Sendable {
    /// All points, one streamline after another, and where each begins; one more at the end.
    public private(set) var points: [SIMD3<Float>] = [], starts = [0]

    /// How many there are.
    public var count: Int { starts.count - 1 }

    public subscript(i: Int) -> ArraySlice<SIMD3<Float>> { points[starts[i]..<starts[i + 1]] }

    /// Reads a whole file.
    /// - Throws: `StreamlineError`.
    public init(path: String) throws {
        func bad(_ reason: String) -> StreamlineError { .bad(path: path, reason: reason) }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw StreamlineError.missing(path: path)
        }
        guard !isFolder.boolValue,
            let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
        else { throw bad("it cannot be read as a file") }
        guard data.starts(with: Data("mrtrix tracks".utf8)) else {
            throw bad("it does not begin with 'mrtrix tracks'")
        }
        // Headers are short; text beyond is none.
        guard let end = data.prefix(1 << 20).range(of: Data("\nEND\n".utf8)) else { throw bad("its header has no end") }
        var type = "", offset: Int?
        for line in String(decoding: data[..<end.lowerBound], as: UTF8.self).split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            switch line[..<colon].trimmingCharacters(in: .whitespaces) {
            case "datatype": type = value
            case "file":
                let words = value.split(separator: " ")
                guard words.count == 2, words[0] == "." else { throw bad("its points are not in the same file") }
                offset = Int(words[1])
            default: break
            }
        }
        guard let offset, offset >= end.upperBound, offset <= data.count else {
            throw bad("it does not say where its points begin")
        }
        switch type.lowercased() {
        case "float32le": try read(data, offset, UInt32.self, bad) { Float(bitPattern: UInt32(littleEndian: $0)) }
        case "float32be": try read(data, offset, UInt32.self, bad) { Float(bitPattern: UInt32(bigEndian: $0)) }
        case "float64le":
            try read(data, offset, UInt64.self, bad) { Float(Double(bitPattern: UInt64(littleEndian: $0))) }
        case "float64be":
            try read(data, offset, UInt64.self, bad) { Float(Double(bitPattern: UInt64(bigEndian: $0))) }
        default: throw bad("its numbers are of type '\(type.printable(longest: 40))', which is not read")
        }
    }

    private mutating func read<Word: BitwiseCopyable>(
        _ data: Data, _ offset: Int, _: Word.Type, _ bad: (String) -> StreamlineError, _ number: (Word) -> Float
    ) throws {
        let size = MemoryLayout<Word>.size
        var isEnded = false
        try data.withUnsafeBytes { bytes in
            var place = offset
            while place + 3 * size <= bytes.count {
                let p = SIMD3(
                    (0..<3).map { k in
                        number(bytes.loadUnaligned(fromByteOffset: place + k * size, as: Word.self))
                    })
                place += 3 * size
                if p.x.isInfinite { isEnded = true; break }
                if p.x.isNaN {
                    if points.count > starts.last! { starts.append(points.count) }
                    continue
                }
                guard p.y.isFinite, p.z.isFinite else { throw bad("a point is not finite") }
                points.append(p)
            }
        }
        if points.count > starts.last! { starts.append(points.count) }
        guard isEnded else { throw bad("it is cut off: the mark of its end is missing") }
    }
}

/// What can be wrong with a file of streamlines.
public enum StreamlineError: Error, Equatable, CustomStringConvertible, LocalizedError {
    case missing(path: String)
    case bad(path: String, reason: String)

    public var description: String {
        switch self {
        case .missing(let path): "\(path) does not exist; check the path and the spelling"
        case .bad(let path, let reason):
            "\(path) is no track file of MRtrix3 that can be used (\(reason)); give a .tck, or make one with tckconvert"
        }
    }
    public var errorDescription: String? { description }
}
