import ModelSpace

/// An acquisition described in a YAML file (`protocols/acquisitions/*.yaml`): shells and their numbers of directions,
/// the b≈0 volumes, and optionally the pulse timing.
///
///     name: three-shell            # required
///     description: One sentence.   # optional
///     unweighted:                  # required
///       count: 9
///       b: 0                       # optional, s/mm²
///       placement: spread          # optional: spread (evenly through the series, the first volume included) or first
///     shells:                      # required, one or more; b in s/mm²
///       - {b: 1000, directions: 30}
///     timing: {delta: 10.6, Delta: 43.1}   # optional; pulse duration δ and separation Δ, ms
///
/// Any other key is an error. The directions are generated: evenly spread within each shell and over all shells
/// together, always the same.
public struct AcquisitionFile: BoundedSettings, Sendable, Equatable {
    public struct Shell: BoundedSettings, Sendable, Equatable {
        /// s/mm².
        public var b: Double
        public var directions: Int

        public static let settings: [Setting<Shell>] = [
            .real("b", \.b, Acquisition.defaultThreshold.nextUp...50_000), .whole("directions", \.directions, 1...2000),
        ]
    }

    public var name = ""
    public var description: String?
    public var unweightedCount = 0
    /// s/mm².
    public var unweightedB = 0.0
    /// Where the b≈0 volumes stand: `spread` evenly through the series, or all of them `first`.
    public var placement = "spread"
    public var unweightedFirst: Bool { placement == "first" }
    public var shells: [Shell] = []
    /// δ and Δ, ms.
    public var pulseDuration: Double?, pulseSeparation: Double?

    public static let settings: [Setting<AcquisitionFile>] = [
        .text("name", \.name), .text("description", \.description, upTo: 10_000),
        .whole("unweighted.count", \.unweightedCount, 1...1000),
        .real("unweighted.b", \.unweightedB, 0...Acquisition.defaultThreshold),
        .choice("unweighted.placement", \.placement, ["spread", "first"]),
        .real("timing.delta", \.pulseDuration, 0.01...1000), .real("timing.Delta", \.pulseSeparation, 0.01...10_000),
    ]
    /// The most directions in all shells together.
    private static let mostDirections = 4000

    public var conflict: String? {
        if shells.reduce(0, { $0 + $1.directions }) > Self.mostDirections {
            return "more than \(Self.mostDirections) directions in all shells"
        }
        if let pulseDuration, let pulseSeparation, pulseSeparation < pulseDuration {
            return "'Delta' of timing must not be smaller than 'delta'"
        }
        return nil
    }

    /// - Errors: `GradientTableError.unreadable`, `.badAcquisitionFile`.
    public init(path: String) throws {
        let text: String
        do { text = try SettingsTree.text(path: path) } catch let error as SettingsError {
            throw error.isMissing
                ? GradientTableError.unreadable(path: path, reason: error.reason)
                : .badAcquisitionFile(path: path, reason: error.reason)
        }
        try self.init(yaml: text, path: path)
    }

    public init(yaml: String, path: String) throws {
        do { try read(SettingsTree(yaml: yaml)) } catch let error as SettingsError {
            throw GradientTableError.badAcquisitionFile(path: path, reason: error.reason)
        }
    }

    private mutating func read(_ tree: SettingsTree) throws {
        var rest = tree, list: SettingsTree?
        if case .map(let pairs) = tree {
            list = pairs.first { $0.key == "shells" }?.value
            rest = .map(pairs.filter { $0.key != "shells" })
        }
        let given = try rest.read(Self.settings, into: &self)
        for key in ["name", "unweighted.count"] where !given.contains(key) {
            throw SettingsError(reason: "needs \(Setting<Self>.name(key))")
        }
        if given.contains("timing.delta") != given.contains("timing.Delta") {
            throw SettingsError(reason: "'timing' needs both 'delta' and 'Delta'")
        }
        guard case .list(let items)? = list, (1...Self.mostDirections).contains(items.count) else {
            throw SettingsError(reason: "'shells' must be a list of one or more {b, directions}")
        }
        shells = try items.enumerated().map { k, item in
            var shell = Shell(b: 0, directions: 0)
            let given = try item.read(Shell.settings, into: &shell, place: "shells[\(k)]")
            for key in ["b", "directions"] where !given.contains(key) {
                throw SettingsError(reason: "shells[\(k)] needs '\(key)'")
            }
            return shell
        }
        if let conflict { throw SettingsError(reason: conflict) }
    }

    /// The acquisition: b≈0 volumes and shells, each shell's directions unit vectors.
    /// - Errors: `GradientTableError`.
    public func acquisition() throws -> Acquisition {
        let sets = DirectionSets.spreadShells(shells.map(\.directions))
        var weighted: [(b: Double, g: SIMD3<Double>)] = []
        for (shell, set) in zip(shells, sets) { weighted += set.map { (shell.b, $0) } }
        var b: [Double] = [], g: [SIMD3<Double>] = [], placed = 0
        for k in 0...weighted.count {
            let due =
                unweightedFirst
                ? unweightedCount : min(unweightedCount, 1 + k * unweightedCount / max(weighted.count, 1))
            while placed < due { b.append(unweightedB); g.append(.zero); placed += 1 }
            if k < weighted.count { b.append(weighted[k].b); g.append(weighted[k].g) }
        }
        let timing = pulseDuration.flatMap { duration in
            pulseSeparation.map { PulseTiming(duration: duration, separation: $0) }
        }
        return try Acquisition(
            bValues: b, directions: g, timing: timing.map { Array(repeating: $0, count: b.count) })
    }
}
