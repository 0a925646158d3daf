import Foundation
import Volumes

/// Builds NIfTI files byte by byte from the offsets in the NIfTI-1 and NIfTI-2 documents, without the library's own
/// header code.
struct Fixture {
    var version = 1
    var isBigEndian = false
    /// .nii when true, .hdr and .img when false.
    var isSingle = true
    var datatype = Datatype.int16.rawValue
    var dim: [Int] = [2, 3, 2]
    /// dim[0]; nil takes dim.count.
    var dimensionCount: Int?
    var pixdim: [Double] = [1, 2, 2, 2, 1, 1, 1, 1]
    var slope = 0.0, intercept = 0.0
    var offset: Double?
    var qformCode = 0, sformCode = 2
    var quaternion: [Double] = [0, 0, 0, 0, 0, 0]
    var sform: [Double] = [-2, 0, 0, 10, 0, 2, 0, -20, 0, 0, 2, 30]
    var magic: [UInt8]?
    var data: [UInt8] = []

    var headerBytes: Int { version == 1 ? 348 : 540 }

    mutating func setData<T: FixedWidthInteger>(_ values: [T]) {
        data = values.flatMap { bytes($0) }
    }
    mutating func setData(_ values: [Float]) { setData(values.map(\.bitPattern)) }
    mutating func setData(_ values: [Double]) { setData(values.map(\.bitPattern)) }

    func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        withUnsafeBytes(of: isBigEndian ? value.bigEndian : value.littleEndian) { Array($0) }
    }

    var header: [UInt8] {
        var h = [UInt8](repeating: 0, count: headerBytes)
        func put(_ at: Int, _ value: [UInt8]) { h.replaceSubrange(at..<at + value.count, with: value) }
        func integer(_ at: Int, _ narrow: Int, _ value: Int) {
            put(
                at,
                narrow == 1
                    ? [UInt8(value)]
                    : narrow == 2
                        ? bytes(Int16(truncatingIfNeeded: value))
                        : narrow == 4 ? bytes(Int32(value)) : bytes(Int64(value)))
        }
        func real(_ at: Int, _ value: Double) {
            put(at, version == 1 ? bytes(Float(value).bitPattern) : bytes(value.bitPattern))
        }
        let width = version == 1 ? 4 : 8
        let dims = [dimensionCount ?? dim.count] + dim + Array(repeating: 1, count: max(0, 7 - dim.count))
        let dataOffset = offset ?? (isSingle ? Double(headerBytes + 4) : 0)
        integer(0, 4, headerBytes)
        if version == 1 {
            for (i, d) in dims.enumerated() { integer(40 + 2 * i, 2, d) }
            integer(70, 2, datatype)
            for (i, d) in pixdim.enumerated() { real(76 + 4 * i, d) }
            real(108, dataOffset)
            real(112, slope)
            real(116, intercept)
            integer(123, 1, 10)
            integer(252, 2, qformCode)
            integer(254, 2, sformCode)
            put(344, magic ?? Array((isSingle ? "n+1" : "ni1").utf8))
        } else {
            put(4, magic ?? Array((isSingle ? "n+2" : "ni2").utf8) + [0, 13, 10, 26, 10])
            integer(12, 2, datatype)
            for (i, d) in dims.enumerated() { integer(16 + 8 * i, 8, d) }
            for (i, d) in pixdim.enumerated() { real(104 + 8 * i, d) }
            integer(168, 8, Int(dataOffset))
            real(176, slope)
            real(184, intercept)
            integer(344, 4, qformCode)
            integer(348, 4, sformCode)
            integer(500, 4, 10)
        }
        for (i, q) in quaternion.enumerated() { real((version == 1 ? 256 : 352) + width * i, q) }
        for (i, s) in sform.enumerated() { real((version == 1 ? 280 : 400) + width * i, s) }
        return h
    }

    var file: [UInt8] { header + [0, 0, 0, 0] + data }
}

/// One gzip member of stored blocks, as RFC 1951 and 1952 lay it out.
func gzipStored(_ bytes: [UInt8], corruptChecksum: Bool = false) -> [UInt8] {
    var crc: UInt32 = 0xffff_ffff
    for byte in bytes {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xedb8_8320 : crc >> 1 }
    }
    crc = ~crc
    if corruptChecksum { crc ^= 1 }
    func little(_ value: UInt32, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
    }
    var out: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]
    var rest = bytes[...]
    repeat {
        let block = rest.prefix(65535)
        rest = rest.dropFirst(block.count)
        out += [rest.isEmpty ? 1 : 0] + little(UInt32(block.count), 2) + little(~UInt32(block.count), 2) + block
    } while !rest.isEmpty
    return out + little(crc, 4) + little(UInt32(bytes.count), 4)
}

/// A folder that goes away with its owner.
final class Scratch {
    let path: String
    init() {
        path = NSTemporaryDirectory() + "/volumes-tests-" + UUID().uuidString
        try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit {
        chmod(path, 0o755)
        try? FileManager.default.removeItem(atPath: path)
    }
    func file(_ name: String, _ bytes: [UInt8]? = nil) -> String {
        let full = path + "/" + name
        if let bytes { precondition(FileManager.default.createFile(atPath: full, contents: Data(bytes))) }
        return full
    }
    var contents: [String] { try! FileManager.default.contentsOfDirectory(atPath: path).sorted() }
}

func bytes(of path: String) -> [UInt8] { [UInt8](FileManager.default.contents(atPath: path)!) }

/// The error that `body` throws, or nil.
func volumeError(_ body: () throws -> Void) -> VolumeError? {
    do {
        try body()
        return nil
    } catch { return error as? VolumeError }
}

/// Real data kept beside the project; absent in a public clone.
enum SharedData {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("shared/data").path
    static let isPresent = FileManager.default.fileExists(atPath: folder)
    static let absence = "needs ../shared/data, which is not part of the project"
    static func path(_ name: String) -> String { folder + "/" + name }
}
