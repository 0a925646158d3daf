import Foundation
import Studies

/// The tables that `validate` prints.
public enum ValidationText {
    public static func text(_ r: SimulationReport) -> String {
        var lines = [
            """
            \(r.voxels) voxels drawn from the prior\(r.family.map { " of \($0)" } ?? "") (λ = \(number(r.lambda))); \
            acquisitions: \(r.acquisitions); engine \(r.engine)
            """
                + (r.notes["known_noise"].map { "; known noise: \($0)" } ?? ""), "",
        ]
        lines += scores([("", r.structures, r.fibres)])
        if let text = unlisted(r) { lines.append(text) }
        lines += components("presence of", r.components ?? []) + components("number of", r.counts ?? [])
        lines += ["", "rank of the truth among \(r.joint[0].draws) draws of the joint posterior"] + ranks(r.joint)
        lines.append(String(format: "draws used twice: %.2f %%", 100 * r.repeatedShare))
        let tested = r.conditional.filter(\.isTelling)
        if !tested.isEmpty {
            lines +=
                ["", "rank of the truth among \(tested[0].draws) draws of the true structure, where there are so many"]
                + ranks(tested)
        }
        lines += ["", verdict(r)]
        if !r.consistency.isEmpty {
            lines += ["", "network asked at λ against λ = 0 carried there: mean total variation"]
            lines += r.consistency.map {
                String(
                    format: "  λ = %-5@ %.4f ± %.4f", number($0.lambda) as NSString, $0.totalVariation, $0.standardError
                )
            }
        }
        if let agreement = r.agreement { lines += [""] + text(agreement) }
        if let evidence = r.evidence { lines += [""] + text(evidence) }
        return lines.joined(separator: "\n") + "\n"
    }

    public static func text(_ r: ScanReport) -> String {
        var lines = [
            """
            \(r.voxels) voxels of \(r.volumes) volumes\(r.family.map { ", family \($0)" } ?? ""), λ = \
            \(number(r.lambda))
            """
        ]
        if r.notFitted > 0 { lines.append("\(r.notFitted) chosen voxels could not be fitted") }
        if let agreement = r.agreement { lines += [""] + text(agreement) }
        if let evidence = r.evidence { lines += [""] + text(evidence) }
        return lines.joined(separator: "\n") + "\n"
    }

