import Diffusion
import Foundation
import Volumes

extension ScanCheck {
    /// A table of a line for each part, and the findings.
    /// - Parameters: names of the image and of the mask, the latter nil where it was made.
    public func text(image: String, mask: String?) -> String {
        var rows: [(String, String)] = []
        let shape = geometry.shape.prefix(3).map(String.init).joined(separator: " × ")
        let sizes = (0..<3).map { String(format: "%.3g", geometry.voxelSizes[$0]) }.joined(separator: " × ")
        rows.append(
            (
                "image",
                "\(image): \(shape) voxels of \(sizes) mm (\(geometry.affine.orientationLabel)), "
                    + "\(acquisition.count) volumes"
            ))
        rows.append(
            (
                "mask",
                "\(maskVoxels) voxels, \(Self.whole(maskMillilitres)) ml, "
                    + (mask ?? "made from the b≈0 images")
                    + (maskPlace.map {
                        "; \(Self.percent($0.air)) of it air, \(Self.percent($0.missed)) of a simple mask left out"
                    } ?? "")
            ))
        rows.append(
            (
                "b-values",
                "\(acquisition.unweightedCount) b≈0; "
                    + volumes.shells.dropFirst().map {
                        "\(Self.whole($0.b)) s/mm²: \($0.volumes.count)"
                    }.joined(separator: ", ") + "; \(acquisition.statistics.directionCount) directions that differ"
            ))
        rows.append(
            (
                "signals",
                (signals.isRealValued ? "real-valued" : "magnitudes") + ", mean diffusivity "
                    + volumes.shells.compactMap { s in
                        s.diffusivity.map { "\(Self.scientific($0)) (b \(Self.whole(s.b)))" }
                    }.joined(separator: ", ") + " mm²/s"
            ))
        rows.append(
            (
                "noise",
                noise.map { noise in
                    "SNR "
                        + volumes.shells.map {
                            "\(Self.short($0.signal / noise.sigma)) at b \($0.isUnweighted ? "≈ 0" : Self.whole($0.b))"
                        }
                        .joined(separator: ", ") + " (\(noise.source.rawValue))"
                } ?? "not estimated: too few volumes or voxels"
            ))
        let lost = volumes.lostSlices, judged = volumes.volumes
        rows.append(
            (
                "volumes",
                judged.isEmpty
                    ? "too few to compare"
                    : "\(judged.count) compared, brightness "
                        + String(
                            format: "%.2f to %.2f", judged.map(\.brightness).min()!, judged.map(\.brightness).max()!)
                        + ", signal lost in \(lost.lost) of \(lost.of) slices"
            ))
        rows.append(("family", "\(family), which 'fit' takes unless told"))
        rows.append(("timing", timingText))
        rows.append(
            (
                "protocol",
                violations.map {
                    $0.isEmpty ? "within what the network was trained on" : "outside what the network was trained on"
                }
                    ?? "the network does not say what it was trained on"
            ))
        rows.append(("directions", directionsText))
        let problems = findings.count { $0.level == .problem }, notes = findings.count - problems
        func count(_ n: Int, _ word: String) -> String { n == 1 ? "1 \(word)" : "\(n) \(word)s" }
        let table = rows.map { $0.0.padding(toLength: 12, withPad: " ", startingAt: 0) + $0.1 }
        let list = findings.map { "\($0.level.rawValue) (\($0.topic)): \($0.text)" }
        return
            (table + [
                "",
                problems == 0 && notes == 0
                    ? "nothing found" : count(problems, "problem") + ", " + count(notes, "note"),
            ] + list)
            .joined(separator: "\n")
    }

