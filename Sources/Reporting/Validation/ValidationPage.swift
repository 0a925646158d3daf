import Foundation
import Studies

/// The pages that `validate` writes: one self-contained HTML file, plots inline, nothing loaded from elsewhere.
public enum ValidationPage {
    public static func page(_ r: SimulationReport, commandLine: [String]) -> String {
        let n = r.tested.count, failed = r.failures.count
        var tiles = [
            tile(percent(r.structures.top1), "most probable structure is right"),
            tile(percent(r.fibres.top1), "most probable number of fibres is right"),
            tile(
                String(format: "%.4f", r.structures.calibrationError),
                String(
                    format: "calibration error of structures (%.4f if perfect)", r.structures.calibrationErrorIfPerfect)
            ),
            tile("\(n - failed) of \(n)", "rank tests pass", isBad: failed > 0),
        ]
        if let a = r.agreement {
            tiles.append(
                tile(
                    String(format: "%.3f", a.structures.mean),
                    "mean total variation to \(a.reference), \(a.voxels) voxels"))
        }
        var body = header(
            "Validation on simulations",
            """
            \(r.voxels) voxels with structures and parameters drawn from the \
            prior\(r.family.map { " of " + escape($0) } ?? "") at λ = \(ValidationText.number(r.lambda)), simulated \
            and fitted with the engine <b>\(escape(r.engine))</b>. Acquisitions: \(escape(r.acquisitions)).
            """,
            tiles)
        body += section(
            "Structure probabilities",
            """
            Of all structures given a probability near p, a share p should be the true one. Bars: two binomial \
            standard errors. Which share is called right depends on the prior simulated from: exact Bayes cannot do \
            better than its own figure.
            """
        )
        body += pair([
            card("The \(r.structureNames.count) structures", ValidationPlots.reliability(r.structures.reliability)),
            card("Number of fibres", ValidationPlots.reliability(r.fibres.reliability)),
        ])
        body += card("", scoreTable([("structures", r.structures), ("number of fibres", r.fibres)]))
        if let text = ValidationText.unlisted(r) { body += "<p>\(escape(text))</p>" }
        if let components = r.components {
            body += section(
                "Components", "Probabilities of each component's presence, summed over structures that have it.")
            body += card("", componentTable(components))
            if let counts = r.counts { body += card("Number of each", componentTable(counts)) }
        }
        body += section(
            "Ranks of the truth among draws",
            """
            If the draws come from the exact posterior, every rank of the true value among them is equally likely. \
            Shaded: where 99 % of bars lie then.\u{20}
            """
                + """
                A hill means draws spread too wide, a valley too narrow, a slope a bias. Marked: p below \
                \(String(format: "%.1e", r.threshold)) (1 % shared among \(n) tests).
                """
        )
        body += "<h3>Draws of the joint posterior, \(r.joint[0].draws) a voxel</h3>" + ranks(r.joint, r.threshold)
        let conditional = r.conditional.filter(\.isTelling)
        if let first = conditional.first {
            body +=
                "<h3>Draws of the true structure, \(first.draws) a voxel, where there are so many</h3>"
                + ranks(conditional, r.threshold)
        }
        body += section(
            "Coverage",
            """
            Share of true values inside central credible intervals (for directions: cones about the mean axis), minus \
            what it should be. Bars: two standard errors.
            """
        )
        body += coverage([("Joint posterior", r.joint), ("True structure", conditional)])
        if !r.consistency.isEmpty {
            body += section(
                "λ-consistency",
                """
                The network asked at λ outright, against its answer at λ = 0 carried to λ by p(z|λ′) ∝ p(z|λ) \
                exp(−(λ′−λ)k), which holds exactly for exact posteriors.
                """
            )
            let rows = r.consistency.map {
                [
                    "λ = \(ValidationText.number($0.lambda))",
                    String(format: "%.4f ± %.4f", $0.totalVariation, $0.standardError),
                ]
            }
            body += card("", table(["", "mean total variation"], rows))
        }
        if let a = r.agreement { body += agreement(a) }
        if let e = r.evidence { body += evidence(e) }
        return document(
            "Validation on simulations",
            body + footer(r.engine, r.networkName, r.networkSHA256, r.notes, r.seed, commandLine))
    }