    /// One sentence on the rank tests.
    public static func verdict(_ r: SimulationReport) -> String {
        let failed = r.failures, all = r.tested.count
        let bar = String(format: "p < %.1e, which is 1 %% shared among them", r.threshold)
        return failed.isEmpty
            ? "all \(all) rank tests pass (none has \(bar))"
            : "\(failed.count) of \(all) rank tests fail (\(bar)): "
                + failed.map(\.label).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }.joined(separator: ", ")
    }

    private static func scores(_ columns: [(name: String, structures: ProbabilityScores, fibres: ProbabilityScores)])
        -> [String]
    {
        func line(_ label: String, _ value: (ProbabilityScores) -> String) -> String {
            label.padded(33) + columns.map { value($0.structures).padded(24) + value($0.fibres).padded(24) }.joined()
        }
        let head =
            "".padded(33)
            + columns.map { ($0.name + " structures").trimmed.padded(24) + ($0.name + " fibres").trimmed.padded(24) }
            .joined()
        return [head] + [
            line("most probable is right") { String(format: "%.1f ± %.1f %%", 100 * $0.top1, 100 * $0.top1Error) },
            line("among the five most probable") { String(format: "%.1f %%", 100 * $0.top5) },
            line("log score (nats)") { String(format: "%.4f ± %.4f", $0.logScore, $0.logScoreError) },
            line("Brier score") { String(format: "%.4f", $0.brier) },
            line("calibration error (if perfect)") {
                String(format: "%.4f (%.4f)", $0.calibrationError, $0.calibrationErrorIfPerfect)
            },
        ]
    }

    /// How often the engine leaves the true structure out.
    static func unlisted(_ r: SimulationReport) -> String? {
        guard let unlisted = r.unlisted, let least = r.leastLogProbability else { return nil }
        return
            """
            true structures never looked at: \(unlisted) of \(r.voxels), scored as if their probability were \
            exp(\(number(least)))
            """
    }

    private static func components(_ title: String, _ list: [SimulationReport.Component]) -> [String] {
        guard !list.isEmpty else { return [] }
        let width = max(18, (list.map(\.name.count).max() ?? 0) + 4)
        let head =
            title.padded(width) + "right".padded(16) + "log score (nats)".padded(22)
            + "calibration error (if perfect)"
        return ["", head]
            + list.map { c in
                ("  " + c.name).padded(width)
                    + String(format: "%.1f ± %.1f %%", 100 * c.scores.top1, 100 * c.scores.top1Error).padded(16)
                    + String(format: "%.4f ± %.4f", c.scores.logScore, c.scores.logScoreError).padded(22)
                    + String(format: "%.4f (%.4f)", c.scores.calibrationError, c.scores.calibrationErrorIfPerfect)
            }
    }

    private static func ranks(_ tests: [RankTest]) -> [String] {
        let width = max(26, (tests.map(\.label.count).max() ?? 0) + 3)
        let head = "".padded(width) + "voxels".padded(9) + "p".padded(10) + "inside 50 / 80 / 90 / 95 % intervals"
        return [head]
            + tests.map { t in
                let shares = t.coverage.map { String(format: "%.1f", 100 * $0.observed) }.joined(separator: " / ")
                return ("  " + t.label).padded(width) + "\(t.voxels)".padded(9)
                    + String(format: "%.2g", t.pValue).padded(10) + shares
            }
    }

    private static func text(_ a: EngineAgreement) -> [String] {
        func row(_ label: String, _ s: Spread, _ format: String = "%.4f") -> String {
            guard s.count > 0 else { return label.padded(46) + "–" }
            return label.padded(46)
                + [s.mean, s.q05, s.q50, s.q95].map { String(format: format, $0).padded(10) }.joined()
        }
        var lines = [
            "\(a.engine) against \(a.reference), \(a.voxels) voxels",
            "".padded(46) + ["mean", "5 %", "median", "95 %"].map { $0.padded(10) }.joined(),
        ]
        lines.append(row("total variation of structures, λ = 0", a.structuresAtZero))
        if a.lambda != 0 { lines.append(row("total variation of structures, λ = \(number(a.lambda))", a.structures)) }
        if let error = a.referenceError, let share = a.explainedShare {
            lines.append(
                row("  of which \(a.reference)'s own stated error", error)
                    + String(format: "(%.0f %% of the square)", 100 * share))
        }
        lines += [
            row("gap of the most probable structure (nats)", a.mostProbableGap),
            row("total variation of the number of fibres", a.fibres),
            row("sliced Wasserstein distance (posterior sds)", a.slicedWasserstein),
            row("  between halves of \(a.reference)'s draws", a.slicedWassersteinFloor),
            row("angle between main fibres (°)", a.firstAngle, "%.2f"),
            row("angle between second fibres (°)", a.secondAngle, "%.2f"),
            row("misfit, \(a.engine) (σ)", a.misfit, "%.3f"),
            row("misfit, \(a.reference) (σ)", a.referenceMisfit, "%.3f"),
            "same most probable number of fibres".padded(46) + String(format: "%.1f %%", 100 * a.sameFibreCount),
            "overlap of 90 % intervals".padded(46)
                + a.intervalNames.map { String(format: "%@ %.2f", $0 as NSString, a.overlaps[$0] ?? 0) }.joined(
                    separator: ", "),
        ]
        if let components = a.components {
            lines.append(
                "difference of probabilities of presence".padded(46)
                    + components.sorted { $0.key < $1.key }
                    .map { String(format: "%@ %.3f", $0.key as NSString, $0.value.mean) }.joined(separator: ", "))
        }
        if let statement = a.referenceStatement { lines.append(statement) }
        if let mine = a.scores, let theirs = a.referenceScores, let fibres = a.fibreScores,
            let others = a.referenceFibreScores
        {
            lines += [""] + scores([(a.engine, mine, fibres), (a.reference, theirs, others)])
        }
        return lines
    }

    /// Shortest decimal text: 0.5, 1, 2.
    static func number(_ x: Double) -> String { String(format: "%g", x) }
}

extension String {
    func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
    fileprivate var trimmed: String { trimmingCharacters(in: .whitespaces) }
}
