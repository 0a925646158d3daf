import Files
import Foundation
import Inference
import Volumes

/// What the template's tags stand for.
enum ReportFields {
    /// When the gradients' pulses come, as far as it is known, and what that left out of the family.
    private static func timing(_ p: FitProvenance) -> String? {
        p.acquisition?.timing.map { "δ/Δ \($0)" }
            ?? p.leftOut.map { "not known, or left aside: fitted without \($0.joined(separator: ", "))" }
    }

    static func fields(_ data: ReportData, _ p: FitProvenance, threads: Int) -> [String: Any] {
        let summary = data.summary
        let now = data.structures.sweep(
            data.probabilities, fitted: data.fitted, at: summary.lambda, over: [summary.lambda], threads: threads)[0]
        let misfit = ReportHistogram.quantile(data.fitted.map { Double(summary.misfit[$0]) }, 0.5)
        let snr = ReportHistogram.quantile(data.fittedValues(.statistic(.snr, .mean)), 0.5)
        let diffusivity = ReportHistogram.quantile(data.fittedValues(.statistic(.diffusivity, .mean), times: 1e3), 0.5)
        var tiles: [[String: Any]] = [
            tile(
                ReportText.count(data.fitted.count), "voxels fitted",
                "of \(ReportText.count(summary.count)) in the mask"),
            tile(String(format: "%.2f", misfit), "median misfit", "residual in units of σ"),
            tile(String(format: "%.0f", snr), "median SNR", "S₀/σ"),
            tile(ReportText.number(summary.lambda), "λ of the maps", "nats a parameter"),
        ]
        if summary.metadata.hasFibreColumns {
            tiles.insert(tile(String(format: "%.2f", diffusivity), "median diffusivity", "µm²/ms"), at: 3)
        }
        if let a = p.acquisition {
            tiles.insert(tile("\(a.volumeCount)", "volumes", "\(a.baselineCount) at b ≈ 0"), at: 1)
        }
        let fitting = p.timings["fitting"].map { " in \(ReportText.duration($0))" } ?? ""
        let checks = checks(data, p, misfit: misfit)
        let grid = summary.metadata.grid.map(String.init).joined(separator: " × ")
        let sizes = (0..<3).map { String(format: "%.3g", data.geometry.affine.columnNorm($0)) }.joined(separator: " × ")
        var rows = [
            row("Command", p.commandLine.map(quotedForShell).joined(separator: " "), isCode: true),
            row("Software", "\(p.software) \(p.version), engine \(p.engine), family \(p.family)"),
            row("Network", p.networkName.isEmpty ? "none" : p.networkName),
            row("SHA-256", p.networkSHA256.isEmpty ? "–" : p.networkSHA256, isCode: true),
            row(
                "Seed and draws",
                "seed \(p.seed), \(p.drawsPerVoxel) draws a voxel, made at λ = \(ReportText.number(p.drawLambda))"),
            row(
                "Image",
                "\(grid) voxels of \(sizes) mm, axes \(data.geometry.affine.orientationLabel)"
                    + (data.grid.obliqueness > 1
                        ? String(format: ", oblique by up to %.0f°", data.grid.obliqueness) : "")),
        ]
        if let timing = timing(p) { rows.append(row("Timing of the gradients", timing)) }
        for (role, path) in p.inputs.sorted(by: { $0.key < $1.key }) {
            rows.append(row("Input: \(role)", path, isCode: true))
        }
        rows.append(
            row("Started, finished", [p.startedAt, p.finishedAt].filter { !$0.isEmpty }.joined(separator: " – ")))
        let order = ["reading", "fitting", "summary", "writing"]
        let stages = p.timings.sorted {
            (order.firstIndex(of: $0.key) ?? 9, $0.key) < (order.firstIndex(of: $1.key) ?? 9, $1.key)
        }
        let spent =
            stages.map { "\($0.key) \(ReportText.duration($0.value))" } + [
                "on \(p.threads) thread\(p.threads == 1 ? "" : "s")"
            ]
        rows.append(row("Timings", spent.joined(separator: ", ")))
        rows.append(row("Peak memory", p.peakMemoryBytes > 0 ? ReportText.memory(p.peakMemoryBytes) : "–"))
        var fields: [String: Any] = [
            "stem": title(p), "tiles": tiles, "checks": checks, "provenance": rows,
            "lede": "\(ReportText.count(data.fitted.count)) voxels fitted\(fitting). Most probable number of fibres: "
                + "\(ReportText.fibreShares(now.calledFibres)) of them.",
            "lambda": ReportText.number(summary.lambda),
            "leastLambda": ReportText.number(data.leastLambda),
            "largestLambda": ReportText.number(data.largestLambda),
            "methods": data.methods(p, now).map { ["text": $0] }, "software": "\(p.software) \(p.version)",
            "finished": p.finishedAt.isEmpty ? p.startedAt : p.finishedAt,
            "citations": ReportCitation.works(p, summary.metadata).map { ["text": $0.text, "link": $0.link] },
            "structures": zip(data.structures.groups, zip(now.mean, now.called)).map { group, shares in
                [
                    "name": group.name, "k": "\(group.parameterCount)", "mean": ReportText.percent(shares.0),
                    "called": ReportText.percent(shares.1),
                ]
            },
            "parameters": String(format: "%.2f", now.parameters),
        ]
        if let residuals = p.residuals, residuals.anyFibre.voxels > 0 {
            fields["residuals"] = ReportResiduals.table(residuals)
        }
        fields["presences"] = presences(data)
        if !summary.metadata.listsEveryStructure { fields["tally"] = tally(data, threads: threads) }
        fields["hasSurvey"] = data.survey != nil
        fields["directionWords"] = directionWords(p)
        if let a = p.acquisition {
            let shells = a.shells.map { ["b": ReportText.number($0.bValue), "count": "\($0.volumeCount)"] }
            fields["acquisition"] = ["rows": [["b": "≈ 0", "count": "\(a.baselineCount)"]] + shells]
        }
        return fields
    }

