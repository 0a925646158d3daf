import ModelSpace

/// Where the parameters of a ball-and-sticks draw stand in its P = 16 numbers (`DrawLayout`).
///
/// Units: diffusivities in 10⁻³ mm²/s (so that half precision keeps three digits of them), `scale` relative to the
/// voxel's mean b≈0 signal, directions unit and in the scanner frame (world, RAS+). An absent stick has fraction 0 and
/// direction 0, except that a draw without any stick may keep in the first place the direction that one would have, for
/// trackers that have to pass: the chain's own, or the tensor's axis in a voxel none of whose draws has a stick.
public enum DrawColumn {
    /// Mean diffusivity d and its standard deviation s (0 without spread), 10⁻³ mm²/s.
    public static let diffusivity = 0, spread = 1
    /// Signal-to-noise ratio S0/σ.
    public static let snr = 2
    /// S0 divided by the voxel's mean b≈0 signal.
    public static let scale = 3
    /// The first stick's fraction; the others follow.
    public static let fraction = 4
    /// x, y, z of the first stick's direction; the others follow.
    public static let direction = 7
    /// K, the largest number of sticks.
    public static let fibreCount = 3
    /// P.
    public static let count = 16

    /// The columns' names, as the metadata of format 2 list them.
    static let denseNames = [
        "1e3*d", "1e3*d_std", "snr", "s0/mean_b0", "f1", "f2", "f3", "mu1x", "mu1y", "mu1z", "mu2x", "mu2y", "mu2z",
        "mu3x", "mu3y", "mu3z",
    ]
}

/// The structures z of a fit, in the order of every table of structure probabilities, with what summaries need to know
/// of each.
///
/// A family of few structures (`most`) has a row for each, whether it occurs or not. One of many has a row for each
/// class of structures with the same number of parameters and of fibres and the same flags, as far as they occur: all
/// that maps and λ ask of a structure.
public struct StructureTable: Codable, Equatable, Sendable {
    public struct Row: Codable, Equatable, Sendable {
        public var name: String
        /// k(z): what one unit of λ is charged for.
        public var parameterCount: Int
        /// Number of fibres (sticks).
        public var fibreCount: Int
        /// Whether diffusivities are distributed, and whether the noise is Rician.
        public var hasSpread: Bool, isRician: Bool
        /// Where the row is that of one structure.
        public var structure = Structure()

        private enum CodingKeys: String, CodingKey { case name, parameterCount, fibreCount, hasSpread, isRician }

        public init(name: String, parameterCount: Int, fibreCount: Int, hasSpread: Bool, isRician: Bool) {
            self.name = name
            self.parameterCount = parameterCount
            self.fibreCount = fibreCount
            self.hasSpread = hasSpread
            self.isRician = isRician
        }

        /// The words `spread` and `rician` are those of the families' groups and options.
        package init(_ z: Structure, _ rule: StructureRule) {
            name = rule.name(z)
            parameterCount = rule.parameterCount(z)
            fibreCount = min(rule.fibreCount(z), DrawColumn.fibreCount)
            (hasSpread, isRician) = (rule.has("spread", z), rule.has("rician", z))
            structure = z
        }

        /// What structures of one class have in common.
        fileprivate var key: [Int] { [fibreCount, parameterCount, hasSpread ? 1 : 0, isRician ? 1 : 0] }
    }

    public var rows: [Row]
    public init(rows: [Row]) { self.rows = rows }

    /// Z.
    public var count: Int { rows.count }

    /// Structures of a family that has a row for each.
    public static let most = 256

    /// All structures of a family, or no row when there are more than `most`.
    public init(_ rule: StructureRule) { rows = (rule.all(limit: Self.most) ?? []).map { Row($0, rule) } }

    /// The classes of structures that occur.
    init(classesOf structures: some Sequence<Structure>, _ rule: StructureRule) {
        var classes: [[Int]: Row] = [:]
        for z in structures {
            var row = Row(z, rule)
            guard classes[row.key] == nil else { continue }
            row.name =
                "\(row.fibreCount)fibres,\(row.parameterCount)parameters" + (row.hasSpread ? ",spread" : "")
                + (row.isRician ? ",rician" : "")
            row.structure = Structure()
            classes[row.key] = row
        }
        rows = classes.values.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    /// The row of each structure, or of its class; 0 while there are no rows.
    func places(of structures: [Structure], _ rule: StructureRule) -> [Int] {
        guard !rows.isEmpty else { return structures.map { _ in 0 } }
        if rule.count <= Double(Self.most) {
            let places = Dictionary(uniqueKeysWithValues: zip(rows.map(\.structure), 0...))
            return structures.map { places[$0]! }
        }
        let places = Dictionary(uniqueKeysWithValues: zip(rows.map(\.key), 0...))
        return structures.map { places[Row($0, rule).key]! }
    }
}

/// What is to be said of a voxel's fit: bit flags, 0 when all is well. These are the values of `quality.nii.gz`.
public struct VoxelQuality: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Some signal is NaN or infinite; the voxel is not fitted.
    public static let nonFiniteSignal = VoxelQuality(rawValue: 1)
    /// The mean b≈0 signal is zero or negative.
    public static let noBaseline = VoxelQuality(rawValue: 2)
    /// Some signals are negative. (Fits of version 0.1.0 raised these, and zeros, to a small positive value.)
    public static let negativeSignal = VoxelQuality(rawValue: 4)
    /// The signals lie outside the range that the network was trained on.
    public static let outsideTraining = VoxelQuality(rawValue: 8)
    /// Some signals are exactly zero: missing, and left out.
    public static let missingSignal = VoxelQuality(rawValue: 16)
    /// The measurements that are not missing are too few to fit.
    public static let tooFewMeasurements = VoxelQuality(rawValue: 32)
    /// The voxel was not fitted: all its draws are zero.
    public static let notFitted = VoxelQuality(rawValue: 128)

    /// Each flag with the words that sidecars and reports use for it.
    public static let meanings: [(flag: VoxelQuality, text: String)] = [
        (.nonFiniteSignal, "a signal is NaN or infinite"),
        (.noBaseline, "the mean b=0 signal is zero or negative"),
        (.negativeSignal, "a signal is negative: kept as it is, noise taken as Gaussian"),
        (.outsideTraining, "the signals lie outside the range that the network was trained on"),
        (.missingSignal, "a signal is exactly zero: taken as missing, and left out"),
        (.tooFewMeasurements, "too few measurements are left: fewer than six directions"),
        (.notFitted, "not fitted: zero in every map"),
    ]
}
