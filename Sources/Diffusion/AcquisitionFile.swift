import Foundation
import Yams

/// An acquisition described in a YAML file (`protocols/acquisitions/*.yaml`): shells and their numbers of directions, the b≈0 volumes, and
/// optionally the pulse timing.
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
/// Any other key is an error. The directions are generated: evenly spread within each shell and over all shells together, always the same.
public struct AcquisitionFile: Sendable, Equatable {
    public struct Shell: Sendable, Equatable {
        /// s/mm².
        public var b: Double
        public var directions: Int
    }

    public var name: String
    public var description: String?
    public var unweightedCount: Int
    /// s/mm².
    public var unweightedB: Double
    /// Whether the b≈0 volumes all come first, instead of evenly through the series.
    public var unweightedFirst: Bool
    public var shells: [Shell]
    /// δ and Δ, ms.
    public var pulseDuration: Double?, pulseSeparation: Double?

    /// - Errors: `GradientTableError.unreadable`, `.badAcquisitionFile`.
    public init(path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw GradientTableError.unreadable(path: path, reason: "no such file")
        }
        guard data.count < 1 << 20, let text = String(data: data, encoding: .utf8) else {
            throw GradientTableError.unreadable(path: path, reason: "not a text file")
        }
        try self.init(yaml: text, path: path)
    }

    public init(yaml: String, path: String) throws {
        let loaded: Any?
        do { loaded = try Yams.load(yaml: yaml) } catch {
            throw GradientTableError.badAcquisitionFile(path: path, reason: "not valid YAML (\(error)); correct its syntax")
        }
        let root = try Fields(loaded, "the file", path, ["name", "description", "unweighted", "shells", "timing"])
        name = try root.text("name")
        description = root["description"] == nil ? nil : try root.text("description")
        let unweighted = try Fields(root["unweighted"], "unweighted", path, ["count", "b", "placement"])
        unweightedCount = try unweighted.whole("count", 1...10_000)
        unweightedB = unweighted["b"] == nil ? 0 : try unweighted.number("b", 0...Acquisition.defaultThreshold)
        let placement = unweighted["placement"] == nil ? "spread" : try unweighted.text("placement")
        guard ["spread", "first"].contains(placement) else { throw root.fault("unweighted.placement must be 'spread' or 'first'") }
        unweightedFirst = placement == "first"
        guard let list = root["shells"] as? [Any], !list.isEmpty else { throw root.fault("shells must be a list of {b, directions}") }
        shells = try list.enumerated().map { k, item in
            let shell = try Fields(item, "shells[\(k)]", path, ["b", "directions"])
            return Shell(b: try shell.number("b", Acquisition.defaultThreshold.nextUp...50_000), directions: try shell.whole("directions", 1...2000))
        }
        guard shells.reduce(0, { $0 + $1.directions }) <= 4000 else { throw root.fault("more than 4000 directions in all") }
        if root["timing"] != nil {
            let timing = try Fields(root["timing"], "timing", path, ["delta", "Delta"])
            let duration = try timing.number("delta", 0.01...1000), separation = try timing.number("Delta", 0.01...10_000)
            guard separation >= duration else { throw root.fault("timing.Delta must not be smaller than timing.delta") }
            (pulseDuration, pulseSeparation) = (duration, separation)
        }
    }

    /// The acquisition: b≈0 volumes and shells, each shell's directions unit vectors.
    /// - Errors: `GradientTableError`.
    public func acquisition() throws -> Acquisition {
        let sets = DirectionSets.spreadShells(shells.map(\.directions))
        var weighted: [(b: Double, g: SIMD3<Double>)] = []
        for (shell, set) in zip(shells, sets) { weighted += set.map { (shell.b, $0) } }
        var b: [Double] = [], g: [SIMD3<Double>] = [], placed = 0
        for k in 0...weighted.count {
            let due = unweightedFirst ? unweightedCount : min(unweightedCount, 1 + k * unweightedCount / max(weighted.count, 1))
            while placed < due { b.append(unweightedB); g.append(.zero); placed += 1 }
            if k < weighted.count { b.append(weighted[k].b); g.append(weighted[k].g) }
        }
        return try Acquisition(bValues: b, directions: g)
    }

    /// A YAML mapping whose keys have been checked.
    private struct Fields {
        let values: [String: Any], place: String, path: String

        init(_ value: Any?, _ place: String, _ path: String, _ allowed: [String]) throws {
            self.place = place
            self.path = path
            guard let map = value as? [AnyHashable: Any] else {
                throw GradientTableError.badAcquisitionFile(path: path, reason: "\(place) must be a mapping with the keys \(allowed.joined(separator: ", "))")
            }
            var values: [String: Any] = [:]
            for (key, value) in map {
                guard let key = key.base as? String, allowed.contains(key) else {
                    throw GradientTableError.badAcquisitionFile(
                        path: path, reason: "unknown key '\(key)' in \(place); known are \(allowed.joined(separator: ", "))")
                }
                values[key] = value
            }
            self.values = values
        }

        subscript(key: String) -> Any? { values[key] }

        func fault(_ reason: String) -> GradientTableError { .badAcquisitionFile(path: path, reason: reason) }

        func text(_ key: String) throws -> String {
            guard let value = values[key] as? String, !value.isEmpty else { throw fault("\(place) needs a text '\(key)'") }
            return value
        }

        func number(_ key: String, _ range: ClosedRange<Double>) throws -> Double {
            let value = (values[key] as? Double) ?? (values[key] as? Int).map(Double.init)
            guard let value, range.contains(value) else {
                throw fault("\(place) needs a number '\(key)' between \(range.lowerBound) and \(range.upperBound)")
            }
            return value
        }

        func whole(_ key: String, _ range: ClosedRange<Int>) throws -> Int {
            guard let value = values[key] as? Int, range.contains(value) else {
                throw fault("\(place) needs a whole number '\(key)' between \(range.lowerBound) and \(range.upperBound)")
            }
            return value
        }
    }
}
