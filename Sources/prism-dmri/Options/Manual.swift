/// A command's page of help: what it does, examples, references.
enum Manual {
    /// - Parameter examples: what each is for, and its command line, which a test reads as the program would.
    static func page(
        _ text: String, examples: [(purpose: String, line: String)], references: [Reference] = []
    ) -> String {
        var parts = text.isEmpty ? [] : [text]
        parts.append("EXAMPLES:\n" + examples.map { "  # \($0.purpose)\n  \($0.line)" }.joined(separator: "\n"))
        if !references.isEmpty {
            parts.append("REFERENCES:\n" + references.map { "  \($0.text)" }.joined(separator: "\n"))
        }
        return parts.joined(separator: "\n\n")
    }

    /// A published work, as it is cited.
    struct Reference: ExpressibleByStringLiteral {
        let text: String
        init(stringLiteral text: String) { self.text = text }

        static let behrens2003: Reference =
            "Ball and sticks: Behrens et al. 2003, Magn Reson Med 50:1077, doi:10.1002/mrm.10609"
        static let jbabdi2012: Reference =
            "Spread of diffusivities: Jbabdi et al. 2012, Magn Reson Med 68:1846, doi:10.1002/mrm.24204"
        static let gloeckler2026: Reference =
            "The network's design: Gloeckler et al. 2026, arXiv:2603.15292"
        static let schroeder2024: Reference =
            "SBMI: Schröder and Macke 2024, Proc ICML 41, arXiv:2305.15174"
        static let veraart2016: Reference =
            "The noise's estimate: Veraart et al. 2016, Magn Reson Med 76:1582, doi:10.1002/mrm.26059"
        static let delMoral2006: Reference =
            "Sequential Monte Carlo: Del Moral et al. 2006, J R Stat Soc B 68:411"
        static let tournier2019: Reference = "MRtrix3: Tournier et al. 2019, NeuroImage 202:116137"
        static let talts2018: Reference = "Calibration by ranks: Talts et al. 2018, arXiv:1804.06788"
        static let bids: Reference =
            "BIDS Apps: Gorgolewski et al. 2017, PLoS Comput Biol 13:e1005209, doi:10.1371/journal.pcbi.1005209"
    }
}
