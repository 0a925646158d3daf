import Diffusion
import Foundation
import Volumes

extension OrientationTest {
    /// What a user must know before trusting any direction; nil unless the table is wrong.
    public var warning: String? {
        guard verdict == .wrong else { return nil }
        let others = remaining.filter { $0 != best.change }
        let which =
            others.isEmpty
            ? "with \(best.change.words) they do"
            : "they do better with \(best.change.words), which cannot be told here from \(Self.list(others))"
        let remedy =
            others.isEmpty
            ? "correct the table (prism-dmri check IMAGE --corrected-bvecs FILE writes one)"
            : "see how the table was converted"
        return
            "The gradient directions do not point along the fibres of this scan (\(Self.figure(margin)) standard "
            + "errors worse over \(voxels) voxels with fibres): \(which). Every fibre direction and every track "
            + "would be wrong; \(remedy)."
    }

    /// Why nothing can be said of the directions; nil when something can.
    public var undecidedReason: String? {
        guard verdict == .undecided else { return nil }
        guard hasEnough else {
            return
                "Whether the gradient directions are right cannot be told: there are not enough voxels with fibres "
                + "that have neighbours on all sides (voxels: \(voxels), blocks: \(blocks); \(Self.leastVoxels) and "
                + "\(Self.leastBlocks) are needed)."
        }
        let others = remaining.filter { $0 != .none }
        return
            "Whether the gradient directions are right cannot be told for sure: there are not enough voxels with "
            + "fibres (\(voxels)) to tell the table from one with \(Self.list(others)) (changes of axes that are "
            + "ruled out: \(AxisChange.all.count - 1 - others.count) of 23)."
    }

    private static func list(_ changes: [AxisChange]) -> String {
        let words = changes.prefix(3).map(\.words)
        return changes.count > 3
            ? words.joined(separator: ", ") + " and \(changes.count - 3) more" : words.joined(separator: " or ")
    }

    static func figure(_ x: Double) -> String { String(format: x < 10 ? "%.1f" : "%.0f", x) }
}

extension ScanCheck {
    /// Diffusivities that tissue and water may have on average, mm²/s; strong weighting sees less of it.
    private static let diffusivities = 5e-5...3.5e-3
    /// Shares of a mask that may be air before it is to be looked at, or wrong; and share of the head that it may leave
    /// out.
    private static let someAir = 0.1, muchAir = 0.3, mostMissed = 0.5
    /// Signal to noise at b≈0 below which little can be said, and of a shell at which magnitudes lie on the noise
    /// floor.
    private static let poorSNR = 5.0, floorSNR = 2.0

