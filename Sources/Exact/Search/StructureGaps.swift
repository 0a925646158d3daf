import ModelSpace

/// How far structures stay below the best, which says what a search looks at; and the streams that it draws from.
extension StructureExplorer {
    func gaps(_ values: [Double], _ entries: [Entry]) -> [Double] {
        Self.gaps(values, entries.map(\.k), lambdas: options.lambdas)
    }

    /// How far each stays below the best, at the λ that favours it most.
    package static func gaps(_ values: [Double], _ counts: [Int], lambdas: [Double]) -> [Double] {
        var gap = [Double](repeating: .infinity, count: values.count)
        for lambda in lambdas {
            func here(_ i: Int) -> Double { values[i] - lambda * Double(counts[i]) }
            let best = values.indices.reduce(-Double.infinity) { max($0, here($1)) }
            guard best.isFinite else { continue }
            for i in gap.indices { gap[i] = min(gap[i], best - here(i)) }
        }
        return gap
    }

    /// The same at nine λ of a range.
    package static func gaps(_ values: [Double], _ counts: [Int], lambdas: ClosedRange<Double>) -> [Double] {
        gaps(
            values, counts,
            lambdas: (0...8).map { lambdas.lowerBound + (lambdas.upperBound - lambdas.lowerBound) * Double($0) / 8 })
    }

    /// The stream of one observation, structure and generation.
    static func stream(_ seed: UInt64, _ key: UInt64, _ z: Structure, _ generation: Int) -> RandomSource {
        RandomSource(
            seed: seed, stream: key,
            substream: (UInt64(truncatingIfNeeded: z.bits ^ (z.bits >> 64)) &* 0x9E37_79B9_7F4A_7C15)
                ^ (UInt64(generation) << 56) ^ (1 << 33))
    }
}
