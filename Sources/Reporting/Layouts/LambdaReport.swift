import Foundation
import Inference

/// What `LambdaStudy` comes to: a tab-separated table, JSON, and a picture.
public struct LambdaReport: Sendable {
    public static let head =
        "between\tlambda\tcalled1\tcalled2\tcalled3\tagain1\tagain2\tagain3\tnet\tnet_loss\tnet_loss_se\tsame_number\t"
        + "kappa\tdensity\tdensity_loss\tdensity_loss_se\n"

    /// What was compared, e.g. `halves` or `repeats`, and how that is said in a sentence.
    public struct Part: Sendable {
        public var name: String, words: String, study: LambdaStudy
        /// Directions of each half; nil of two scans.
        public var directions: Int?
        public init(name: String, words: String, study: LambdaStudy, directions: Int? = nil) {
            (self.name, self.words, self.study, self.directions) = (name, words, study, directions)
        }
    }

    private let parts: [Part], family: String, fitted: Double?

    /// - Parameters:
    ///   - parts: one or more; the first is what the recommendation rests on.
    ///   - fitted: λ of the fit's maps.
    public init(_ parts: [Part], family: String, fitted: Double?) {
        (self.parts, self.family, self.fitted) = (parts, family, fitted)
    }

    private static func number(_ x: Double) -> String { String(format: "%.5g", x) }
    private static func range(_ values: [Double]) -> String {
        guard let first = values.first, let last = values.last else { return "none" }
        return first == last ? number(first) : "\(number(first)) to \(number(last))"
    }

    /// A sentence or two of each part: what to take, and why.
    public var conclusions: [String] {
        parts.enumerated().map { i, part in
            let study = part.study, f = Self.number
            let best = study.rows[study.mostNet]
            var text =
                (i == 0 ? "Recommended: λ = \(f(study.lambda)). " : "")
                + "Between \(part.words), in \(study.voxels) voxels (\(study.blocks) blocks), most net fibres are "
                + "found again within \(f(LambdaStudy.angle))° at λ = \(f(best.lambda)), and no fewer within two "
                + "standard errors at \(Self.range(study.plateau))"
            if let likeliest = study.likeliest {
                text += "; unseen volumes are foretold best at λ = \(f(study.rows[likeliest].lambda))"
            }
            // Few directions prefer what they cannot tell apart, whatever the family.
            if study.showsMisfit, part.directions ?? .max >= Self.fewDirections {
                text += ": '\(family)' lacks something of this scan and buys what foretells signals, fibre or not"
            }
            if study.likeliest ?? 0 > 0 {
                text += i == 0 ? "; recommended is the λ of that range that foretells them best." : "."
            } else {
                text += i == 0 ? "; recommended is the λ of that range nearest to the default." : "."
            }
            return text
        }
    }

    /// Halves of fewer directions say little of the whole.
    private static let fewDirections = 15

    /// What to be wary of.
    public var warnings: [String] {
        var list: [String] = []
        for part in parts where part.directions ?? .max < Self.fewDirections {
            list.append(
                "the \(part.words) have \(part.directions!) directions each: far fewer fibres show in them than in the "
                    + "whole scan, so that the λ found is likely too small for it.")
        }
        for part in parts where part.study.blocks < 10 {
            list.append(
                "only \(part.study.blocks) blocks of voxels: the standard errors between \(part.words) are rough.")
        }
        if let study = parts.first?.study, let last = study.rows.last, study.lambda == last.lambda {
            list.append("the recommended λ is the largest that was tried: fibres are hardly found again at any.")
        }
        return list
    }

    public var text: String {
        let f = Self.number
        var text = ""
        for part in parts {
            for row in part.study.rows {
                let density = [row.density, row.densityLoss?.value, row.densityLoss?.error].map { $0.map(f) ?? "n/a" }
                let numbers =
                    row.called + row.again
                    + [row.net, row.netLoss.value, row.netLoss.error, row.sameNumber]
                text += ([part.name, f(row.lambda)] + numbers.map(f) + [row.kappa.map(f) ?? "n/a"] + density)
                    .joined(separator: "\t")
                text += "\n"
            }
        }
        return Self.head + text + conclusions.map { "# \($0)\n" }.joined()
    }

    public var json: JSONValue {
        func loss(_ loss: LambdaStudy.Loss) -> JSONValue {
            ["value": .number(loss.value), "error": loss.error.isFinite ? .number(loss.error) : .null]
        }
        let studies = parts.map { part -> JSONValue in
            let rows = part.study.rows.map { row -> JSONValue in
                .object([
                    ("lambda", .number(row.lambda)), ("called", .array(row.called.map { .number($0) })),
                    ("again", .array(row.again.map { .number($0) })), ("net", .number(row.net)),
                    ("netLoss", loss(row.netLoss)), ("sameNumber", .number(row.sameNumber)),
                    ("kappa", row.kappa.map { .number($0) } ?? .null),
                    ("density", row.density.map { .number($0) } ?? .null),
                    ("densityLoss", row.densityLoss.map(loss) ?? .null),
                ])
            }
            return .object([
                ("between", .string(part.name)), ("voxels", .integer(part.study.voxels)),
                ("blocks", .integer(part.study.blocks)), ("lambda", .number(part.study.lambda)),
                ("plateau", .array(part.study.plateau.map { .number($0) })),
                ("showsMisfit", .bool(part.study.showsMisfit)), ("rows", .array(rows)),
            ])
        }
        return .object([
            ("kind", "lambda"), ("family", .string(family)), ("recommended", .number(parts[0].study.lambda)),
            ("fittedLambda", fitted.map { .number($0) } ?? .null), ("angle", .number(LambdaStudy.angle)),
            ("reason", .array(conclusions.map { .string($0) })),
            ("warnings", .array(warnings.map { .string($0) })), ("studies", .array(studies)),
        ])
    }
}
