import CZlib
import Foundation

/// Numbers as a page holds them: packed by zlib, in base64. The page's scripts unpack them (`numbers.js`).
enum PackedNumbers {
    static func text(_ bytes: [UInt8]) -> JSONValue {
        var size = compressBound(UInt(bytes.count)), packed = [UInt8](repeating: 0, count: Int(size))
        let status = compress2(&packed, &size, bytes, UInt(bytes.count), 6)
        precondition(status == Z_OK, "zlib compresses into a buffer of compressBound bytes")
        return .string(Data(packed[0..<Int(size)]).base64EncodedString())
    }

    /// Little endian.
    static func text(_ values: [UInt16]) -> JSONValue {
        text(values.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] })
    }

    static func text(_ values: [Float]) -> JSONValue {
        text(values.flatMap { value in (0..<4).map { UInt8(value.bitPattern >> UInt32(8 * $0) & 255) } })
    }

    static func text(_ values: [Int32]) -> JSONValue {
        text(values.flatMap { value in (0..<4).map { UInt8(UInt32(bitPattern: value) >> UInt32(8 * $0) & 255) } })
    }
}
