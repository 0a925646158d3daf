import CKernels

/// Bulk conversion between IEEE half and single precision.
public enum HalfPrecision {
    /// Converts `count` halves to single precision; infinities and NaN become 0.
    ///
    /// Accuracy: exact for finite values.
    @inline(__always)
    public static func decode(_ source: UnsafePointer<Float16>, _ target: UnsafeMutablePointer<Float>, count: Int) {
        pk_half_to_float(UnsafeRawPointer(source).assumingMemoryBound(to: UInt16.self), target, count)
    }

    /// Converts `count` single-precision values to half, rounding to nearest even.
    /// - Returns: whether all of them are finite and at most 65504 in magnitude; others are stored as 0.
    @discardableResult
    public static func encode(_ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float16>, count: Int)
        -> Bool
    {
        pk_float_to_half(source, UnsafeMutableRawPointer(target).assumingMemoryBound(to: UInt16.self), count) != 0
    }

    /// Single-precision copy of an array of halves.
    public static func decode(_ values: [Float16]) -> [Float] {
        [Float](unsafeUninitializedCapacity: values.count) { buffer, count in
            values.withUnsafeBufferPointer {
                if let source = $0.baseAddress { decode(source, buffer.baseAddress!, count: values.count) }
            }
            count = values.count
        }
    }
}
