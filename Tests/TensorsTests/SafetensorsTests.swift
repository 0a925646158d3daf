import Foundation
import Tensors
import Testing

final class SafetensorsTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
        "safetensors-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: folder) }

    private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    @Test func everyNumberFormatComesBack() throws {
        let writer = try SafetensorsWriter(
            path: path("all.safetensors"),
            tensors: [
                ("u8", .u8, [3]), ("f32", .f32, [2, 2]), ("f16", .f16, [1, 3]), ("f64", .f64, []), ("i32", .i32, [2]),
                ("i64", .i64, [1]),
                ("u32", .u32, [1]), ("none", .f32, [0, 7]),
            ], metadata: ["units": "mm²/s", "quote": "a \"b\" \\ \n\u{1}"])
        try writer.append([UInt8](1...3), to: "u8")
        try writer.append([Float(1), -2] as [Float], to: "f32")
        try writer.append([Float.nan, .infinity], to: "f32")
        try writer.append([Float16(0.5), 1, 65504], to: "f16")
        try writer.append([Double.pi], to: "f64")
        try writer.append([Int32.min, .max], to: "i32")
        try writer.append([Int64.min], to: "i64")
        try writer.append([UInt32.max], to: "u32")
        #expect(!FileManager.default.fileExists(atPath: path("all.safetensors")), "a name before the file is whole")
        try writer.finish()
        let file = try SafetensorsReader(path: path("all.safetensors"))
        #expect(file.metadata == ["units": "mm²/s", "quote": "a \"b\" \\ \n\u{1}"])
        try #expect(file.array("u8") == [1, 2, 3] as [UInt8])
        let f32: [Float] = try file.array("f32", shape: [2, -1])
        #expect(f32[1] == -2)
        #expect(f32[2].isNaN)
        try #expect(file.floats("f16") == [0.5, 1, 65504])
        try #expect(file.array("f64") == [Double.pi])
        try #expect(file.array("i32") == [Int32.min, .max])
        try #expect(file.array("i64") == [Int64.min])
        try #expect(file.array("u32") == [UInt32.max])
        try #expect(file.floats("none") == [])
        #expect(throws: SafetensorsError.self) { try file.array("f32", as: Double.self) }
        #expect(throws: SafetensorsError.self) { try file.array("f32", as: Float.self, shape: [4]) }
        #expect(throws: SafetensorsError.self) { try file.floats("absent") }
        for entry in file.entries {
            #expect(entry.offsets.lowerBound % entry.type.size == 0, "\(entry.name) is not aligned")
        }
    }

    /// Made with Python's safetensors 0.8.0: save_file({"a": arange(6, float32) as 2×3, "b": zeros(3, uint8), "s":
    /// float64 2.5}, metadata).
    @Test func readsWhatPythonWrites() throws {
        let bytes = Data(
            base64Encoded: """
                yAAAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJrIjoidiDDvCBcIiBcbiJ9LCJzIjp7ImR0eXBlIjoiRjY0Iiwic2hhcGUiOltdLCJkYXRhX29mZnNldHMiOlsw\
                LDhdfSwiYSI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMiwzXSwiZGF0YV9vZmZzZXRzIjpbOCwzMl19LCJiIjp7ImR0eXBlIjoiVTgiLCJzaGFwZSI6WzNd\
                LCJkYXRhX29mZnNldHMiOlszMiwzNV19fSAgIAAAAAAAAARAAAAAAAAAgD8AAABAAABAQAAAgEAAAKBAAAAA
                """)
        try #require(bytes).write(to: URL(fileURLWithPath: path("python")))
        let file = try SafetensorsReader(path: path("python"))
        #expect(file.metadata == ["k": "v ü \" \n"])
        try #expect(file.array("a", shape: [2, 3]) == [0, 1, 2, 3, 4, 5] as [Float])
        try #expect(file.array("b", shape: [3]) == [0, 0, 0] as [UInt8])
        try #expect(file.array("s", shape: []) == [2.5] as [Double])
    }

    @Test func bytesDependOnContentsAlone() throws {
        let tensors: [(name: String, shape: [Int], values: [Float])] = [("b", [2], [1, 2]), ("a", [1], [3])]
        try SafetensorsWriter.write(tensors, metadata: ["x": "1", "y": "2"], to: path("one"))
        try SafetensorsWriter.write(tensors.reversed(), metadata: ["y": "2", "x": "1"], to: path("two"))
        let one = try Data(contentsOf: URL(fileURLWithPath: path("one")))
        try #expect(one == Data(contentsOf: URL(fileURLWithPath: path("two"))))
        #expect(Int(one[0]) % 8 == 0, "the header is padded to a multiple of 8")
        try #expect(
            FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["one", "two"],
            "a temporary file is left")
    }

    @Test func unfinishedFileLeavesNothing() throws {
        do {
            let writer = try SafetensorsWriter(path: path("half"), tensors: [("a", .f32, [4])])
            try writer.append([Float(1)], to: "a")
        }
        try #expect(FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
        #expect(throws: SafetensorsError.self) { try SafetensorsWriter(path: path("no/such/folder"), tensors: []) }
    }

    /// Writes a file with the given header text and data, and says how opening it fails.
    private func attack(_ header: String, data: Int = 0, declared: UInt64? = nil, trailing: Int = 0)
        -> SafetensorsError?
    {
        var bytes = withUnsafeBytes(of: (declared ?? UInt64(header.utf8.count)).littleEndian) { Data($0) }
        bytes.append(contentsOf: header.utf8)
        bytes.append(Data(count: data + trailing))
        let target = path("attack")
        _ = FileManager.default.createFile(atPath: target, contents: bytes)
        do { _ = try SafetensorsReader(path: target) } catch { return error as? SafetensorsError }
        return nil
    }

    @Test func hostileFilesAreRefused() {
        let good = #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
        #expect(attack(good, data: 8) == nil)
        #expect(attack("{}        ") == nil)
        #expect(attack(#"{"\ud83e\udde0":{"shape":[],"data_offsets":[0,1],"dtype":"U8"}}"#, data: 1) == nil)
        func expectHeader(_ text: String, data: Int = 8, line: SourceLocation = #_sourceLocation) {
            guard case .badHeader = attack(text, data: data) else {
                Issue.record("accepted or misnamed: \(text)", sourceLocation: line); return
            }
        }
        func expectTensor(_ text: String, data: Int = 8, line: SourceLocation = #_sourceLocation) {
            guard case .badTensor = attack(text, data: data) else {
                Issue.record("accepted or misnamed: \(text)", sourceLocation: line); return
            }
        }
        func expectLength(_ error: SafetensorsError?, line: SourceLocation = #_sourceLocation) {
            guard case .wrongLength = error else {
                Issue.record("accepted or misnamed: \(String(describing: error))", sourceLocation: line); return
            }
        }
        expectLength(attack(good, data: 7))
        expectLength(attack(good, data: 8, trailing: 1))
        expectLength(attack(good, data: 8, declared: 5000))
        for declared: UInt64 in [.max, 1 << 63, 100_000_001] {
            guard case .badHeader = attack(good, data: 8, declared: declared) else {
                Issue.record("header of \(declared) bytes"); return
            }
        }
        expectHeader("")
        expectHeader(" {}")
        expectHeader("[]")
        expectHeader("{")
        expectHeader(good + "x")
        expectHeader(good.replacingOccurrences(of: "}}", with: "},}"))
        expectHeader(good.replacingOccurrences(of: "[2]", with: "[2.0]"))
        expectHeader(good.replacingOccurrences(of: "[2]", with: "[-2]"))
        expectHeader(good.replacingOccurrences(of: "[2]", with: "[02]"))
        expectHeader(good.replacingOccurrences(of: "[2]", with: "[99999999999999999999]"))
        expectHeader(good.replacingOccurrences(of: "\"a\"", with: "\"\\ud800\""))
        expectHeader(good.replacingOccurrences(of: "\"a\"", with: "\"\\q\""))
        expectHeader(good.replacingOccurrences(of: "\"a\"", with: "\"a\nb\""))
        expectHeader(
            #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#,
            data: 0)
        expectHeader(#"{"__metadata__":{"a":"1","a":"2"}}"#, data: 0)
        expectHeader(#"{"__metadata__":{"a":1}}"#, data: 0)
        expectTensor(good.replacingOccurrences(of: "F32", with: "BF16"))
        expectTensor(good.replacingOccurrences(of: "[0,8]", with: "[0,4]"), data: 4)
        expectTensor(good.replacingOccurrences(of: "[0,8]", with: "[8,0]"))
        expectTensor(good.replacingOccurrences(of: "[0,8]", with: "[0]"))
        expectTensor(good.replacingOccurrences(of: "[0,8]", with: "[4,12]"), data: 12)
        expectTensor(good.replacingOccurrences(of: "[2]", with: "[4611686018427387904,4]"))
        expectTensor(good.replacingOccurrences(of: "\"shape\"", with: "\"size\""))
        expectTensor(good.replacingOccurrences(of: "\"shape\":[2]", with: "\"shape\":[2],\"shape\":[2]"))
        expectTensor(
            #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#,
            data: 6)
        expectTensor(
            #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[6,10]}}"#,
            data: 10)
        #expect(throws: SafetensorsError.self, "a folder") { try SafetensorsReader(path: folder.path) }
        #expect(throws: SafetensorsError.self) { try SafetensorsReader(path: path("absent")) }
        _ = FileManager.default.createFile(atPath: path("empty"), contents: Data())
        #expect(throws: SafetensorsError.self) { try SafetensorsReader(path: path("empty")) }
    }

    /// Random damage to a sound file either leaves it readable or is refused; it never crashes.
    @Test func randomDamageNeverCrashes() throws {
        try SafetensorsWriter.write(
            [("a", [3], [1, 2, 3]), ("b", [1, 2], [4, 5])], metadata: ["k": "v"], to: path("good"))
        let good = try Data(contentsOf: URL(fileURLWithPath: path("good")))
        var generator = Congruential()
        for _ in 0..<2000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            if Bool.random(using: &generator) {
                bytes = bytes.prefix(Int.random(in: 0...bytes.count, using: &generator))
            }
            _ = FileManager.default.createFile(atPath: path("bad"), contents: Data(bytes))
            if let file = try? SafetensorsReader(path: path("bad")) {
                for entry in file.entries { _ = file.bytes(entry).reduce(0) { $0 &+ Int($1) } }
            }
        }
    }
}

/// A small generator, so that a failing case comes again.
private struct Congruential: RandomNumberGenerator {
    var state: UInt64 = 1
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}
