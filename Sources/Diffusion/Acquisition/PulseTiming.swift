import Foundation

/// When a pair of gradient pulses comes: what a restricted compartment asks of a measurement beside b.
public struct PulseTiming: Sendable, Hashable {
    /// δ, how long a pulse lasts, and Δ, the time from one's start to the other's; ms.
    public var duration: Double, separation: Double
    public init(duration: Double, separation: Double) { (self.duration, self.separation) = (duration, separation) }

    private static let durations = 0.01...1000.0, separations = 0.01...10_000.0

    /// γ of water's protons, rad/s/T.
    public static let gyromagneticRatio = 2.6752218744e8

    /// b of two rectangular pulses, s/mm²: γ²G²δ²(Δ − δ/3).
    /// - Parameter gradient: G, T/m.
    public func bValue(gradient: Double) -> Double {
        let q = Self.gyromagneticRatio * gradient * duration * 1e-3
        return q * q * (separation - duration / 3) * 1e-3 * 1e-6
    }

    /// G of a b-value, T/m.
    public func gradient(bValue: Double) -> Double { (bValue / bValue1).squareRoot() }
    private var bValue1: Double { bValue(gradient: 1) }

    /// The mean of what a fit noted (`Acquisition.timingNote`); nil for anything else.
    public init?(note: String) {
        guard note.hasSuffix(" ms") else { return nil }
        let numbers = note.dropLast(3).split(separator: " ").map { $0.split(separator: "/").compactMap { Double($0) } }
        guard !numbers.isEmpty,
            numbers.allSatisfy({
                $0.count == 2 && Self.durations.contains($0[0]) && Self.separations.contains($0[1]) && $0[1] >= $0[0]
            })
        else { return nil }
        let sum = numbers.reduce(SIMD2<Double>.zero) { $0 + SIMD2($1[0], $1[1]) } / Double(numbers.count)
        self.init(duration: sum.x, separation: sum.y)
    }

    /// One a volume, from a number for all or one each.
    /// - Errors: `GradientTableError.timing`.
    public static func list(durations: [Double], separations: [Double], volumes: Int) throws -> [PulseTiming] {
        func each(_ values: [Double], _ name: String) throws -> [Double] {
            if values.count == 1 { return Array(repeating: values[0], count: volumes) }
            guard values.count == volumes else {
                throw GradientTableError.timing(
                    "\(name) is given for \(values.count) volumes, but the table describes \(volumes); give one "
                        + "number, or one for each volume")
            }
            return values
        }
        return zip(try each(durations, "δ"), try each(separations, "Δ")).map(PulseTiming.init)
    }

    /// Checks what is given; b≈0 volumes without pulses get those of the first weighted volume, which their signal
    /// does not depend on.
    static func checked(
        _ list: [PulseTiming], bValues: [Double], threshold: Double
    ) throws -> [PulseTiming] {
        guard list.count == bValues.count else {
            throw GradientTableError.timing("δ and Δ are given for \(list.count) volumes, not \(bValues.count)")
        }
        for (i, t) in list.enumerated() where bValues[i] > threshold {
            guard durations.contains(t.duration), separations.contains(t.separation) else {
                throw GradientTableError.timing(
                    "volume \(i) (counted from 0) has δ = \(t.duration) and Δ = \(t.separation) ms; both must be above "
                        + "0, in milliseconds")
            }
            guard t.separation >= t.duration else {
                throw GradientTableError.timing(
                    "volume \(i) (counted from 0) has δ = \(t.duration) and Δ = \(t.separation) ms, but Δ cannot be "
                        + "below δ; are they exchanged?")
            }
        }
        guard let usual = bValues.firstIndex(where: { $0 > threshold }).map({ list[$0] }) else { return list }
        return list.enumerated().map { i, t in
            bValues[i] > threshold
                || durations.contains(t.duration) && separations.contains(t.separation) && t.separation >= t.duration
                ? t : usual
        }
    }

    /// Reads numbers, in a row or a column: ms, one a volume.
    /// - Errors: `GradientTableError`.
    public static func numbers(path: String) throws -> [Double] {
        let table = try NumberTable(path: path)
        guard table.rows.count == 1 || table.columns == 1 else {
            throw GradientTableError.wrongShape(
                path: path, rows: table.rows.count, columns: table.longestRow,
                expected: "one row or one column of milliseconds")
        }
        return table.rows.flatMap { $0 }
    }

    /// δ and Δ of a BIDS sidecar: `SmallDelta` and `BigDelta` in seconds (BIDS 1.11), or as HBCD and QSIRecon have them
    /// `SmallDelta` and `LargeDelta` in milliseconds; a number, or one a volume. Nil where it has neither pair.
    /// - Errors: `GradientTableError.timing` where they make no sense; what is no JSON has none.
    public static func sidecar(_ data: Data, path: String) throws -> (durations: [Double], separations: [Double])? {
        guard let object = (try? JSONSerialization.jsonObject(with: data)) as? [String: Any],
            let small = object["SmallDelta"], let big = object["BigDelta"] ?? object["LargeDelta"]
        else { return nil }
        func numbers(_ value: Any, _ key: String) throws -> [Double] {
            let list = (value as? [Any] ?? [value]).map { ($0 as? NSNumber)?.doubleValue }
            guard !list.isEmpty, list.allSatisfy({ $0?.isFinite == true }) else {
                throw GradientTableError.timing("'\(key)' of \(path) is neither a number nor a list of numbers")
            }
            return list.map { $0! }
        }
        let isInSeconds = object["BigDelta"] != nil, factor = isInSeconds ? 1e3 : 1
        let key = isInSeconds ? "BigDelta" : "LargeDelta"
        let durations = try numbers(small, "SmallDelta"), separations = try numbers(big, key)
        let largest = separations.max()!
        // No pulses of a scanner are more than a second apart, or less than a millisecond.
        guard isInSeconds ? largest < 1 : largest >= 1 else {
            throw GradientTableError.timing(
                "'\(key)' of \(path) is \(largest), which is not in \(isInSeconds ? "seconds" : "milliseconds"); give "
                    + "--small-delta and --big-delta in milliseconds")
        }
        return (durations.map { factor * $0 }, separations.map { factor * $0 })
    }
}

extension Acquisition {
    /// Whether it says when its pulses come.
    public var hasTiming: Bool { timing != nil }

    /// What a fit that depends on the timing notes of it.
    public var timingNote: String? {
        guard let timing else { return nil }
        let distinct = Set(timing)
        if distinct.count == 1 { return "\(timing[0].duration)/\(timing[0].separation) ms" }
        return timing.map { "\($0.duration)/\($0.separation)" }.joined(separator: " ") + " ms"
    }

    /// The same with one timing a volume.
    func timed(_ timing: [PulseTiming]) -> Acquisition {
        Acquisition(
            trusted: bValues, directions, threshold: threshold, unweighted: unweightedIndices, timing: timing)
    }
}
