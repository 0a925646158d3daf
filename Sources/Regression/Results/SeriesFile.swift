import Foundation

/// What is wrong with a file of observations: one sentence that says where and what to do.
public struct SeriesFileError: Error, CustomStringConvertible {
    public let description: String, isMissing: Bool
    init(_ text: String, isMissing: Bool = false) { (description, self.isMissing) = (text, isMissing) }
}

/// Observations as a user has them, and how they are brought into the family's units.
///
///     x' = 10 (x − x0) / xUnit,   y' = (y − y0) / yUnit
public struct SeriesFile: Sendable {
    public let names: (x: String, y: String)
    public let x: [Double], y: [Double]
    /// Origins and units; 0, 10, 0 and 1 for data that are in the family's units already.
    public let x0: Double, xUnit: Double, y0: Double, yUnit: Double

    public static let fewest = 8, most = 5000

    /// Reads two columns, x and y, separated by commas, semicolons, tabs or spaces, with or without a line of names;
    /// lines that begin with # are passed over.
    /// - Parameter isScaled: the data are in the family's units: x in [0, 10], y with amplitudes of about 1.
    /// - Errors: `SeriesFileError`.
    public init(path: String, isScaled: Bool = false) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else {
            throw SeriesFileError(
                isFolder.boolValue
                    ? "\(path) is a folder; give a file of two columns, x and y."
                    : "\(path) does not exist; check the path and the spelling.", isMissing: !isFolder.boolValue)
        }
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw SeriesFileError("\(path) cannot be opened; check its permissions.", isMissing: true)
        }
        guard let data = try? handle.read(upToCount: 4 << 20), !data.isEmpty else {
            throw SeriesFileError("\(path) is empty; it should have two columns, x and y.")
        }
        guard data.count < 4 << 20 else {
            throw SeriesFileError("\(path) has more than 4 MB; give at most \(Self.most) lines of two columns.")
        }
        guard let text = String(data: data, encoding: .utf8), !text.contains("\0") else {
            throw SeriesFileError("\(path) is not a text file; save the two columns as CSV.")
        }
        try self.init(text: text, name: path, isScaled: isScaled)
    }

    public init(text: String, name: String, isScaled: Bool = false) throws {
        var xs: [Double] = [], ys: [Double] = [], names = (x: "x", y: "y"), isFirst = true
        let body = text.hasPrefix("\u{FEFF}") ? text.dropFirst() : text[...]
        for (number, line) in body.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let bare = line.drop(while: \.isWhitespace)
            if bare.isEmpty || bare.hasPrefix("#") { continue }
            let fields = Self.fields(bare), place = "\(name), line \(number + 1)"
            guard fields.count == 2 else {
                throw SeriesFileError(
                    "\(place) has \(fields.count) columns; each line must have two, x and y.")
            }
            let values = fields.map { Double($0) }
            if isFirst, values.allSatisfy({ $0 == nil }) {
                names = (fields[0], fields[1])
                isFirst = false
                continue
            }
            isFirst = false
            for (field, value) in zip(fields, values) where !(value?.isFinite ?? false) {
                throw SeriesFileError(
                    "\(place): '\(field.prefix(40))' is no finite number; leave out lines without an observation "
                        + "and write decimals with a point.")
            }
            xs.append(values[0]!)
            ys.append(values[1]!)
            guard xs.count <= Self.most else {
                throw SeriesFileError("\(name) has more than \(Self.most) observations; thin them out.")
            }
        }
        guard xs.count >= Self.fewest else {
            throw SeriesFileError(
                "\(name) has \(xs.count) observations; at least \(Self.fewest) are needed to tell formulas apart.")
        }
        guard Set(xs).count >= 4 else {
            throw SeriesFileError("\(name) has \(Set(xs).count) different x; at least 4 are needed.")
        }
        let low = xs.min()!, high = xs.max()!
        if isScaled {
            guard low >= 0, high <= 10 else {
                throw SeriesFileError("\(name) has x from \(low) to \(high); with --scaled they must lie in 0 to 10.")
            }
            (x0, xUnit, y0, yUnit) = (0, 10, 0, 1)
        } else {
            let mean = ys.reduce(0) { $0 + $1 / Double(ys.count) }, peak = ys.map { abs($0 - mean) }.max()!
            guard ys.min()! < ys.max()! else {
                throw SeriesFileError("\(name) has y that never changes; there is no curve to explain.")
            }
            guard peak.isFinite, peak > 1e-12 * abs(mean), (high - low).isFinite,
                high - low > 1e-12 * max(abs(low), abs(high))
            else {
                throw SeriesFileError(
                    "\(name) has numbers that are too large for their differences; subtract an offset or change units.")
            }
            let variance = ys.reduce(0) { $0 + ($1 - mean) / peak * (($1 - mean) / peak) } / Double(ys.count)
            (x0, xUnit, y0, yUnit) = (low, high - low, mean, peak * variance.squareRoot())
        }
        let floor = y0, size = yUnit
        guard ys.allSatisfy({ abs(($0 - floor) / size) < 1e6 }) else {
            throw SeriesFileError("\(name) has y beyond a million units of amplitude; leave out --scaled.")
        }
        (x, y, self.names) = (xs, ys, names)
    }

    private static func fields(_ line: Substring) -> [String] {
        let separator: (Character) -> Bool =
            line.contains(";") ? { $0 == ";" } : line.contains(",") ? { $0 == "," } : { $0 == "\t" || $0 == " " }
        let isLoose = !line.contains(";") && !line.contains(",")
        return line.split(omittingEmptySubsequences: isLoose, whereSeparator: separator).map {
            $0.trimmingCharacters(in: CharacterSet(charactersIn: " \t\r\""))
        }
    }

    /// In the family's units.
    public var series: Series {
        Series(x: x.map { min(10, max(0, 10 * ($0 - x0) / xUnit)) }, y: y.map { ($0 - y0) / yUnit })
    }
}
