import Foundation
import Volumes

/// What can be wrong with a gradient table or an acquisition: each case says what, where, and the remedy. Volumes are
/// counted from 0.
public enum GradientTableError: Error, Equatable, CustomStringConvertible {
    /// A file that cannot be opened or is not text.
    case unreadable(path: String, reason: String)
    /// A link whose target is not there.
    case missingTarget(path: String, target: String)
    /// A pointer or a web page under the table's name.
    case standIn(path: String, what: String)
    /// A comma between digits: decimal comma or thousands.
    case commaInside(path: String, line: Int, word: String)
    /// A word that is not a number.
    case notANumber(path: String, line: Int, word: String)
    /// NaN or infinity.
    case notFinite(what: String, index: Int)
    /// A table without numbers.
    case empty(path: String)
    /// Rows of unequal length, or neither 3×N nor N×3 (bvecs), nor N×4 (MRtrix).
    case wrongShape(path: String, rows: Int, columns: Int, expected: String)
    /// bvals and bvecs of different lengths.
    case countMismatch(bValues: Int, directions: Int)
    /// A table whose length is not the number of volumes.
    case volumeMismatch(table: Int, volumes: Int)
    /// A 3×3 bvecs table whose rows and columns both could be the unit vectors.
    case ambiguousOrientation(path: String)
    case negativeBValue(index: Int, value: Double)
    /// The largest b is below 10: ms/µm², or no diffusion weighting.
    case bValuesTooSmall(largest: Double)
    /// The largest b is above 50000: s/m² or a scaling slip.
    case bValuesTooLarge(largest: Double)
    /// No volume with b ≤ threshold.
    case noUnweightedVolume(smallest: Double, threshold: Double)
    /// Every volume is b≈0.
    case noWeightedVolume(largest: Double, threshold: Double)
    /// Zero vector with diffusion weighting, among different b.
    case missingDirection(index: Int, bValue: Double)
    /// Zero vectors among unit vectors with one nominal b: b = 0, unless `hasLabelledBaseline` leaves both open.
    case undirected(count: Int, first: Int, bValue: Double, hasLabelledBaseline: Bool)
    /// Vectors all of one length, which is not near 1.
    case notUnit(index: Int, norm: Double)
    /// Unequal vector lengths that do not follow b: the table encodes b in them, or they are wrong.
    case amplitudeScaled(shortest: Double, longest: Double, undirected: Int)
    /// Vector lengths that follow b, and yet b was to be scaled by them.
    case alreadyScaled(shortest: Double, longest: Double)
    /// A file of gradient deviations by which b would change, in one voxel of a hundred, by more than this share.
    case notDeviations(path: String, change: Double)
    /// An affine whose 3×3 part has no inverse.
    case singularAffine
    /// δ and Δ, or a table that states them, that make no sense.
    case timing(String)
    /// An acquisition file that breaks its schema.
    case badAcquisitionFile(path: String, reason: String)

    /// Up to four digits, without a fraction where there is none.
    private static func text(_ x: Double) -> String { String(format: "%.*g", abs(x) >= 1000 ? 8 : 4, x) }

