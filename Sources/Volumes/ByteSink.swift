import CISAL
import Files

/// The bytes of an image on their way to a `TemporaryFile`, plain or gzip-compressed.
///
/// gzip output is ISA-L's at level 3, six times as fast on maps as zlib's at the same size. It carries neither time nor
/// name, so equal bytes give equal files on one kind of CPU, whatever pieces they come in. Each sink has its own state:
/// several threads may each write a file.
package final class ByteSink {
    private let file: TemporaryFile
    private var stream: UnsafeMutablePointer<isal_zstream>?
    /// What has gathered and is not written yet; what comes out of compression.
    private let buffer: UnsafeMutablePointer<UInt8>
    private var filled = 0
    private var compressed: UnsafeMutablePointer<UInt8>?
    /// Bytes gathered; the compressor looks, though never writes, a little beyond what it is given.
    private static let capacity = 1 << 18, margin = 1 << 9

    /// Opens the temporary file.
    package convenience init(path: String, isCompressed: Bool) throws {
        self.init(try Self.told { try TemporaryFile(path: path) }, isCompressed: isCompressed)
    }

    package init(_ file: TemporaryFile, isCompressed: Bool) {
        self.file = file
        buffer = .allocate(capacity: Self.capacity + Self.margin)
        guard isCompressed else { return }
        // Which of several equal matches it finds depends on all that its matching looks at, also on what its tables
        // hold at first and what lies beyond its input: everything is ours, and zero at first. At levels 1 and 2 it
        // depends, once in some thousand files, on where the memory lies; of 40,000 processes at level 3 none differed.
        buffer.initialize(repeating: 0, count: Self.capacity + Self.margin)
        compressed = .allocate(capacity: Self.capacity)
        let stream = UnsafeMutablePointer<isal_zstream>.allocate(capacity: 1), size = Int(isal_level3_buffer_size)
        UnsafeMutableRawPointer(stream).initializeMemory(
            as: UInt8.self, repeating: 0, count: MemoryLayout<isal_zstream>.size)
        isal_deflate_init(stream)
        stream.pointee.level = 3
        stream.pointee.level_buf = .allocate(capacity: size)
        stream.pointee.level_buf.initialize(repeating: 0, count: size)
        stream.pointee.level_buf_size = UInt32(size)
        stream.pointee.gzip_flag = UInt16(IGZIP_GZIP)
        self.stream = stream
    }

    deinit {
        if let stream {
            stream.pointee.level_buf.deallocate()
            stream.deallocate()
        }
        compressed?.deallocate()
        buffer.deallocate()
    }

    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            if stream == nil, filled == 0, rest.count >= Self.capacity {
                return try writeFile(rest.base.baseAddress! + rest.startIndex, rest.count)
            }
            let step = min(rest.count, Self.capacity - filled)
            (buffer + filled).update(
                from: (rest.base.baseAddress! + rest.startIndex).assumingMemoryBound(to: UInt8.self), count: step)
            filled += step
            rest = rest.dropFirst(step)
            if filled == Self.capacity { try flush(isLast: false) }
        }
    }

    /// Writes what is left, closes, and gives the file its name.
    package func commit() throws {
        try flush(isLast: true)
        try Self.told(file.commit)
    }

    /// Writes what has gathered, compressed where that is wanted.
    private func flush(isLast: Bool) throws {
        defer { filled = 0 }
        guard let stream else { return try writeFile(buffer, filled) }
        stream.pointee.next_in = buffer
        stream.pointee.avail_in = UInt32(filled)
        stream.pointee.end_of_stream = isLast ? 1 : 0
        repeat {
            stream.pointee.next_out = compressed
            stream.pointee.avail_out = UInt32(Self.capacity)
            let result = isal_deflate(stream)
            precondition(result == COMP_OK)
            try writeFile(compressed!, Self.capacity - Int(stream.pointee.avail_out))
        } while stream.pointee.avail_out == 0 || isLast && stream.pointee.internal_state.state != ZSTATE_END
    }

    private func writeFile(_ start: UnsafeRawPointer, _ count: Int) throws {
        try Self.told { try file.write(start, count) }
    }

    /// Errors of files as those of images.
    private static func told<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as FileError { throw VolumeError(error) }
    }
}