    /// δ and Δ, and what of the family depends on them.
    private var timingText: String {
        let lost = timed.joined(separator: ", ")
        guard let timing = acquisition.timing else {
            return "not known" + (lost.isEmpty ? "" : ": the family is without \(lost)")
        }
        let pairs = Set(timing).sorted { ($0.duration, $0.separation) < ($1.duration, $1.separation) },
            some = pairs.prefix(4).map { "\(Self.short($0.duration))/\(Self.short($0.separation))" }
        return "δ/Δ \(some.joined(separator: ", ")) ms"
            + (pairs.count > some.count ? " and \(pairs.count - some.count) more" : "")
            + (lost.isEmpty ? "" : ": the family has \(lost)")
    }

    private var directionsText: String {
        let margin = OrientationTest.figure(orientation.margin), voxels = orientation.voxels
        return switch orientation.verdict {
        case .right:
            "right: every change of axes is worse by \(margin) standard errors or more (\(voxels) voxels with fibres)"
        case .wrong:
            "wrong by \(margin) standard errors: best with \(orientation.best.change.words) (\(voxels) voxels with "
                + "fibres)"
        case .undecided: "not enough voxels to tell (\(voxels) with fibres)"
        }
    }

    /// The same for programs.
    public func json(image: String, mask: String?) -> JSONValue {
        func optional(_ x: Double?) -> JSONValue { x.map { .number($0) } ?? .null }
        let shells: [JSONValue] = volumes.shells.map { s in
            [
                "b": .number(s.b), "is_unweighted": .bool(s.isUnweighted),
                "volumes": .array(s.volumes.map { .integer($0) }),
                "median_signal": .number(s.signal), "snr": optional(snr(s)),
                "mean_diffusivity": optional(s.diffusivity),
            ]
        }
        let compared: [JSONValue] = volumes.volumes.map { v in
            [
                "volume": .integer(v.index), "brightness": .number(v.brightness), "likeness": .number(v.likeness),
                "lost_slices": .array(v.lostSlices.map { .integer($0) }), "slices": .integer(v.slices),
            ]
        }
        let candidates: [JSONValue] = orientation.candidates.map { c in
            [
                "change": .string(c.change.formula), "coherence": .number(c.coherence),
                "standard_errors_below_best": .number(c.deficit),
            ]
        }
        return [
            "image": .string(image), "shape": .array(geometry.shape.map { .integer($0) }),
            "voxel_size_mm": .array(geometry.voxelSizes.map { .number($0) }),
            "mask": [
                "file": mask.map { .string($0) } ?? .null, "voxels": .integer(maskVoxels),
                "millilitres": .number(maskMillilitres),
                "share_of_air": optional(maskPlace?.air), "share_of_simple_mask_left_out": optional(maskPlace?.missed),
                "zero_voxels": .integer(maskVoxels - signals.voxels),
            ],
            "shells": .array(shells),
            "signals": [
                "are_real_valued": .bool(signals.isRealValued), "voxels_with_negative": .integer(signals.negative),
                "voxels_with_zeros": .integer(signals.incomplete),
                "empty_volumes": .array(signals.emptyVolumes.map { .integer($0) }),
            ],
            "noise": noise.map { ["sigma": .number($0.sigma), "source": .string($0.source.rawValue)] } ?? .null,
            "volumes": .array(compared), "unlike_volumes": .array(volumes.unlike.map { .integer($0) }),
            "timing": acquisition.timingNote.map { .string($0) } ?? .null,
            "timed_components": .array(timed.map { .string($0) }),
            "family": .string(family), "in_training_range": violations.map { .bool($0.isEmpty) } ?? .null,
            "directions": [
                "verdict": .string(orientation.verdict.rawValue), "margin_standard_errors": .number(orientation.margin),
                "best_change": .string(orientation.best.change.formula),
                "not_ruled_out": .array(orientation.remaining.map { .string($0.formula) }),
                "voxels": .integer(orientation.voxels), "blocks": .integer(orientation.blocks),
                "candidates": .array(candidates),
            ],
            "findings": .array(
                findings.map {
                    ["level": .string($0.level.rawValue), "topic": .string($0.topic), "text": .string($0.text)]
                }),
            "has_problem": .bool(hasProblem),
        ]
    }
}
