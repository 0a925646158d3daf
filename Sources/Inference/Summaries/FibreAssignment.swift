/// Which of a draw's sticks follows which fibre of its voxel: two bits a fibre, the stick's index or 3 when the draw
/// lacks the fibre.
public struct FibreAssignment: Equatable, Sendable {
    public var code: UInt8
    public init(code: UInt8) { self.code = code }

    /// No stick follows any fibre.
    public static let none = FibreAssignment(code: 0b11_1111)

    /// The index of the stick that follows `fibre`, or nil.
    @inlinable @inline(__always)
    public func stick(_ fibre: Int) -> Int? {
        let index = Int(code >> UInt8(2 * fibre) & 3)
        return index == 3 ? nil : index
    }

    @inline(__always)
    mutating func set(_ fibre: Int, _ stick: Int) {
        code = code & ~(3 << UInt8(2 * fibre)) | UInt8(stick) << UInt8(2 * fibre)
    }
}
