import Foundation
import Inference
import Volumes

/// The fitted noise against an independent estimate of it: medians over a scan.
///
/// Noise that fits worse than it scatters is misfit: motion, eddy currents, tissue that the model does not hold for.
/// Each voxel's own σ takes it in, so `misfit.nii.gz` does not show it. Where the noise was taken as known, what the
/// fit leaves over is held against it instead: σ times the misfit.
public struct NoiseCheck: Codable, Equatable, Sendable {
    public var origin: IndependentNoise.Origin
    /// Medians over the fitted voxels where both are known: σ in scanner units, and of their ratio fitted over
    /// independent.
    public var fitted: Double, independent: Double, ratio: Double
    /// The ratio's median where there is fibre with a probability above 0.9 and a fraction of more than 0.3; nil for
    /// fewer than 50 such voxels.
    public var ratioInFibre: Double?

    /// Whether the independent noise is that of the likelihood.
    public var isKnown: Bool?

    /// From this ratio on data are taken to be uncorrected.
    public static let limit = 1.7
    /// Outside this range noise that was taken as known is not that of the data: fibres are called to explain misfit,
    /// or taken for noise.
    public static let knownRange = 0.75...1.15

    /// - Returns: nil when no voxel has both.
    init?(_ summary: PosteriorSummary, _ noise: IndependentNoise, isKnown: Bool = false) {
        let own = summary.column(.statistic(.noise, .mean))
        let sigma = isKnown ? ArraySlice(zip(own, summary.misfit).map { $0 * $1 }) : own
        let none = summary.column(.fibreCount(0))
        let fraction = summary.column(.statistic(.fractionSum, .mean))
        func value(_ column: ArraySlice<Float>, _ v: Int) -> Float { column[column.startIndex + v] }
        let known = (0..<summary.count).filter { summary.isFitted($0) && noise.values[$0] > 0 && value(sigma, $0) > 0 }
        guard !known.isEmpty else { return nil }
        func median(_ values: [Double]) -> Double { ReportHistogram.quantile(values, 0.5) }
        func ratio(_ v: Int) -> Double { Double(value(sigma, v)) / Double(noise.values[v]) }
        let fibre = known.filter { value(none, $0) < 0.1 && value(fraction, $0) > 0.3 }
        origin = noise.origin
        self.isKnown = isKnown ? true : nil
        fitted = median(known.map { Double(value(sigma, $0)) })
        independent = median(known.map { Double(noise.values[$0]) })
        self.ratio = median(known.map(ratio))
        ratioInFibre = fibre.count >= 50 ? median(fibre.map(ratio)) : nil
    }

    /// The ratio that counts: where there is fibre if there is enough of it.
    public var telling: Double { ratioInFibre ?? ratio }

    var place: String { ratioInFibre == nil ? "whole mask" : "where there is fibre" }

    /// What a user must know before believing the widths; nil when all is well.
    var warning: String? {
        let times = String(format: "%.1f times", telling)
        if isKnown == true {
            let known = " the noise that was taken as known (median \(place); \(origin.source.rawValue)): "
            if telling < Self.knownRange.lowerBound {
                return String(format: "The fit leaves over only %.2f times", telling) + known
                    + """
                    with --known-noise fibres are then taken for noise. Give the standard deviation of the noise \
                    of this very scan in its units, or fit without --known-noise.
                    """
            }
            guard telling > Self.knownRange.upperBound else { return nil }
            return String(format: "The fit leaves over %.2f times", telling) + known
                + """
                the data hold more than that noise, which with --known-noise is taken for signal, and further \
                fibres are called\u{20}
                """
                    + """
                    to explain it. Fit without --known-noise, which takes the excess for noise, or correct the scan \
                    for motion and eddy currents first.
                    """
        }
        if telling > Self.limit {
            var text =
                """
                The fitted noise is \(times) an independent estimate (median \(place); \(origin.source.rawValue)): \
                the data hold errors that the fit takes\u{20}
                """
                    + """
                    for noise, such as uncorrected motion and eddy currents, and its intervals are wider by as much. \
                    Correct the scan for motion and eddy currents before the fit; where it already is, \
                    see noise_ratio.nii.gz for where the model fails.
                    """
            if origin.source == .patches {
                text +=
                    " Of data that were denoised, smoothed, interpolated or zero-filled the estimate itself is too low"
                // The fit has no part in these.
                if let repeats = origin.repeats, repeats > 0.7 * fitted, independent > 0 {
                    text += String(
                        format: ", as it may be here: repeated b=0 volumes scatter by %.1f times as much",
                        repeats / independent)
                }
                text += "; --noise-map takes a better one."
            }
            return text
        }
        if origin.source == .map, telling < 0.6 {
            return
                """
                The fitted noise is only \(String(format: "%.2g", telling)) times that of the noise map (median \
                \(place)): the map is not in the scan's units, or the\u{20}
                """
                    + """
                    scan was denoised or averaged after it was made; give the standard deviation of the noise of this \
                    very scan.
                    """
        }
        return nil
    }
}

