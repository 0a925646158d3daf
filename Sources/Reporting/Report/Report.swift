import CReport
import Diffusion
import Files
import Foundation
import Inference
import Mustache
import Volumes

/// `report.html`: a finished fit on one page that needs nothing else, to be looked at and passed on.
///
/// Everything comes from the posterior archive, `fit.json` and, for what voxels' signals look like beside the model,
/// the `ResidualSurvey` that the fit left; the scan is not needed. Slices of all three planes are shown; structure maps
/// and orientations follow a λ slider, computed in the page by log p(z|λ′) = log p(z|λ) − (λ′ − λ)·k(z) + const from
/// stored log-probabilities.
/// - Accuracy: probabilities computed in the page are within 0.002 of a summary's at any λ from 0 to 3, of scans of
///   many voxels within 0.05; axes within 0.8°.
public enum Report {
    /// Writes the page.
    /// - Parameters:
    ///   - summary: the fit at the λ at which the page opens.
    ///   - archive: what it is of.
    ///   - survey: what the fit left over; nil where that is not known.
    /// - Throws: `VolumeError`.
    public static func write(
        _ summary: PosteriorSummary, archive: PosteriorArchive, geometry: VolumeGeometry, provenance: FitProvenance,
        survey: ResidualSurvey? = nil, to path: String, threads: Int = 1
    ) throws {
        let page = try html(
            summary, archive: archive, geometry: geometry, provenance: provenance, survey: survey, threads: threads)
        try Files.write(Data(page.utf8), to: path)
    }

    /// The page's text.
    public static func html(
        _ summary: PosteriorSummary, archive: PosteriorArchive, geometry: VolumeGeometry, provenance: FitProvenance,
        survey: ResidualSurvey? = nil, threads: Int = 1
    ) throws -> String {
        try Content(summary, archive: archive, geometry: geometry, survey: survey, threads: threads)
            .page(provenance, threads: threads)
    }

    /// All of a page that follows from the summary: nearly all the work.
    struct Content: Sendable {
        private let data: ReportData
        private let script: String

        init(
            _ summary: PosteriorSummary, archive: PosteriorArchive, geometry: VolumeGeometry, survey: ResidualSurvey?,
            threads: Int
        ) {
            data = ReportData(summary, archive: archive, geometry: geometry, survey: survey)
            script = embeddable(data.json(threads: threads))
        }

        func page(_ provenance: FitProvenance, threads: Int) throws -> String {
            MustacheContentTypes.register(ScalarHTML(), named: "PAGE")
            let template = try MustacheTemplate(string: "{{% CONTENT_TYPE: PAGE}}" + text(report_html))
            var fields = ReportFields.fields(data, provenance, threads: threads)
            fields["css"] = text(report_css)
            fields["script"] = text(report_script)
            fields["data"] = script
            return template.render(fields)
        }
    }

    /// JSON that may stand inside a script element: without `<`, no text in it can end the element or open a comment.
    static func embeddable(_ value: JSONValue) -> String {
        // By bytes: to Swift a character such as U+0600 and the `<` after it are one.
        var bytes: [UInt8] = []
        for byte in value.text.utf8 {
            if byte == UInt8(ascii: "<") { bytes += Array("\\u003c".utf8) } else { bytes.append(byte) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func text(_ source: (UnsafeMutablePointer<Int>?) -> UnsafePointer<CChar>?) -> String {
        var count = 0
        let start = source(&count)
        return String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
    }
}

/// Escapes by Unicode scalars: to Swift a quotation mark and the combining accent after it are one character, to a
/// browser they are two.
struct ScalarHTML: MustacheContentType {
    func escapeText(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "<": result.append(contentsOf: "&lt;".unicodeScalars)
            case ">": result.append(contentsOf: "&gt;".unicodeScalars)
            case "&": result.append(contentsOf: "&amp;".unicodeScalars)
            case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
            case "'": result.append(contentsOf: "&#39;".unicodeScalars)
            // Right-to-left overrides and control characters could make a name read as what it is not.
            case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}", "\0"..."\u{8}", "\u{B}"..."\u{1F}", "\u{7F}":
                result.append("\u{FFFD}")
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
