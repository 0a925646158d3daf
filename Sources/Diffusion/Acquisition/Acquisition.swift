import Foundation

/// How a diffusion-weighted series was taken: M b-values and directions, which volumes are b≈0, and tables derived from
/// them once.
///
/// The directions are unit vectors in whatever frame the caller works in (the product's internal frame is the
/// scanner's); b≈0 volumes without a direction have the zero vector.
///
/// **b≈0** means b ≤ `threshold`, by default 100 s/mm² (at 7 T a "b0" may be 65). Such volumes keep their b and
/// direction in every signal.
///
/// **Vector lengths.** By default they are normalised away and b stands as given, if they are 1 up to rounding or
/// follow b (FSL's habit). Lengths that say something else than b are refused; `.scaleByLength` multiplies b by
/// length², which makes zero vectors b = 0. See `VectorLengths`. A direction that is not a number counts as a zero
/// vector where b ≤ `threshold`.
///
/// - Units: s/mm².
public struct Acquisition: Sendable, Equatable {
    /// What to do with direction vectors that are not of unit length.
    public enum LengthRule: Sendable { case normalise, scaleByLength }

    /// b-values, M, s/mm².
    public let bValues: [Double]
    /// Unit directions (or zero for b≈0), M.
    public let directions: [SIMD3<Double>]
    /// Largest b that counts as b≈0, s/mm².
    public let threshold: Double
    /// Positions of the b≈0 volumes, ascending.
    public let unweightedIndices: [Int]
    /// δ and Δ of every volume; nil where nobody says.
    public let timing: [PulseTiming]?
    /// Arrays that the kernels read.
    let tables: AcquisitionTables
    /// Which volumes are b≈0: said of the table as it was given, whatever has been made of its b since.
    private let isBaseline: [Bool]

    public static let defaultThreshold = 100.0

    /// M.
    public var count: Int { bValues.count }
    /// n0, the number of b≈0 volumes.
    public var unweightedCount: Int { unweightedIndices.count }

    /// Whether volume `i` is b≈0.
    public func isUnweighted(_ i: Int) -> Bool { isBaseline[i] }

    /// Checks and adopts a gradient table.
    /// - Errors: `GradientTableError` for every way such a table can be wrong.
    public init(
        bValues: [Double], directions: [SIMD3<Double>], threshold: Double = Acquisition.defaultThreshold,
        lengths: LengthRule = .normalise, timing: [PulseTiming]? = nil
    ) throws {
        guard bValues.count == directions.count else {
            throw GradientTableError.countMismatch(bValues: bValues.count, directions: directions.count)
        }
        for (i, b) in bValues.enumerated() {
            guard b.isFinite else { throw GradientTableError.notFinite(what: "b-value", index: i) }
            guard b >= 0 else { throw GradientTableError.negativeBValue(index: i, value: b) }
        }
        // eddy and others write nan for the directions that b = 0 volumes do not have.
        var units = directions
        for i in units.indices where bValues[i] <= threshold && !(units[i] * units[i]).sum().isFinite {
            units[i] = .zero
        }
        let norms = units.map { ($0 * $0).sum().squareRoot() }
        if let bad = norms.firstIndex(where: { !$0.isFinite }) {
            throw GradientTableError.notFinite(what: "direction", index: bad)
        }
        let table = VectorLengths(bValues: bValues, norms: norms, threshold: threshold)
        let b = lengths == .scaleByLength ? try table.scaledB() : bValues

        let largest = b.max() ?? 0
        // Some b-values differ from 0 and each other, or point somewhere: perhaps another unit. Else there is no
        // weighting at all.
        guard largest >= 10 else {
            let isWeighting =
                largest > 0 && norms.indices.contains { b[$0] == largest && norms[$0] > VectorLengths.smallest }
                && b.contains { $0 < largest / 2 }
            throw isWeighting || b.isEmpty
                ? GradientTableError.bValuesTooSmall(largest: largest)
                : GradientTableError.noWeightedVolume(largest: largest, threshold: threshold)
        }
        if lengths == .normalise { try table.requireMeaningless() }
        guard largest <= 50_000 else { throw GradientTableError.bValuesTooLarge(largest: largest) }
        let unweighted = b.indices.filter { b[$0] <= threshold }
        guard !unweighted.isEmpty else {
            throw GradientTableError.noUnweightedVolume(smallest: b.min()!, threshold: threshold)
        }
        guard unweighted.count < b.count else {
            throw GradientTableError.noWeightedVolume(largest: largest, threshold: threshold)
        }
        for i in b.indices { units[i] = norms[i] > VectorLengths.smallest ? units[i] / norms[i] : .zero }
        self.init(
            trusted: b, units, threshold: threshold, unweighted: unweighted,
            timing: try timing.map { try PulseTiming.checked($0, bValues: b, threshold: threshold) })
    }

    /// Adopts values known to be sound (generated protocols, rotated tables).
    init(
        trusted bValues: [Double], _ directions: [SIMD3<Double>], threshold: Double, unweighted: [Int],
        timing: [PulseTiming]? = nil
    ) {
        self.bValues = bValues
        self.directions = directions
        self.threshold = threshold
        self.timing = timing
        unweightedIndices = unweighted
        var isBaseline = [Bool](repeating: false, count: bValues.count)
        for i in unweighted { isBaseline[i] = true }
        self.isBaseline = isBaseline
        tables = AcquisitionTables(
            bValues: bValues, directions: directions, unweighted: unweighted, timing: timing)
    }

    /// The same acquisition with every direction replaced by `rotation` · direction (3×3, row-major).
    public func rotated(by rotation: [Double]) -> Acquisition {
        precondition(rotation.count == 9)
        let rows = (0..<3).map { SIMD3(rotation[3 * $0], rotation[3 * $0 + 1], rotation[3 * $0 + 2]) }
        let turned = directions.map { g in SIMD3((rows[0] * g).sum(), (rows[1] * g).sum(), (rows[2] * g).sum()) }
        return Acquisition(
            trusted: bValues, turned, threshold: threshold, unweighted: unweightedIndices, timing: timing)
    }

    /// The acquisition with only some of its volumes, given by ascending position; nil where what is left cannot be
    /// fitted: no b≈0 volume, or fewer than six directions.
    public func keeping(_ volumes: [Int]) -> Acquisition? {
        let weighted = volumes.count { !isUnweighted($0) }
        guard weighted < volumes.count, weighted >= 6 else { return nil }
        let rest = taking(volumes)
        return rest.statistics.directionCount >= 6 ? rest : nil
    }

    /// Its volumes shell by shell, otherwise as they come: positions. What reads signals in this order reads them
    /// faster.
    public var shellOrder: [Int] { tables.forms.order }

    /// The volumes at these positions, in this order.
    public func taking(_ volumes: [Int]) -> Acquisition {
        Acquisition(
            trusted: volumes.map { bValues[$0] }, volumes.map { directions[$0] }, threshold: threshold,
            unweighted: volumes.indices.filter { isUnweighted(volumes[$0]) },
            timing: timing.map { all in volumes.map { all[$0] } })
    }

    public static func == (a: Acquisition, b: Acquisition) -> Bool {
        a.bValues == b.bValues && a.directions == b.directions && a.threshold == b.threshold
            && a.timing == b.timing && a.isBaseline == b.isBaseline
    }
}
