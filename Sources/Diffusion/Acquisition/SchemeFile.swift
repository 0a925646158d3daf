import Foundation

extension GradientTable {
    /// Whether a text is one of Camino's scheme files.
    static func isScheme(_ text: String) -> Bool {
        text.range(of: #"^\s*(#[^\n]*\n\s*)*VERSION\s*:"#, options: [.regularExpression, .caseInsensitive]) != nil
    }

    /// Reads a Stejskal–Tanner scheme file (Camino's `VERSION: STEJSKALTANNER`, or 1): rows of gx gy gz |G| Δ δ TE in
    /// SI units, directions in FSL's frame as fsl2scheme copies them, b = γ²G²δ²(Δ − δ/3).
    /// - Errors: `GradientTableError`.
    public static func readScheme(_ path: String) throws -> GradientTable {
        try scheme(TextFile.contents(path), path: path)
    }

    static func scheme(_ text: String, path: String) throws -> GradientTable {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        guard let first = lines.firstIndex(where: { $0.range(of: "VERSION", options: .caseInsensitive) != nil }),
            isScheme(text)
        else {
            throw GradientTableError.timing(
                "\(path) has no line 'VERSION: STEJSKALTANNER', by which a scheme file is known; give --bvals "
                    + "and --bvecs"
            )
        }
        let version =
            lines[first].split(separator: ":").last.map {
                $0.trimmingCharacters(in: .whitespaces).uppercased()
            } ?? ""
        guard version == "STEJSKALTANNER" || version == "1" else {
            throw GradientTableError.timing(
                "\(path) is a scheme file of version \(version.prefix(40)); only STEJSKALTANNER (gx gy gz |G| Δ δ TE) "
                    + "is read: write it so, or give --bvals and --bvecs")
        }
        let rest = lines.enumerated().map { $0 == first ? "" : String($1) }.joined(separator: "\n")
        let table = try NumberTable(text: rest, path: path)
        guard table.columns == 7 else {
            throw GradientTableError.wrongShape(
                path: path, rows: table.rows.count, columns: table.longestRow,
                expected: "rows of gx gy gz |G| Δ δ TE in T/m and seconds")
        }
        var b: [Double] = [], timing: [PulseTiming] = []
        for (i, row) in table.rows.enumerated() {
            let t = PulseTiming(duration: 1e3 * row[5], separation: 1e3 * row[4])
            guard row.dropFirst(3).allSatisfy({ $0.isFinite && $0 >= 0 }), row[3] < 20, t.separation < 10_000,
                row[3] == 0 || t.separation >= t.duration
            else {
                throw GradientTableError.timing(
                    "\(path), volume \(i) (counted from 0): |G| = \(row[3]) T/m, Δ = \(row[4]) s, δ = \(row[5]) s make "
                        + "no sense; scheme files are in T/m and seconds")
            }
            b.append(row[3] == 0 || t.duration == 0 ? 0 : t.bValue(gradient: row[3]))
            timing.append(t)
        }
        var result = GradientTable(
            bValues: b, vectors: table.rows.map { SIMD3($0[0], $0[1], $0[2]) }, frame: .fsl)
        result.timing = timing
        return result
    }

    /// Refuses tables of b-tensors, 6 or 9 numbers a volume: only measurements along one direction have a b and a g.
    static func refuseTensors(_ table: NumberTable, path: String) throws {
        guard let columns = table.columns, columns == 6 || columns == 9, table.rows.count > 3 else { return }
        var counts: [String: Int] = [:], first: [String: Int] = [:]
        for (i, row) in table.rows.enumerated() {
            let kind = encoding(row)
            counts[kind, default: 0] += 1
            if first[kind] == nil { first[kind] = i }
        }
        let kinds = ["spherical", "planar", "linear"].filter { counts[$0] != nil }
        let said = kinds.map { "\(counts[$0]!) with \($0) encoding (first: \(first[$0]!))" }.joined(separator: ", ")
        throw GradientTableError.timing(
            "\(path) is a table of b-tensors, \(said.isEmpty ? "all of them 0" : said); only linear (Stejskal–Tanner) "
                + "encoding is fitted: give the linear volumes' b-values and directions")
    }

    /// By the eigenvalues of its b-tensor: what is far from one direction is planar or spherical.
    private static func encoding(_ row: [Double]) -> String {
        let m =
            row.count == 9
            ? [row[0], row[4], row[8], (row[1] + row[3]) / 2, (row[2] + row[6]) / 2, (row[5] + row[7]) / 2] : row
        let trace = m[0] + m[1] + m[2]
        guard trace.isFinite, trace > 0 else { return "no" }
        // b_Δ² = (3 tr B²/tr² − 1)/2: 1 linear, ¼ planar, 0 spherical.
        let square = m[0] * m[0] + m[1] * m[1] + m[2] * m[2] + 2 * (m[3] * m[3] + m[4] * m[4] + m[5] * m[5])
        let shape = (3 * square / (trace * trace) - 1) / 2
        return shape > 0.6 ? "linear" : shape > 0.1 ? "planar" : "spherical"
    }
}
