import Foundation
import Inference

/// Wording of the report: numbers in sentences.
enum ReportText {
    /// 40,739.
    static func count(_ n: Int) -> String {
        var digits = "\(abs(n))", result = ""
        while digits.count > 3 {
            result = "," + digits.suffix(3) + result
            digits.removeLast(3)
        }
        return (n < 0 ? "−" : "") + digits + result
    }

    static func percent(_ share: Double) -> String {
        share > 0 && share < 0.001
            ? "< 0.1\u{A0}%" : String(format: share < 0.0995 ? "%.1f\u{A0}%%" : "%.0f\u{A0}%%", 100 * share)
    }

    static func number(_ x: Double) -> String { String(format: "%g", x) }

    static func duration(_ seconds: Double) -> String {
        if seconds < 100 { return String(format: seconds < 10 ? "%.1f s" : "%.0f s", seconds) }
        let minutes = Int((seconds / 60).rounded())
        return minutes < 100
            ? "\(Int(seconds) / 60) min \(Int(seconds) % 60) s" : "\(minutes / 60) h \(minutes % 60) min"
    }

    static func memory(_ bytes: Int) -> String { String(format: "%.0f MiB", Double(bytes) / 1_048_576) }

    static func list(_ words: [String]) -> String {
        words.count < 2 ? words.joined() : words.dropLast().joined(separator: ", ") + " and " + words.last!
    }

    /// "1 at b ≈ 0, 64 at b = 1000 s/mm²".
    static func shells(_ acquisition: FitProvenance.Acquisition) -> String {
        // Cartesian and other shell-less schemes would fill a page.
        if acquisition.shells.count > 8, let last = acquisition.shells.last {
            return
                """
                \(acquisition.baselineCount) at b ≈ 0 and \(acquisition.volumeCount - acquisition.baselineCount) at \
                up to b = \(number(last.bValue)) s/mm²
                """
        }
        return list(
            ["\(acquisition.baselineCount) at b ≈ 0"]
                + acquisition.shells.map { "\($0.volumeCount) at b = \(number($0.bValue))" }) + " s/mm²"
    }

    /// A family in one sentence's part: its components, how many there can be, and its structures.
    static func family(_ metadata: PosteriorMetadata) -> String {
        let family = metadata.family
        let components = family.groups.map { group in
            switch group.presence {
            case .always: group.name
            case .optional: "\(group.name) (optional)"
            case .upTo(let n): "\(group.name) (0 to \(n))"
            case .oneOf(let options): "\(group.name) (\(options.joined(separator: ", ")))"
            }
        }
        let n = metadata.structureCount, structures = n < 1e15 ? count(Int(n)) : String(format: "%.1e", n)
        return "the family '\(family.name)' of \(list(components)); \(structures) model structures in all"
    }

    /// "39 % no fibre, 31 % one, 29 % two, 1 % three".
    static func fibreShares(_ shares: [Double]) -> String {
        let words = ["no fibre", "one", "two", "three"]
        return list(shares.enumerated().map { "\($0 < words.count ? words[$0] : "\($0)") in \(percent($1))" })
    }
}

/// A work to be cited.
struct ReportCitation {
    var text: String, link: String

    static let gloeckler = ReportCitation(
        text:
            """
            Gloeckler M. et al. Scalable simulation-based model inference with test-time complexity control. \
            arXiv:2603.15292.
            """,
        link: "https://arxiv.org/abs/2603.15292")
    static let behrens = ReportCitation(
        text:
            """
            Behrens T.E.J. et al. Characterization and propagation of uncertainty in diffusion-weighted MR imaging. \
            Magnetic Resonance in Medicine 50, 1077–1088 (2003).
            """,
        link: "https://doi.org/10.1002/mrm.10609")
    static let jbabdi = ReportCitation(
        text:
            """
            Jbabdi S. et al. Model-based analysis of multishell diffusion MR data for tractography: how to get over \
            fitting problems. Magnetic Resonance in Medicine 68, 1846–1855 (2012).
            """,
        link: "https://doi.org/10.1002/mrm.24204")
    static let karras = ReportCitation(
        text:
            """
            Karras T. et al. Elucidating the design space of diffusion-based generative models. Advances in Neural \
            Information Processing Systems 35 (2022).
            """,
        link: "https://arxiv.org/abs/2206.00364")
    static let lu = ReportCitation(
        text:
            """
            Lu C. et al. DPM-Solver++: fast solver for guided sampling of diffusion probabilistic models. \
            arXiv:2211.01095 (2022).
            """,
        link: "https://arxiv.org/abs/2211.01095")
    static let cornuet = ReportCitation(
        text:
            """
            Cornuet J.-M. et al. Adaptive multiple importance sampling. Scandinavian Journal of Statistics 39, \
            798–812 (2012).
            """,
        link: "https://doi.org/10.1111/j.1467-9469.2011.00756.x")
    static let terBraak = ReportCitation(
        text:
            """
            ter Braak C.J.F. A Markov chain Monte Carlo version of the genetic algorithm differential evolution: easy \
            Bayesian computing for real parameter spaces. Statistics and Computing 16, 239–249 (2006).
            """,
        link: "https://doi.org/10.1007/s11222-006-8769-1")