/// `noise.nii.gz` and, with an independent estimate, `noise_estimate.nii.gz` and `noise_ratio.nii.gz`.
enum NoiseOutputs {
    static let estimate = "noise_estimate.nii.gz"

    static func jobs(_ context: OutputContext, _ noise: IndependentNoise?, isKnown: Bool = false) -> [OutputJob] {
        func sidecar(_ name: String, _ text: String, _ units: String) -> OutputJob {
            let members: [(key: String, value: JSONValue)] = [
                ("Description", .string(text)), ("Units", .string(units)),
            ]
            return context.text(name + ".json", JSONValue.object(members).text)
        }
        var jobs = [
            context.map("noise.nii.gz", [.statistic(.noise, .mean)]),
            sidecar(
                "noise",
                "Posterior mean of the noise's standard deviation sigma = S0/SNR, "
                    + (isKnown ? "taken as known where there is an estimate" : "as fitted"), "arbitrary"),
        ]
        guard let noise else { return jobs }
        jobs.append(context.map(estimate) { _, buffer in for v in buffer.indices { buffer[v] = noise.values[v] } })
        jobs.append(
            sidecar(
                "noise_estimate",
                """
                Standard deviation of the noise by an independent estimate (\(noise.origin.source.rawValue)); 0 where \
                there is none
                """,
                "arbitrary"))
        // Of noise taken as known the ratio says nothing; misfit.nii.gz does.
        if isKnown { return jobs }
        let summary = context.summary
        jobs.append(
            context.map("noise_ratio.nii.gz") { _, buffer in
                context.copy(.statistic(.noise, .mean), buffer)
                for v in buffer.indices {
                    buffer[v] = summary.isFitted(v) && noise.values[v] > 0 ? buffer[v] / noise.values[v] : 0
                }
            })
        jobs.append(
            sidecar(
                "noise_ratio",
                """
                Fitted sigma over an independent estimate (\(noise.origin.source.rawValue)): about 1 where noise is \
                all that the model leaves over,\u{20}
                """
                    + "larger where motion, eddy currents or other tissue do too; 0 where there is no estimate", ""))
        return jobs
    }
}

extension FitOutputs {
    /// Writes an estimate of the noise for other commands to find, as `write` does.
    public static func writeNoise(_ noise: IndependentNoise, mask: Mask, directory: String) throws {
        try VolumeWriter.write(
            directory + "/" + NoiseOutputs.estimate, mask: mask, as: Float.self,
            description: noise.origin.source.rawValue
        ) { _, buffer in
            for v in buffer.indices { buffer[v] = noise.values[v] }
        }
    }

    /// Reads the estimate that `write` or `writeNoise` left in a fit's folder; nil when there is none.
    /// - Parameter mask: the fit's voxels.
    /// - Throws: `VolumeError` when there is one that is damaged or on another grid.
    public static func readNoise(
        directory: String, mask: Mask, origin: IndependentNoise.Origin
    ) throws -> IndependentNoise? {
        let path = directory + "/" + NoiseOutputs.estimate
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        return IndependentNoise(origin, values: try mask.values(path: path))
    }
}
