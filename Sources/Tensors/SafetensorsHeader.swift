import Foundation

/// The JSON header of a safetensors file: parsed strictly, printed canonically.
///
/// The format allows exactly `{"name": {"dtype": "F32", "shape": [2,3], "data_offsets": [0,24]}, …, "__metadata__":
/// {"key": "text", …}}`. A general JSON reader would let a name occur twice and pass fractions as offsets, so this one
/// knows the grammar and nothing else.
struct SafetensorsHeader {
    var metadata: [String: String] = [:]
    /// In the order of their data.
    var entries: [SafetensorsEntry] = []

    /// Bytes of the data section.
    var dataLength: Int { entries.last?.offsets.upperBound ?? 0 }

    /// Reads a header and checks that its tensors tile the data section without holes or overlaps.
    /// - Throws: `SafetensorsError.badHeader`, `.badTensor`.
    init(json: UnsafeRawBufferPointer, path: String) throws {
        var scanner = SafetensorsScanner(bytes: json, path: path)
        var names = Set<String>()
        try scanner.object { scanner, name in
            guard names.insert(name).inserted else { throw scanner.failure("the name '\(name)' occurs twice") }
            if name == "__metadata__" {
                try scanner.object { scanner, key in
                    let value = try scanner.string()
                    guard self.metadata.updateValue(value, forKey: key) == nil else {
                        throw scanner.failure("the metadata key '\(key)' occurs twice")
                    }
                }
            } else {
                self.entries.append(try Self.entry(name, &scanner, path))
            }
        }
        try scanner.end()
        entries.sort {
            ($0.offsets.lowerBound, $0.offsets.upperBound, $0.name) < (
                $1.offsets.lowerBound, $1.offsets.upperBound, $1.name
            )
        }
        var position = 0
        for entry in entries {
            guard entry.offsets.lowerBound == position else {
                throw SafetensorsError.badTensor(
                    path: path, name: entry.name, reason: "data_offsets overlap another tensor or leave a hole")
            }
            position = entry.offsets.upperBound
        }
    }

    private static func entry(_ name: String, _ scanner: inout SafetensorsScanner, _ path: String) throws
        -> SafetensorsEntry
    {
        func bad(_ reason: String) -> SafetensorsError { .badTensor(path: path, name: name, reason: reason) }
        var typeName: String?, shape: [Int]?, offsets: [Int]?
        try scanner.object { scanner, key in
            let isNew: Bool
            switch key {
            case "dtype": isNew = typeName == nil; typeName = try scanner.string()
            case "shape": isNew = shape == nil; shape = try scanner.integers()
            case "data_offsets": isNew = offsets == nil; offsets = try scanner.integers()
            default: throw bad("unknown key '\(key)'")
            }
            guard isNew else { throw bad("key '\(key)' occurs twice") }
        }
        guard let typeName, let shape, let offsets else { throw bad("needs dtype, shape and data_offsets") }
        guard let type = SafetensorsType(rawValue: typeName) else {
            throw bad("number format '\(typeName)' is not supported")
        }
        guard offsets.count == 2, offsets[0] <= offsets[1] else { throw bad("data_offsets are not a start and an end") }
        var size = type.size
        for extent in shape {
            let (product, overflow) = size.multipliedReportingOverflow(by: extent)
            guard !overflow else { throw bad("the shape is absurdly large") }
            size = product
        }
        guard offsets[1] - offsets[0] == size else { throw bad("data_offsets do not match shape and dtype") }
        return SafetensorsEntry(name: name, type: type, shape: shape, offsets: offsets[0]..<offsets[1])
    }

    /// Lays tensors out one after the other: wide numbers first (so that each is aligned to its size), then by name.
    init(metadata: [String: String], tensors: [(name: String, type: SafetensorsType, shape: [Int])]) {
        self.metadata = metadata
        var position = 0
        for tensor in tensors.sorted(by: { ($1.type.size, $0.name) < ($0.type.size, $1.name) }) {
            let end = position + tensor.shape.reduce(tensor.type.size, *)
            entries.append(
                SafetensorsEntry(name: tensor.name, type: tensor.type, shape: tensor.shape, offsets: position..<end))
            position = end
        }
    }

    /// The header's bytes, padded with spaces to a multiple of 8: the same for the same contents.
    func json() -> [UInt8] {
        var items: [String] = []
        if !metadata.isEmpty {
            let pairs = metadata.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)):\(Self.quoted($0.value))" }
            items.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
        }
        for entry in entries.sorted(by: { $0.name < $1.name }) {
            let shape = entry.shape.map(String.init).joined(separator: ",")
            items.append(
                "\(Self.quoted(entry.name)):{\"dtype\":\"\(entry.type.rawValue)\",\"shape\":[\(shape)],"
                    + "\"data_offsets\":[\(entry.offsets.lowerBound),\(entry.offsets.upperBound)]}")
        }
        var bytes = Array("{\(items.joined(separator: ","))}".utf8)
        while bytes.count % 8 != 0 { bytes.append(0x20) }
        return bytes
    }

    /// `text` as a JSON string.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where scalar.value < 0x20: result += "\\u" + String(format: "%04x", scalar.value)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
