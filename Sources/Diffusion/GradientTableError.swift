/// What can be wrong with a gradient table or an acquisition: each case says what, where, and the remedy. Volumes are counted from 0.
public enum GradientTableError: Error, Equatable, CustomStringConvertible {
    /// A file that cannot be opened or is not text.
    case unreadable(path: String, reason: String)
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
    /// Zero vector with diffusion weighting.
    case missingDirection(index: Int, bValue: Double)
    /// A vector whose length is not near 1.
    case notUnit(index: Int, norm: Double)
    /// Equal b but clearly unequal vector lengths: the table encodes b in the vectors' lengths.
    case amplitudeScaled(shortest: Double, longest: Double)
    /// An affine whose 3×3 part has no inverse.
    case singularAffine
    /// An acquisition file that breaks its schema.
    case badAcquisitionFile(path: String, reason: String)

    public var description: String {
        switch self {
        case .unreadable(let path, let reason):
            "cannot read \(path): \(reason); check the path and that it is a text file"
        case .notANumber(let path, let line, let word):
            "\(path), line \(line): '\(word)' is not a number; the table must hold numbers only"
        case .notFinite(let what, let index):
            "\(what) of volume \(index) (counted from 0) is not finite; correct the gradient table or remove that volume from it and from the DWI"
        case .empty(let path):
            "\(path) holds no numbers; give the table that belongs to the DWI"
        case .wrongShape(let path, let rows, let columns, let expected):
            "\(path) has \(rows) rows and \(columns) columns; expected \(expected)"
        case .countMismatch(let bValues, let directions):
            "\(bValues) b-values but \(directions) directions; the two files must describe the same volumes"
        case .volumeMismatch(let table, let volumes):
            "the gradient table describes \(table) volumes but the DWI has \(volumes); give the table that belongs to this DWI"
        case .ambiguousOrientation(let path):
            "\(path) is 3×3, and its rows and columns both could be the directions; append any fourth volume or use an MRtrix N×4 table"
        case .negativeBValue(let index, let value):
            "b-value of volume \(index) (counted from 0) is \(value); b-values in s/mm² cannot be negative"
        case .bValuesTooSmall(let largest):
            "the largest b-value is \(largest); b-values must be in s/mm² (multiply by 1000 if yours are in ms/µm²)"
        case .bValuesTooLarge(let largest):
            "the largest b-value is \(largest); b-values must be in s/mm² (divide by 1e6 if yours are in s/m²)"
        case .noUnweightedVolume(let smallest, let threshold):
            "no b≈0 volume: the smallest b-value is \(smallest), the threshold \(threshold) s/mm²; keep the b≈0 volumes, or raise the threshold"
        case .noWeightedVolume(let largest, let threshold):
            "no diffusion-weighted volume: the largest b-value is \(largest), the b≈0 threshold \(threshold) s/mm²; check the table's units"
        case .missingDirection(let index, let bValue):
            "volume \(index) (counted from 0) has b = \(bValue) s/mm² but a zero direction; give its direction or remove the volume from table and DWI"
        case .notUnit(let index, let norm):
            "the direction of volume \(index) (counted from 0) has length \(norm), not 1; give unit vectors, or ask for b to be scaled by the squared length"
        case .amplitudeScaled(let shortest, let longest):
            "one b-value but directions of lengths \(shortest) to \(longest): the lengths encode the weighting; ask for b to be scaled by the squared length"
        case .singularAffine:
            "the affine's 3×3 part is singular or not finite; repair the DWI's header (sform/qform)"
        case .badAcquisitionFile(let path, let reason):
            "\(path): \(reason)"
        }
    }
}
