import Files
import Foundation
import Synchronization
import Testing
import Volumes

@Suite struct WritingTests {
    let scratch = Scratch()
    let geometry = VolumeGeometry(
        shape: [4, 3, 2, 2], affine: Affine(rows: [-2, 0, 0, 10, 0, 2, 0, -20, 0, 0, 2, 30]))

    func roundTrip<T: VoxelValue>(_ values: [T]) throws {
        for name in ["t.nii", "t.nii.gz"] {
            let path = scratch.file(name)
            try VolumeWriter.write(path, geometry: geometry, as: T.self) { t, grid in
                for i in 0..<24 { grid[i] = values[24 * t + i] }
            }
            let reader = try VolumeReader(path: path)
            #expect(reader.datatype == T.datatype && reader.geometry == geometry)
            var buffer = [Float](repeating: 0, count: 24)
            for t in 0..<2 {
                try buffer.withUnsafeMutableBufferPointer { try reader.read(into: $0) }
                #expect(buffer == values[24 * t..<24 * t + 24].map(\.asFloat))
            }
            try reader.finish()
        }
    }

    @Test func everyTypeComesBack() throws {
        try roundTrip((0..<48).map { Float($0) * 0.1 - 2 })
        try roundTrip((0..<48).map { Double($0) * 0.1 - 2 })
        try roundTrip((0..<48).map { UInt8($0 * 5) })
        try roundTrip((0..<48).map { Int8($0 - 20) })
        try roundTrip((0..<48).map { Int16($0 * 600 - 10_000) })
        try roundTrip((0..<48).map { UInt16($0 * 1300) })
        try roundTrip((0..<48).map { Int32($0 * 40_000_000 - 900_000_000) })
        try roundTrip((0..<48).map { UInt32($0 * 89_000_000) })
        try roundTrip((0..<48).map { Int64($0) * -3_000_000_000 })
        try roundTrip((0..<48).map { UInt64($0) * 3_000_000_000 })
    }