    static func works(_ provenance: FitProvenance, _ metadata: PosteriorMetadata) -> [ReportCitation] {
        if metadata.notes["exploration"] != nil {
            return metadata.hasFibreColumns ? [gloeckler, behrens, jbabdi, cornuet] : [gloeckler, cornuet]
        }
        return provenance.engine == "prism"
            ? [gloeckler, behrens, jbabdi, karras, lu, cornuet, terBraak] : [gloeckler, behrens, jbabdi]
    }
}

extension ReportData {
    /// Methods in the words of a paper, with this fit's numbers.
    func methods(_ p: FitProvenance, _ now: ReportStructures.AtLambda) -> [String] {
        let m = summary.metadata
        let input =
            p.acquisition.map { "Diffusion MRI data (\($0.volumeCount) volumes: \(ReportText.shells($0)))" }
            ?? "Diffusion MRI data"
        let network = p.networkName.isEmpty ? "" : "; network \(p.networkName), SHA-256 \(p.networkSHA256.prefix(12))…"
        let most = m.structures.rows.map(\.fibreCount).max() ?? 0
        let hasSpread = m.structures.rows.contains(where: \.hasSpread), isGaussian = m.notes["noise"] == "gaussian"
        let hasRician = m.structures.rows.contains(where: \.isRician) && !isGaussian
        var first =
            """
            \(input) were analysed voxel by voxel with \(p.software) \(p.version) (engine \(p.engine)\(network)). The \
            models were\u{20}
            """
        first += m.hasFibreColumns ? "a ball and zero to \(most) sticks (Behrens et al., 2003)" : ReportText.family(m)
        if hasSpread && m.hasFibreColumns {
            first += ", with a single diffusivity or gamma-distributed diffusivities (Jbabdi et al., 2012)"
        }
        let known = m.notes["known_noise"].map { " of known standard deviation (\($0))" } ?? ""
        if hasRician {
            first += ", under Gaussian or Rician noise\(known)"
        } else if isGaussian {
            first += ", under Gaussian noise\(known)"
        }
        if m.hasFibreColumns { first += "; \(m.structures.count) model structures in all" }
        first +=
            ". Structures were weighted beforehand by exp(−λk), with k the number of their free parameters and "
            + "λ = \(ReportText.number(summary.lambda)) nats a parameter (Gloeckler et al., arXiv:2603.15292)."
        let posterior: String
        switch p.engine {
        case "prism" where m.notes["exploration"] != nil:
            posterior =
                "Structures were searched from one to its neighbours"
                + (p.networkName.isEmpty
                    ? ""
                    : """
                    , beginning with those that a neural posterior trained on simulations names (Gloeckler et \
                    al., arXiv:2603.15292)
                    """)
                    + """
                    . Modes of each were found with the exact likelihood, its evidence by importance sampling about \
                    them (Cornuet et al., 2012), and\u{20}
                    """
                    + """
                    \(p.drawsPerVoxel) posterior draws a voxel were taken from those samples and ended by \
                    Markov-chain moves with the exact likelihood.
                    """
        case "prism":
            let sweeps = m.notes["correction_sweeps"].map { "\($0) sweeps of " } ?? ""
            posterior =
                """
                Modes of every structure that matters were found from draws of an amortised neural posterior trained \
                on simulations (Gloeckler et al.,\u{20}
                """
                    + """
                    arXiv:2603.15292; a diffusion model, Karras et al., 2022; Lu et al., 2022). Evidences were \
                    estimated with the exact likelihood by adaptive multiple\u{20}
                    """
                    + """
                    importance sampling about them (Cornuet et al., 2012) and weighed against the network's structure \
                    probabilities by their errors.\u{20}
                    """
                    + """
                    \(p.drawsPerVoxel) posterior draws a voxel were taken from those samples and brought to the \
                    posterior by \(sweeps)differential-evolution Markov-chain moves with the exact likelihood (ter \
                    Braak, 2006).
                    """
        case "smc":
            posterior =
                """
                The evidence of every structure and \(p.drawsPerVoxel) posterior draws a voxel were computed by \
                sequential Monte Carlo with the exact likelihood.
                """
        default:
            posterior =
                """
                The posterior was sampled with the exact likelihood (engine \(p.engine); \(p.drawsPerVoxel) draws a \
                voxel).
                """
        }
        let drawn =
            p.drawLambda == summary.lambda
            ? "" : " Draws made at λ = \(ReportText.number(p.drawLambda)) were reweighted."
        let misfit = ReportHistogram.quantile(fitted.map { Double(summary.misfit[$0]) }, 0.5)
        let third =
            """
            Of \(ReportText.count(summary.count)) voxels in the mask, \(ReportText.count(fitted.count)) were fitted. \
            The most probable number of fibres was\u{20}
            """
            + ReportText.fibreShares(now.calledFibres)
            + String(format: ". The median posterior-predictive misfit was %.2f σ. ", misfit)
                + """
                Fibres were matched across draws and ordered by falling mean volume fraction; orientations are the \
                principal eigenvectors of the mean dyads.
                """
        let deviation = p.gradientDeviation.map { size in
            String(
                format:
                    " b-values and directions were those of each voxel, by the deviation of the scanner's gradients "
                    + "from linear ones (Sotiropoulos et al., 2013), by which b changes by up to %.1f %% in half of "
                    + "the voxels.", 100 * size.medianB)
        }
        return [first + (deviation ?? ""), posterior + drawn, third]
    }
}
