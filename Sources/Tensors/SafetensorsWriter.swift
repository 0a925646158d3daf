import Foundation

/// Writes a safetensors file piece by piece: the header is fixed at the start, data may then come in any number of
/// pieces and tensor by tensor in any order, and the file appears under its name only when all of it is there.
///
/// The bytes depend on the contents alone: names sorted, header padded with spaces to a multiple of 8, wide numbers
/// first in the data.
/// - Errors: `SafetensorsError.unwritable`, `.writeFailed`. An unfinished file is removed when the writer goes away.
public final class SafetensorsWriter {
    public let path: String
    private let temporaryPath: String
    private let entries: [String: SafetensorsEntry]
    private let dataStart: Int
    private var written: [String: Int] = [:]
    private var descriptor: Int32
    /// Where the checksum's digits stand in the file, if it is to have them.
    private let checksumPlace: Int?

    /// - Parameters:
    ///   - tensors: names (distinct, not `__metadata__`), number formats and row-major shapes.
    ///   - metadata: free texts.
    ///   - isChecksummed: adds the metadata `checksum` (`Checksum`), by which readers find damage.
    public init(
        path: String, tensors: [(name: String, type: SafetensorsType, shape: [Int])], metadata: [String: String] = [:],
        isChecksummed: Bool = false
    ) throws {
        precondition(Set(tensors.map(\.name)).count == tensors.count, "a tensor name is given twice")
        precondition(
            !tensors.contains { $0.name == "__metadata__" || $0.shape.contains { $0 < 0 } },
            "not a tensor name or shape")
        let sum = isChecksummed ? [Checksum.key: Checksum.zeros] : [:]
        let header = SafetensorsHeader(metadata: metadata.merging(sum) { $1 }, tensors: tensors)
        let json = header.json()
        precondition(json.count <= SafetensorsReader.longestHeader, "the header is longer than the format allows")
        self.path = path
        checksumPlace = isChecksummed ? json.withUnsafeBytes { Checksum.place(in: $0)!.lowerBound + 8 } : nil
        let url = URL(fileURLWithPath: path)
        temporaryPath =
            url.deletingLastPathComponent().appendingPathComponent(".\(url.lastPathComponent).\(getpid()).partial").path
        entries = Dictionary(uniqueKeysWithValues: header.entries.map { ($0.name, $0) })
        dataStart = 8 + json.count
        descriptor = open(temporaryPath, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw Self.failure(path, errno) }
        // Tells others that this file is being written.
        flock(descriptor, LOCK_EX | LOCK_NB)
        let length = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) }
        try (length + json).withUnsafeBytes { try put($0, at: 0) }
    }

    deinit { abandon() }

    /// Appends raw bytes (little endian) to a tensor.
    public func append(_ bytes: UnsafeRawBufferPointer, to name: String) throws {
        guard let entry = entries[name] else { preconditionFailure("tensor '\(name)' was not announced") }
        let done = written[name, default: 0]
        precondition(done + bytes.count <= entry.offsets.count, "more data than the shape of '\(name)' holds")
        try put(bytes, at: dataStart + entry.offsets.lowerBound + done)
        written[name] = done + bytes.count
    }

    /// Appends numbers to a tensor of their format.
    public func append<Scalar: SafetensorsScalar>(_ values: [Scalar], to name: String) throws {
        precondition(
            entries[name]?.type == Scalar.safetensorsType, "tensor '\(name)' was not announced with this number format")
        try values.withUnsafeBytes { try append($0, to: name) }
    }

    /// Checks that every tensor is complete, makes the file durable and gives it its name, replacing a file already
    /// there.
    public func finish() throws {
        precondition(descriptor >= 0, "finished twice")
        for (name, entry) in entries {
            precondition(written[name, default: 0] == entry.offsets.count, "tensor '\(name)' is not complete")
        }
        if let checksumPlace { try Array(Checksum.text(sum()).utf8).withUnsafeBytes { try put($0, at: checksumPlace) } }
        guard fsync(descriptor) == 0 || errno == EINVAL, close(descriptor) == 0, rename(temporaryPath, path) == 0 else {
            let code = errno
            abandon()
            throw Self.failure(path, code)
        }
        descriptor = -1
    }

    private func put(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                let code = count == 0 ? ENOSPC : errno
                abandon()
                throw Self.failure(path, code)
            }
            done += count
        }
    }

    /// The checksum of what is in the file, read back.
    private func sum() throws -> UInt64 {
        var sum: UInt64 = 0, offset = 0
        try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 64) { buffer in
            while true {
                let count = pread(descriptor, buffer.baseAddress!, buffer.count, off_t(offset))
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else {
                    let code = errno
                    abandon()
                    throw Self.failure(path, code)
                }
                if count == 0 { return }
                sum = Checksum.update(sum, UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                offset += count
            }
        }
        return sum
    }

    private static func failure(_ path: String, _ code: Int32) -> SafetensorsError {
        let reason = String(cString: strerror(code))
        return [ENOSPC, EDQUOT, EFBIG, EIO].contains(code)
            ? .writeFailed(path: path, reason: reason) : .unwritable(path: path, reason: reason)
    }

    private func abandon() {
        guard descriptor >= 0 else { return }
        close(descriptor)
        unlink(temporaryPath)
        descriptor = -1
    }

    /// Writes whole tensors of single-precision numbers: what a checkpoint needs.
    public static func write(
        _ tensors: [(name: String, shape: [Int], values: [Float])], metadata: [String: String] = [:], to path: String
    ) throws {
        let writer = try SafetensorsWriter(
            path: path, tensors: tensors.map { ($0.name, .f32, $0.shape) }, metadata: metadata)
        for tensor in tensors { try writer.append(tensor.values, to: tensor.name) }
        try writer.finish()
    }
}
