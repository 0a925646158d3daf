import Foundation

/// A safetensors file, mapped into memory and checked when it is opened.
///
/// Layout: 8 bytes N (little endian), N bytes of JSON header, then the tensors' data. The file is believed only after
/// its header has been read strictly: lengths, offsets, shapes and names must agree with each other and with the file's
/// size. Untrusted files are safe to open.
/// - Errors: `SafetensorsError`.
/// - Source: https://github.com/huggingface/safetensors (format and limits).
public final class SafetensorsReader: @unchecked Sendable {
    public let path: String
    /// The free texts stored under `__metadata__`.
    public let metadata: [String: String]
    /// The tensors in the order of their data.
    public let entries: [SafetensorsEntry]

    /// All bytes of the file.
    let whole: UnsafeRawBufferPointer
    private let isMapped: Bool
    let dataStart: Int
    private let index: [String: Int]

    /// The longest header that the format allows (bytes).
    static let longestHeader = 100_000_000

    public init(path: String) throws {
        self.path = path
        // Without O_NONBLOCK a pipe that nobody writes to would keep us waiting.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw SafetensorsError.unreadable(path: path, reason: String(cString: strerror(errno)))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw SafetensorsError.unreadable(path: path, reason: String(cString: strerror(errno)))
        }
        let format = status.st_mode & S_IFMT
        guard format == S_IFREG else {
            throw SafetensorsError.notAFile(
                path: path, what: format == S_IFDIR ? "a folder" : format == S_IFIFO ? "a pipe" : "a device")
        }
        let length = Int(status.st_size)
        guard length >= 10 else { throw SafetensorsError.badHeader(path: path, reason: "only \(length) bytes long") }
        guard let base = mmap(nil, length, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
            throw SafetensorsError.unreadable(path: path, reason: String(cString: strerror(errno)))
        }
        isMapped = true
        whole = UnsafeRawBufferPointer(start: base, count: length)
        do {
            let header = try Self.header(of: whole, path: path)
            (dataStart, metadata, entries, index) = (header.dataStart, header.metadata, header.entries, header.index)
        } catch {
            munmap(base, length)
            throw error
        }
    }

    /// Reads a safetensors image that is in memory and stays there, such as one compiled into the program.
    public init(embedded bytes: UnsafeRawBufferPointer, name: String) throws {
        path = name
        isMapped = false
        whole = bytes
        guard bytes.count >= 10 else {
            throw SafetensorsError.badHeader(path: path, reason: "only \(bytes.count) bytes long")
        }
        let header = try Self.header(of: whole, path: path)
        (dataStart, metadata, entries, index) = (header.dataStart, header.metadata, header.entries, header.index)
    }

    private static func header(
        of mapping: UnsafeRawBufferPointer, path: String
    ) throws -> (dataStart: Int, metadata: [String: String], entries: [SafetensorsEntry], index: [String: Int]) {
        let length = mapping.count, declared = UInt64(littleEndian: mapping.loadUnaligned(as: UInt64.self))
        guard declared <= UInt64(longestHeader) else {
            throw SafetensorsError.badHeader(path: path, reason: "it announces a header of \(declared) bytes")
        }
        let dataStart = 8 + Int(declared)
        guard dataStart <= length else {
            throw SafetensorsError.wrongLength(path: path, expected: dataStart, found: length)
        }
        guard mapping[8] == UInt8(ascii: "{") else {
            throw SafetensorsError.badHeader(path: path, reason: "the header is not a JSON object")
        }
        let header = try SafetensorsHeader(json: UnsafeRawBufferPointer(rebasing: mapping[8..<dataStart]), path: path)
        let (expected, overflow) = dataStart.addingReportingOverflow(header.dataLength)
        guard !overflow, expected == length else {
            throw SafetensorsError.wrongLength(path: path, expected: overflow ? .max : expected, found: length)
        }
        return (
            dataStart, header.metadata, header.entries,
            Dictionary(uniqueKeysWithValues: header.entries.enumerated().map { ($1.name, $0) })
        )
    }

    deinit { if isMapped { munmap(UnsafeMutableRawPointer(mutating: whole.baseAddress!), whole.count) } }

    /// The description of a tensor, or nil when the file has none of that name.
    public func entry(_ name: String) -> SafetensorsEntry? { index[name].map { entries[$0] } }

    /// The bytes of a tensor, valid for as long as this object lives; they need not be aligned in files written by
    /// others.
    public func bytes(_ entry: SafetensorsEntry) -> UnsafeRawBufferPointer {
        precondition(index[entry.name].map { entries[$0] == entry } ?? false, "an entry of another file")
        return UnsafeRawBufferPointer(
            rebasing: whole[(dataStart + entry.offsets.lowerBound)..<(dataStart + entry.offsets.upperBound)])
    }

    /// Checks that a tensor exists with the given number format and shape (−1 stands for any extent).
    public func require(_ name: String, _ type: SafetensorsType? = nil, shape: [Int]? = nil) throws -> SafetensorsEntry
    {
        guard let entry = entry(name) else {
            throw SafetensorsError.missing(path: path, name: name, reason: "the file does not hold it")
        }
        if let type, type != entry.type {
            throw SafetensorsError.missing(
                path: path, name: name, reason: "is \(entry.type.rawValue) where \(type.rawValue) is needed")
        }
        if let shape, shape.count != entry.shape.count || !zip(shape, entry.shape).allSatisfy({ $0 < 0 || $0 == $1 }) {
            throw SafetensorsError.missing(
                path: path, name: name, reason: "has shape \(entry.shape) where \(shape) is needed")
        }
        return entry
    }

    /// A copy of a tensor whose number format is that of `Scalar`.
    public func array<Scalar: SafetensorsScalar>(
        _ name: String, as type: Scalar.Type = Scalar.self, shape: [Int]? = nil
    ) throws -> [Scalar] {
        let entry = try require(name, Scalar.safetensorsType, shape: shape)
        let source = bytes(entry)
        return [Scalar](unsafeUninitializedCapacity: entry.count) { buffer, count in
            UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source)
            count = entry.count
        }
    }

    /// A copy of a tensor of F32, F16 or F64 as single precision.
    public func floats(_ name: String, shape: [Int]? = nil) throws -> [Float] {
        switch try require(name, shape: shape).type {
        case .f32: return try array(name, as: Float.self)
        case .f16: return try array(name, as: Float16.self).map(Float.init)
        case .f64: return try array(name, as: Double.self).map(Float.init)
        default: throw SafetensorsError.missing(path: path, name: name, reason: "does not hold floating-point numbers")
        }
    }
}
