import Foundation

/// b-values and direction vectors as a file gives them, before any change of frame.
public struct GradientTable: Sendable, Equatable {
    /// In which frame the vectors are: FSL's bvecs convention, or the scanner's (MRtrix).
    public enum Frame: Sendable { case fsl, scanner }

    /// s/mm², one a volume.
    public var bValues: [Double]
    /// One a volume, not necessarily of unit length; NaN where the file has no direction (eddy writes nan for b = 0).
    public var vectors: [SIMD3<Double>]
    public var frame: Frame
    /// δ and Δ of every volume; nil where the table does not say.
    public var timing: [PulseTiming]?

    public init(bValues: [Double], vectors: [SIMD3<Double>], frame: Frame) {
        self.bValues = bValues
        self.vectors = vectors
        self.frame = frame
    }

    /// Reads FSL's bvals (N numbers, in a row or a column) and bvecs (3×N or N×3).
    ///
    /// A 3×3 bvecs table is read as FSL writes it (vectors in columns) if only so its vectors have length 1 or 0,
    /// transposed if only so, and refused if both could be.
    /// - Errors: `GradientTableError`.
    public static func readFSL(bvals: String, bvecs: String) throws -> GradientTable {
        try parseFSL(
            bvals: NumberTable(path: bvals), bvalsPath: bvals, bvecs: NumberTable(path: bvecs), bvecsPath: bvecs)
    }

    /// Reads an MRtrix gradient table (N×4: x y z b), whose vectors are in the scanner's frame; or a scheme file
    /// (`readScheme`), which says that it is one.
    public static func readMRtrix(_ path: String) throws -> GradientTable {
        let text = try TextFile.contents(path)
        if isScheme(text) { return try scheme(text, path: path) }
        let table = try NumberTable(text: text, path: path)
        try refuseTensors(table, path: path)
        guard table.columns == 4 else {
            throw GradientTableError.wrongShape(
                path: path, rows: table.rows.count, columns: table.longestRow,
                expected: "an MRtrix gradient table, N rows of x y z b")
        }
        return GradientTable(
            bValues: table.rows.map { $0[3] }, vectors: table.rows.map { SIMD3($0[0], $0[1], $0[2]) }, frame: .scanner)
    }

    static func parseFSL(bvals: NumberTable, bvalsPath: String, bvecs: NumberTable, bvecsPath: String) throws
        -> GradientTable
    {
        guard bvals.rows.count == 1 || bvals.columns == 1 else {
            throw GradientTableError.wrongShape(
                path: bvalsPath, rows: bvals.rows.count, columns: bvals.longestRow,
                expected: "one row or one column of b-values")
        }
        let b = bvals.rows.flatMap { $0 }, rows = bvecs.rows
        if rows.count == b.count { try refuseTensors(bvecs, path: bvecsPath) }
        guard let columns = bvecs.columns, rows.count == 3 || columns == 3 else {
            throw GradientTableError.wrongShape(
                path: bvecsPath, rows: rows.count, columns: bvecs.longestRow,
                expected: "3 rows (x, y, z) of \(b.count), or \(b.count) rows of 3")
        }
        let byColumn = rows.count == 3 ? (0..<columns).map { SIMD3(rows[0][$0], rows[1][$0], rows[2][$0]) } : []
        let byRow = columns == 3 ? rows.map { SIMD3($0[0], $0[1], $0[2]) } : []
        let vectors: [SIMD3<Double>]
        if rows.count == 3 && columns == 3 {
            func plausible(_ list: [SIMD3<Double>]) -> Bool {
                list.allSatisfy {
                    let n = ($0 * $0).sum().squareRoot(); return !(n >= 1e-6) || abs(n - 1) < 0.02
                }
            }
            switch (plausible(byColumn), plausible(byRow)) {
            case (true, false): vectors = byColumn
            case (false, true): vectors = byRow
            default:
                if byColumn == byRow {
                    vectors = byColumn
                } else {
                    throw GradientTableError.ambiguousOrientation(path: bvecsPath)
                }
            }
        } else {
            vectors = rows.count == 3 ? byColumn : byRow
        }
        guard vectors.count == b.count else {
            throw GradientTableError.countMismatch(bValues: b.count, directions: vectors.count)
        }
        return GradientTable(bValues: b, vectors: vectors, frame: .fsl)
    }

    /// The acquisition in the scanner's frame, checked against the DWI's number of volumes when given.
    /// - Errors: `GradientTableError`.
    public func acquisition(
        conversion: FrameConversion, volumes: Int? = nil, threshold: Double = Acquisition.defaultThreshold,
        lengths: Acquisition.LengthRule = .normalise
    ) throws -> Acquisition {
        if let volumes, volumes != bValues.count {
            throw GradientTableError.volumeMismatch(table: bValues.count, volumes: volumes)
        }
        return try Acquisition(
            bValues: bValues, directions: frame == .fsl ? vectors.map(conversion.scanner(fromFSL:)) : vectors,
            threshold: threshold,
            lengths: lengths, timing: timing)
    }

    /// The table as FSL's two text files, vectors with 7 decimals.
    public var fslText: (bvals: String, bvecs: String) {
        func text(_ x: Double) -> String { x == x.rounded() && abs(x) < 1e9 ? String(Int(x)) : String(x) }
        let b = bValues.map(text).joined(separator: " ") + "\n"
        let v = (0..<3).map { k in vectors.map { String(format: "%.7f", $0[k]) }.joined(separator: " ") + "\n" }
            .joined()
        return (b, v)
    }

    /// The table as MRtrix's text: a row of x y z b for each volume.
    public var mrtrixText: String {
        zip(vectors, bValues).map { v, b -> String in
            let whole = b == b.rounded() && abs(b) < 1e9
            return String(format: "%.7f %.7f %.7f ", v.x, v.y, v.z) + (whole ? String(Int(b)) : String(b)) + "\n"
        }.joined()
    }
}
