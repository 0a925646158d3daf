import Tensors

/// Indices of 8, 16 or 32 bits in a mapped file.
struct IndexColumn: @unchecked Sendable {
    private let file: SafetensorsReader, start: UnsafeRawPointer, width: Int
    let count: Int

    init(_ file: SafetensorsReader, _ name: String) throws {
        let entry = try file.require(name, shape: [-1]), bytes = file.bytes(entry)
        self.file = file
        width = entry.type.size
        count = entry.count
        guard [.u8, .u16, .u32].contains(entry.type), let start = bytes.baseAddress, Int(bitPattern: start) % width == 0
        else { throw PosteriorArchiveError.damaged(path: file.path, reason: "tensor '\(name)' does not hold indices") }
        self.start = start
    }

    @inline(__always)
    subscript(i: Int) -> Int {
        switch width {
        case 1: Int(start.load(fromByteOffset: i, as: UInt8.self))
        case 2: Int(start.load(fromByteOffset: 2 * i, as: UInt16.self))
        default: Int(start.load(fromByteOffset: 4 * i, as: UInt32.self))
        }
    }

    /// As few bits as will do for indices below `bound`.
    static func type(_ bound: Int) -> SafetensorsType { bound <= 1 << 8 ? .u8 : bound <= 1 << 16 ? .u16 : .u32 }

    static func write(_ indices: [Int], below bound: Int, to writer: SafetensorsWriter, _ name: String) throws {
        switch type(bound) {
        case .u8: try writer.append(indices.map(UInt8.init), to: name)
        case .u16: try writer.append(indices.map(UInt16.init), to: name)
        default: try writer.append(indices.map(UInt32.init), to: name)
        }
    }
}
