/// NIfTI's codes for the number types that we read and write: one real number a voxel.
public enum Datatype: Int, CaseIterable, Sendable {
    case uint8 = 2, int16 = 4, int32 = 8, float32 = 16, float64 = 64
    case int8 = 256, uint16 = 512, uint32 = 768, int64 = 1024, uint64 = 1280

    public var isInteger: Bool { self != .float32 && self != .float64 }

    public var bytes: Int {
        switch self {
        case .uint8, .int8: 1
        case .int16, .uint16: 2
        case .int32, .uint32, .float32: 4
        case .int64, .uint64, .float64: 8
        }
    }
}

/// A Swift number type that a NIfTI file can hold.
public protocol VoxelValue: BitwiseCopyable, Sendable {
    static var datatype: Datatype { get }
    var asFloat: Float { get }
    var asDouble: Double { get }
    /// The value whose bytes stand in the opposite order.
    var reversed: Self { get }
}

// Spelt out for each type: the standard library's generic conversions cost tens of nanoseconds each.
extension UInt8: VoxelValue {
    public static var datatype: Datatype { .uint8 }
    public var asFloat: Float { Float(self) }
    public var asDouble: Double { Double(self) }
    public var reversed: UInt8 { self }
}
extension Int8: VoxelValue {
    public static var datatype: Datatype { .int8 }
    public var asFloat: Float { Float(self) }
    public var asDouble: Double { Double(self) }
    public var reversed: Int8 { self }
}
extension UInt16: VoxelValue {
    public static var datatype: Datatype { .uint16 }
    public var asFloat: Float { Float(self) }
    public var asDouble: Double { Double(self) }
    public var reversed: UInt16 { byteSwapped }
}
extension Int16: VoxelValue {
    public static var datatype: Datatype { .int16 }
    public var asFloat: Float { Float(self) }
    public var asDouble: Double { Double(self) }
    public var reversed: Int16 { byteSwapped }
}
extension UInt32: VoxelValue {
    public static var datatype: Datatype { .uint32 }
    public var asFloat: Float { Float(self) }
    public var asDouble: Double { Double(self) }
    public var reversed: UInt32 { byteSwapped }
}
extension Int32: VoxelValue {
    public static var datatype: Datatype { .int32 }
    public var asFloat: Float { Float(self) }
    public var asDouble: Double { Double(self) }
    public var reversed: Int32 { byteSwapped }
}
extension UInt64: VoxelValue {
    public static var datatype: Datatype { .uint64 }
    public var asFloat: Float { Float(self) }
    public var asDouble: Double { Double(self) }
    public var reversed: UInt64 { byteSwapped }
}
extension Int64: VoxelValue {
    public static var datatype: Datatype { .int64 }
    public var asFloat: Float { Float(self) }
    public var asDouble: Double { Double(self) }
    public var reversed: Int64 { byteSwapped }
}
extension Float: VoxelValue {
    public static var datatype: Datatype { .float32 }
    public var asFloat: Float { self }
    public var asDouble: Double { Double(self) }
    public var reversed: Float { Float(bitPattern: bitPattern.byteSwapped) }
}
extension Double: VoxelValue {
    public static var datatype: Datatype { .float64 }
    public var asFloat: Float { Float(self) }
    public var asDouble: Double { self }
    public var reversed: Double { Double(bitPattern: bitPattern.byteSwapped) }
}

/// How stored samples become physical values: y = slope · x + intercept, computed in double precision and rounded once
/// to Float.
struct SampleDecoder {
    let datatype: Datatype
    /// Whether the file's byte order is the opposite of this machine's.
    let isReversed: Bool
    let slope: Double
    let intercept: Double

    /// Samples 0..<count at `raw` → `out`.
    func decode(_ raw: UnsafeRawPointer, count: Int, into out: UnsafeMutablePointer<Float>) {
        each(raw, count, out) { $0 }
    }

    /// Samples indices[0] − base, …, indices[count−1] − base at `raw` → `out`.
    func gather(
        _ raw: UnsafeRawPointer, indices: UnsafePointer<Int>, base: Int, count: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        each(raw, count, out) { indices[$0] - base }
    }

    @inline(__always)
    private func each(_ raw: UnsafeRawPointer, _ count: Int, _ out: UnsafeMutablePointer<Float>, _ place: (Int) -> Int)
    {
        switch datatype {
        case .uint8: convert(UInt8.self, raw, count, out, place)
        case .int8: convert(Int8.self, raw, count, out, place)
        case .uint16: convert(UInt16.self, raw, count, out, place)
        case .int16: convert(Int16.self, raw, count, out, place)
        case .uint32: convert(UInt32.self, raw, count, out, place)
        case .int32: convert(Int32.self, raw, count, out, place)
        case .uint64: convert(UInt64.self, raw, count, out, place)
        case .int64: convert(Int64.self, raw, count, out, place)
        case .float32: convert(Float.self, raw, count, out, place)
        case .float64: convert(Double.self, raw, count, out, place)
        }
    }

    @inline(__always)
    private func convert<T: VoxelValue>(
        _: T.Type, _ raw: UnsafeRawPointer, _ count: Int, _ out: UnsafeMutablePointer<Float>, _ place: (Int) -> Int
    ) {
        let size = MemoryLayout<T>.size
        let isScaled = slope != 1 || intercept != 0
        for i in 0..<count {
            var x = raw.loadUnaligned(fromByteOffset: place(i) * size, as: T.self)
            if isReversed { x = x.reversed }
            out[i] = isScaled ? Float(slope * x.asDouble + intercept) : x.asFloat
        }
    }
}
