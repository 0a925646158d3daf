import Foundation
import Inference
import Volumes

/// `fsl.bedpostX/`: what probtrackx2 and FSLeyes read, in FSL's frame; with `FitOutputs.Formats.fslLayout` at the top
/// of the folder, as in bedpostX's own `SUBJECT.bedpostX`.
///
/// `probtrackx2 -s DIR/fsl.bedpostX/merged -m DIR/fsl.bedpostX/nodif_brain_mask …`. Direction = (sin th cos ph, sin th
/// sin ph, cos th) with th in [0, π/2] and ph in (−π, π], rounded to multiples of 2⁻¹³ rad (0.007°) so that files
/// compress. File k follows one fibre in all draws; a draw that lacks it has f = 0 and the direction of another.
/// `mean_{th,ph}` are the angles of `dyads`, for means of angles mean nothing. `mean_f0samples` is FSL's noise-floor
/// compartment, which these families do not have: 0. `mean_tausamples` is the mean precision of the noise, 1/σ².
/// `nodif_brain` is the mean b≈0 signal; bvals, bvecs and `commands.txt` are there as bedpostX leaves them. The merged
/// files are `FSLSamples`.
enum FSLOutputs {
    static let folder = "fsl.bedpostX"

    /// Where its files lie.
    static func place(_ formats: FitOutputs.Formats) -> String { formats.contains(.fslLayout) ? "" : folder + "/" }

    static func jobs(_ context: OutputContext) -> [OutputJob] {
        let place = context.fslPlace
        let frame = DirectionConversion(to: .fsl, of: context.geometry.affine)
        var jobs: [OutputJob] = []
        for k in 0..<context.fibres {
            let number = k + 1
            func mean(
                _ name: String, trailing: [Int] = [], meaning: ImageMeaning = .init(),
                _ value: @escaping @Sendable (Int, SIMD3<Float>, Float) -> Float
            ) {
                jobs.append(
                    context.map("\(place)\(name).nii.gz", trailing: trailing, meaning: meaning) { t, buffer in
                        context.forEachAxis(k) { v, axis, fraction in buffer[v] = value(t, frame(axis), fraction) }
                    })
            }
            mean("mean_th\(number)samples") { _, axis, _ in inclination(axis) }
            mean("mean_ph\(number)samples") { _, axis, _ in azimuth(axis) }
            mean("mean_f\(number)samples", meaning: .fraction) { _, _, fraction in fraction }
            mean("dyads\(number)", trailing: [3]) { t, axis, _ in axis[t] }
            jobs.append(context.map("\(place)dyads\(number)_dispersion.nii.gz", [.dispersion(k)]))
            if k > 0 {
                let threshold = context.fractionThreshold
                mean("dyads\(number)_thr0.05", trailing: [3]) { t, axis, fraction in fraction > threshold ? axis[t] : 0
                }
                mean("dyads\(number)_thr0.05_modf\(number)", trailing: [3]) { t, axis, fraction in
                    fraction > threshold ? axis[t] * fraction : 0
                }
            }
        }
        let others: [(String, SummaryColumn)] =
            [("fsum", .statistic(.fractionSum, .mean))] + diffusivities(context.summary.metadata)
            + [("S0", .statistic(.s0, .mean))]
        for (name, column) in others { jobs.append(context.map("\(place)mean_\(name)samples.nii.gz", [column])) }
        jobs.append(context.map("\(place)mean_f0samples.nii.gz") { _, _ in })
        let summary = context.summary
        jobs.append(precision(context, "\(place)mean_tausamples.nii.gz"))
        jobs.append(
            context.map("\(place)nodif_brain.nii.gz") { _, buffer in
                for v in buffer.indices { buffer[v] = summary.meanB0[v] }
            })
        if let table = context.provenance.acquisition?.table {
            jobs.append(context.text("\(place)bvals", table.bvals))
            jobs.append(context.text("\(place)bvecs", table.bvecs))
        }
        let command = context.provenance.commandLine.map(shellWord).joined(separator: " ")
        jobs.append(context.text("\(place)commands.txt", command + "\n"))
        jobs.append(context.bytes("\(place)nodif_brain_mask.nii.gz") { summary.isFitted($0) ? 1 : 0 })
        jobs.append(context.text("\(place)xfms/eye.mat", "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n"))
        return jobs
    }

    /// What bedpostX calls d: of ball and sticks the diffusivity of all water, else, as of its model 3, that along
    /// fibres (over draws that have one), where all fibres are of one kind and share it.
    private static func diffusivities(_ metadata: PosteriorMetadata) -> [(String, SummaryColumn)] {
        if metadata.hasFibreColumns {
            return [("d", .statistic(.diffusivity, .mean)), ("d_std", .statistic(.spread, .mean))]
        }
        let kinds = metadata.family.groups.filter { $0.fibreAxis != nil }
        guard kinds.count == 1,
            let along = metadata.quantities.firstIndex(where: {
                $0.kind == .parameter && $0.group == kinds[0].name && $0.unit == "mm^2/s"
            })
        else { return [] }
        return [("d", .quantity(along, .mean))]
    }

    /// Mean of 1/σ² over the draws.
    private static func precision(_ context: OutputContext, _ name: String) -> OutputJob {
        context.map(name) { _, buffer in
            let all = context.sampleCount
            for shard in context.archive.shards {
                context.forEachDraw(shard, 0..<shard.count, 0..<all) { v, _, draw in
                    let sigma = draw.scale * context.summary.meanB0[v] / draw.snr
                    if sigma > 0 { buffer[v] += 1 / (sigma * sigma) / Float(all) }
                }
            }
        }
    }

    /// A word as a shell takes it for one.
    private static func shellWord(_ word: String) -> String {
        let isPlain = !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "-_./=,:+@%".contains($0) }
        return isPlain ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }

    /// Inclination of an axis from z, in [0, π/2], rounded to a multiple of 2⁻¹³ rad; 0 for the zero vector.
    @inline(__always)
    static func inclination(_ axis: SIMD3<Float>) -> Float {
        (atan2((axis.x * axis.x + axis.y * axis.y).squareRoot(), Swift.abs(axis.z)) * 8192).rounded() / 8192
    }

    /// Azimuth of the axis' upper end (z ≥ 0) from x towards y, in (−π, π], rounded to a multiple of 2⁻¹³ rad; 0 for
    /// the zero vector.
    @inline(__always)
    static func azimuth(_ axis: SIMD3<Float>) -> Float {
        let up = axis.z < 0 ? -axis : axis
        return (atan2(up.y + 0, up.x + 0) * 8192).rounded() / 8192
    }

    /// An angle of a direction that is there, never 0: probtrackx2 takes th = 0 or ph = 0 for no direction and stops.
    @inline(__always)
    static func present(_ angle: Float) -> Float { angle == 0 ? 1 / 8192 : angle }
}
