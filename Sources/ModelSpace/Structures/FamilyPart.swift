/// A family within another that has more components and is otherwise the same: its structures and parameters in the
/// places that they have in the other.
public struct FamilyPart: Sendable {
    /// Where each bit of the part stands in the whole.
    public let bits: [Int]
    /// Where each number of its θ does.
    private let columns: [Int]
    /// The part's bits in the whole; P of the part, and of the whole.
    private let known: UInt128, partCount: Int, wholeCount: Int

    /// - Precondition: the whole has the part's groups and parameters, under the same names.
    public init(_ part: FamilyDescription, of whole: FamilyDescription) {
        var firstBits: [String: Int] = [:], bit = 0
        for group in whole.allGroups {
            firstBits[group.name] = bit
            bit += group.bitCount
        }
        bits = part.allGroups.flatMap { group in (0..<group.bitCount).map { firstBits[group.name]! + $0 } }
        known = bits.reduce(0) { $0 | 1 << UInt128($1) }
        let own = ThetaLayout(part), all = ThetaLayout(whole)
        columns = own.entries.flatMap { entry in
            let first = all.offset(of: entry.parameter.name, in: entry.group, member: entry.member)!
            return (0..<entry.parameter.width).map { first + $0 }
        }
        (partCount, wholeCount) = (own.count, all.count)
    }

    /// Whether a structure of the whole is one of the part.
    public func has(_ z: Structure) -> Bool { z.bits & ~known == 0 }

    /// A structure of the whole as the part has it; nil when it is none of the part's.
    public func inPart(_ z: Structure) -> Structure? {
        guard has(z) else { return nil }
        return Structure(bits: bits.indices.reduce(UInt128(0)) { z[bits[$1]] ? $0 | 1 << UInt128($1) : $0 })
    }

    /// A structure of the part as the whole has it.
    public func inWhole(_ z: Structure) -> Structure {
        Structure(bits: bits.indices.reduce(UInt128(0)) { z[$1] ? $0 | 1 << UInt128(bits[$1]) : $0 })
    }

    public func inWhole(_ posterior: StructurePosterior) -> StructurePosterior {
        var whole = posterior
        whole.structures = posterior.structures.map(inWhole)
        return whole
    }

    /// Any number of θ of the part, one after another, as the whole has them: 0 where the part has nothing.
    public func inWhole(theta: [Double]) -> [Double] {
        let count = theta.count / max(1, partCount)
        var whole = [Double](repeating: 0, count: count * wholeCount)
        for i in 0..<count {
            for (c, column) in columns.enumerated() { whole[i * wholeCount + column] = theta[i * partCount + c] }
        }
        return whole
    }
}
