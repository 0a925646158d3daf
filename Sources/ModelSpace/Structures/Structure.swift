/// Which of a family's C components (C ≤ 64) are present: the discrete part z ∈ {0,1}^C of a model.
public struct Structure: Hashable, Sendable {
    /// Bit c is set when component c is present.
    public var bits: UInt64

    public init(bits: UInt64 = 0) { self.bits = bits }
    public init(_ present: Int...) { bits = present.reduce(0) { $0 | 1 << UInt64($1) } }

    @inlinable public subscript(component: Int) -> Bool {
        get { bits >> UInt64(component) & 1 == 1 }
        set { if newValue { bits |= 1 << UInt64(component) } else { bits &= ~(1 << UInt64(component)) } }
    }

    /// Number of components present.
    public var count: Int { bits.nonzeroBitCount }

    /// Whether the first `length` components agree with those of `other`.
    public func sharesPrefix(_ other: Structure, length: Int) -> Bool {
        length >= 64 ? bits == other.bits : (bits ^ other.bits) & ((1 << UInt64(length)) - 1) == 0
    }
}
