/// What the lengths of a gradient table's vectors say, and b-values with that taken into account.
///
/// Lengths are read among the volumes that the table calls weighted (b > threshold) and that have a direction (length >
/// 10⁻⁶).
/// - Within a tenth of each other and of 1: rounding. They say nothing.
/// - Proportional to √b or to b within a tenth, over different b: the b-values contain them already. They say nothing
///   new.
/// - Anything else: they encode b, or they are wrong; only the user can know. Scanners and MRtrix3 write one nominal b
///   for all volumes, vectors of length √(b/nominal), and zero vectors for b = 0 (GE's tensor.dat, Siemens' free
///   tables, `-bvalue_scaling`).
/// One nominal b: b-values within a quarter of each other, which is jitter rather than shells.
struct VectorLengths {
    private let bValues: [Double], norms: [Double], threshold: Double
    /// Weighted volumes with and without a direction.
    private let directed: [Int], undirected: [Int]
    private let shortest: Double, longest: Double

    static let smallest = 1e-6, tolerance = 1.1, nominalSpread = 1.25

    init(bValues: [Double], norms: [Double], threshold: Double) {
        (self.bValues, self.norms, self.threshold) = (bValues, norms, threshold)
        let weighted = bValues.indices.filter { bValues[$0] > threshold }
        directed = weighted.filter { norms[$0] > Self.smallest }
        undirected = weighted.filter { !(norms[$0] > Self.smallest) }
        shortest = directed.map { norms[$0] }.min() ?? 1
        longest = directed.map { norms[$0] }.max() ?? 1
    }

    private func spread(_ value: (Int) -> Double, _ volumes: [Int]) -> Double {
        guard let low = volumes.map(value).min(), let high = volumes.map(value).max() else { return 1 }
        return high / low
    }

    private var differ: Bool { longest > Self.tolerance * shortest }

    private var hasOneNominalB: Bool { spread({ bValues[$0] }, directed + undirected) <= Self.nominalSpread }

    private var followB: Bool {
        differ && spread({ bValues[$0] }, directed) > Self.tolerance
            && (spread({ norms[$0] / bValues[$0].squareRoot() }, directed) <= Self.tolerance
                || spread({ norms[$0] / bValues[$0] }, directed) <= Self.tolerance)
    }

    /// Throws unless the lengths may be normalised away and b stands as given.
    func requireMeaningless() throws {
        if differ && !followB {
            throw GradientTableError.amplitudeScaled(shortest: shortest, longest: longest, undirected: undirected.count)
        }
        if let i = undirected.first {
            guard hasOneNominalB, !directed.isEmpty else {
                throw GradientTableError.missingDirection(index: i, bValue: bValues[i])
            }
            let isLabelled = bValues.contains { $0 <= threshold }
            throw GradientTableError.undirected(
                count: undirected.count, first: i, bValue: bValues[i], hasLabelledBaseline: isLabelled)
        }
        if !differ, !directed.isEmpty, longest * Self.tolerance < 1 || shortest > Self.tolerance {
            throw GradientTableError.notUnit(index: directed[0], norm: norms[directed[0]])
        }
    }

    /// b · length², 0 for a zero vector.
    func scaledB() throws -> [Double] {
        if followB { throw GradientTableError.alreadyScaled(shortest: shortest, longest: longest) }
        // Vectors of one length and shells in b: the lengths scale nothing, so a weighted volume without a direction
        // lacks it.
        if !differ, !hasOneNominalB, let i = undirected.first {
            throw GradientTableError.missingDirection(index: i, bValue: bValues[i])
        }
        return bValues.indices.map { bValues[$0] * norms[$0] * norms[$0] }
    }
}