    /// The bytes, held against the NIfTI-1 document rather than against our own reader.
    @Test func headerBytes() throws {
        let path = scratch.file("h.nii")
        try VolumeWriter.write(
            path, geometry: geometry, as: UInt32.self, description: String(repeating: "ü", count: 60),
            meaning: ImageMeaning(.label, window: -0.5...3)
        ) { _, _ in }
        let b = bytes(of: path)
        func int16(_ at: Int) -> Int { Int(b[at]) | Int(b[at + 1]) << 8 }
        func float(_ at: Int) -> Float {
            Float(
                bitPattern: UInt32(b[at]) | UInt32(b[at + 1]) << 8 | UInt32(b[at + 2]) << 16 | UInt32(b[at + 3]) << 24)
        }
        #expect(
            b.count == 352 + 48 * 4 && int16(0) == 348 && b[344..<348] == [110, 43, 49, 0]
                && b[348..<352] == [0, 0, 0, 0])
        #expect((0..<8).map { int16(40 + 2 * $0) } == [4, 4, 3, 2, 2, 1, 1, 1] && int16(70) == 768 && int16(72) == 32)
        #expect(
            (0..<8).map { float(76 + 4 * $0) } == [-1, 2, 2, 2, 1, 1, 1, 1] && float(108) == 352 && float(112) == 1
                && float(116) == 0)
        #expect(b[123] == 10 && int16(252) == 1 && int16(254) == 1)
        #expect((0..<12).map { float(280 + 4 * $0) } == [-2, 0, 0, 10, 0, 2, 0, -20, 0, 0, 2, 30])
        #expect(
            String(decoding: b[148..<226], as: UTF8.self) == String(repeating: "ü", count: 39) && b[226] == 0
                && b[227] == 0)
        #expect(int16(68) == 1002 && float(124) == 3 && float(128) == -0.5)
    }

    @Test func equalValuesGiveEqualBytes() throws {
        func write(_ name: String) throws -> [UInt8] {
            let path = scratch.file(name)
            try VolumeWriter.write(path, geometry: geometry, as: Float.self) { t, grid in
                for i in 0..<24 { grid[i] = Float(i * t) }
            }
            return bytes(of: path)
        }
        let first = try write("a.nii.gz")
        #expect(first[0..<9] == [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0])
        #expect(try write("b.nii.gz") == first)
        let copies = Mutex<[[UInt8]]>([])
        DispatchQueue.concurrentPerform(iterations: 8) { i in
            let bytes = try! write("p\(i).nii.gz")
            copies.withLock { $0.append(bytes) }
        }
        #expect(copies.withLock { $0 }.allSatisfy { $0 == first })
    }

    @Test func maskedValuesAreScattered() throws {
        let mask = Mask(geometry: geometry, indices: [1, 7, 8, 23])
        let path = scratch.file("m.nii.gz")
        try VolumeWriter.write(path, mask: mask, trailing: [3], voxelMajor: (0..<12).map { Float($0 + 1) })
        let series = try MaskedSeries(path: path, mask: mask)
        #expect(series.values == (0..<12).map { Float($0 + 1) })
        #expect(try Volume(meanOf: [0], in: path).values.reduce(0, +) == 1 + 4 + 7 + 10)
        try VolumeWriter.write(path, mask: mask, trailing: [2, 3], as: Int16.self) { t, voxels in
            for v in 0..<4 { voxels[v] = Int16(10 * t + v) }
        }
        let reader = try VolumeReader(path: path)
        #expect(reader.geometry.shape == [4, 3, 2, 2, 3] && reader.datatype == .int16)
        #expect(try Volume(meanOf: [5], in: path).values[23] == 53)
        try VolumeWriter.write(path, mask: mask, voxelMajor: [UInt8(9), 8, 7, 6])
        #expect(try Volume(path: path).values[7] == 8)
        try VolumeWriter.write(path, mask: mask, voxelMajor: [9.5, 8, 7, 6])
        #expect(try Volume(path: path).values[1] == 9.5)
        try mask.write(to: path)
        #expect(try Mask(path: path, matching: geometry, of: "dwi").indices == mask.indices)
    }

    /// Noise does not compress: several of the file's buffers are filled. zlib, in our reader, checks the length and
    /// the checksum.
    @Test func grownImagesAreWrittenImages() throws {
        let geometry = VolumeGeometry(shape: [90, 80, 50]),
            mask = Mask(geometry: geometry, indices: (0..<360_000).filter { $0 % 3 != 1 })
        var random = SystemRandomNumberGenerator()
        let values = (0..<3 * mask.count).map { _ in Float.random(in: -1...1, using: &random) }
        func grow(_ name: String, _ steps: [Range<Int>]) throws {
            let image = try GrowingImage(scratch.file(name), mask: mask, trailing: [3], description: "d")
            #expect(!FileManager.default.fileExists(atPath: scratch.file(name)))
            for step in steps {
                try values.withUnsafeBufferPointer {
                    try image.append(
                        UnsafeBufferPointer(
                            rebasing: $0[(step.lowerBound * mask.count)..<(step.upperBound * mask.count)]))
                }
            }
            if steps.last?.upperBound == 3 { try image.finish() }
        }
        try grow("abandoned.nii.gz", [0..<2])
        #expect(scratch.contents.isEmpty)
        try grow("a.nii.gz", [0..<2, 2..<3])
        try VolumeWriter.write(scratch.file("b.nii.gz"), mask: mask, trailing: [3], as: Float.self, description: "d") {
            t, voxels in
            _ = voxels.update(from: values[(t * mask.count)..<((t + 1) * mask.count)])
        }
        let grown = bytes(of: scratch.file("a.nii.gz"))
        #expect(grown.count > 2_000_000 && grown == bytes(of: scratch.file("b.nii.gz")))
        let series = try MaskedSeries(path: scratch.file("a.nii.gz"), mask: mask)
        #expect(
            (0..<mask.count).allSatisfy { v in
                (0..<3).allSatisfy { series.values[3 * v + $0] == values[$0 * mask.count + v] }
            })
        // Voxels outside the mask stay 0 in every volume.
        let outside = try Volume(meanOf: [2], in: scratch.file("a.nii.gz")).values
        #expect((0..<120_000).allSatisfy { outside[3 * $0 + 1] == 0 })
        let refusal = volumeError { _ = try GrowingImage(scratch.file("x.mgz"), mask: mask, trailing: []) }
        #expect(refusal == .badOutputName(path: scratch.path + "/x.mgz"))
    }

    /// MRtrix3's fixel tables: more rows than NIfTI-1 can count.
    @Test func fixelTables() throws {
        let path = scratch.file("directions.nii")
        let n = 40_000
        try VolumeWriter.write(path, geometry: VolumeGeometry(shape: [n, 3, 1]), as: Float.self) { _, grid in
            for i in 0..<3 * n { grid[i] = Float(i) }
        }
        #expect(bytes(of: path).count == 544 + 12 * n && bytes(of: path).starts(with: [0x1c, 0x02, 0, 0]))
        let back = try Volume(path: path)
        #expect(
            back.geometry.shape == [n, 3, 1] && back.geometry.affine == .identity
                && back.values[3 * n - 1] == Float(3 * n - 1))
    }

    @Test func failuresLeaveNothing() throws {
        struct Stop: Error {}
        func write(_ path: String) throws {
            try VolumeWriter.write(path, geometry: geometry, as: Float.self) { _, _ in }
        }
        #expect(volumeError { try write(scratch.file("map.mgz")) } == .badOutputName(path: scratch.path + "/map.mgz"))
        #expect(volumeError { try write(scratch.file("none/map.nii")) }?.kind == .cannotCreate)
        try FileManager.default.createDirectory(atPath: scratch.file("folder.nii"), withIntermediateDirectories: true)
        #expect(
            volumeError { try write(scratch.file("folder.nii")) }
                == .cannotCreate(path: scratch.path + "/folder.nii", reason: "a folder has that name"))
        // A closure that gives up half-way leaves the file of before.
        let path = scratch.file("kept.nii.gz", [1, 2, 3])
        #expect(throws: Stop.self) {
            try VolumeWriter.write(path, geometry: geometry, as: Float.self) { t, _ in if t == 1 { throw Stop() } }
        }
        #expect(bytes(of: path) == [1, 2, 3])
        #expect(scratch.contents == ["folder.nii", "kept.nii.gz"])
        try write(path)
        #expect(try VolumeReader(path: path).geometry == geometry && scratch.contents == ["folder.nii", "kept.nii.gz"])
        try write(scratch.file(String(repeating: "n", count: 200) + ".nii"))
        let tooLong = scratch.file(String(repeating: "n", count: 300) + ".nii")
        #expect(volumeError { try write(tooLong) }?.kind == .cannotCreate)
        #expect(scratch.contents.count == 3)
    }

    @Test(.enabled(if: geteuid() != 0, "root may write anywhere")) func unwritableFolder() throws {
        chmod(scratch.path, 0o555)
        #expect(
            volumeError {
                try VolumeWriter.write(scratch.file("x.nii"), geometry: geometry, as: Float.self) { _, _ in }
            }
                == .cannotCreate(path: scratch.path + "/x.nii", reason: "Permission denied"))
    }

    /// /dev/full takes no byte, as a full disk does.
    @Test(
        .enabled(if: FileManager.default.fileExists(atPath: "/dev/full"), "no /dev/full here"),
        arguments: [false, true])
    func fullDisk(isCompressed: Bool) throws {
        let temporary = scratch.file(".x.partial", [])
        let sink = ByteSink(
            TemporaryFile(path: "x.nii", temporary: temporary, descriptor: open("/dev/full", O_WRONLY)),
            isCompressed: isCompressed)
        var random = SystemRandomNumberGenerator()
        let noise = (0..<1 << 17).map { _ in random.next() as UInt64 }
        #expect(
            volumeError { try noise.withUnsafeBytes { try sink.write($0) } }
                == .writeFailed(path: "x.nii", reason: "No space left on device"))
        let small = ByteSink(
            TemporaryFile(path: "x.nii", temporary: temporary, descriptor: open("/dev/full", O_WRONLY)),
            isCompressed: isCompressed)
        try [1, 2, 3].withUnsafeBytes { try small.write($0) }
        #expect(volumeError { try small.commit() }?.kind == .io)
    }

    @Test func abandonedSinkRemovesItsFile() throws {
        func abandon() throws {
            let sink = try ByteSink(path: scratch.file("x.nii"), isCompressed: true)
            #expect(scratch.contents.count == 1)
            try [1, 2, 3].withUnsafeBytes { try sink.write($0) }
        }
        try abandon()
        #expect(scratch.contents.isEmpty)
    }

    /// Equal bytes give equal files, in whatever pieces they come and whatever lies in memory beyond them.
    @Test func compressedBytesDependOnNothingElse() throws {
        // Few different words, so that everywhere several equal matches can be chosen from.
        var word: UInt64 = 1, bytes: [UInt8] = []
        while bytes.count < 700_000 {
            word = word &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes += [UInt8(word >> 61), UInt8(word >> 40 & 3), 0, UInt8(word >> 50 & 1)]
        }
        func written(_ name: String, _ piece: (Int) -> Int, beyond: UInt8) throws -> Data {
            let sink = try ByteSink(path: scratch.file(name, []), isCompressed: true)
            var at = 0, number = 0
            while at < bytes.count {
                let count = min(piece(number), bytes.count - at)
                let copy = Array(bytes[at..<at + count]) + [UInt8](repeating: beyond, count: 600)
                try copy.withUnsafeBytes { try sink.write(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                (at, number) = (at + count, number + 1)
            }
            try sink.commit()
            return try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/" + name))
        }
        let whole = try written("whole.gz", { _ in bytes.count }, beyond: 0)
        #expect(try written("again.gz", { _ in bytes.count }, beyond: 0x5A) == whole)
        #expect(try written("rows.gz", { _ in 3001 }, beyond: 1) == whole)
        #expect(try written("uneven.gz", { 1 + 7919 * ($0 % 11) }, beyond: 2) == whole)
    }
}
