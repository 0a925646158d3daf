/// Which of a family's C components (C ≤ 128) are present: the discrete part z ∈ {0,1}^C of a model.
public struct Structure: Hashable, Sendable {
    /// Bit c is set when component c is present.
    public var bits: UInt128

    /// C at most.
    public static let mostBits = UInt128.bitWidth

    public init() { bits = 0 }
    public init(bits: some BinaryInteger) { self.bits = UInt128(bits) }
    public init(_ present: Int...) { bits = present.reduce(0) { $0 | 1 << UInt128($1) } }

    @inlinable public subscript(component: Int) -> Bool {
        get { bits >> UInt128(component) & 1 == 1 }
        set { if newValue { bits |= 1 << UInt128(component) } else { bits &= ~(1 << UInt128(component)) } }
    }

    /// Number of components present.
    public var count: Int { bits.nonzeroBitCount }

    /// The first `length` components; the others absent.
    public func prefix(_ length: Int) -> Structure {
        Structure(bits: length >= Self.mostBits ? bits : bits & ((1 << UInt128(length)) - 1))
    }

    /// Whether the first `length` components agree with those of `other`.
    public func sharesPrefix(_ other: Structure, length: Int) -> Bool { prefix(length) == other.prefix(length) }
}

/// By the first component in which two differ; the one that lacks it comes first.
extension Structure: Comparable {
    public static func < (a: Structure, b: Structure) -> Bool {
        let differing = a.bits ^ b.bits
        return differing != 0 && !a[differing.trailingZeroBitCount]
    }
}

/// Written as a hexadecimal number, because a number of more than 53 bits does not survive JSON everywhere.
extension Structure: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer(), text = try container.decode(String.self)
        // A sign, which Swift's own reader takes, is not ours.
        guard text.first?.isHexDigit == true, let bits = UInt128(text, radix: 16) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "'\(text)' is no structure of at most 128 bits in hexadecimal")
        }
        self.bits = bits
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(String(bits, radix: 16))
    }
}