    /// What is wrong with the scan, part by part.
    func judged() -> [Finding] {
        var list: [Finding] = []
        func problem(_ topic: String, _ text: String) {
            list.append(Finding(level: .problem, topic: topic, text: text))
        }
        func note(_ topic: String, _ text: String) { list.append(Finding(level: .note, topic: topic, text: text)) }

        if let warning = orientation.warning { problem("directions", warning) }
        if let reason = orientation.undecidedReason { note("directions", reason) }

        for shell in volumes.shells {
            guard let d = shell.diffusivity, !Self.diffusivities.contains(d) else { continue }
            let text =
                "Between b≈0 and b = \(Self.whole(shell.b)) s/mm² the signal falls as if water diffused at "
                + "\(Self.scientific(d)) mm²/s (median)"
            problem(
                "b-values",
                text
                    + (d < Self.diffusivities.lowerBound
                        ? ": too slowly for tissue. Check the unit of the b-values, and whether the b≈0 volumes are "
                            + "what the table says."
                        : ": faster than free water. Check the unit of the b-values, and whether the b≈0 volumes "
                            + "have the scale of the others.")
            )
        }

        let unweighted = Set(acquisition.unweightedIndices)
        let scaled = volumes.volumes.filter(\.isOtherwiseScaled)
        let base = scaled.filter { unweighted.contains($0.index) },
            rest = scaled.filter { !unweighted.contains($0.index) }
        func brightness(_ v: VolumeSurvey.Volume) -> String {
            "\(v.index) (\(String(format: "%.2f", v.brightness)) times)"
        }
        if !base.isEmpty {
            problem(
                "b≈0",
                "b≈0 volumes of another brightness than the others: \(Self.some(base.map(brightness))), counted from "
                    + "0. Averages, ADC and trace maps, or volumes of another series have no place in the scan; "
                    + "leave them out, or scale the series alike."
            )
        }
        if !rest.isEmpty {
            problem(
                "volumes",
                "Volumes of another brightness than their shell: \(Self.some(rest.map(brightness))), counted from 0. "
                    + "Maps and averages have no place in the series; leave them out, or scale the series alike.")
        }
        let unlike = volumes.unlike.filter { i in !scaled.contains { $0.index == i } }
        if !unlike.isEmpty {
            problem(
                "volumes",
                "Volumes that do not look like the others of their shell: \(Self.some(unlike.map(String.init))), "
                    + "counted from 0. Look at them; maps, damaged and badly moved volumes are better left out.")
        }
        let lost = volumes.lostSlices
        if lost.lost > 0 {
            let worst = volumes.volumes.filter { !$0.lostSlices.isEmpty }.sorted {
                ($1.lostSlices.count, $0.index) < ($0.lostSlices.count, $1.index)
            }
            let text =
                "Signal was lost in \(lost.lost) of \(lost.of) slices (dropout), most in volumes "
                + Self.some(worst.map { "\($0.index) (\($0.lostSlices.count))" }, most: 5)
                + ", counted from 0. Outlier replacement (FSL's eddy --repol) mends it; leave out volumes that lost "
                + "much."
            if lost.lost * 50 > lost.of || worst.contains(where: { 4 * $0.lostSlices.count > $0.slices }) {
                problem("volumes", text)
            } else {
                note("volumes", text)
            }
        }

        for text in signals.warnings(noise: signals.isRealValued ? .gaussian : .either) {
            if text.contains("zero in the whole mask") { problem("volumes", text) } else { note("signals", text) }
        }
        if let first = volumes.shells.first, let snr = snr(first), snr < Self.poorSNR {
            problem(
                "noise",
                "The signal at b≈0 is only \(Self.short(snr)) times the noise (median): little can be told of "
                    + "fibres. Check that the image is the diffusion series itself; denoise it, or use larger voxels.")
        }
        for shell in volumes.shells.dropFirst() {
            guard let snr = snr(shell), snr < Self.floorSNR, !signals.isRealValued else { continue }
            note(
                "noise",
                "At b = \(Self.whole(shell.b)) s/mm² the signal is \(Self.short(snr)) times the noise (median): "
                    + "magnitudes lie near the noise floor there, which the fit allows for (Rician noise).")
        }
        if let place = maskPlace, place.air > Self.someAir {
            let text =
                "\(Self.percent(place.air)) of the mask's voxels are dark at b≈0 and lie outside a simple mask made "
                + "from these images: look whether it lies on the brain. A mask of another scan or orientation must "
                + "be resampled to this image's grid."
            if place.air > Self.muchAir { problem("mask", text) } else { note("mask", text) }
        }
        if let place = maskPlace, place.missed > Self.mostMissed {
            note(
                "mask",
                "The mask leaves out \(Self.percent(place.missed)) of what a simple mask made from the b≈0 images "
                    + "holds; fine for a region of interest."
            )
        }
        let empty = maskVoxels - signals.voxels
        if empty > 0 {
            note(
                "mask",
                "\(empty) of the mask's \(maskVoxels) voxels are zero in all volumes: the mask reaches beyond the "
                    + "image; they are not fitted."
            )
        }
        for violation in violations ?? [] {
            problem("protocol", "Outside the range the network was trained on: " + violation)
        }
        return list
    }

    static func some(_ words: [String], most: Int = 10) -> String {
        words.prefix(most).joined(separator: ", ") + (words.count > most ? " and \(words.count - most) more" : "")
    }
    static func percent(_ x: Double) -> String { String(format: "%.0f %%", 100 * x) }
    static func whole(_ x: Double) -> String { String(Int(x.rounded())) }
    static func short(_ x: Double) -> String { String(format: x < 10 ? "%.2g" : "%.0f", x) }
    static func scientific(_ x: Double) -> String { String(format: "%.2g", x) }
}
