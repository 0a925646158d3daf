import Foundation

/// The files at the top of a BIDS derivative dataset.
public enum BIDSDataset {
    /// The dataset that a derivative was made from.
    public struct Source: Sendable {
        /// Its name in BIDS URIs (`bids:raw:…`), and where it lies seen from the derivative.
        public var key = "raw", link: String
        public var doi: String?

        public init(link: String, doi: String? = nil) { (self.link, self.doi) = (link, doi) }
    }

    static func description(_ provenance: FitProvenance) -> JSONValue {
        description(software: provenance.software, version: provenance.version, source: nil)
    }

    /// `dataset_description.json`.
    public static func description(software: String, version: String, source: Source?) -> JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("Name", "Fibre orientations and microstructure with model probabilities"),
            ("BIDSVersion", "1.10.0"), ("DatasetType", "derivative"),
            (
                "GeneratedBy",
                [
                    [
                        "Name": .string(software), "Version": .string(version),
                        "Description": "Bayesian posteriors of diffusion MRI models, voxel by voxel",
                    ]
                ]
            ),
        ]
        // Beside a CITATION.cff, which whole datasets have, these would say the same twice.
        if source == nil {
            members.append(("ReferencesAndLinks", .array(references.map { .string("https://doi.org/" + $0.doi) })))
        }
        if let source {
            let place = source.doi.map { doi in
                doi.hasPrefix("doi:") ? "https://doi.org/" + doi.dropFirst(4) : doi
            }
            members.append(("SourceDatasets", [["URL": .string(place ?? source.link)]]))
            members.append(("DatasetLinks", .object([(source.key, .string(source.link))])))
        }
        return .object(members)
    }

    private static let references = [
        (
            title: "Characterization and propagation of uncertainty in diffusion-weighted MR imaging",
            author: "Behrens",
            given: "T. E. J.", year: 2003, doi: "10.1002/mrm.10609"
        ),
        (
            title: "Model-based analysis of multishell diffusion MR data for tractography", author: "Jbabdi",
            given: "Saad", year: 2012, doi: "10.1002/mrm.24204"
        ),
    ]

    /// What validators do not know yet: the suffix `dwimap` is in no release of BIDS, and pages and fits are of no
    /// suffix at all.
    public static let ignored = ["*_dwimap.nii.gz", "*_dwimap.json", "/fits", "/*.html", "/group.tsv", "/group.json"]

    /// The dataset's own files by name.
    public static func files(software: String, version: String, source: Source) -> [(name: String, text: String)] {
        [
            ("dataset_description.json", description(software: software, version: version, source: source).text),
            (".bidsignore", ignored.joined(separator: "\n") + "\n"),
            ("CITATION.cff", citation(software: software, version: version)),
            (
                "README",
                """
                Made by \(software) \(version).

                sub-*/**/dwi/*_dwimap.nii.gz  maps of every model, named as BIDS proposes for diffusion derivatives
                                              (BEP016); each has a .json of the same name that says what it is.
                sub-*.html                    a page of each participant, with links to the reports of the fits.
                group.html, group.tsv         all scans side by side, outliers marked (level 'group').
                fits/                         the fits themselves: fit.json has versions, options and warnings;
                                              'prism-dmri maps', 'stats' and 'export' read them.

                """
            ),
        ]
    }

    private static func citation(software: String, version: String) -> String {
        let works = references.map {
            """
              - type: article
                title: "\($0.title)"
                authors:
                  - family-names: "\($0.author)"
                    given-names: "\($0.given)"
                year: \($0.year)
                doi: "\($0.doi)"
            """
        }
        return """
            cff-version: 1.2.0
            title: "Fibre orientations and microstructure with model probabilities"
            message: "If you use these maps, please cite the works below that describe the models."
            authors:
              - name: "\(software) developers"
            abstract: "Made by \(software) \(version)."
            references:
            \(works.joined(separator: "\n"))

            """
    }
}
