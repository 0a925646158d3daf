import CZlib
#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A file in the making: bytes go to a hidden temporary file in the same folder, which takes the final name only when all is well.
///
/// Whatever goes wrong before `commit` returns, the temporary file is removed and a file that stood there before is left untouched.
/// gzip output carries neither time nor name, so equal bytes give equal files. Each sink has its own state: several threads may each write a file.
package final class ByteSink {
    private let path: String
    private let temporary: String
    private var descriptor: Int32
    private var stream: UnsafeMutablePointer<z_stream>?
    private let buffer: UnsafeMutablePointer<UInt8>
    private var filled = 0
    private static let capacity = 1 << 18

    /// Opens the temporary file; `level` 1 (fast) to 9 (small) for gzip, nil for none.
    package convenience init(path: String, level: Int?) throws {
        var information = stat()
        if stat(path, &information) == 0, information.st_mode & S_IFMT == S_IFDIR {
            throw VolumeError.cannotCreate(path: path, reason: "a folder has that name")
        }
        let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        let name = path[slash...].prefix(40)
        while true {
            let tag = String(UInt64.random(in: 0...UInt64.max), radix: 36)
            let temporary = "\(path[..<slash]).\(name).\(tag).partial"
            let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            if descriptor < 0, errno == EEXIST || errno == EINTR { continue }
            guard descriptor >= 0 else { throw VolumeError.cannotCreate(path: path, reason: ByteSource.reason(errno)) }
            try self.init(path: path, temporary: temporary, descriptor: descriptor, level: level)
            return
        }
    }

    /// Takes over an open file under the name `temporary`.
    package init(path: String, temporary: String, descriptor: Int32, level: Int?) throws {
        self.path = path
        self.temporary = temporary
        self.descriptor = descriptor
        buffer = .allocate(capacity: Self.capacity)
        guard let level else { return }
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        self.stream = stream
        guard deflateInit2_(
            stream, Int32(level), Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { throw VolumeError.writeFailed(path: path, reason: "zlib cannot start") }
    }

    deinit {
        if descriptor >= 0 {
            close(descriptor)
            unlink(temporary)
        }
        if let stream {
            deflateEnd(stream)
            stream.deallocate()
        }
        buffer.deallocate()
    }

    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        if stream != nil { return try deflate(bytes, Z_NO_FLUSH) }
        var rest = bytes[...]
        while !rest.isEmpty {
            if filled == 0, rest.count >= Self.capacity { return try writeFile(rest.base.baseAddress! + rest.startIndex, rest.count) }
            let step = min(rest.count, Self.capacity - filled)
            (buffer + filled).update(from: (rest.base.baseAddress! + rest.startIndex).assumingMemoryBound(to: UInt8.self), count: step)
            filled += step
            rest = rest.dropFirst(step)
            if filled == Self.capacity { try flush() }
        }
    }

    /// Writes what is left, closes, and gives the file its name.
    package func commit() throws {
        if stream != nil { try deflate(UnsafeRawBufferPointer(start: nil, count: 0), Z_FINISH) }
        try flush()
        let open = descriptor
        descriptor = -1
        guard close(open) == 0 else {
            let code = errno
            unlink(temporary)
            throw VolumeError.writeFailed(path: path, reason: ByteSource.reason(code))
        }
        guard rename(temporary, path) == 0 else {
            let code = errno
            unlink(temporary)
            throw VolumeError.cannotCreate(path: path, reason: ByteSource.reason(code))
        }
    }

    private func deflate(_ bytes: UnsafeRawBufferPointer, _ flushMode: Int32) throws {
        let stream = stream!
        var done = 0
        repeat {
            let step = min(bytes.count - done, 1 << 30)
            stream.pointee.next_in = bytes.baseAddress.map { UnsafeMutablePointer(mutating: ($0 + done).assumingMemoryBound(to: UInt8.self)) }
            stream.pointee.avail_in = UInt32(step)
            done += step
            while true {
                stream.pointee.next_out = buffer + filled
                stream.pointee.avail_out = UInt32(Self.capacity - filled)
                let result = CZlib.deflate(stream, flushMode)
                precondition(result != Z_STREAM_ERROR)
                filled = Self.capacity - Int(stream.pointee.avail_out)
                if filled < Self.capacity { break }
                try flush()
            }
        } while done < bytes.count
    }

    private func flush() throws {
        if filled > 0 { try writeFile(buffer, filled) }
        filled = 0
    }

    private func writeFile(_ start: UnsafeRawPointer, _ count: Int) throws {
        var done = 0
        while done < count {
            let put = ByteSource.uninterrupted { Self.systemWrite(descriptor, start + done, count - done) }
            guard put >= 0 else { throw VolumeError.writeFailed(path: path, reason: ByteSource.reason(errno)) }
            done += put
        }
    }

    private static func systemWrite(_ descriptor: Int32, _ start: UnsafeRawPointer, _ count: Int) -> Int {
        #if canImport(Glibc)
        Glibc.write(descriptor, start, count)
        #else
        Darwin.write(descriptor, start, count)
        #endif
    }
}

/// Whether something of that name exists.
func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }
