import Foundation

/// Colours and names of maps whose whole numbers stand for classes, in the two forms that viewers load: FSLeyes' lookup
/// tables and ITK-SNAP's label descriptions. NIfTI itself has no place for them.
///
/// Sources: FSLeyes' documentation, "Lookup tables" (value, red, green, blue in [0, 1], name); ITK-SNAP's, "Label
/// descriptions" (value, red, green, blue in 0…255, opacity, visibility, mesh, name).
enum ColourTables {
    static let folder = "colours"

    /// Fibres in a voxel, from 0 (not shown): told apart by lightness, too.
    static let fibres: [(name: String, colour: (Double, Double, Double))] = [
        ("no fibre", (0, 0, 0)), ("1 fibre", (0.13, 0.35, 0.72)), ("2 fibres", (0.93, 0.55, 0.16)),
        ("3 fibres", (0.99, 0.91, 0.45)),
    ]

    static func jobs(_ context: OutputContext) -> [OutputJob] {
        let rows = Array(fibres.prefix(context.fibres + 1))
        return [
            context.text("\(folder)/nfibres.lut", fsleyes(rows)), context.text("\(folder)/nfibres.txt", itkSnap(rows)),
        ]
    }

    static func fsleyes(_ rows: [(name: String, colour: (Double, Double, Double))]) -> String {
        rows.enumerated().dropFirst().map { value, row in
            String(
                format: "%d %.3f %.3f %.3f %@\n", value, row.colour.0, row.colour.1, row.colour.2,
                row.name as NSString)
        }.joined()
    }

    static func itkSnap(_ rows: [(name: String, colour: (Double, Double, Double))]) -> String {
        func byte(_ x: Double) -> Int { Int((255 * x).rounded()) }
        return rows.enumerated().map { value, row in
            let colour = [row.colour.0, row.colour.1, row.colour.2].map { "\(byte($0))" }.joined(separator: " ")
            return "\(value) \(colour) \(value > 0 ? "1 1 1" : "0 0 0") \"\(row.name)\"\n"
        }.joined()
    }
}