    public var description: String {
        switch self {
        case .notDeviations(let path, let change):
            String(
                format:
                    "%@ would change b by %.0f %% in one voxel of a hundred, which no gradient coil does: it is not "
                    + "what --grad-dev reads; leave it out with --grad-dev none", path as NSString, 100 * change)
        case .unreadable(let path, let reason):
            "cannot read \(path): \(reason); check the path and that it is a text file"
        case .missingTarget(let path, let target):
            "\(path) \(StandIn.advice(forMissing: target, path: path))"
        case .standIn(let path, let what):
            "\(path) \(what)"
        case .commaInside(let path, let line, let word):
            """
            \(path), line \(line): '\(word)' has a comma inside, a decimal comma or thousands; write numbers with a \
            decimal point and no commas inside
            """
        case .notANumber(let path, let line, let word):
            "\(path), line \(line): '\(word)' is not a number; the table must hold numbers only"
        case .notFinite(let what, let index):
            """
            the \(what) of volume \(index) (counted from 0) is not finite; write the right one (for a b≈0 volume: \
            b-value 0, direction 0 0 0)
            """
        case .empty(let path):
            "\(path) holds no numbers; give the table that belongs to the DWI"
        case .wrongShape(let path, let rows, let columns, let expected):
            "\(path) has \(rows) rows and \(columns) columns; expected \(expected)"
        case .countMismatch(let bValues, let directions):
            """
            \(bValues) b-values but \(directions) directions\(directions == 2 * bValues ? " (decimal commas?)" : ""); \
            the two must describe the same volumes
            """
        case .volumeMismatch(let table, let volumes):
            """
            the gradient table describes \(table) volumes but the DWI has \(volumes); give the table that belongs to \
            this DWI
            """
        case .ambiguousOrientation(let path):
            """
            \(path) is 3×3, and its rows and columns both could be the directions; append any fourth volume or use an \
            MRtrix N×4 table
            """
        case .negativeBValue(let index, let value):
            "b-value of volume \(index) (counted from 0) is \(value); b-values in s/mm² cannot be negative"
        case .bValuesTooSmall(let largest):
            """
            the largest b-value is \(Self.text(largest)); b-values must be in s/mm² (multiply by 1000 if yours are in \
            ms/µm²)
            """
        case .bValuesTooLarge(let largest):
            """
            the largest b-value is \(Self.text(largest)); b-values must be in s/mm² (divide by 1e6 if yours are in \
            s/m²)
            """
        case .noUnweightedVolume(let smallest, let threshold):
            """
            no b≈0 volume: the smallest b-value is \(Self.text(smallest)), --b0-threshold \(Self.text(threshold)) \
            s/mm²;\u{20}
            """
                + (smallest <= 250
                    ? "raise --b0-threshold if those are your b≈0 volumes"
                    : "give the series and the table with their b≈0 volumes")
        case .noWeightedVolume(let largest, let threshold):
            """
            no diffusion-weighted volume: the largest b-value is \(Self.text(largest)), the b≈0 threshold \
            \(Self.text(threshold)) s/mm²; give the diffusion series and the table that belongs to it
            """
        case .missingDirection(let index, let bValue):
            """
            volume \(index) (counted from 0) has b = \(Self.text(bValue)) s/mm² but a zero direction; give its \
            direction, or b-value 0 if it is unweighted
            """
        case .undirected(let count, let first, let bValue, let hasLabelledBaseline):
            (count == 1
                ? "volume \(first) (counted from 0) has"
                : "\(count) volumes, the first \(first) (counted from 0), have")
                + " b = \(Self.text(bValue)) s/mm² but a zero direction; "
                + (hasLabelledBaseline
                    ? """
                    write b-value 0 if unweighted (--scale-by-length if every zero vector means that), else the \
                    direction
                    """
                    : "if b is nominal and zero vectors mean b = 0, give --scale-by-length")
        case .notUnit(let index, let norm):
            "the directions have length \(Self.text(norm)) (volume \(index), counted from 0), not 1; "
                + "give --scale-by-length if the real b is b·length²; if b is right as it is, give unit vectors"
        case .amplitudeScaled(let shortest, let longest, let undirected):
            """
            directions of length \(Self.text(shortest)) to \
            \(Self.text(longest))\(undirected > 0 ? " and \(undirected) of length 0" : "") do not follow b; if b is \
            nominal and the real b is b·length², give --scale-by-length; if b is right, unit vectors
            """
        case .alreadyScaled(let shortest, let longest):
            """
            the b-values already contain the lengths of the directions (\(Self.text(shortest)) to \
            \(Self.text(longest)) follow b); leave out --scale-by-length
            """
        case .singularAffine:
            "the affine's 3×3 part is singular or not finite; repair the DWI's header (sform/qform)"
        case .timing(let reason): reason
        case .badAcquisitionFile(let path, let reason):
            "\(path): \(reason)"
        }
    }
}
