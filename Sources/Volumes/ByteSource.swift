import CZlib
#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The bytes of a plain or gzip-compressed file, in order, with every kind of damage told apart.
///
/// gzip is known by its first two bytes, not by the file's name. Several gzip members one after the other (bgzip, pigz)
/// read as one. After the last member only zero bytes may follow, which is gzip's own rule. zlib checks the CRC and the
/// length of every member; zlib's `gzread` is not used because it takes any trailing bytes without a word. Memory: 256
/// KiB + zlib's 40 KiB. Not for several threads at once.
final class ByteSource {
    let path: String
    let fileSize: Int
    let isCompressed: Bool
    /// Bytes delivered so far.
    private(set) var position = 0

    private let descriptor: Int32
    private var stream: UnsafeMutablePointer<z_stream>?
    private var input: UnsafeMutablePointer<UInt8>?
    private var isBetweenMembers = false
    private var hasEnded = false
    private static let inputCapacity = 1 << 18

    /// More than any deflate stream can expand: 1032 to 1.
    static let largestExpansion = 1040

    init(path: String) throws {
        self.path = path
        var information = stat()
        guard stat(path, &information) == 0 else {
            let code = errno
            if let target = StandIn.missingTarget(of: path) {
                throw VolumeError.danglingLink(path: path, target: target)
            }
            throw code == ENOENT || code == ENOTDIR
                ? VolumeError.notFound(path: path) : .notReadable(path: path, reason: Self.reason(code))
        }
        let format = information.st_mode & S_IFMT
        guard format == S_IFREG else {
            throw VolumeError.notAFile(
                path: path, what: format == S_IFDIR ? "a folder" : format == S_IFIFO ? "a pipe" : "a device")
        }
        fileSize = Int(information.st_size)
        guard fileSize > 0 else { throw VolumeError.empty(path: path) }
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw VolumeError.notReadable(path: path, reason: Self.reason(errno)) }
        var magic: (UInt8, UInt8) = (0, 0)
        isCompressed = pread(descriptor, &magic, 2, 0) == 2 && magic == (0x1f, 0x8b)
        guard isCompressed else { return }
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        self.stream = stream
        input = .allocate(capacity: Self.inputCapacity)
        guard inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw VolumeError.readFailed(path: path, reason: "zlib cannot start")
        }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        if let stream {
            inflateEnd(stream)
            stream.deallocate()
        }
        input?.deallocate()
    }

    /// Whether a file of this size can hold `count` bytes at all; asked before any memory is taken on a header's word.
    func canHold(_ count: Int) -> Bool { isCompressed ? count / Self.largestExpansion <= fileSize : count <= fileSize }

    /// Fills the buffer as far as the file goes and returns how many bytes came.
    func read(_ buffer: UnsafeMutableRawPointer, upTo count: Int) throws -> Int {
        let got = try isCompressed ? inflate(into: buffer, count) : readFile(into: buffer, count)
        position += got
        return got
    }

    /// Fills the buffer; `expected` is the number of bytes that the whole file should give, for the error.
    func read(_ buffer: UnsafeMutableRawPointer, _ count: Int, expected: Int) throws {
        guard try read(buffer, upTo: count) == count else {
            throw VolumeError.truncated(
                path: path, expected: expected, found: "it ends after \(VolumeError.bytes(position))")
        }
    }

    /// Moves on without keeping the bytes.
    func skip(_ count: Int, expected: Int) throws {
        if !isCompressed, position + count <= fileSize {
            guard lseek(descriptor, off_t(count), SEEK_CUR) >= 0 else {
                throw VolumeError.readFailed(path: path, reason: Self.reason(errno))
            }
            position += count
            return
        }
        var rest = count
        try withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 16) { scratch in
            while rest > 0 {
                let step = min(rest, scratch.count)
                try read(scratch.baseAddress!, step, expected: expected)
                rest -= step
            }
        }
    }

    /// Checks that nothing but up to 1 MiB of zero padding follows and that every gzip checksum is right; to be called
    /// after the last byte.
    func finish() throws {
        let expected = position
        try withUnsafeTemporaryAllocation(byteCount: 1 << 14, alignment: 16) { scratch in
            while true {
                let got = try read(scratch.baseAddress!, upTo: scratch.count)
                if got == 0 { return }
                guard position - expected <= 1 << 20, scratch[0..<got].allSatisfy({ $0 == 0 }) else {
                    throw VolumeError.trailingData(path: path, expected: expected)
                }
            }
        }
    }

    private func readFile(into buffer: UnsafeMutableRawPointer, _ count: Int) throws -> Int {
        var done = 0
        while done < count {
            let got = Self.uninterrupted { Self.systemRead(descriptor, buffer + done, count - done) }
            if got < 0 { throw VolumeError.readFailed(path: path, reason: Self.reason(errno)) }
            if got == 0 { break }
            done += got
        }
        return done
    }

    private func inflate(into buffer: UnsafeMutableRawPointer, _ count: Int) throws -> Int {
        let stream = stream!
        var done = 0
        while done < count, !hasEnded {
            if stream.pointee.avail_in == 0 {
                let got = Self.uninterrupted { Self.systemRead(descriptor, input!, Self.inputCapacity) }
                if got < 0 { throw VolumeError.readFailed(path: path, reason: Self.reason(errno)) }
                stream.pointee.next_in = input
                stream.pointee.avail_in = UInt32(got)
                if got == 0 {
                    guard isBetweenMembers else {
                        throw VolumeError.corrupt(path: path, reason: "it ends before its gzip stream does")
                    }
                    hasEnded = true
                    break
                }
            }
            if isBetweenMembers {
                while stream.pointee.avail_in > 0, stream.pointee.next_in.pointee == 0 {
                    stream.pointee.next_in += 1
                    stream.pointee.avail_in -= 1
                }
                if stream.pointee.avail_in == 0 { continue }
                guard stream.pointee.next_in.pointee == 0x1f else {
                    throw VolumeError.corrupt(path: path, reason: "other bytes follow its gzip stream")
                }
                inflateReset(stream)
                isBetweenMembers = false
            }
            let room = min(count - done, 1 << 30)
            stream.pointee.next_out = (buffer + done).assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(room)
            let result = CZlib.inflate(stream, Z_NO_FLUSH)
            done += room - Int(stream.pointee.avail_out)
            switch result {
            case Z_OK, Z_BUF_ERROR: break
            case Z_STREAM_END: isBetweenMembers = true
            case Z_MEM_ERROR: throw VolumeError.readFailed(path: path, reason: "out of memory")
            default:
                throw VolumeError.corrupt(
                    path: path, reason: stream.pointee.msg.map { String(cString: $0) } ?? "zlib error \(result)")
            }
        }
        return done
    }

    static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

    static func uninterrupted(_ call: () -> Int) -> Int {
        while true {
            let result = call()
            if result >= 0 || errno != EINTR { return result }
        }
    }

    private static func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int) -> Int {
        #if canImport(Glibc)
        Glibc.read(descriptor, buffer, count)
        #else
        Darwin.read(descriptor, buffer, count)
        #endif
    }
}
