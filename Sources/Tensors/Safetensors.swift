import Foundation

/// Number formats of the safetensors files that this library reads and writes, named as in the file.
public enum SafetensorsType: String, Sendable, CaseIterable {
    case f64 = "F64", f32 = "F32", f16 = "F16", i64 = "I64", u64 = "U64", i32 = "I32", u32 = "U32", u16 = "U16", u8 =
        "U8"

    /// Bytes an element.
    public var size: Int {
        switch self {
        case .f64, .i64, .u64: 8
        case .f32, .i32, .u32: 4
        case .f16, .u16: 2
        case .u8: 1
        }
    }
}

/// A Swift number type that a safetensors file can hold as it is.
public protocol SafetensorsScalar: BitwiseCopyable, Sendable {
    static var safetensorsType: SafetensorsType { get }
}
extension Double: SafetensorsScalar { public static var safetensorsType: SafetensorsType { .f64 } }
extension Float: SafetensorsScalar { public static var safetensorsType: SafetensorsType { .f32 } }
extension Float16: SafetensorsScalar { public static var safetensorsType: SafetensorsType { .f16 } }
extension Int64: SafetensorsScalar { public static var safetensorsType: SafetensorsType { .i64 } }
extension Int32: SafetensorsScalar { public static var safetensorsType: SafetensorsType { .i32 } }
extension UInt64: SafetensorsScalar { public static var safetensorsType: SafetensorsType { .u64 } }
extension UInt32: SafetensorsScalar { public static var safetensorsType: SafetensorsType { .u32 } }
extension UInt16: SafetensorsScalar { public static var safetensorsType: SafetensorsType { .u16 } }
extension UInt8: SafetensorsScalar { public static var safetensorsType: SafetensorsType { .u8 } }

/// What a safetensors header says of one tensor: its name, number format, row-major shape and place in the data section
/// (bytes).
public struct SafetensorsEntry: Sendable, Equatable {
    public let name: String
    public let type: SafetensorsType
    public let shape: [Int]
    /// Bytes from the start of the data section.
    public let offsets: Range<Int>

    /// Number of elements: the product of the shape (1 for a scalar).
    public var count: Int { offsets.count / type.size }
}

/// The ways in which a safetensors file can disappoint. Each message says which file, what is wrong and what to do.
public enum SafetensorsError: Error, Equatable, CustomStringConvertible {
    /// The file cannot be opened or mapped.
    case unreadable(path: String, reason: String)
    /// A folder, a pipe or a device.
    case notAFile(path: String, what: String)
    /// The file ends before what its header promises, or goes on after it.
    case wrongLength(path: String, expected: Int, found: Int)
    /// The header is not the JSON object that the format asks for.
    case badHeader(path: String, reason: String)
    /// A tensor's description contradicts itself, another tensor or the file.
    case badTensor(path: String, name: String, reason: String)
    /// The file is sound but does not hold what the caller needs.
    case missing(path: String, name: String, reason: String)
    /// The file cannot be created.
    case unwritable(path: String, reason: String)
    /// The medium is full or broken.
    case writeFailed(path: String, reason: String)

    public var description: String {
        switch self {
        case let .unreadable(path, reason): "\(path): cannot be read: \(reason)"
        case let .notAFile(path, what): "\(path): is \(what), not a file; give a safetensors file"
        case let .wrongLength(path, expected, found):
            "\(path): is \(found) bytes long where its header asks for \(expected); copy or create the file again"
        case let .badHeader(path, reason): "\(path): not a safetensors file: \(reason)"
        case let .badTensor(path, name, reason): "\(path): tensor '\(name)': \(reason); the file is damaged"
        case let .missing(path, name, reason): "\(path): tensor '\(name)': \(reason)"
        case let .unwritable(path, reason): "\(path): cannot be written: \(reason)"
        case let .writeFailed(path, reason): "\(path): cannot be written: \(reason); free some space"
        }
    }
}

extension SafetensorsError: LocalizedError {
    public var errorDescription: String? { description }
}