    /// What was found of the gradient table, beside its picture.
    private static func directionWords(_ p: FitProvenance) -> String {
        let margin = p.directions.map { String(format: "%.1f", $0.margin) } ?? ""
        switch p.directions?.verdict {
        case .right?:
            return "Held against the scan: right. Every other order or sign of the axes is worse by \(margin) standard "
                + "errors or more."
        case .wrong?:
            return "Held against the scan: wrong. The fibres go on better by \(margin) standard errors with "
                + "(\(p.directions!.best)) in place of (x, y, z)."
        case .undecided?: return "Held against the scan: there are not enough voxels with fibres to tell."
        case nil: return "Whether they point along the scan's fibres was not asked."
        }
    }

    /// The structures that a family of many has most of, by name.
    private static func tally(_ data: ReportData, threads: Int) -> [String: Any] {
        let all = StructureTally(data.archive, lambda: data.summary.lambda, threads: threads).entries
        let rows = all.prefix(15).map { entry in
            [
                "name": entry.structure.name, "k": "\(entry.structure.parameterCount)",
                "mean": ReportText.percent(entry.mean), "called": ReportText.percent(entry.called),
            ]
        }
        let rest = all.dropFirst(15).reduce(0) { $0 + $1.mean }
        return ["rows": rows, "rest": ReportText.percent(rest), "others": ReportText.count(max(0, all.count - 15))]
    }

    /// How probable components and named models are, a table each; none of those that the family has not.
    private static func presences(_ data: ReportData) -> [[String: Any]] {
        func table(
            _ id: String, _ head: String, _ title: String, _ text: String, _ names: [String],
            _ column: (Int) -> SummaryColumn
        ) -> [String: Any]? {
            guard !names.isEmpty else { return nil }
            let rows = names.enumerated().map { i, name in
                let p = data.fittedValues(column(i)), n = Double(max(1, p.count))
                return [
                    "name": name, "mean": ReportText.percent(p.reduce(0, +) / n),
                    "called": ReportText.percent(Double(p.count { $0 > 0.5 }) / n),
                ]
            }
            return ["id": id, "head": head, "title": title, "text": text, "rows": rows]
        }
        let metadata = data.summary.metadata
        return [
            table(
                "component", "Component", "Components",
                """
                Probabilities of the parts of a model, whatever the others; of parts counted from 1, that there are \
                at least so many.
                """, metadata.components
            ) { .component($0) },
            table(
                "model", "Model", "Named models", "Models that go by a name are structures of the family.",
                metadata.models.isEmpty ? [] : metadata.models + ["any other"]
            ) { .model($0) },
        ].compactMap { $0 }
    }

