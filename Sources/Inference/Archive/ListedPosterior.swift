import Foundation
import ModelSpace

/// One voxel's posterior as a fit hands it to its archive: the structures that matter, and draws, each with the numbers
/// that its structure has.
public struct VoxelRecord: Sendable, Equatable {
    /// Rising, each once.
    public var structures: [Structure]
    /// log p(z | y, λ) of each at the archive's reference λ.
    public var logProbability: [Float]
    /// log of the mass of structures left out, and how many parameters it is charged for towards larger λ
    /// (`StructurePosterior`).
    public var logRest: Float, restParameters: Float
    /// ln Σ_z p(y | z) (`VoxelPosterior.logEvidence`); −∞ where it is not known.
    public var logEvidence: Float = -.infinity
    /// D places in the list.
    public var drawPlaces: [UInt16]
    /// The draws' numbers, one draw after another (`DrawLayout`).
    public var draws: [Float16]
}

extension VoxelRecord {
    /// A list longer than this is cut where all that is cut has no more than this share at any λ of
    /// `DrawAllocation.range`. Shorter ones keep every structure that has any mass.
    static let shortList = 256
    private static let share = 1e-6

    /// Keeps of a list what can matter at some λ, and of draws what their structures have.
    ///
    /// - Parameters:
    ///   - logProbability: of `structures` (each once) at λ = 0; need not be normalised; −∞ for those that have no
    ///   mass.
    ///   - drawn: D structures, all of them listed.
    ///   - rows: D × P numbers in the archive's units.
    public init(
        structures: [Structure], logProbability: [Double], logRest: Double = -.infinity, restParameters: Double = 0,
        drawn: [Structure], rows: [Float], layout: DrawLayout
    ) {
        var kept = structures.indices.filter { logProbability[$0] > -.infinity || drawn.contains(structures[$0]) }
        var here = logRest, there = logRest - DrawAllocation.range.upperBound * restParameters
        if kept.count > Self.shortList {
            let rest = (log: logRest, parameters: restParameters)
            (kept, here, there) = Self.cut(kept, structures, logProbability, rest: rest, drawn: Set(drawn), layout)
        }
        let isRising = zip(kept, kept.dropFirst()).allSatisfy { structures[$0] < structures[$1] }
        if !isRising { kept.sort { structures[$0] < structures[$1] } }
        self.logRest = Float(here)
        let isSome = here.isFinite && there.isFinite
        self.restParameters = isSome ? Float((here - there) / DrawAllocation.range.upperBound) : 0
        self.structures = kept.map { structures[$0] }
        self.logProbability = kept.map { Float(logProbability[$0]) }
        drawPlaces = []
        drawPlaces.reserveCapacity(drawn.count)
        // Most draws have the structure of the one before.
        var columns: [Int] = [], held: [(place: Int, columns: [Int])] = [], place = -1
        for z in drawn {
            if place < 0 || self.structures[place] != z {
                place = self.structures.firstIndex(of: z)!
                columns = layout.columns(of: z)
            }
            drawPlaces.append(UInt16(place))
            held.append((place, columns))
        }
        var halves = [Float16](repeating: 0, count: rows.count)
        HalfPrecision.encode(rows, &halves, count: rows.count)
        let p = layout.count
        draws = []
        draws.reserveCapacity(held.reduce(0) { $0 + $1.columns.count })
        for (d, draw) in held.enumerated() { for c in draw.columns { draws.append(halves[d * p + c]) } }
    }

    /// Of a long list, what is kept: the least likely go while all that goes has no more than the share at any λ.
    /// - Returns: places in the list, and log of the mass of all that is left out at both ends of the range of λ.
    private static func cut(
        _ all: [Int], _ structures: [Structure], _ logProbability: [Double], rest: (log: Double, parameters: Double),
        drawn: Set<Structure>, _ layout: DrawLayout
    ) -> (kept: [Int], here: Double, there: Double) {
        let cost = structures.map { Double(layout.parameterCount($0)) }, end = DrawAllocation.range.upperBound
        let nodes = stride(from: 0, through: end, by: 0.25).map { lambda in
            (lambda: lambda, peak: all.map { logProbability[$0] - lambda * cost[$0] }.max()!)
        }
        // How far below the best each is where it comes closest.
        let below = Dictionary(
            uniqueKeysWithValues: all.map { i in
                (i, nodes.map { $0.peak - (logProbability[i] - $0.lambda * cost[i]) }.min()!)
            })
        var gone = [Double](repeating: 0, count: nodes.count), out: Set<Int> = []
        for i in all.sorted(by: { (below[$0]!, $1) > (below[$1]!, $0) }) where !drawn.contains(structures[i]) {
            let more = zip(gone, nodes).map { $0 + exp(logProbability[i] - $1.lambda * cost[i] - $1.peak) }
            guard all.count - out.count > shortList, more.max()! <= share else { break }
            gone = more
            out.insert(i)
        }
        func mass(_ lambda: Double) -> Double {
            let own = rest.log - lambda * rest.parameters
            return logSum((out.map { logProbability[$0] - lambda * cost[$0] } + [own]).sorted())
        }
        return (all.filter { !out.contains($0) }, mass(0), mass(end))
    }
}

/// One voxel's posterior as readers of an archive work on it, in memory that is used again for the next.
///
/// Shapes: L structures listed, D draws, P columns.
public struct ListedPosterior: Sendable {
    /// L: rows of the archive's `StructureTable`. Where a family has too many structures for a row each, several share
    /// one.
    public internal(set) var rows: [Int] = []
    /// L.
    public internal(set) var structures: [Structure] = []
    /// L log-probabilities at the reference λ (need not be normalised; −∞ allowed); of the rest as in `VoxelRecord`.
    public internal(set) var logProbability: [Float] = []
    public internal(set) var logRest: Float = -.infinity, restParameters: Float = 0
    public internal(set) var logEvidence: Float = -.infinity
    /// D places in the list.
    public internal(set) var drawPlaces: [UInt16] = []
    /// D × P numbers in the archive's units; 0 where a structure lacks one.
    public internal(set) var draws: [Float] = []
    /// As they stand in the file.
    var packed: [Float] = []

    public init() {}

    /// What an engine says of one observation, each structure being a row of its own, without its draws' numbers.
    package init(_ posterior: VoxelPosterior) {
        rows = Array(posterior.listed.indices)
        structures = posterior.listed
        logProbability = posterior.logProbability.map(Float.init)
        (logRest, restParameters) = (Float(posterior.logRest), Float(posterior.restParameters))
        drawPlaces = posterior.structures.map(UInt16.init)
    }
}
