import Foundation
import Inference
import Tensors
import Testing

/// Damage to posterior files is found, wherever it is, and what a file says of itself is not believed before it makes
/// sense.
struct ArchiveIntegrityTests {
    /// Writes a sound file again with other texts in its header, and no checksum: as an earlier version would have, or
    /// whoever wants to deceive.
    private func rewrite(_ path: String, to other: String, _ change: (inout [String: String]) -> Void) throws {
        let file = try SafetensorsReader(path: path)
        var texts = file.metadata
        texts["checksum"] = nil
        change(&texts)
        let writer = try SafetensorsWriter(
            path: other, tensors: file.entries.map { ($0.name, $0.type, $0.shape) }, metadata: texts)
        for entry in file.entries { try writer.append(file.bytes(entry), to: entry.name) }
        try writer.finish()
    }

    @Test func noFlippedBitPasses() throws {
        let scratch = try Scratch()
        _ = try writeArchive(scratch.path, sizes: [2], s: 3)
        let path = scratch.path + "/" + PosteriorShard.name(0), sound = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(try SafetensorsReader(path: path).isIntact == true)
        let target = try Scratch(), damaged = target.path + "/" + PosteriorShard.name(0)
        var passed: [String] = []
        for byte in sound.indices {
            // All bits of a part of the header, which holds the checksum itself; elsewhere, where the checksum is all
            // that finds them, one bit of every third byte.
            for bit in byte < 600 ? Array(0..<8) : byte % 3 == 0 ? [byte / 3 % 8] : [] {
                var bytes = sound
                bytes[byte] ^= 1 << bit
                _ = FileManager.default.createFile(atPath: damaged, contents: bytes)
                if (try? PosteriorShard(path: damaged)) != nil { passed.append("byte \(byte), bit \(bit)") }
            }
        }
        #expect(passed.isEmpty)
    }

    @Test func theChecksumIsTheOneThatOthersKnow() throws {
        let scratch = try Scratch(), path = scratch.path + "/x"
        let writer = try SafetensorsWriter(path: path, tensors: [("a", .u8, [9])], isChecksummed: true)
        try writer.append(Array("123456789".utf8), to: "a")
        try writer.finish()
        let file = try SafetensorsReader(path: path), bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        let text = try #require(file.metadata["checksum"])
        // CRC-64/XZ bit by bit, of the file with sixteen zeros in the checksum's place.
        func reference(_ bytes: [UInt8]) -> UInt64 {
            var crc = UInt64.max
            for byte in bytes {
                crc ^= UInt64(byte)
                for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xC96C_5795_D787_0F42 : crc >> 1 }
            }
            return ~crc
        }
        #expect(reference(Array("123456789".utf8)) == 0x995D_C9BB_DF19_39FA, "the check value of the catalogue of CRCs")
        let zeroed = String(decoding: bytes, as: UTF8.self).replacingOccurrences(
            of: text, with: String(repeating: "0", count: 16))
        #expect(String(reference(Array(zeroed.utf8)), radix: 16) == String(text.drop { $0 == "0" }))
    }

    @Test func filesWithoutAChecksumAreRead() throws {
        let scratch = try Scratch(), old = try Scratch()
        let metadata = try writeArchive(scratch.path, sizes: [4], s: 3)
        try rewrite(scratch.path + "/" + PosteriorShard.name(0), to: old.path + "/" + PosteriorShard.name(0)) { _ in }
        let archive = try PosteriorArchive(directory: old.path)
        #expect(archive.metadata == metadata && archive.voxelCount == 4)
    }

    /// Every number of the header in turn, and texts where numbers are; of format 2 as well.
    @Test(arguments: [false, true]) func numbersThatMakeNoSenseAreRefused(_ isEarlier: Bool) throws {
        let scratch = try Scratch(), target = try Scratch()
        let path = (isEarlier ? ListArchiveTests.earlier + "/fit" : scratch.path) + "/" + PosteriorShard.name(0)
        _ = try writeArchive(scratch.path, sizes: [4], s: 3)
        let file = try SafetensorsReader(path: path), place = target.path + "/" + PosteriorShard.name(0)
        let numbers = try NSRegularExpression(pattern: "-?[0-9]+(\\.[0-9]+)?")
        let wrong = [
            "-1", "0", "1", "2", "2000000000", "9223372036854775807", "99999999999999999999", "1e300", "-1e300", "nan",
            "inf", "", "x", "[[[1]]]", "0x10", "1.5",
        ]
        var tried = 0, opened = 0
        for (key, text) in file.metadata
        where !["format", "columns", "checksum", "note.mask", "network", "network_sha256"].contains(key) {
            for match in numbers.matches(in: text, range: NSRange(text.startIndex..., in: text)) {
                for value in wrong {
                    try rewrite(path, to: place) {
                        $0[key] = (text as NSString).replacingCharacters(in: match.range, with: value)
                    }
                    tried += 1
                    // What is accepted must be small enough to be summarised.
                    let start = ContinuousClock.now
                    if let archive = try? PosteriorArchive(directory: target.path) {
                        opened += 1
                        let summary = PosteriorSummary(archive, lambda: 0.5, threads: 1)
                        #expect(summary.count == (isEarlier ? 16 : 4))
                    }
                    #expect(.now - start < .seconds(1), "\(key) = \(value)")
                }
            }
        }
        #expect(tried >= (isEarlier ? 500 : 400) && opened > 20, "\(tried) tried, \(opened) opened")
    }
}
