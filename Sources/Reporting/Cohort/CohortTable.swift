import Foundation
import Volumes

/// What one scan's fit says in a few numbers, to be held against those of other scans.
public struct CohortRow: Sendable {
    /// The scan's entities, and its participant's label.
    public let name: String, participant: String
    /// By the columns of `CohortTable`; nil where the fit does not say.
    public let values: [Double?]
    /// Sentences of `fit.json`.
    public let warnings: [String]
    /// Files by their paths from the dataset's top: the report, and the picture of orientations.
    public let report: String?, picture: String?

    /// - Parameters:
    ///   - fit: the fit's folder, of which `root` is the dataset.
    ///   - maps: the folder of its BIDS maps.
    /// - Throws: `ReportingError.badProvenance` and Foundation's where `fit.json` cannot be read.
    public init(root: String, fit: String, maps: String, name: String) throws {
        let folder = root + "/" + fit, provenance = try FitProvenance(path: folder + "/fit.json")
        self.name = name
        participant = name.split(separator: "_").first.map(String.init) ?? name
        warnings = provenance.warnings
        func there(_ file: String) -> String? {
            FileManager.default.fileExists(atPath: folder + "/" + file) ? fit + "/" + file : nil
        }
        (report, picture) = (there("report.html"), there("orientations.png"))
        let files = ((try? FileManager.default.contentsOfDirectory(atPath: root + "/" + maps)) ?? []).sorted()
        func map(_ parameter: String) -> [Float]? {
            let ending = "_param-\(parameter)_desc-mean_dwimap.nii.gz"
            return files.first { $0.hasPrefix(name + "_model-") && $0.hasSuffix(ending) }
                .flatMap { try? Volume(path: root + "/" + maps + "/" + $0).values }
        }
        // A fitted voxel has a signal-to-noise ratio above 0, others are 0 everywhere.
        let snr = map("snr"), fibres = map("nfibres"), misfit = try? Volume(path: folder + "/misfit.nii.gz").values
        func median(_ values: [Float]?) -> Double? {
            let kept = (values ?? []).filter { $0 > 0 }.map(Double.init)
            return kept.isEmpty ? nil : CohortTable.median(kept)
        }
        let mean: Double? = fibres.flatMap { fibres in
            guard let snr, snr.count == fibres.count else { return nil }
            let fitted = snr.indices.filter { snr[$0] > 0 }
            return fitted.isEmpty ? nil : fitted.reduce(0) { $0 + Double(fibres[$1]) } / Double(fitted.count)
        }
        let affine = provenance.affine
        let millilitres: Double? =
            affine.count == 16
            ? abs(Affine(rows: Array(affine[0..<12])).determinant) * Double(provenance.counts.voxels) / 1000 : nil
        let counts = provenance.counts
        values = [
            provenance.acquisition.map { Double($0.volumeCount) }, millilitres,
            counts.voxels > 0 ? Double(counts.fitted) / Double(counts.voxels) : nil, median(snr), median(misfit),
            provenance.noise?.ratioInFibre ?? provenance.noise?.ratio, mean,
        ]
    }
}

/// All scans of a study side by side.
public struct CohortTable: Sendable {
    /// Names of the columns, and what they are.
    public static let columns: [(name: String, text: String)] = [
        ("volumes", "Volumes of the series"), ("mask_ml", "Volume of the mask in ml"),
        ("fitted", "Share of the mask's voxels that could be fitted"),
        ("snr", "Median signal-to-noise ratio of an unweighted volume"),
        ("misfit", "Median of the root-mean-square residual over its expected scatter"),
        ("noise_ratio", "Median of the fitted noise over an estimate that knows no model; above 1.7 uncorrected"),
        ("fibres", "Mean posterior number of fibres a voxel"),
    ]
    /// From how many robust standard deviations on a value is an outlier, and of how many scans at least.
    public static let limit = 3.5, leastScans = 5

    public let rows: [CohortRow]

    /// - Parameter rows: in the order of the table.
    public init(_ rows: [CohortRow]) { self.rows = rows }

    /// Robust standard scores by row and column: (x − median) / (1.4826 × median absolute deviation); nil for fewer
    /// than five scans, or where half of them are equal.
    ///
    /// Source: Iglewicz & Hoaglin 1993, How to detect and handle outliers.
    public var scores: [[Double?]] {
        var scores = rows.map { _ in [Double?](repeating: nil, count: Self.columns.count) }
        for c in Self.columns.indices {
            let values = rows.compactMap { $0.values[c] }
            guard values.count >= Self.leastScans else { continue }
            let centre = Self.median(values), spread = 1.4826 * Self.median(values.map { abs($0 - centre) })
            guard spread > 0 else { continue }
            for r in rows.indices { scores[r][c] = rows[r].values[c].map { ($0 - centre) / spread } }
        }
        return scores
    }

    /// The columns in which each row is an outlier.
    public var outliers: [[Int]] {
        scores.map { row in row.indices.filter { abs(row[$0] ?? 0) > Self.limit } }
    }

    static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted(), n = sorted.count
        return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2
    }

    static func text(_ value: Double?) -> String { value.map { String(format: "%.4g", $0) } ?? "n/a" }

    /// Tab-separated, as BIDS has tables: a row a scan.
    public var tsv: String {
        let outliers = outliers
        let head = ["scan"] + Self.columns.map(\.name) + ["warnings", "outlier_in"]
        return
            ([head]
            + rows.enumerated().map { r, row in
                [row.name] + row.values.map(Self.text)
                    + [
                        "\(row.warnings.count)",
                        outliers[r].isEmpty ? "n/a" : outliers[r].map { Self.columns[$0].name }.joined(separator: ","),
                    ]
            }).map { $0.joined(separator: "\t") + "\n" }.joined()
    }

    /// What the columns are, as BIDS describes tables.
    public var sidecar: String {
        JSONValue.object(
            [("scan", ["Description": "Entities of the scan"])]
                + Self.columns.map { ($0.name, ["Description": .string($0.text)]) }
                + [
                    ("warnings", ["Description": "Number of warnings of the fit"]),
                    (
                        "outlier_in",
                        [
                            "Description": .string(
                                """
                                Columns in which the scan is more than \(Self.limit) robust standard deviations from \
                                the median of all scans
                                """)
                        ]
                    ),
                ]
        ).text
    }
}