    public static func page(_ r: ScanReport, commandLine: [String]) -> String {
        var tiles: [String] = []
        let other = r.agreement?.reference ?? "smc"
        if let a = r.agreement {
            tiles = [
                tile(
                    String(format: "%.3f", a.structures.mean),
                    "mean total variation of structure probabilities at λ = \(ValidationText.number(r.lambda))"),
                tile(percent(a.sameFibreCount), "same most probable number of fibres"),
                tile(String(format: "%.2f°", a.firstAngle.q50), "median angle between main fibres"),
                tile(
                    String(format: "%.2f / %.2f", a.misfit.q50, a.referenceMisfit.q50),
                    "median misfit of \(a.engine) / \(a.reference), in σ"),
            ]
        }
        if let e = r.evidence {
            tiles += [
                tile(e.scatter.map { String(format: "%.2f", $0) } ?? "–", "nats, scatter of structures’ evidence"),
                tile(String(format: "%.3f", e.fibres), "total variation of the number of fibres from such errors"),
            ]
        }
        var lead =
            """
            \(r.voxels) voxels of a scan of \(r.volumes) volumes\(r.family.map { ", family " + escape($0) } ?? ""), \
            chosen at random, fitted with <b>\(escape(r.engine))</b> and held against <b>\(escape(other))</b>.
            """
        if r.notFitted > 0 { lead += " \(r.notFitted) chosen voxels could not be fitted." }
        let body =
            header("Validation on a scan", lead, tiles) + (r.agreement.map(agreement) ?? "")
            + (r.evidence.map(evidence) ?? "")
        return document(
            "Validation on a scan",
            body + footer(r.engine, r.networkName, r.networkSHA256, r.notes, r.seed, commandLine))
    }

    private static func agreement(_ a: EngineAgreement) -> String {
        var body = section(
            "\(a.engine) against \(a.reference)",
            """
            \(a.voxels) voxels fitted with both. Total variation: half the summed difference of structure \
            probabilities, 0 when alike and 1 when they exclude each other.
            """
                + (a.referenceStatement.map { " " + $0.prefix(1).capitalized + $0.dropFirst() + "." } ?? ""))
        body += pair([
            card(
                "Total variation, λ = \(ValidationText.number(a.lambda))",
                ValidationPlots.histogram(
                    a.perVoxel.map(\.structures), title: "total variation of a voxel", mean: a.structures.mean)),
            card("Structure probabilities", ValidationPlots.scatter(a)),
        ])
        func row(_ label: String, _ s: Spread, _ format: String = "%.4f") -> [String] {
            [label]
                + (s.count > 0
                    ? [s.mean, s.q05, s.q50, s.q95].map { String(format: format, $0) } : ["–", "–", "–", "–"])
        }
        var rows = [row("structures, total variation at λ = 0", a.structuresAtZero)]
        if a.lambda != 0 {
            rows.append(row("structures, total variation at λ = \(ValidationText.number(a.lambda))", a.structures))
        }
        if let error = a.referenceError, let share = a.explainedShare {
            rows.append(
                row(
                    String(
                        format: "what \(a.reference)’s own stated error would cause (%.0f %% of the square)",
                        100 * share), error))
        }
        rows += [
            row("gap of the most probable structure, nats", a.mostProbableGap),
            row("number of fibres, total variation", a.fibres),
            row("parameters, sliced Wasserstein distance (posterior sds)", a.slicedWasserstein),
            row("the same between two halves of \(a.reference)’s draws", a.slicedWassersteinFloor),
            row("angle between main fibres, degrees", a.firstAngle, "%.2f"),
            row("angle between second fibres, degrees", a.secondAngle, "%.2f"),
            row("misfit of \(a.engine), σ", a.misfit, "%.3f"),
            row("misfit of \(a.reference), σ", a.referenceMisfit, "%.3f"),
        ]
        rows.append(["same most probable number of fibres", percent(a.sameFibreCount), "", "", ""])
        body += card("", table(["", "mean", "5 %", "median", "95 %"], rows))
        let overlap = a.intervalNames.map { [$0, String(format: "%.3f", a.overlaps[$0] ?? 0)] }
        if let components = a.components {
            let rows = components.sorted { $0.key < $1.key }.map { row($0.key, $0.value) }
            body += card("Difference of probabilities of presence", table(["", "mean", "5 %", "median", "95 %"], rows))
        }
        body +=
            "<div class=\"two\" style=\"margin-top:.9rem\">"
            + card("Overlap of 90 % intervals (intersection over union)", table(["", "mean"], overlap))
        if let s = a.scores, let t = a.referenceScores, let f = a.fibreScores, let g = a.referenceFibreScores {
            body += card("Structures, on these voxels", scoreTable([(a.engine, s), (a.reference, t)]))
            body += card("Number of fibres, on these voxels", scoreTable([(a.engine, f), (a.reference, g)]))
        }
        return body + "</div>"
    }

