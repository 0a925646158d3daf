import CISAL
import Foundation

/// CRC-64/XZ of a safetensors file, which its header holds as sixteen digits under `__metadata__`.
///
/// It covers every byte of the file, header and data, with those digits taken as zeros. Any damage confined to 64 bits
/// in a row is found, and other damage but for one in 10¹⁹.
/// - Source: ECMA-182 (polynomial); computed by ISA-L with carry-less multiplication where the processor has it.
enum Checksum {
    static let key = "checksum", digits = 16
    static let zeros = String(repeating: "0", count: digits)

    /// Carries on from `sum` (0 at the start).
    static func update(_ sum: UInt64, _ bytes: UnsafeRawBufferPointer) -> UInt64 {
        guard let start = bytes.baseAddress else { return sum }
        return crc64_ecma_refl(sum, start.assumingMemoryBound(to: UInt8.self), UInt64(bytes.count))
    }

    static func text(_ sum: UInt64) -> String {
        let text = String(sum, radix: 16)
        return String(repeating: "0", count: digits - text.count) + text
    }

    /// Where the digits stand in the JSON header. Quotation marks inside texts are written `\"`, so that none of them
    /// can be taken for this.
    static func place(in header: UnsafeRawBufferPointer) -> Range<Int>? {
        let mark = Array("\"\(key)\":\"".utf8)
        guard header.count >= mark.count + digits else { return nil }
        for i in 0...(header.count - mark.count - digits)
        where header[i] == mark[0] && header[i..<i + mark.count].elementsEqual(mark) {
            return i + mark.count..<i + mark.count + digits
        }
        return nil
    }
}

extension SafetensorsReader {
    /// Whether the file still is what was written, by its checksum; nil when it holds none. Reads the whole file.
    public var isIntact: Bool? {
        guard let expected = metadata[Checksum.key] else { return nil }
        guard let place = Checksum.place(in: UnsafeRawBufferPointer(rebasing: whole[8..<dataStart])) else {
            return false
        }
        let first = place.lowerBound + 8, end = place.upperBound + 8
        var sum = Checksum.update(0, UnsafeRawBufferPointer(rebasing: whole[..<first]))
        sum = Array(Checksum.zeros.utf8).withUnsafeBytes { Checksum.update(sum, $0) }
        sum = Checksum.update(sum, UnsafeRawBufferPointer(rebasing: whole[end...]))
        return Checksum.text(sum) == expected
    }
}