    /// The scan's name; with its folder's where the name says nothing.
    private static func title(_ p: FitProvenance) -> String {
        guard !p.sourceStem.isEmpty else { return "Fit" }
        let folder = FilePath.name(of: FilePath.folder(of: p.inputs["dwi"] ?? ""))
        let saysNothing = ["dwi", "data", "dwi_preproc", "eddy"].contains(p.sourceStem.lowercased())
        return saysNothing && !folder.isEmpty && folder != "." && folder != "/"
            ? "\(folder) / \(p.sourceStem)" : p.sourceStem
    }

    private static func tile(_ value: String, _ name: String, _ more: String) -> [String: Any] {
        ["value": value, "name": name, "more": more]
    }

    private static func row(_ name: String, _ value: String, isCode: Bool = false) -> [String: Any] {
        ["name": name, "value": value, "code": isCode]
    }

    /// Each check is good, a note or a warning, said in words as well as in colour.
    private static func checks(_ data: ReportData, _ p: FitProvenance, misfit: Double) -> [[String: Any]] {
        var result: [[String: Any]] = []
        func add(_ state: String, _ text: String) {
            result.append(["state": state.lowercased(), "word": state, "text": text])
        }
        switch p.acquisition?.isInTrainingRange {
        case true?: add("Good", "The acquisition lies within the range of protocols that the network was trained on.")
        case false?:
            add(
                "Warning",
                """
                The acquisition lies outside the range of protocols that the network was trained on; read the maps \
                with care.
                """
            )
        case nil: break
        }
        // A table that is wrong stands among the warnings.
        switch p.directions?.verdict {
        case .right?:
            let margin = String(format: "%.0f", p.directions!.margin)
            add(
                "Good",
                "The gradient directions point along the fibres: every other order or sign of their axes is worse by "
                    + "\(margin) standard errors or more.")
        case .undecided?:
            add(
                "Note",
                "Whether the gradient directions are right cannot be told: there are not enough voxels with fibres.")
        case .wrong?, nil: break
        }
        let all = max(1, data.summary.count)
        for (flag, text) in VoxelQuality.meanings {
            let n = data.summary.quality.count { VoxelQuality(rawValue: $0).contains(flag) }
            guard n > 0 else { continue }
            let share =
                """
                \(ReportText.count(n)) of \(ReportText.count(all)) voxels \
                (\(ReportText.percent(Double(n) / Double(all))))
                """
            add(n * 100 > all ? "Warning" : "Note", "\(share): \(text).")
        }
        if data.summary.quality.allSatisfy({ $0 == 0 }) { add("Good", "No voxel of the mask was skipped or flagged.") }
        let poor = data.fitted.count { data.summary.misfit[$0] > 1.5 },
            share = Double(poor) / Double(max(1, data.fitted.count))
        let holds = (0.8...1.2).contains(misfit)
        add(
            holds ? "Good" : "Warning",
            String(format: "The median misfit is %.2f σ (about 1 when the model holds).", misfit))
        if share > 0.01 {
            let advice = "look for motion, artefacts or tissue that the model does not hold for"
            add(
                share > 0.1 ? "Warning" : "Note",
                "\(ReportText.percent(share)) of the fitted voxels have a misfit above 1.5 σ: \(advice).")
        }
        // With something wrong it stands among the warnings.
        if let noise = p.noise, noise.warning == nil {
            let form =
                noise.isKnown == true
                ? "The fit leaves over %.2f times the noise that was taken as known (median %@; %@)."
                : "The fitted noise is %.2f times an independent estimate (median %@; %@)."
            let text = String(format: form, noise.telling, noise.place, noise.origin.source.rawValue)
            add(noise.telling > 1.5 ? "Note" : "Good", text)
        }
        // Fits of earlier versions did not say it.
        if let residuals = p.residuals, let text = ReportResiduals.warning(residuals, family: p.family),
            !p.warnings.contains(text)
        {
            add("Warning", text)
        }
        for warning in p.warnings { add("Warning", warning) }
        return result
    }

    /// A word of a command line as a shell would need it.
    static func quotedForShell(_ word: String) -> String {
        let plain = word.allSatisfy { ($0.isASCII && ($0.isLetter || $0.isNumber)) || "-_./=:,+@%".contains($0) }
        return plain && !word.isEmpty
            ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''", options: .literal) + "'"
    }
}