    private static func evidence(_ e: EvidenceCheck) -> String {
        section(
            "Structures’ evidence against smc’s",
            """
            Structures of \(e.voxels) voxels, drawn with their probabilities, whose evidence smc found too. δ: the \
            engine’s log-evidence less smc’s, in nats; what a voxel’s structures have in common changes no probability.
            """) + card("", table(["", ""], ValidationText.rows(e)))
    }

    private static func ranks(_ tests: [RankTest], _ threshold: Double) -> String {
        "<div class=\"ranks\">"
            + tests.map { t in
                let isBad = t.pValue < threshold
                return
                    """
                    <div class="card"><h4>\(escape(t.label))</h4><p\(isBad ? " class=\"bad\"" : "")>p \
                    \(p(t.pValue)) · \(t.voxels) voxels</p>\(ValidationPlots.ranks(t))</div>
                    """
            }.joined() + "</div>"
    }

    private static func coverage(_ groups: [(name: String, tests: [RankTest])]) -> String {
        let key = RankTest.levels.enumerated().map {
            "<span><i style=\"background:var(--l\($0))\"></i>\(percent($1, 0))</span>"
        }.joined()
        return pair(
            groups.filter { !$0.tests.isEmpty }.map {
                card($0.name, "<div class=\"key\">\(key)</div>" + ValidationPlots.coverage($0.tests))
            })
    }

    private static func componentTable(_ list: [SimulationReport.Component]) -> String {
        table(
            ["", "right", "log score, nats", "calibration error", "if perfect"],
            list.map { c in
                [
                    c.name, percent(c.scores.top1),
                    String(format: "%.4f ± %.4f", c.scores.logScore, c.scores.logScoreError),
                    String(format: "%.4f", c.scores.calibrationError),
                    String(format: "%.4f", c.scores.calibrationErrorIfPerfect),
                ]
            })
    }

    private static func scoreTable(_ columns: [(name: String, scores: ProbabilityScores)]) -> String {
        func row(_ label: String, _ value: (ProbabilityScores) -> String) -> [String] {
            [label] + columns.map { value($0.scores) }
        }
        return table(
            [""] + columns.map(\.name),
            [
                row("most probable is right") { "\(percent($0.top1)) ± \(String(format: "%.1f", 100 * $0.top1Error))" },
                row("among the five most probable") { percent($0.top5) },
                row("log score, nats") { String(format: "%.3f ± %.3f", $0.logScore, $0.logScoreError) },
                row("Brier score") { String(format: "%.4f", $0.brier) },
                row("calibration error") { String(format: "%.4f", $0.calibrationError) },
                row("… of a perfect engine on so few voxels") { String(format: "%.4f", $0.calibrationErrorIfPerfect) },
            ])
    }
}
